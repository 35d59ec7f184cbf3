"""A head that embeds objects, aligned with a CLIP instead of the text encoder.

The paper's way to text (Kirillov et al. 2023, section 7.5 and appendix D.5): in
training CLIP's image encoder sees a crop around each labelled object, and its
embedding stands where that of a text will stand. Boxes are made larger by a random
factor from 1 to 2, and half of the time all outside the object is black; the masked
attention in CLIP's last layer is left out. No names of kinds are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_sam.checkpoints.object_weights import encoder_digest, save_object_head
from napari_sam.inference.object_features import FACTS, object_features
from napari_sam.inference.preprocess import to_rgb
from napari_sam.io.atomic_write import write_atomically
from napari_sam.model.object_head import ObjectHead, ObjectHeadConfig
from napari_sam.training.labelled_images import number_objects
from napari_sam.workflows.queries.concepts import CONCEPTS
from napari_sam.workflows.queries.object_embeddings import head_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.inference.clip_tower import ClipTower
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.labelled_images import Source

__all__ = ["AlignedHead", "align_with_clip", "crops_around"]

_OBJECTS = 60
"""Most objects of an image that are learned from."""

_CROPS = 2
"""Crops of each object."""

_STEPS, _BATCH, _RATE = 600, 128, 2e-3
_HELD_OUT = 5
"""One of so many objects is held out."""


@dataclass(frozen=True)
class AlignedHead:
    """What came of an alignment.

    Attributes
    ----------
    path
        The file of the head.
    objects
        How many objects were learned from.
    accuracy
        How often a held-out object lies nearer to its own crop than to that of
        another one; 0.5 is chance, NaN where fewer than two were held out.
    """

    path: Path
    objects: int
    accuracy: float


def align_with_clip(
    sources: Iterable[Source],
    sam: Predictor,
    tower: ClipTower,
    out: Path,
    *,
    seed: int = 0,
    is_cancelled: IsCancelled | None = None,
) -> AlignedHead:
    """Train the head by which a CLIP's words choose among objects.

    Parameters
    ----------
    sources
        Labelled images.
    sam
        The model. Where there is a head that knows its encoder, only what maps CLIP's
        vectors to it learns, and objects keep their vectors; else all of a new head.
    tower
        CLIP.
    out
        Where the head goes.
    seed
        Of the random numbers.
    is_cancelled
        Asked before each image.

    Raises
    ------
    ValueError
        If there are fewer than two objects in the images.
    Cancelled
        If `is_cancelled` answered True.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    seen = list(_gather(sources, sam, tower, rng, is_cancelled))
    features = np.concatenate([one for one, _ in seen]) if seen else np.zeros((0, 1))
    if len(features) < 2:
        raise ValueError(
            "two labelled objects or more are needed to learn from; the images have "
            f"{len(features)}"
        )
    objects = torch.from_numpy(features)
    texts = torch.from_numpy(np.concatenate([crops for _, crops in seen]))
    held = torch.arange(len(objects)) % _HELD_OUT == _HELD_OUT - 1
    head = _start(sam, features[~held.numpy()], tower.width)
    _learn(head, objects[~held], texts[~held])
    head.eval()

    def write(path: Path) -> None:
        encoder = encoder_digest(sam.model)
        save_object_head(path, head, encoder, tuple(CONCEPTS), tower.digest)

    write_atomically(out, write)
    accuracy = _accuracy(head, objects[held], texts[held, 0])
    return AlignedHead(out, int((~held).sum()), accuracy)


def _gather(
    sources: Iterable[Source],
    sam: Predictor,
    tower: ClipTower,
    rng: np.random.Generator,
    is_cancelled: IsCancelled | None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield (N, features) and (N, crops, width) of the objects of each image."""
    for source in sources:
        image, given = source.read()
        labels = number_objects(given)
        count = int(labels.max(initial=0))
        if not count:
            continue
        kept = rng.permutation(count)[:_OBJECTS] + 1
        labels = number_objects(np.where(np.isin(labels, kept), labels, 0))
        embedding = sam.embed(image, is_cancelled=is_cancelled)
        _, features = object_features(sam, embedding, labels, image, is_cancelled)
        rgb = to_rgb(image, getattr(source, "contrast_limits", None))
        crops = crops_around(rgb, labels, tower.image_size, rng)
        vectors = [tower.embed_crops(of_object) for of_object in crops]
        yield features, np.stack(vectors)


def crops_around(
    rgb: NDArray[np.float32],
    labels: NDArray[np.int32],
    side: int,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.float32]]:
    """Yield (2, side, side, 3) crops of each object of a plane.

    Parameters
    ----------
    rgb
        (H, W, 3) from 0 to 255.
    labels
        (H, W), the objects 1 to n.
    side
        Of the crops, in pixels.
    rng
        Draws how much of the surroundings is shown, and whether any.
    """
    for number in range(1, int(labels.max(initial=0)) + 1):
        inside = labels == number
        rows, cols = np.nonzero(inside)
        middle = [(at.min() + at.max() + 1) / 2 for at in (rows, cols)]
        across = max(np.ptp(rows), np.ptp(cols)) + 1
        crops = []
        for _ in range(_CROPS):
            half = max(1, round(across * rng.uniform(1, 2) / 2))
            shown = rgb * inside[..., None] if rng.random() < 0.5 else rgb
            crops.append(_crop(shown, middle, half, side))
        yield np.stack(crops)


def _crop(
    rgb: NDArray[np.float32], middle: list[float], half: int, side: int
) -> NDArray[np.float32]:
    """Cut out a square, black beyond the plane, and give it another size."""
    low = [int(at) - half for at in middle]
    square = np.zeros((2 * half, 2 * half, 3), np.float32)
    start = [max(0, at) for at in low]
    stop = [min(n, at + 2 * half) for n, at in zip(rgb.shape, low, strict=False)]
    part = rgb[start[0] : stop[0], start[1] : stop[1]]
    top, left = start[0] - low[0], start[1] - low[1]
    square[top : top + part.shape[0], left : left + part.shape[1]] = part
    given = torch.from_numpy(square).permute(2, 0, 1)[None]
    sized = F.interpolate(given, (side, side), mode="bilinear", antialias=True)
    return np.asarray(sized[0].permute(1, 2, 0).numpy(), np.float32)


def _start(sam: Predictor, features: NDArray[np.float32], width: int) -> ObjectHead:
    """Return the head to be trained; only the layer for texts of one that is known."""
    known = head_of(sam)
    if known is not None:
        head = ObjectHead(replace(known.head.config, text=width))
        state = known.head.state_dict()
        kept = {name: v for name, v in state.items() if not name.startswith("text.")}
        head.load_state_dict(kept, strict=False)
        head.requires_grad_(False)
        head.text.requires_grad_(True)
        head.sharpness.requires_grad_(True)
        return head
    pooled = 2 * (features.shape[1] - len(FACTS)) // 3
    head = ObjectHead(ObjectHeadConfig(features.shape[1], pooled, text=width))
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = ((features - mean) / scale)[:, :pooled]
    _, _, axes = np.linalg.svd(standard, full_matrices=False)
    axes = axes[: head.config.plain].T
    head.mean.copy_(torch.from_numpy(mean))
    head.scale.copy_(torch.from_numpy(scale))
    head.axes[:, : axes.shape[1]].copy_(torch.from_numpy(axes.copy()))
    return head


def _learn(head: ObjectHead, objects: torch.Tensor, texts: torch.Tensor) -> None:
    """Bring objects and their own crops together (contrastive loss of CLIP)."""
    learning = [weight for weight in head.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, _RATE, weight_decay=0.05)
    standard = (objects - head.mean) / head.scale
    is_new = head.hidden.weight.requires_grad
    head.train(is_new)
    for _ in range(_STEPS):
        chosen = torch.randperm(len(objects))[:_BATCH]
        crop = torch.randint(texts.shape[1], (len(chosen),))
        found = head.learned(standard[chosen])
        logits = head.alike(found, head.embed_text(texts[chosen, crop]))
        own = torch.arange(len(chosen))
        loss = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


@torch.inference_mode()
def _accuracy(head: ObjectHead, objects: torch.Tensor, texts: torch.Tensor) -> float:
    if len(objects) < 2:
        return float("nan")
    alike = head.alike(head(objects), head.embed_text(texts))
    nearer = alike.diag()[:, None] > alike
    return float(nearer.sum() / (len(objects) * (len(objects) - 1)))
