"""Prompts of many objects of one image, decoded a few at a time."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_sam.inference.candidates import choose_candidates
from napari_sam.inference.mask_upscaling import upscale_masks, without_padding
from napari_sam.inference.precision import fast_products
from napari_sam.inference.prompt_constraints import enforce_prompts
from napari_sam.ops.boxes import clip_boxes
from napari_sam.ops.types import MaskPrediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.model_placement import Placement
    from napari_sam.ops.types import FrameGeometry, ImageEmbedding, Multimask, Prompts

__all__ = ["check_frame", "check_prompts", "checked_mask", "decode_prompts"]

_CHUNK = 8
"""Prompts decoded at one time; more of them leave the processor's cache."""


def check_prompts(
    prompts: Prompts, geometry: FrameGeometry, mask_size: int, name: str
) -> None:
    """Check that prompts can be answered by a model about an image plane.

    Raises
    ------
    ValueError
        If nothing is prompted, or a prompt lies outside the plane or has not the
        model's form.
    """
    if prompts.is_empty:
        raise ValueError("nothing is prompted; give a point, a box or a mask")
    height, width = geometry.image_shape
    shape = np.array([height, width])
    outside = ((prompts.points < -0.5) | (prompts.points > shape)).any(1)
    if outside.any():
        row, col = prompts.points[outside][0]
        raise ValueError(
            f"the point ({row:g}, {col:g}) lies outside the image plane of "
            f"{height} x {width} pixels"
        )
    if prompts.box is not None:
        low, high = prompts.box[:2], prompts.box[2:]
        if (high < 0).any() or (low > shape).any():
            raise ValueError(
                f"the box {tuple(prompts.box.tolist())} lies outside the image "
                f"plane of {height} x {width} pixels"
            )
    side = mask_size
    logits = prompts.mask_logits
    if logits is not None and logits.shape != (side, side):
        raise ValueError(
            f"mask logits have shape {logits.shape}, but {name} wants ({side}, {side})"
        )


def check_frame(embedding: ImageEmbedding, frame_size: int) -> None:
    """Check that an embedding was made in the frame in which prompts are answered.

    Raises
    ------
    ValueError
        If it was made in another one; see `PlaneEncoder.embed_batch`.
    """
    made_in = embedding.geometry.frame_size
    if made_in != frame_size:
        raise ValueError(
            f"an embedding in a frame of {made_in} pixels answers no prompts; wanted "
            f"one of {frame_size}, as embed makes it"
        )


def checked_mask(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Check a rough mask; logits are not given by hand any more than they are drawn."""
    given = np.asarray(mask)
    if given.dtype.kind not in "biu":
        raise ValueError(
            f"mask must be (H, W) of bool or integers, got {given.dtype}; an earlier "
            "answer is refined by previous="
        )
    return given.astype(np.bool_)


def decode_prompts(
    at: Placement,
    embedding: ImageEmbedding,
    prompts: Sequence[Prompts],
    multimask: Multimask,
) -> list[MaskPrediction]:
    """Answer checked prompts, those of one form together."""

    def form(i: int) -> tuple[int, bool, bool, bool]:
        p = prompts[i]
        return (
            len(p.points),
            p.box is not None,
            p.mask_logits is not None,
            multimask.wants_three(p),
        )

    found: dict[int, MaskPrediction] = {}
    for key, group in groupby(sorted(range(len(prompts)), key=form), key=form):
        members = list(group)
        for start in range(0, len(members), _CHUNK):
            some = members[start : start + _CHUNK]
            answers = _decode(at, embedding, [prompts[i] for i in some], key[3])
            found.update(zip(some, answers, strict=True))
    return [found[i] for i in range(len(prompts))]


@torch.inference_mode()
def _decode(
    at: Placement, embedding: ImageEmbedding, prompts: list[Prompts], three: bool
) -> list[MaskPrediction]:
    """Decode prompts of one form: as many points, a box or none, a mask or none."""
    geometry = embedding.geometry
    sparse, dense = _encode_prompts(at, geometry, prompts)
    dtype = at.decoder_dtype
    refines = at.model.architecture.refines_answers
    with fast_products(at.device):
        logits, scores = at.model.mask_decoder(
            embedding.features.to(at.device, dtype),
            at.position,
            sparse.to(dtype),
            dense.to(dtype),
            None if three and refines else three,
        )
    logits, scores = logits.float().cpu(), scores.float().cpu()
    if three and refines:
        seen = without_padding(logits, geometry)
        chosen, scores = choose_candidates(seen, scores)
        logits = torch.stack([one[i] for one, i in zip(logits, chosen, strict=True)])
    answers = []
    for prompt, low, score in zip(prompts, logits, scores, strict=True):
        order = torch.argsort(score, descending=True, stable=True)
        ranked = low[order]
        if refines:
            ranked = torch.from_numpy(enforce_prompts(prompt, ranked.numpy(), geometry))
        answers.append(
            MaskPrediction(
                masks=upscale_masks(ranked, geometry),
                scores=score[order].numpy(),
                logits=ranked.numpy(),
            )
        )
    return answers


def _encode_prompts(
    at: Placement, geometry: FrameGeometry, prompts: list[Prompts]
) -> tuple[Tensor, Tensor]:
    """Return the sparse and the dense embeddings of prompts of one form."""
    points = labels = boxes = masks = None
    if len(prompts[0].points):
        frame = geometry.to_frame(np.stack([p.points for p in prompts]))
        points = _tensor(at, frame[..., ::-1])
        labels = _tensor(at, np.stack([p.labels for p in prompts]))
    if prompts[0].box is not None:
        given = np.stack([p.box for p in prompts if p.box is not None])
        corners = clip_boxes(given, geometry.image_shape).reshape(-1, 2, 2)
        boxes = _tensor(at, geometry.to_frame(corners)[..., ::-1])
    if prompts[0].mask_logits is not None:
        stacked = [p.mask_logits for p in prompts if p.mask_logits is not None]
        masks = _tensor(at, np.stack(stacked)[:, None])
    sparse, dense = at.model.prompt_encoder(
        points, labels, None if boxes is None else boxes.flatten(1), masks
    )
    return sparse, dense


def _tensor(at: Placement, values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(at.device)
