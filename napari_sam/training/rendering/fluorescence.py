"""Whole cells in fluorescence: stains of cytoplasm, membrane and nucleus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.cell_layouts import (
    lay_nuclei,
    packed,
    scattered,
)
from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    compress,
    expose,
    log_uniform,
    shading,
)
from napari_sam.training.rendering.scene import Canvas, Scene, tidy
from napari_sam.training.rendering.shapes import inner_distance
from napari_sam.training.rendering.textures import (
    fibres,
    grain,
    granules,
    net,
    per_object,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["fluorescent_cells"]

_SHAPES = (
    "packed",
    "islands",
    "round",
    "oval",
    "polygonal",
    "spread",
    "spindly",
    "armed",
)


_TINTS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0.5, 0))
_TINT_ODDS = (0.15, 0.45, 0.1, 0.1, 0.08, 0.06, 0.06)
"""Colours in which one signal is shown, and how often."""

_CHANNELS = ((0, 2), (1, 2), (1, 0), (0, 1))
_CHANNEL_ODDS = (0.2, 0.25, 0.4, 0.15)
"""Channels of cells and of nuclei, and how often."""


@dataclass
class _Sizes:
    """Lengths of one scene in pixels.

    Attributes
    ----------
    diameter
        Of a cell.
    inner, beyond
        (H, W) distance to the cell's border from within, and to the nearest nucleus
        from without.
    """

    diameter: float
    inner: NDArray[np.float32]
    beyond: NDArray[np.float32]


def fluorescent_cells(
    rng: np.random.Generator, size: tuple[int, int], shapes: Sequence[str] = _SHAPES
) -> Scene:
    """Render whole cells in fluorescence.

    Parameters
    ----------
    size
        (rows, cols).
    shapes
        How they may lie: packed, islands, or names of `BODIES`; one is drawn.
    """
    shape = str(rng.choice(shapes))
    diameter = log_uniform(rng, 20, min(250, 0.7 * min(size)))
    canvas = _lay_cells(rng, size, diameter, shape)
    if canvas.labels.any():
        diameter = 2 * float(np.median(canvas.radii))
    nuclei = lay_nuclei(rng, canvas, rng.uniform(0.35, 0.62))
    beyond = ndimage.distance_transform_edt(nuclei == 0).astype(np.float32)
    sizes = _Sizes(diameter, inner_distance(canvas.labels), beyond)
    stain = _stain_cells(rng, canvas, sizes, nuclei)
    core = _stain_nuclei(rng, canvas, sizes, nuclei)
    image, shown = _mix(rng, stain, core, sizes)
    labels, kept = tidy(canvas.labels, nuclei)
    return Scene(image, labels, kept if shown else None, "cells")


def _lay_cells(
    rng: np.random.Generator, size: tuple[int, int], diameter: float, shape: str
) -> Canvas:
    if shape in ("packed", "islands"):
        return packed(rng, size, diameter, islands=shape == "islands")
    limbed = shape in ("spindly", "armed")
    crowding = log_uniform(rng, 0.15, 0.5 if limbed else 0.95)
    overlap = float(rng.choice([0.05, 0.2] if limbed else [0.05, 0.2, 0.35]))
    return scattered(rng, size, diameter, shape, crowding=crowding, overlap=overlap)


def _levels(rng: np.random.Generator, count: int, spread: float) -> NDArray[np.float64]:
    """Draw how bright each object is: dim ones beside bright ones, 1 the median."""
    levels: NDArray[np.float64] = np.exp(rng.normal(0, spread, count))
    return levels.clip(0.12, 3.0)


def _stain_cells(
    rng: np.random.Generator,
    canvas: Canvas,
    sizes: _Sizes,
    nuclei: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Light of a stain of cytoplasm, membrane or both, without the optics."""
    count, size = len(canvas.centres), canvas.size
    levels = _levels(rng, count, rng.choice([0.15, 0.4, 0.75]))
    crowded = np.count_nonzero(canvas.labels) > 0.6 * canvas.labels.size
    odds = (0.4, 0.35, 0.25) if crowded else (0.65, 0.1, 0.25)
    mode = rng.choice(["cytoplasm", "membrane", "both"], p=odds)
    light = np.zeros(size, np.float32)
    if mode != "membrane" or not crowded or rng.random() < 0.6:
        plasm = _cytoplasm(rng, canvas, sizes, nuclei)
        own = per_object(canvas.labels, levels)
        beneath = per_object(canvas.under, levels)
        light = plasm * own + rng.uniform(0.15, 0.6) * beneath * plasm
        if mode == "membrane":
            light *= rng.uniform(0.05, 0.35)
    if mode != "cytoplasm":
        width = rng.uniform(0.6, max(1.2, 0.035 * sizes.diameter))
        wall = np.exp(-((sizes.inner / width) ** 2)) * (canvas.labels > 0)
        uneven = grain(
            rng, size, rng.uniform(0.15, 0.6) * sizes.diameter, rng.uniform(0, 0.6)
        )
        own = per_object(canvas.labels, _levels(rng, count, rng.uniform(0, 0.35)))
        strength = 1.0 if mode == "membrane" else rng.uniform(0.4, 2.0)
        beneath = ndimage.morphological_gradient(canvas.under, 3) > 0
        light += strength * (wall * own + 0.5 * beneath) * uneven
    if rng.random() < 0.15:  # bodies far out of focus, which nobody would outline
        ghosts = granules(rng, size, 0.3 / sizes.diameter**2, 0.6 * sizes.diameter)
        light += rng.uniform(0.02, 0.08) * ghosts
    if rng.random() < 0.3:
        spots = granules(rng, size, log_uniform(rng, 2e-4, 4e-3), rng.uniform(0.6, 2))
        light += rng.uniform(0.3, 1.5) * spots * (canvas.labels > 0)
    return light


def _cytoplasm(
    rng: np.random.Generator,
    canvas: Canvas,
    sizes: _Sizes,
    nuclei: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Thickness, fall-off around the nucleus and texture of cytoplasm, 1 about."""
    size, diameter = canvas.size, sizes.diameter
    thick = (sizes.inner / (rng.uniform(0.08, 0.35) * diameter)).clip(0, 1)
    fall = rng.uniform(0.35, 1.0) if canvas.labels.all() else rng.uniform(0.0, 0.9)
    plasm = thick**fall * (canvas.labels > 0)
    if rng.random() < 0.55:  # brightest around the nucleus
        near = np.exp(-sizes.beyond / (rng.uniform(0.12, 0.5) * diameter))
        floor = rng.uniform(0.2, 0.6)
        plasm = plasm * (floor + (1 - floor) * near)
    elif rng.random() < 0.3:  # dim around it
        plasm = plasm * (
            1 - rng.uniform(0.3, 0.7) * np.exp(-sizes.beyond / (0.2 * diameter))
        )
    kind = rng.choice(
        ["grain", "net", "radial", "along", "vacuoles"], p=(0.4, 0.15, 0.2, 0.1, 0.15)
    )
    if kind == "net":
        plasm = plasm * (rng.uniform(0.5, 1) + net(rng, size, rng.uniform(1, 2.2)))
    elif kind in ("radial", "along"):
        width = rng.uniform(0.8, 1 + 0.006 * diameter)
        lines = fibres(rng, canvas, width, radial=kind == "radial")
        plasm = plasm * (rng.uniform(0.3, 1.2) + lines)
    elif kind == "vacuoles":
        holes = granules(
            rng, size, rng.uniform(3, 20) / diameter**2, 0.03 * diameter + 0.7
        )
        plasm = plasm * (1 - rng.uniform(0.4, 0.9) * (holes > 0.35))
    plasm = plasm * grain(
        rng, size, rng.uniform(0.02, 0.12) * diameter + 0.5, rng.uniform(0.03, 0.35)
    )
    kept = rng.choice(
        [1.0, rng.uniform(0.1, 0.9), rng.uniform(1.1, 2.2)], p=(0.25, 0.55, 0.2)
    )
    return as_plane(np.where(nuclei > 0, kept * plasm, plasm))


def _stain_nuclei(
    rng: np.random.Generator,
    canvas: Canvas,
    sizes: _Sizes,
    nuclei: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Light of a stain of nuclei: chromatin, dark nucleoli, some much brighter."""
    count, size = len(canvas.centres), canvas.size
    levels = _levels(rng, count, rng.uniform(0.1, 0.45))
    levels[rng.random(count) < 0.03] *= 2
    texture = grain(rng, size, 0.04 * sizes.diameter + 0.5, rng.uniform(0.05, 0.35))
    light = per_object(nuclei, levels) * texture
    if rng.random() < 0.5:
        holes = granules(rng, size, 8 / sizes.diameter**2, 0.03 * sizes.diameter + 0.5)
        light *= 1 - 0.5 * (holes > 0.4)
    edge = inner_distance(nuclei)
    light *= (edge / (0.06 * sizes.diameter + 0.5)).clip(0, 1) ** rng.uniform(0, 0.7)
    return as_plane(light)


class _Camera:
    """Sees all stains of a scene through the same optics, each at its own exposure."""

    def __init__(
        self, rng: np.random.Generator, size: tuple[int, int], sizes: _Sizes
    ) -> None:
        self._rng, self._sizes = rng, sizes
        self._haze = rng.choice([0.0, rng.uniform(0.05, 0.5)])
        self._sharp = log_uniform(rng, 0.5, 0.8 + 0.014 * sizes.diameter)
        self._ground = shading(rng, size)
        self._photons = log_uniform(rng, 30, 6000)
        self._read = rng.uniform(0.001, 0.02)
        self._high = rng.choice([rng.uniform(80, 97), rng.uniform(97, 100)])
        self._even = 1 + rng.uniform(0, 0.5) * self._ground

    def see(self, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return intensities of about 0 to 1 of (H, W) light."""
        rng, sizes = self._rng, self._sizes
        light = blur(light, self._sharp)
        if self._haze:
            wide = rng.uniform(0.1, 0.6) * sizes.diameter
            light = as_plane(light + self._haze * blur(light, wide))
        base = rng.choice([rng.uniform(0, 0.03), rng.uniform(0.03, 0.25)])
        bright = light[sizes.inner > 0][::7]
        top = float(np.percentile(bright, self._high)) if bright.size else 1.0
        seen = light / max(top, 0.05) * self._even + base * (1 + 0.4 * self._ground)
        return expose(rng, as_plane(seen), photons=self._photons, read=self._read)


def _mix(
    rng: np.random.Generator,
    stain: NDArray[np.float32],
    core: NDArray[np.float32],
    sizes: _Sizes,
) -> tuple[NDArray[Any], bool]:
    """Let a camera see the stains: an image, and whether nuclei are seen in it."""
    camera = _Camera(rng, (stain.shape[0], stain.shape[1]), sizes)
    look = rng.choice(
        ["cell", "both in gray", "colour", "one colour"], p=(0.3, 0.12, 0.5, 0.08)
    )
    if look == "cell":
        return _digitise(rng, camera.see(stain)), False
    if look == "both in gray":
        mixed = stain + rng.uniform(0.4, 1.6) * core
        return _digitise(rng, camera.see(as_plane(mixed))), True
    if look == "one colour":
        tint = np.array(_TINTS[int(rng.choice(len(_TINTS), p=_TINT_ODDS))])
        return _digitise(rng, as_plane(camera.see(stain)[..., None] * tint)), False
    cell, nucleus = _CHANNELS[int(rng.choice(len(_CHANNELS), p=_CHANNEL_ODDS))]
    leak = rng.choice([0.0, rng.uniform(0, 0.4)])
    image = np.zeros((*stain.shape, 3), np.float32)
    image[..., cell] = camera.see(as_plane(stain + leak * core))
    other = rng.choice([0.0, 0.15])
    image[..., nucleus] = camera.see(as_plane(core + other * stain))
    if rng.random() < 0.12:  # a third stain, of membranes, beside the two
        wall = np.exp(-((sizes.inner / 1.5) ** 2)) * (sizes.inner > 0)
        wall = wall * grain(rng, (stain.shape[0], stain.shape[1]), 9, 0.4)
        image[..., 3 - cell - nucleus] = camera.see(as_plane(wall))
    return _digitise(rng, image), True


def _digitise(rng: np.random.Generator, light: NDArray[np.float32]) -> NDArray[Any]:
    """Write intensities of 0 to 1 as a file holds them."""
    dim = rng.choice([1.0, rng.uniform(0.25, 0.9)], p=(0.7, 0.3))
    light = (dim * light).clip(0, 1)
    if light.ndim == 2 and rng.random() < 0.15:
        full = int(rng.choice([4095, 65535]))
        return np.rint(full * light).astype(np.uint16)
    image = np.rint(255 * light).astype(np.uint8)
    if rng.random() < 0.2:
        return compress(image, int(rng.integers(55, 96)))
    return image
