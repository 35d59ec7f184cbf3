"""The published automatic mask generator, written down plainly and slowly.

From the SAM paper (section 5, appendix B) and from what is known of the details of
the released generator: whole masks in memory, one point at a time, loops over pairs
of boxes. It shares no code with the package but the network and its frame, so that
what the package makes of them can be held against it. Boxes are (x0, y0, x1, y1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass
class Found:
    mask: np.ndarray
    box: tuple  # of pixel indices, the last ones inside
    iou: float
    stability: float
    point: tuple
    crop: tuple


def literal_masks(
    predictor,
    image,
    points_per_side=32,
    pred_iou_thresh=0.88,
    stability_score_thresh=0.95,
    stability_score_offset=1.0,
    box_nms_thresh=0.7,
    crop_n_layers=0,
    crop_nms_thresh=0.7,
    crop_overlap_ratio=512 / 1500,
    crop_n_points_downscale_factor=1,
    min_mask_region_area=0,
):
    """Return the records, in order."""
    height, width = image.shape[:2]
    found = []
    for layer, crop in crop_boxes(height, width, crop_n_layers, crop_overlap_ratio):
        x0, y0, x1, y1 = crop
        part = image[y0:y1, x0:x1]
        side = int(points_per_side / crop_n_points_downscale_factor**layer)
        here = []
        for row in range(side):
            for col in range(side):
                x = (col + 0.5) / side * (x1 - x0)
                y = (row + 0.5) / side * (y1 - y0)
                for logits, iou in ask(predictor, part, x, y):
                    if pred_iou_thresh > 0 and not iou > pred_iou_thresh:
                        continue
                    stability = stability_of(logits, stability_score_offset)
                    unstable = not stability >= stability_score_thresh  # NaN too
                    if stability_score_thresh > 0 and unstable:
                        continue
                    box = box_of(logits > 0)
                    if cut_off(box, crop, (0, 0, width, height)):
                        continue
                    mask = np.zeros((height, width), bool)
                    mask[y0:y1, x0:x1] = logits > 0
                    point = (x + x0, y + y0)
                    here.append(Found(mask, box, iou, stability, point, crop))
        kept = nms([f.box for f in here], [f.iou for f in here], box_nms_thresh)
        for i in kept:
            a, b, c, d = here[i].box
            here[i].box = (a + x0, b + y0, c + x0, d + y0)
            found.append(here[i])
    if crop_n_layers > 0:
        scores = [
            1 / ((f.crop[2] - f.crop[0]) * (f.crop[3] - f.crop[1])) for f in found
        ]
        found = [found[i] for i in nms([f.box for f in found], scores, crop_nms_thresh)]
    if min_mask_region_area > 0:
        found = mend(found, min_mask_region_area, max(box_nms_thresh, crop_nms_thresh))
    return found


def crop_boxes(height, width, layers, ratio):
    """(layer, box) of the image and of all crops."""
    result = [(0, (0, 0, width, height))]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(ratio * min(height, width) * (2 / count))
        crop_width = math.ceil((width + overlap * (count - 1)) / count)
        crop_height = math.ceil((height + overlap * (count - 1)) / count)
        for i in range(count):
            for j in range(count):
                x0, y0 = (crop_width - overlap) * i, (crop_height - overlap) * j
                x1, y1 = min(x0 + crop_width, width), min(y0 + crop_height, height)
                if x1 > x0 and y1 > y0:
                    result.append((layer, (x0, y0, x1, y1)))
    return result


def ask(predictor, part, x, y):
    """Three (logits at the size of the part, predicted IoU) for one point."""
    embedding = predictor.embed(part, scale="whole")
    geometry, model = embedding.geometry, predictor.model
    size = geometry.frame_size
    new_height, new_width = geometry.resized_shape
    at = torch.tensor(
        [[[x * new_width / part.shape[1], y * new_height / part.shape[0]]]]
    )
    with torch.no_grad():
        sparse, dense = model.prompt_encoder(at.float(), torch.ones(1, 1, dtype=int))
        low, scores = model.mask_decoder(
            embedding.features,
            model.prompt_encoder.dense_position(),
            sparse,
            dense,
            None,
        )
        frame = F.interpolate(low, (size, size), mode="bilinear", align_corners=False)
        frame = frame[..., :new_height, :new_width]
        full = F.interpolate(
            frame, part.shape[:2], mode="bilinear", align_corners=False
        )
    return [(full[0, k].numpy(), float(scores[0, k])) for k in (1, 2, 3)]


def stability_of(logits, offset):
    inner, outer = np.sum(logits > offset), np.sum(logits > -offset)
    return inner / outer if outer else math.nan


def box_of(mask):
    rows, cols = np.nonzero(mask)
    if len(rows) == 0:
        return (0, 0, 0, 0)
    return (int(cols.min()), int(rows.min()), int(cols.max()), int(rows.max()))


def cut_off(box, crop, image):
    """Whether a box of the crop is near an edge of it that is not the image's."""
    moved = [n + crop[i % 2] for i, n in enumerate(box)]
    for side in range(4):
        near_crop = abs(moved[side] - crop[side]) <= 20
        near_image = abs(moved[side] - image[side]) <= 20
        if near_crop and not near_image:
            return True
    return False


def nms(boxes, scores, threshold):
    """Indices that stay, best first; of equals the earlier."""
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(not overlap(boxes[i], boxes[j]) > threshold for j in kept):
            kept.append(i)
    return kept


def overlap(a, b):
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - wide * high
    # In float32, as released: 0.8 is then greater than a threshold of 0.8.
    return float(np.float32(wide * high) / np.float32(union)) if union else math.nan


def mend(found, area, threshold):
    """Fill holes, then remove islands; drop duplicates, unchanged masks first."""
    scores = []
    for f in found:
        f.mask, holes = without_small(f.mask, area, True)
        f.mask, islands = without_small(f.mask, area, False)
        f.box = box_of(f.mask)
        scores.append(0.0 if holes or islands else 1.0)
    return [found[i] for i in nms([f.box for f in found], scores, threshold)]


def without_small(mask, area, holes):
    parts = parts_of(mask != holes)
    small = [part for part in parts if len(part) < area]
    if not small:
        return mask, False
    if not holes and len(small) == len(parts):
        largest = max(range(len(parts)), key=lambda i: len(parts[i]))
        small = [part for i, part in enumerate(parts) if i != largest]
    mask = mask.copy()
    for part in small:
        for pixel in part:
            mask[pixel] = holes
    return mask, True


def parts_of(region):
    """8-connected parts of a region as lists of pixels."""
    left = {tuple(pixel) for pixel in np.argwhere(region).tolist()}
    parts = []
    while left:
        part, front = [], [left.pop()]
        while front:
            row, col = front.pop()
            part.append((row, col))
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    pixel = (row + down, col + right)
                    if pixel in left:
                        left.remove(pixel)
                        front.append(pixel)
        parts.append(part)
    return parts
