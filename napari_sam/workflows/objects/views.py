"""An image plane as the model gets to see it: as a whole, or tile by tile.

A model sees a square frame of a fixed size. What is small in a large image is a few
pixels there; a tile shows it larger. Tiles have the contrast of the whole image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.preprocess import check_image, default_limits
from napari_sam.inference.tiled import TiledEmbedding
from napari_sam.inference.tiling import tile_plane
from napari_sam.ops.types import ImageEmbedding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.tiled import Embeds, PlaneEmbedding
    from napari_sam.ops.types import Box, IsCancelled

__all__ = ["SMALL", "WANTED", "Views"]

SMALL = 25.0
"""Frame pixels across; images of smaller objects are tiled."""

WANTED = 36.0
"""Frame pixels across that tiles aim at."""

_GUESSED, _UNSEEN = 16.0, 12.0
"""Frame pixels across below which objects are measured too large, or missed."""

_SHRUNK = 0.9
"""Images that the frame shrinks by less than this gain little from tiles."""

_CLOSEST = 1.5
"""Frame pixels per pixel beyond which more tiles cost more than they show."""


@dataclass(frozen=True)
class Views:
    """A model and an image plane, or only the plane's embedding.

    Attributes
    ----------
    sam
        The model.
    shape
        (H, W) of the plane.
    """

    sam: Embeds
    shape: tuple[int, int]
    _image: NDArray[Any] | None
    _whole: ImageEmbedding | None
    _limits: tuple[float, float] | None

    @classmethod
    def of(
        cls,
        sam: Embeds,
        image_or_embedding: ArrayLike | PlaneEmbedding,
        contrast_limits: tuple[float, float] | None = None,
    ) -> Views:
        """Check the image; nothing is embedded yet.

        Raises
        ------
        ValueError
            If it is no image; see `Predictor.embed`.
        """
        if isinstance(image_or_embedding, ImageEmbedding):
            shape = image_or_embedding.geometry.image_shape
            return cls(sam, shape, None, image_or_embedding, None)
        if isinstance(image_or_embedding, TiledEmbedding):
            contrast_limits = image_or_embedding.contrast_limits
            image_or_embedding = image_or_embedding.image
        image = check_image(image_or_embedding)
        limits = contrast_limits or default_limits(image)
        return cls(sam, (image.shape[0], image.shape[1]), image, None, limits)

    @property
    def whole(self) -> Box:
        """The box of the whole plane."""
        return (0, 0, *self.shape)

    @property
    def has_image(self) -> bool:
        """Whether parts of the plane can be embedded."""
        return self._image is not None

    @property
    def frame_size(self) -> int:
        """Side of the model's frame."""
        return self.sam.frame_size

    @property
    def whole_scale(self) -> float:
        """Frame pixels per pixel of the plane when it is seen as a whole."""
        return self.frame_size / max(self.shape)

    @property
    def is_shrunk(self) -> bool:
        """Whether tiles could show more than the plane as a whole."""
        return self.has_image and self.whole_scale < _SHRUNK

    def better_scale(
        self, areas: ArrayLike, small: float = SMALL, wanted: float = WANTED
    ) -> float | None:
        """Scale at which small objects are seen well; None: as a whole.

        Parameters
        ----------
        areas
            (N,) of the objects as seen as a whole, in pixels. Where there is none, or
            they are too small to be measured, no less than the image's own pixels.
        small, wanted
            Frame pixels across; see `SMALL` and `WANTED`.
        """
        whole = self.whole_scale
        if not self.is_shrunk:
            return None
        sizes = np.sqrt(np.asarray(areas, np.float64) * 4 / np.pi) * whole
        middle = float(np.median(sizes)) if sizes.size else 0.0
        if middle >= small:
            return None
        if not sizes.size:
            return 1.0 if small > 0 else None
        scale = min(whole * wanted / max(middle, _UNSEEN), _CLOSEST)
        return max(scale, 1.0) if middle < _GUESSED else scale

    def lay(self, scale: float) -> list[Box]:
        """Lay tiles that show the plane at `scale` frame pixels per pixel.

        One box, the whole plane, where that is not larger than as a whole.
        """
        if self._image is None:
            return [self.whole]
        return tile_plane(self.shape, self.frame_size, scale)

    def busiest(self, scale: float) -> Box:
        """Choose the tile at `scale` in which the intensities differ most."""
        return max(self.lay(scale), key=self._spread)

    def _spread(self, box: Box) -> float:
        """Measure how much the intensities of a part differ, within the limits."""
        if self._image is None or self._limits is None:
            return 0.0
        part = self._image[box[0] : box[2], box[1] : box[3]].astype(np.float32)
        return float(np.nan_to_num(np.clip(part, *self._limits)).std())

    def embed(
        self,
        box: Box,
        is_cancelled: IsCancelled | None = None,
        *,
        turned: bool = False,
    ) -> ImageEmbedding:
        """Embed the part of the plane within a box, or find it in the cache.

        With `turned`, as it looks when it is turned by 180 degrees.
        """
        if self._image is None:
            if self._whole is None or box != self.whole or turned:
                raise ValueError("an embedding has no tiles; give the image")
            return self._whole
        part = self._image[box[0] : box[2], box[1] : box[3]]
        if turned:
            part = part[::-1, ::-1]
        return self.sam.embed(
            part, contrast_limits=self._limits, is_cancelled=is_cancelled
        )
