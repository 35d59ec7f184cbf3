"""The samples of `napari_sam.io.samples`, as File > Open Sample offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.io.samples import SAMPLES

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

__all__ = [
    "advice_on",
    "open_cat",
    "open_cell",
    "open_coins",
    "open_galaxies",
    "open_nuclei_2d",
    "open_nuclei_3d",
    "open_retina",
    "open_tissue",
    "preset_scale",
    "sample_layers",
]


_PRESET = "napari-sam preset"
"""In the metadata of an image that needs other settings than most."""


def preset_scale(image: Any) -> float | None:
    """Return by how much an image layer is to be enlarged for the model.

    None for one without such a preset, or without an image.
    """
    preset = {} if image is None else image.metadata.get(_PRESET, {})
    scale = preset.get("scale")
    return None if scale is None else float(scale)


def advice_on(image: Any) -> str:
    """Return what to know about an image layer before a search, or ""."""
    preset = {} if image is None else image.metadata.get(_PRESET, {})
    return str(preset.get("advice", ""))


def sample_layers(name: str) -> list[LayerDataTuple]:
    """Return a sample of that name as one image layer."""
    sample = SAMPLES[name]
    options: dict[str, Any] = {
        "name": sample.title,
        "rgb": sample.is_rgb,
        "metadata": {"origin": sample.origin},
    }
    if sample.scale is not None:
        options["metadata"][_PRESET] = {"scale": sample.scale, "advice": sample.advice}
    if sample.contrast_limits is not None:
        options["contrast_limits"] = sample.contrast_limits
    if sample.pixel_size is not None:
        spatial_axes = len(sample.axes.removesuffix("C"))
        options["scale"] = (sample.pixel_size,) * spatial_axes
        options["units"] = ("micrometer",) * spatial_axes
    return [(sample.read(), options, "image")]


def open_nuclei_2d() -> list[LayerDataTuple]:
    """Open fluorescence nuclei in 2D."""
    return sample_layers("nuclei_2d")


def open_nuclei_3d() -> list[LayerDataTuple]:
    """Open fluorescence nuclei in 3D."""
    return sample_layers("nuclei_3d")


def open_tissue() -> list[LayerDataTuple]:
    """Open stained tissue."""
    return sample_layers("tissue")


def open_cell() -> list[LayerDataTuple]:
    """Open a single cell."""
    return sample_layers("cell")


def open_retina() -> list[LayerDataTuple]:
    """Open a human retina."""
    return sample_layers("retina")


def open_coins() -> list[LayerDataTuple]:
    """Open Greek coins."""
    return sample_layers("coins")


def open_galaxies() -> list[LayerDataTuple]:
    """Open the Hubble deep field."""
    return sample_layers("galaxies")


def open_cat() -> list[LayerDataTuple]:
    """Open a cat."""
    return sample_layers("cat")
