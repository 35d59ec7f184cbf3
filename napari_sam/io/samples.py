"""Images to try things on, all of which come with the installation.

Nothing here needs a network: the nuclei ship inside this package (their origin and
licence lie beside them), the rest are files inside the scikit-image wheel.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["SAMPLES", "Sample", "load_sample"]

_FOLDER = files("napari_sam.io") / "sample_images"


def _bundled(file_name: str) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        import tifffile  # the list of samples is read before anybody opens one

        with (_FOLDER / file_name).open("rb") as stream:
            return np.asarray(tifffile.imread(stream))

    return read


def _scikit_image(function_name: str) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        from skimage import data

        return np.asarray(getattr(data, function_name)())

    return read


@dataclass(frozen=True)
class Sample:
    """An image that comes with the installation.

    Attributes
    ----------
    name
        Short name, as used in `load_sample`.
    title
        What a person reads in a menu.
    axes
        The array's axes, such as "YX", "ZYX" or "YXC" (C: red, green, blue).
    origin
        Where the image comes from and under which licence.
    read
        Reads the array.
    pixel_size
        Side of a pixel in micrometres, or None where it is not known.
    contrast_limits
        Intensities to show as black and white, or None for those of the image.
    scale
        By how much the image is to be enlarged for the model, so that what one would
        look for in it is seen; None: as the model sees fit.
    advice
        A sentence to know before one looks for objects in it, or "".
    """

    name: str
    title: str
    axes: str
    origin: str
    read: Callable[[], NDArray[Any]]
    pixel_size: float | None = None
    contrast_limits: tuple[float, float] | None = None
    scale: float | None = None
    advice: str = ""

    @property
    def is_rgb(self) -> bool:
        """Whether the last axis holds red, green and blue."""
        return self.axes.endswith("C")


_STARDIST = "demo image of StarDist (BSD-3)"
_SCIKIT_IMAGE = "bundled with scikit-image"

SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample(
                "nuclei_2d",
                "Fluorescence nuclei (2D)",
                "YX",
                _STARDIST,
                _bundled("nuclei_2d.tif"),
                contrast_limits=(4, 160),  # a few dividing nuclei outshine the rest
            ),
            Sample(
                "nuclei_3d",
                "Fluorescence nuclei (3D)",
                "ZYX",
                _STARDIST,
                _bundled("nuclei_3d.tif"),
            ),
            Sample(
                "tissue",
                "Stained tissue (immunohistochemistry)",
                "YXC",
                _SCIKIT_IMAGE,
                _scikit_image("immunohistochemistry"),
                # at the size that suits the glands the model sees glands only
                scale=4,
                advice="The nuclei are small beside the glands: this image is enlarged "
                "4 times for the model.",
            ),
            Sample(
                "cell",
                "Single cell (quantitative phase)",
                "YX",
                _SCIKIT_IMAGE,
                _scikit_image("cell"),
                pixel_size=0.107,
            ),
            Sample(
                "retina",
                "Human retina",
                "YXC",
                _SCIKIT_IMAGE,
                _scikit_image("retina"),
            ),
            Sample(
                "coins",
                "Greek coins",
                "YX",
                _SCIKIT_IMAGE,
                _scikit_image("coins"),
            ),
            Sample(
                "galaxies",
                "Hubble deep field",
                "YXC",
                _SCIKIT_IMAGE,
                _scikit_image("hubble_deep_field"),
            ),
            Sample(
                "cat",
                "Cat",
                "YXC",
                _SCIKIT_IMAGE,
                _scikit_image("chelsea"),
            ),
        )
    }
)
"""The samples by name, in the order of the menu."""


def load_sample(name: str) -> NDArray[Any]:
    """Load a sample image by name.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`, such as "nuclei_2d", "nuclei_3d" or "coins".

    Returns
    -------
    array
        The image, with the axes that its `Sample` names.

    Raises
    ------
    ValueError
        If there is no sample of that name.

    Examples
    --------
    >>> load_sample("nuclei_2d").shape
    (512, 512)
    """
    if name not in SAMPLES:
        raise ValueError(f"no sample is called {name!r}; there are {list(SAMPLES)}")
    return SAMPLES[name].read()
