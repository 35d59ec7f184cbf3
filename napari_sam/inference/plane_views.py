"""An image plane as a model gets to see it: as a whole, and closer in tiles.

A model sees a square frame of a fixed size. What is small in a large image is a few
pixels there; a tile shows it larger. Tiles have the contrast of the whole plane.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.tiling import choose_tiles, tile_plane
from napari_sam.ops.types import FrameGeometry, ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import Box, IsCancelled, Prompts

__all__ = ["TILING_BELOW_SCALE", "PlaneEmbedding", "PlaneView", "whole_embedding"]

TILING_BELOW_SCALE = 0.9
"""Planes that the frame shrinks by less than this gain little from tiles."""

_MARGIN = 16
"""Frame pixels that a tile shows around what is prompted."""

_MAX_FILLED_SHARE = 0.6
"""Share of a tile's side that what is prompted may take up."""


@dataclass(frozen=True, eq=False)
class PlaneView:
    """An image plane, the parts of it that a model is shown, and what is known of it.

    `Predictor.embed` returns one where it looks closer: a prompt is then answered from
    the tile that shows its place with the most room, and what a tile cannot hold from
    the plane as a whole. Which tile that is follows from the prompts alone, so that
    the same prompts give the same masks in any order. A tile is embedded when it is
    first asked about, and lies in the model's cache of embeddings from then on.

    Attributes
    ----------
    shape
        (H, W) of the plane.
    frame_size
        Side of the model's frame.
    image
        (H, W) or (H, W, C), the plane; None where only its embedding was given, which
        has no parts.
    contrast_limits
        Of the whole plane; its parts have the same.
    embedded
        The embedding of all of it, where that was made.
    tiles
        (row0, col0, row1, col1), half open, of each tile that prompts are answered
        from; none where they are answered from the plane as a whole.
    """

    shape: tuple[int, int]
    frame_size: int
    image: NDArray[Any] | None = None
    contrast_limits: tuple[float, float] | None = None
    embedded: ImageEmbedding | None = None
    tiles: tuple[Box, ...] = ()

    @classmethod
    def of(
        cls,
        image_or_embedding: ArrayLike | PlaneEmbedding,
        frame_size: int,
        contrast_limits: tuple[float, float] | None = None,
    ) -> PlaneView:
        """Check an image; nothing is embedded yet.

        Parameters
        ----------
        image_or_embedding
            (H, W) or (H, W, 1 to 4); or its embedding. Of a plane in tiles the image
            counts: the model that is asked may be another one.
        frame_size
            Side of the frame of the model that is asked.
        contrast_limits
            For an image; see `Predictor.embed`.

        Raises
        ------
        ValueError
            If it is no image; see `Predictor.embed`.
        """
        # It needs torch, which a window must not wait for.
        from napari_sam.inference.preprocess import default_limits, whole_plane

        given = image_or_embedding
        if isinstance(given, ImageEmbedding):
            return cls(given.geometry.image_shape, frame_size, embedded=given)
        if isinstance(given, PlaneView):
            return replace(given, frame_size=frame_size, embedded=None, tiles=())
        image = whole_plane(given)
        limits = contrast_limits or default_limits(image)
        return cls((image.shape[0], image.shape[1]), frame_size, image, limits)

    # --- as a whole -----------------------------------------------------------

    @property
    def plane(self) -> Box:
        """The box of the whole plane."""
        return (0, 0, *self.shape)

    @property
    def whole(self) -> ImageEmbedding:
        """The embedding of the plane as a whole.

        Raises
        ------
        ValueError
            If it was not embedded yet.
        """
        if self.embedded is None:
            raise ValueError("the plane was not embedded yet; see Predictor.embed")
        return self.embedded

    @property
    def geometry(self) -> FrameGeometry:
        """The map between the plane as a whole and the model's frame."""
        if self.embedded is not None:
            return self.embedded.geometry
        return FrameGeometry.fit(self.shape, self.frame_size)

    @property
    def key(self) -> str:
        """Name of the whole plane's embedding."""
        return self.whole.key

    @property
    def nbytes(self) -> int:
        """Bytes held by the image and the embedding of the whole plane."""
        held = 0 if self.embedded is None else self.embedded.nbytes
        return held + (0 if self.image is None else self.image.nbytes)

    @property
    def whole_scale(self) -> float:
        """Frame pixels per pixel of the plane when it is seen as a whole."""
        return self.frame_size / max(self.shape)

    # --- in parts -------------------------------------------------------------

    @property
    def has_parts(self) -> bool:
        """Whether parts of the plane can be embedded."""
        return self.image is not None

    @property
    def is_shrunk(self) -> bool:
        """Whether tiles could show more than the plane as a whole."""
        return self.has_parts and self.whole_scale < TILING_BELOW_SCALE

    def tiles_at(self, scale: float) -> list[Box]:
        """Lay tiles that show the plane at `scale` frame pixels per pixel.

        One box, the whole plane, where that is not larger than as a whole.
        """
        if not self.has_parts:
            return [self.plane]
        return tile_plane(self.shape, self.frame_size, scale)

    def highest_contrast_tile(self, scale: float) -> Box:
        """Choose the tile at `scale` in which the intensities differ most."""
        return max(self.tiles_at(scale), key=self._spread)

    def _spread(self, box: Box) -> float:
        """Measure how much the intensities of a part differ, within the limits."""
        if self.image is None or self.contrast_limits is None:
            return 0.0
        part = self.image[box[0] : box[2], box[1] : box[3]].astype(np.float32)
        return float(np.nan_to_num(np.clip(part, *self.contrast_limits)).std())

    def tiles_from_centre(self) -> list[Box]:
        """List the tiles from the middle of the plane to its borders."""
        middle = np.asarray(self.shape) / 2

        def away(tile: Box) -> float:
            centre = (np.asarray(tile[:2]) + tile[2:]) / 2
            return float(np.hypot(*(centre - middle)))

        return sorted(self.tiles, key=away)

    def embed(
        self,
        sam: PromptableModel,
        part: Box,
        is_cancelled: IsCancelled | None = None,
        *,
        turned: bool = False,
    ) -> ImageEmbedding:
        """Embed a part of the plane, or find it in the model's cache.

        Parameters
        ----------
        sam
            The model.
        part
            (row0, col0, row1, col1), half open.
        is_cancelled
            See `Predictor.embed`.
        turned
            Whether to show the part turned by 180 degrees.

        Raises
        ------
        ValueError
            If only an embedding was given, and this is not what it shows.
        """
        if part == self.plane and self.embedded is not None and not turned:
            return self.embedded
        if self.image is None:
            raise ValueError("an embedding has no tiles; give the image")
        shown = self.image[part[0] : part[2], part[1] : part[3]]
        if turned:
            shown = shown[::-1, ::-1]
        return sam.embed(
            shown,
            scale="whole",
            contrast_limits=self.contrast_limits,
            is_cancelled=is_cancelled,
        )

    def embed_parts(
        self,
        sam: Predictor,
        parts: Sequence[Box],
        frame_size: int,
        is_cancelled: IsCancelled | None = None,
        *,
        turned: bool = False,
    ) -> list[ImageEmbedding]:
        """Embed parts of the plane together, in frames of their own.

        Parameters
        ----------
        sam, is_cancelled, turned
            See `embed`.
        parts
            (row0, col0, row1, col1), half open, of each.
        frame_size
            See `PlaneEncoder.embed_batch`.

        Raises
        ------
        ValueError
            If only an embedding was given.
        """
        if self.image is None:
            raise ValueError("an embedding has no tiles; give the image")
        shown = [self.image[top:down, left:right] for top, left, down, right in parts]
        return sam.encoder.embed_batch(
            [part[::-1, ::-1] for part in shown] if turned else shown,
            contrast_limits=self.contrast_limits,
            frame_size=frame_size,
            is_cancelled=is_cancelled,
        )

    def tile_for(self, prompts: Prompts) -> Box:
        """Choose the part in which an object is asked about.

        A mask prompt is answered in the part that it was made in, as long as that
        shows all points and the box. Otherwise it is the tile with the most room
        around them; the whole plane where none has enough.
        """
        if not self.tiles:
            return self.plane
        corners = prompts.points.reshape(-1, 2)
        if prompts.box is not None:
            corners = np.concatenate([corners, prompts.box.reshape(2, 2)])
        if not len(corners):
            return prompts.view or self.plane
        low, high = corners.min(axis=0), corners.max(axis=0)
        if prompts.mask_logits is not None and prompts.view is not None:
            top, left, bottom, right = prompts.view
            inside = (low >= (top, left)).all() and (high <= (bottom, right)).all()
            if inside:
                return prompts.view
        top, left, bottom, right = self.tiles[0]
        side = max(bottom - top, right - left)
        margin = _MARGIN * side / self.frame_size
        if (high - low).max() > _MAX_FILLED_SHARE * side:
            return self.plane
        wanted = np.concatenate([low - margin, high + margin])
        wanted = np.clip(wanted, 0, np.tile(self.shape, 2))
        chosen = int(choose_tiles(wanted, self.tiles, self.shape)[0])
        return self.plane if chosen < 0 else self.tiles[chosen]


PlaneEmbedding = ImageEmbedding | PlaneView
"""An image plane that a model can be asked about."""


def whole_embedding(embedding: PlaneEmbedding) -> ImageEmbedding:
    """Return the embedding of the plane as a whole."""
    return embedding if isinstance(embedding, ImageEmbedding) else embedding.whole
