"""An image plane seen as a whole and closer, tile by tile, and who is asked where.

A model sees a square frame of a fixed size, in which the small objects of a large
image are a few pixels. Here a prompt is answered from the tile that shows its place
with the most room; what a tile cannot hold is answered from the plane as a whole.
Which tile that is follows from the prompts alone, so that the same prompts give the
same masks in any order. A tile is embedded when it is first asked about, and lies in
the model's cache of embeddings from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

from napari_sam.inference.tiling import choose_tiles
from napari_sam.ops.labels import mask_bounds
from napari_sam.ops.types import MASK_LOGIT, FrameGeometry, ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import Box, IsCancelled, MaskPrediction, Prompts

__all__ = [
    "Embeds",
    "PlaneEmbedding",
    "TiledEmbedding",
    "add_mask",
    "predict_tiled",
    "seen_whole",
]

_MARGIN = 16
"""Frame pixels that a tile shows around what is prompted."""

_FILL = 0.6
"""Share of a tile's side that what is prompted may take up."""


class Embeds(Protocol):
    """What embeds image planes; `Predictor` is the real one."""

    def embed(
        self,
        image: ArrayLike,
        *,
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> ImageEmbedding:
        """Encode a plane (H, W) or (H, W, 3 or 4)."""
        ...

    @property
    def frame_size(self) -> int:
        """Side of the square that it sees, in pixels."""
        ...

    @property
    def has_dense_head(self) -> bool:
        """Whether `dense_maps` can be asked for."""
        ...

    def dense_maps(self, embedding: ImageEmbedding) -> NDArray[np.float32]:
        """Say of every pixel how likely and how deep it lies in an object."""
        ...


class Asked(Embeds, Protocol):
    """What is asked about views; `Predictor` offers it."""

    def predict_batch(
        self,
        embedding: ImageEmbedding,
        prompts: Sequence[Prompts],
        multimask: bool | None = None,
    ) -> list[MaskPrediction]:
        """Answer the prompts of several objects of one view."""
        ...


class MakesLogits(Protocol):
    """What `add_mask` asks of a model."""

    def mask_to_logits(
        self, embedding: ImageEmbedding, mask: NDArray[np.bool_], /
    ) -> NDArray[np.float32]:
        """Turn a mask of a view into a mask prompt."""
        ...


@dataclass(frozen=True, eq=False)
class TiledEmbedding:
    """An image plane that a model can be asked about as a whole and in tiles.

    Attributes
    ----------
    whole
        The embedding of all of it.
    image
        (H, W) or (H, W, C), the plane.
    contrast_limits
        Of the whole plane; tiles have the same.
    tiles
        (row0, col0, row1, col1) of each, half open.
    """

    whole: ImageEmbedding
    image: NDArray[Any]
    contrast_limits: tuple[float, float]
    tiles: tuple[Box, ...]

    @property
    def geometry(self) -> FrameGeometry:
        """The map between the plane as a whole and the model's frame."""
        return self.whole.geometry

    @property
    def key(self) -> str:
        """Name of the whole plane's embedding."""
        return self.whole.key

    @property
    def plane(self) -> Box:
        """The view of the whole plane."""
        return (0, 0, *self.geometry.image_shape)

    def outward(self) -> list[Box]:
        """List the tiles from the middle of the plane to its borders."""
        middle = np.asarray(self.geometry.image_shape) / 2

        def away(tile: Box) -> float:
            centre = (np.asarray(tile[:2]) + tile[2:]) / 2
            return float(np.hypot(*(centre - middle)))

        return sorted(self.tiles, key=away)

    def embed(
        self, sam: Embeds, view: Box, is_cancelled: IsCancelled | None = None
    ) -> ImageEmbedding:
        """Embed the plane or a tile of it, or find it in the model's cache."""
        if view == self.plane:
            return self.whole
        part = self.image[view[0] : view[2], view[1] : view[3]]
        return sam.embed(
            part, contrast_limits=self.contrast_limits, is_cancelled=is_cancelled
        )

    def view_of(self, prompts: Prompts) -> Box:
        """Choose the view in which an object is asked about.

        A mask prompt is answered in the view that it was made in, as long as that
        shows all points and the box. Otherwise it is the tile with the most room
        around them; the whole plane where none has enough.
        """
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
        margin = _MARGIN * side / self.geometry.frame_size
        if (high - low).max() > _FILL * side:
            return self.plane
        shape = self.geometry.image_shape
        wanted = np.concatenate([low - margin, high + margin])
        wanted = np.clip(wanted, 0, np.tile(shape, 2))
        chosen = int(choose_tiles(wanted, self.tiles, shape)[0])
        return self.plane if chosen < 0 else self.tiles[chosen]


PlaneEmbedding = ImageEmbedding | TiledEmbedding
"""An image plane that a model can be asked about."""


def seen_whole(embedding: PlaneEmbedding) -> ImageEmbedding:
    """Return the embedding of the plane as a whole."""
    return embedding if isinstance(embedding, ImageEmbedding) else embedding.whole


def predict_tiled(
    sam: Asked,
    tiled: TiledEmbedding,
    prompts: Sequence[Prompts],
    multimask: bool | None = None,
) -> list[MaskPrediction]:
    """Answer the prompts of many objects, each in the view that shows it best.

    An object that turns out to be cut by the border of its tile is asked about once
    more in the whole plane. See `napari_sam.inference.predictor.Predictor`.
    """
    views = [tiled.view_of(prompt) for prompt in prompts]
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
    sam: MakesLogits,
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
    bounds = mask_bounds(mask)
    view = embedding.plane
    if mask.shape == view[2:] and bounds is not None:
        covered = np.asarray(bounds, np.float32)
        given = [covered.reshape(2, 2), prompts.points]
        view = embedding.view_of(replace(prompts, points=np.concatenate(given)))
    shown = embedding.whole
    if view != embedding.plane:
        top, left, bottom, right = view
        mask = mask[top:bottom, left:right]
        frame_size = shown.geometry.frame_size
        geometry = FrameGeometry.fit((bottom - top, right - left), frame_size)
        shown = replace(shown, geometry=geometry)
    logits = sam.mask_to_logits(shown, mask)
    return replace(prompts, mask_logits=logits, view=view)


def _within(view: Box, prompts: Prompts, tiled: TiledEmbedding) -> Prompts:
    """Return the prompts as they are said to a view."""
    corner = np.asarray(view[:2], np.float32)
    logits = prompts.mask_logits
    made_in = prompts.view or tiled.plane
    if logits is not None and made_in != view:
        logits = _move_logits(logits, made_in, view, tiled.geometry.frame_size)
    return replace(
        prompts,
        points=prompts.points - corner,
        box=None if prompts.box is None else prompts.box - np.tile(corner, 2),
        mask_logits=logits,
        view=None,
    )


def _move_logits(
    logits: NDArray[np.float32], source: Box, target: Box, frame_size: int
) -> NDArray[np.float32]:
    """Resample the logits of one view as those of another."""
    at = []
    for axis in (0, 1):
        count = logits.shape[axis]
        scales = [
            FrameGeometry.fit((v[2] - v[0], v[3] - v[1]), frame_size).scale[axis]
            * (count / frame_size)
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
