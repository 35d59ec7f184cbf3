"""Masks to and from the JSON of COCO: run lengths, with scores.

The fields are those of COCO's instances (Lin et al., "Microsoft COCO: common objects
in context", ECCV 2014) and those that SA-1B adds: ``predicted_iou``,
``stability_score``, ``point_coords`` and ``crop_box``. Points and boxes are in COCO's
order, (x, y) and (x, y, width, height); a box reaches to the far side of its last
pixel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco_masks

from napari_sam.io.atomic_write import write_atomically
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.ops.types import Box

__all__ = [
    "coco_to_records",
    "read_coco",
    "records_to_coco",
    "segmentation_to_rle",
    "write_coco",
]

_CATEGORY = "object"
"""Of masks without a class."""

_REACH = 8
"""Sides of the image that the corners of a polygon may lie away from its corner."""

_LONGEST_SIDE = 2**20
_TOO_MANY = 2**31
"""Pixels of an image in which pycocotools draws: it counts them in 32 bits."""

_LONGEST_OUTLINE = 4_000_000
"""Pixels along a polygon, of each of which pycocotools holds some 40 bytes."""


def records_to_coco(
    records: Sequence[MaskRecord],
    shape: tuple[int, int],
    file_name: str,
    image_id: int = 1,
    scores: Iterable[float] | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Put the masks of one image into COCO's form.

    Parameters
    ----------
    records
        The masks, of `shape`; they may overlap.
    shape
        (H, W) of the image.
    file_name, image_id
        What names the image.
    scores
        One for each mask, by which an evaluation ranks them; predicted IoU if None.
    classes
        Name of the class of each mask, "" for none. They become the categories, in the
        order of their first use; masks without a class are of the category "object".

    Returns
    -------
    dict
        ``images``, ``categories`` and ``annotations``, of plain types. The
        annotations are numbered from 1 in the order of `records`.

    Raises
    ------
    ValueError
        If a mask has another shape, or the scores do not match the masks.
    """
    if scores is None:
        scores = [record.predicted_iou for record in records]
    height, width = shape
    names = [""] * len(records) if classes is None else list(classes)
    if len(names) != len(records):
        raise ValueError(f"{len(records)} masks have {len(names)} classes")
    kinds = list(dict.fromkeys(name or _CATEGORY for name in names)) or [_CATEGORY]
    annotations = []
    for number, (record, score) in enumerate(
        zip(records, scores, strict=True), start=1
    ):
        if record.rle.shape != (height, width):
            raise ValueError(
                f"mask {number} has shape {record.rle.shape}, but the image has "
                f"{(height, width)}"
            )
        category = kinds.index(names[number - 1] or _CATEGORY) + 1
        annotations.append(
            _annotation(record, number, image_id, float(score), category)
        )
    image = {
        "id": image_id,
        "file_name": file_name,
        "height": height,
        "width": width,
    }
    return {
        "images": [image],
        "categories": [{"id": i, "name": name} for i, name in enumerate(kinds, 1)],
        "annotations": annotations,
    }


def _annotation(
    record: MaskRecord, number: int, image_id: int, score: float, category: int
) -> dict[str, Any]:
    row, col = record.point
    packed = coco_masks.frPyObjects(record.rle.to_coco(), *record.rle.shape)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "segmentation": {
            "size": list(record.rle.shape),
            "counts": packed["counts"].decode("ascii"),
        },
        "bbox": _to_xywh(record.bbox),
        "area": record.area,
        "iscrowd": 0,
        "score": score,
        "predicted_iou": record.predicted_iou,
        "stability_score": record.stability_score,
        "point_coords": [[col, row]],
        "crop_box": _to_xywh(record.crop_box),
    }


def _to_xywh(box: Box) -> list[int]:
    top, left, bottom, right = (int(end) for end in box)
    return [left, top, right - left, bottom - top]


def _from_xywh(box: Sequence[float]) -> Box:
    left, top, width, height = (round(part) for part in box)
    return top, left, top + height, left + width


def write_coco(path: Path, content: Mapping[str, Any]) -> Path:
    """Write what `records_to_coco` made; returns the file written."""
    text = json.dumps(content, allow_nan=False)
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read_coco(path: Path) -> dict[str, list[MaskRecord]]:
    """Read a file of COCO's form; see `coco_to_records`.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is no JSON, or not of COCO's form.
    """
    try:
        return coco_to_records(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no COCO file: {error}") from error


def coco_to_records(content: Mapping[str, Any]) -> dict[str, list[MaskRecord]]:
    """Take the masks out of COCO's form.

    Segmentations may be run lengths, compressed or not, or polygons. What a file
    does not say of a mask is filled in: a predicted IoU from ``score``, else 1; a
    stability of 1; as point a pixel of the mask; the image as crop.

    Returns
    -------
    dict
        For each ``file_name`` its masks in the order of the file. ``records_to_labels``
        of `napari_sam.ops.label_painting` paints them.

    Raises
    ------
    ValueError
        If a part is missing, a mask does not fit its image, or an annotation holds
        only a box.
    """
    try:
        images = {image["id"]: image for image in content["images"]}
        found: dict[str, list[MaskRecord]] = {
            str(image["file_name"]): [] for image in images.values()
        }
        for number, annotation in enumerate(content["annotations"], start=1):
            image = images[annotation["image_id"]]
            shape = (int(image["height"]), int(image["width"]))
            try:
                record = _record(annotation, shape)
            except ValueError as error:
                name = annotation.get("id", f"number {number}")
                raise ValueError(f"annotation {name}: {error}") from error
            found[str(image["file_name"])].append(record)
    except KeyError as error:
        raise ValueError(f"there is no {error} where one is wanted") from error
    except (TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"a value has the wrong type or size: {error}") from error
    return found


def _record(annotation: Mapping[str, Any], shape: tuple[int, int]) -> MaskRecord:
    if not annotation.get("segmentation"):
        what = "only a box" if annotation.get("bbox") else "neither mask nor box"
        raise ValueError(
            f"it holds {what}, and masks are wanted: its segmentation must be run "
            "lengths or polygons"
        )
    rle = segmentation_to_rle(annotation["segmentation"], shape)
    if rle.shape != shape:
        raise ValueError(f"a mask of shape {rle.shape} lies in an image of {shape}")
    score = float(annotation.get("score", 1))
    points = annotation.get("point_coords")
    crop = annotation.get("crop_box")
    return MaskRecord(
        rle=rle,
        area=rle.area,
        bbox=rle.bbox or (0, 0, 0, 0),
        predicted_iou=float(annotation.get("predicted_iou", score)),
        stability_score=float(annotation.get("stability_score", 1)),
        point=(float(points[0][1]), float(points[0][0])) if points else _inside(rle),
        crop_box=_from_xywh(crop) if crop else (0, 0, *shape),
    )


def segmentation_to_rle(segmentation: Any, shape: tuple[int, int]) -> Rle:
    """Read the mask of an annotation: run lengths or polygons.

    Raises
    ------
    ValueError
        If it is neither, or a polygon cannot be drawn in an image of (H, W) `shape`.
    """
    if isinstance(segmentation, list):
        polygons = [_polygon(part, shape) for part in segmentation]
        parts = coco_masks.frPyObjects(polygons, *shape)
        return Rle.from_coco(coco_masks.merge(parts))
    return Rle.from_coco(segmentation)


def _polygon(part: Any, shape: tuple[int, int]) -> list[float]:
    """Check a polygon, [x, y, x, y, ...]: pycocotools writes where others lead it."""
    corners = np.asarray(part)
    if corners.ndim != 1 or corners.dtype.kind not in "iuf":
        raise ValueError(f"a polygon is a list of numbers x, y, ..., got {part!r:.60}")
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(
            "a polygon has an even number of coordinates, 6 or more, got "
            f"{len(corners)}"
        )
    large = max(shape) > _LONGEST_SIDE or shape[0] * shape[1] >= _TOO_MANY
    if min(shape) < 1 or large:
        raise ValueError(f"polygons cannot be drawn in an image of {shape} pixels")
    places = corners.astype(np.float64).reshape(-1, 2)
    reach = _REACH * max(shape)
    if not (np.abs(places) <= reach).all():  # nor is NaN
        raise ValueError(
            f"a corner of a polygon lies at {_farthest(places)} (x, y), far from its "
            f"image of {shape[0]} x {shape[1]} pixels"
        )
    outline = np.abs(places - np.roll(places, 1, axis=0)).sum()
    if outline > _LONGEST_OUTLINE:
        raise ValueError(
            f"a polygon has an outline of {outline:.3g} pixels; at most "
            f"{_LONGEST_OUTLINE:,} can be drawn"
        )
    return [float(end) for end in corners]


def _farthest(places: NDArray[np.float64]) -> tuple[float, float]:
    far = np.nan_to_num(np.abs(places), nan=np.inf).max(axis=1).argmax()
    return float(places[far, 0]), float(places[far, 1])


def _inside(rle: Rle) -> tuple[float, float]:
    """Return the pixel in the middle of a mask's runs; nothing large is made."""
    lengths = rle.counts[1::2]
    if not len(lengths):
        return 0.0, 0.0
    passed = np.cumsum(lengths)
    middle = int(passed[-1]) // 2
    run = int(np.searchsorted(passed, middle, side="right"))
    begin = int(rle.counts[: 2 * run + 1].sum())
    at = begin + middle - int(passed[run] - lengths[run])
    col, row = divmod(at, rle.shape[0])
    return float(row), float(col)
