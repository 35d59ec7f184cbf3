"""Several image layers as one colour image, as napari shows them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layers import full_data, shape_of, spatial_metadata
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST_CHANNELS", "ChannelView", "colour_of", "fit_together", "partners_of"]

MOST_CHANNELS = 3
"""Of one image; a colour picture has no room for more."""

_FOLLOW_MS = 400
_IN_MEMORY = 2**28
"""Bytes up to which the colour image is made at once."""


def fit_together(one: Any, other: Any) -> bool:
    """Whether two image layers are gray, and of one shape and place."""
    for layer in (one, other):
        if not isinstance(layer, Image) or layer.rgb or layer.multiscale:
            return False
    if shape_of(one) != shape_of(other):
        return False
    same_scale = np.allclose(one.scale, other.scale)
    return bool(same_scale and np.allclose(one.translate, other.translate))


def partners_of(image: Any, layers: Sequence[Any]) -> list[Any]:
    """Return the layers that may be seen together with an image, itself among them."""
    return [layer for layer in layers if fit_together(image, layer)]


def colour_of(layer: Any) -> tuple[float, float, float]:
    """Return the colour of the brightest value of an image layer, 0 to 1 each."""
    red, green, blue = (float(c) for c in layer.colormap.map(np.array([1.0]))[0][:3])
    return red, green, blue


class ChannelView(QObject):  # type: ignore[misc]
    """A colour layer of several gray ones, which follows their colour and contrast.

    Parameters
    ----------
    viewer
        The napari viewer.
    sources
        Two or three image layers of one shape and place.

    Attributes
    ----------
    layer
        The colour layer; it lies above its sources.
    sources
        The layers that it shows.
    """

    ended = Signal()
    """The layer, or one of its sources, left the viewer; it follows no more."""

    def __init__(
        self, viewer: Any, sources: Sequence[Any], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._events = Connections()
        self._timer = single_shot(self, _FOLLOW_MS, self._refresh)
        self.sources: list[Any] = []
        self.layer: Any = None
        self.show_sources(sources)

    @property
    def is_following(self) -> bool:
        """Whether a change of a source is still to be shown."""
        return bool(self._timer.isActive())

    def show_sources(self, sources: Sequence[Any]) -> None:
        """Show other layers together.

        Raises
        ------
        ValueError
            If they are not two or three layers of one shape and place.
        """
        sources = list(sources)
        if not 2 <= len(sources) <= MOST_CHANNELS:
            raise ValueError(
                f"two or three channels are seen together, got {len(sources)}"
            )
        if not all(fit_together(sources[0], other) for other in sources[1:]):
            raise ValueError("the channels have different shapes or places")
        self._events.clear()
        self.sources = sources
        data, name = compose(sources), " + ".join(layer.name for layer in sources)
        layers = self._viewer.layers
        if self.layer is None:
            self.layer = Image(
                data, name=name, rgb=True, **spatial_metadata(sources[0])
            )
            layers.insert(max(map(layers.index, sources)) + 1, self.layer)
        else:
            self.layer.data, self.layer.name = data, name
        for layer in sources:
            events = layer.events
            for emitter in (events.contrast_limits, events.colormap, events.data):
                self._events.add(emitter, self._on_change)
        self._events.add(layers.events.removed, self._on_removed)

    def _on_change(self, event: Any = None) -> None:
        self._timer.start()

    def _refresh(self) -> None:
        self.layer.data = compose(self.sources)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer or event.value in self.sources:
            self.stop()
            self.ended.emit()

    def stop(self) -> None:
        """Follow no more; the layer stays as it is."""
        self._timer.stop()
        self._events.clear()


def compose(sources: Sequence[Any]) -> Any:
    """Add up image layers as napari's additive blending does.

    Returns
    -------
    (..., H, W, 3) uint8
        In memory where it is small; else a Dask array, of which nothing is read.
    """
    parts = [full_data(layer) for layer in sources]
    looks = [(tuple(map(float, s.contrast_limits)), colour_of(s)) for s in sources]

    def blend(*planes: NDArray[Any]) -> NDArray[np.uint8]:
        total = np.zeros((*planes[0].shape, 3), np.float32)
        for plane, ((low, high), colour) in zip(planes, looks, strict=True):
            span = high - low if high > low else 1.0
            share = np.clip((plane.astype(np.float32) - low) / span, 0, 1)
            total += np.nan_to_num(share)[..., None] * np.asarray(colour, np.float32)
        return np.asarray(np.rint(np.clip(total, 0, 1) * 255), np.uint8)

    size = 3 * int(np.prod(parts[0].shape, dtype=float))
    if size <= _IN_MEMORY and all(isinstance(part, np.ndarray) for part in parts):
        return blend(*parts)
    import dask.array as da

    lazy = [da.asarray(part) for part in parts]
    lazy = [part.rechunk(lazy[0].chunks) for part in lazy]
    return da.map_blocks(
        blend,
        *lazy,
        new_axis=lazy[0].ndim,
        chunks=(*lazy[0].chunks, (3,)),
        dtype=np.uint8,
    )
