"""Segment Anything for scientific images, inside napari."""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

try:
    __version__ = version("napari-sam")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"

# The names are in __init__.pyi; each is imported when it is first used, because torch
# alone costs seconds.
__getattr__, _list_names, _names = lazy_loader.attach_stub(__name__, __file__)

__all__ = ["__version__", *_names]


def __dir__() -> list[str]:
    return sorted(__all__)
