"""Bringing a layer into the viewer beside the one that is worked on."""

from __future__ import annotations

from typing import Any

__all__ = ["insert_unselected"]


def insert_unselected(layers: Any, index: int, layer: Any) -> None:
    """Insert a layer; those that are selected stay so, and nobody hears of a change.

    napari selects what is inserted. To select it and then the former one again shows
    the controls of both in turn, which is most of what a new layer costs the window.

    Parameters
    ----------
    layers
        The viewer's list of layers.
    index
        Where the layer comes to lie.
    layer
        The new one.
    """
    selection = layers.selection
    before = set(selection)
    with selection.events.blocker_all():
        layers.insert(index, layer)
        selection.clear()
        selection.update(before)
