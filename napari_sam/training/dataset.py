"""Labelled images, drawn as training samples by kind, size and scale."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam.inference.preprocess import check_image
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.training.augment import Window, change_intensities
from napari_sam.training.held_out import choose_held_out, held_samples
from napari_sam.training.labelled_images import Example, measure, prepare, render
from napari_sam.training.samples import Sample, View, look
from napari_sam.training.targets import pick_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import TrainConfig
    from napari_sam.training.labelled_images import Source

__all__ = ["Dataset"]

_LARGE = 0.6
"""Part of a crop's side; around larger objects the whole frame is shown."""

_FAMILIAR = 8
"""Images that are learned from and looked at where little is held out."""

_NAMED = 5
"""So many images are named where none can be read."""

_ALIKE = 2.5
"""How many times as large objects of one size may be in some images as in others."""


class Dataset:
    """Labelled images in memory, sampled by kind.

    Every sample follows from the configuration's seed and its own number alone,
    so that a run can be stopped and resumed anywhere.

    Parameters
    ----------
    data
        A folder of labelled images, or what reads them.
    config
        The run.
    frame_size, stride
        Of the model: frame pixels of a side, and of an embedding's cell.
    crops
        Whether the encoder takes crops; else it sees whole frames.
    closer
        How closely the annotator would look at an image, (H, W, 3) uint8, in frame
        pixels per pixel. For `TrainConfig.closer`.

    Attributes
    ----------
    left_out
        Images that could not be read, or whose labels do not fit, and why.

    Raises
    ------
    OSError, ValueError
        If no labelled image can be read, or a name among the configuration's kinds is
        that of none.
    """

    def __init__(
        self,
        data: str | Path | Sequence[Source],
        config: TrainConfig,
        frame_size: int,
        stride: int,
        *,
        crops: bool = True,
        closer: Callable[[NDArray[np.uint8]], float] | None = None,
    ) -> None:
        self.config = config
        self.frame_size = frame_size
        self.stride = stride
        self.crops = crops
        self._closer = closer if config.closer else None
        where: str | Path = data if isinstance(data, str | Path) else "the data"
        items: list[Source] = []
        if isinstance(data, str | Path):
            items += list_labelled_images(data)
        else:
            items += data
        if not items:
            raise ValueError("there is no labelled image to train on")
        items = self._readable(items)
        kinds = sorted({item.kind for item in items})
        named = {*config.kinds, *config.whole_cells, *config.empty, *config.partial} - {
            "*"
        }
        if unknown := named - set(kinds):
            raise ValueError(f"kinds has {sorted(unknown)}, but {where} holds {kinds}")
        self.strip, self.held_out = choose_held_out(items, config)
        train = [item for item in items if item not in self.held_out] or items
        self.train = train
        self.by_kind = {k: [i for i in train if i.kind == k] for k in kinds}
        self.by_kind = {k: v for k, v in self.by_kind.items() if v}
        weights = np.array([config.kinds.get(k, 1.0) for k in self.by_kind])
        self.weights = weights / weights.sum()
        self._read: dict[int, Example] = {}

    def _readable(self, items: Sequence[Source]) -> list[Source]:
        """Leave out what cannot be read, or does not fit, and note it.

        Raises
        ------
        OSError, ValueError
            If nothing is left, with what is wrong with the first of them.
        """
        self.left_out: list[tuple[Source, Exception]] = []
        kept = []
        for item in items:
            try:
                check_image(item.read()[0])
            except (OSError, ValueError) as error:
                self.left_out.append((item, error))
            else:
                kept.append(item)
        if not kept:
            raise self._nothing_left()
        return kept

    def _nothing_left(self) -> Exception:
        """Say why nothing can be trained on; an OSError where files are at fault."""
        told = self.told_left_out
        if len(told) > _NAMED:
            told = [*told[:_NAMED], f"and {len(told) - _NAMED} more"]
        is_of_files = isinstance(self.left_out[0][1], OSError)
        text = f"no labelled image can be trained on. {'; '.join(told)}"
        return OSError(text) if is_of_files else ValueError(text)

    @property
    def told_left_out(self) -> list[str]:
        """Say of each image that was left out which it is, and why."""
        return [f"{item.kind}/{item.name}: {why}" for item, why in self.left_out]

    def read(self, item: Source) -> Example:
        """Read an image and prepare it, or find it in memory."""
        found = self._read.get(id(item))
        if found is None:
            partial = self.config.partial
            complete = getattr(item, "complete", None)
            if complete is None:
                complete = not ("*" in partial or item.kind in partial)
            found = self._read[id(item)] = prepare(
                item,
                self.frame_size,
                complete=complete,
                whole_cells=item.kind in self.config.whole_cells,
                empty=item.kind in self.config.empty,
                strip=self.strip,
                closer=self._closer,
            )
        return found

    def check(self) -> None:
        """Read all images, and say what is wrong with them before the work begins.

        Raises
        ------
        ValueError
            If labels do not fit, or no image has an object.
        """
        counts = [len(self.read(item).areas) for item in self.train]
        if not any(counts):
            raise ValueError("the labels hold no object to train on")
        for item in self.held_out:
            self.read(item)

    def complete_sources(self) -> list[Source]:
        """List the images, held-out ones too, of which every object is labelled."""
        items = [*self.train, *(i for i in self.held_out if i not in self.train)]
        found = [self.read(item) for item in items]
        return [i for i, f in zip(items, found, strict=True) if f.complete]

    @property
    def object_size(self) -> float | None:
        """Median pixels across of the objects of images read so far.

        None without objects, and where those of some images are many times as large as
        those of others: no size is theirs then.
        """
        areas = [e.areas for e in self._read.values() if e.areas.size]
        if not areas:
            return None
        low, high = np.percentile([_across(a) for a in areas], [10, 90])
        return None if high > _ALIKE * low else _across(np.concatenate(areas))

    def view(self, number: int) -> View:
        """Make the whole frame of this number, to be embedded once."""
        rng = np.random.default_rng((self.config.seed, 3, number))
        return self._search(rng, whole=True)

    def sample(self, number: int) -> Sample:
        """Make the training sample of this number."""
        rng = np.random.default_rng((self.config.seed, number))
        return self._search(rng)

    def _search(self, rng: np.random.Generator, whole: bool = False) -> Sample:
        for _ in range(50):
            found = self._try(self._draw(rng), rng, whole)
            if found is not None:
                return found
        raise ValueError(
            "50 crops in a row held no object: are the labels empty, or the objects "
            "smaller than a few pixels?"
        )

    def _draw(self, rng: np.random.Generator) -> Example:
        """Draw a rendered scene or an image, as `read` gives it."""
        if rng.random() < self.config.rendered:
            return render(rng, self.frame_size)
        kind = rng.choice(list(self.by_kind), p=self.weights)
        items = self.by_kind[str(kind)]
        return self.read(items[rng.integers(len(items))])

    def _try(
        self, example: Example, rng: np.random.Generator, whole: bool
    ) -> Sample | None:
        if len(example.areas) == 0 and not self._is_empty(example):
            return None
        window = self._window(example, whole, rng)
        view = look(example, window)
        masks = self._pick(view, rng)
        if masks is None and not self._is_empty(example):
            return None
        if masks is None:
            masks = view.labels.new_zeros((0, *view.labels.shape))
        inside = view.image[0].amax(0) >= 0  # black beyond the image, marked by -1
        seen = change_intensities(
            view.image[0].clamp(min=0), inside, self.config.augment, rng
        )
        room = (self.frame_size - window.side) // self.stride
        corner = (self.stride * rng.integers(0, room + 1, 2)).tolist()
        offset = (int(corner[0]), int(corner[1]))
        view = replace(view, image=255 * seen[None], offset=offset)
        return Sample(**vars(view), masks=masks)

    def _is_empty(self, example: Example) -> bool:
        """Whether an image is there to learn that it holds no object."""
        return example.empty and not len(example.areas)

    def _pick(self, view: View, rng: np.random.Generator) -> Tensor | None:
        """Pick the objects that are prompted; of cells with nuclei, some of each."""
        count = self.config.prompts
        if view.nuclei is None or not view.has_parts:
            return pick_objects(view.labels, count, rng)
        parts = pick_objects(view.nuclei, max(1, count // 3), rng)
        left = count - (0 if parts is None else len(parts))
        cells = pick_objects(view.labels, max(1, left), rng)
        found = [masks for masks in (cells, parts) if masks is not None]
        return torch.cat(found) if found else None

    def _window(
        self, example: Example, whole: bool, rng: np.random.Generator
    ) -> Window:
        """Choose where to look: around a random object, at a jittered scale."""
        augment = self.config.augment
        height, width = example.labels.shape
        low, high = (math.log(z) for z in augment.zoom)
        closer = self._closer is not None
        whole |= rng.random() < self.config.full_frames or not self.crops
        if whole and not closer:  # as at inference, the longer side fills the frame
            low = max(low, math.log(0.9))
        near, far = example.scales
        if closer and rng.random() < self.config.glances:
            whole, near, far = True, *(self.frame_size / max(height, width),) * 2
        scale = math.exp(_triangular(low, high, rng)) * near
        if near < far:
            scale *= (far / near) ** rng.random()
        sizes, centres = example.sizes, example.centres
        if not len(sizes):  # an empty image: anywhere
            sizes = np.zeros(1, np.int64)
            centres = rng.uniform(0, 1, (1, 2)) * example.labels.shape
        chosen = rng.integers(len(sizes))
        whole |= sizes[chosen] * scale > _LARGE * self.config.window and closer
        side = self.frame_size if whole else min(self.config.window, self.frame_size)
        reach = side / scale / 2
        centre = []
        for where, length in zip(
            centres[chosen].tolist(), (height, width), strict=True
        ):
            jittered = where + rng.uniform(-0.8, 0.8) * reach
            if length <= 2 * reach:
                centre.append(length / 2)
            else:
                centre.append(float(np.clip(jittered, reach, length - reach)))
        free = rng.random() < augment.rotate
        angle = rng.uniform(0, 2 * math.pi) if free else rng.integers(4) * math.pi / 2
        return Window(
            (centre[0], centre[1]), scale, float(angle), bool(rng.random() < 0.5), side
        )

    @cached_property
    def validation(self) -> list[Sample]:
        """What is held out as the model will see it, some objects each."""
        samples: list[Sample] = []
        for number, item in enumerate(self._validated()):
            rng = np.random.default_rng((self.config.seed, 1, number))
            example = self.read(item)
            if item not in self.held_out:
                if example.held is None:
                    continue
                parts = measure(example.held)
                example = replace(
                    example,
                    labels=example.held,
                    centres=parts[0],
                    areas=parts[1],
                    sizes=parts[2],
                )
            samples += self._held_samples(example, rng)
        return samples

    def familiar(self) -> list[Sample]:
        """Show some images that are learned from as `validation` shows the others."""
        samples: list[Sample] = []
        for number, item in enumerate(self.train[:_FAMILIAR]):
            rng = np.random.default_rng((self.config.seed, 4, number))
            samples += self._held_samples(self.read(item), rng)
        return samples

    def _validated(self) -> list[Source]:
        """List held-out images, or those with a strip, one of each kind in turn."""
        per_kind: dict[str, list[Source]] = {}
        for item in self.held_out or (self.train if self.strip else []):
            per_kind.setdefault(item.kind, []).append(item)
        queue = [
            item
            for i in range(max(map(len, per_kind.values()), default=0))
            for items in per_kind.values()
            for item in items[i : i + 1]
        ]
        return queue[: self.config.validation_images]

    def _held_samples(self, example: Example, rng: np.random.Generator) -> list[Sample]:
        images, prompts = len(self._validated()), self.config.prompts
        return held_samples(example, rng, self.frame_size, images, prompts)


def _across(areas: NDArray[np.int64]) -> float:
    """Return the diameter of a disc of the median area."""
    return float(np.sqrt(np.median(areas) * 4 / np.pi))


def _triangular(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw from [low, high], zero or the end nearest to it the likeliest."""
    if low == high:
        return low
    return rng.triangular(low, min(max(low, 0.0), high), high)
