"""Prompts answered from the tiles of an image plane, and from what a tile cuts off.

See `napari_sam.inference.plane_views.PlaneView`, which says which tile is asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops import boxes
from napari_sam.ops.types import MASK_LOGIT, ImageEmbedding, Multimask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding, PlaneView
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import Box, FrameGeometry, MaskPrediction, Prompts

__all__ = ["add_mask", "predict_tiles"]


def predict_tiles(
    sam: PromptableModel,
    tiled: PlaneView,
    prompts: Sequence[Prompts],
    multimask: Multimask = Multimask.AUTO,
) -> list[MaskPrediction]:
    """Answer the prompts of many objects, each in the view that shows it best.

    An object that turns out to be cut by the border of its tile is asked about once
    more in the whole plane. See `napari_sam.inference.predictor.Predictor`.
    """
    views = [tiled.tile_for(prompt) for prompt in prompts]
    found: dict[int, MaskPrediction] = {}

    def ask(view: Box, members: list[int]) -> None:
        embedding = tiled.embed(sam, view)
        local = [_within(view, prompts[i], tiled) for i in members]
        answers = sam.predict_batch(embedding, local, multimask)
        for i, answer in zip(members, answers, strict=True):
            found[i] = _in_plane(answer, view, tiled.plane)

    for view in sorted(set(views)):
        ask(view, [i for i, other in enumerate(views) if other == view])
    cut = [i for i in found if _is_cut(found[i].masks[0], views[i], tiled.plane)]
    if cut:
        ask(tiled.plane, cut)
    return [found[i] for i in range(len(prompts))]


def add_mask(
    sam: PromptableModel,
    embedding: PlaneEmbedding,
    prompts: Prompts,
    mask: NDArray[np.bool_],
) -> Prompts:
    """Add a rough mask of the object, (H, W), to prompts that have none.

    Raises
    ------
    ValueError
        If the mask does not have the shape of the plane.
    """
    if isinstance(embedding, ImageEmbedding):
        return replace(prompts, mask_logits=sam.mask_to_logits(embedding, mask))
    box = boxes.from_mask(mask)
    view = embedding.plane
    if mask.shape == view[2:] and box is not None:
        first_and_last = np.reshape(box, (2, 2)) - [[0, 0], [1, 1]]
        given = [np.asarray(first_and_last, np.float32), prompts.points]
        view = embedding.tile_for(replace(prompts, points=np.concatenate(given)))
    shown = embedding.whole
    if view != embedding.plane:
        top, left, bottom, right = view
        mask = mask[top:bottom, left:right]
        geometry = shown.geometry.of_part((bottom - top, right - left))
        shown = replace(shown, geometry=geometry)
    logits = sam.mask_to_logits(shown, mask)
    return replace(prompts, mask_logits=logits, view=view)


def _within(view: Box, prompts: Prompts, tiled: PlaneView) -> Prompts:
    """Return the prompts as they are said to a view."""
    corner = np.asarray(view[:2], np.float32)
    logits = prompts.mask_logits
    made_in = prompts.view or tiled.plane
    if logits is not None and made_in != view:
        logits = _move_logits(logits, made_in, view, tiled.geometry)
    return replace(
        prompts,
        points=prompts.points - corner,
        box=None if prompts.box is None else prompts.box - np.tile(corner, 2),
        mask_logits=logits,
        view=None,
    )


def _move_logits(
    logits: NDArray[np.float32], source: Box, target: Box, geometry: FrameGeometry
) -> NDArray[np.float32]:
    """Resample the logits of one view as those of another."""
    at = []
    for axis in (0, 1):
        count = logits.shape[axis]
        scales = [
            geometry.of_part((v[2] - v[0], v[3] - v[1])).scale[axis]
            * (count / geometry.frame_size)
            for v in (source, target)
        ]
        plane = (np.arange(count) + 0.5) / scales[1] + target[axis]
        places = (plane - source[axis]) * scales[0] - 0.5
        # Beyond the view, in the frame's padding too, nothing is known.
        places[(plane < source[axis]) | (plane > source[axis + 2])] = -2
        at.append(places)
    moved = ndimage.map_coordinates(
        logits,
        np.meshgrid(*at, indexing="ij"),
        order=1,
        mode="constant",
        cval=-MASK_LOGIT,
    )
    return np.asarray(moved, np.float32)


def _is_cut(mask: NDArray[np.bool_], view: Box, plane: Box) -> bool:
    """Whether a mask reaches a border of its view that is none of the plane."""
    top, left, bottom, right = view
    return bool(
        (top > plane[0] and mask[top, left:right].any())
        or (left > plane[1] and mask[top:bottom, left].any())
        or (bottom < plane[2] and mask[bottom - 1, left:right].any())
        or (right < plane[3] and mask[top:bottom, right - 1].any())
    )


def _in_plane(answer: MaskPrediction, view: Box, plane: Box) -> MaskPrediction:
    """Place the answer of a view in the plane."""
    if view == plane:
        return replace(answer, view=view)
    top, left, bottom, right = view
    masks = np.zeros((len(answer.masks), *plane[2:]), np.bool_)
    masks[:, top:bottom, left:right] = answer.masks
    return replace(answer, masks=masks, view=view)
