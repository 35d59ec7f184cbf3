"""What the entries of napari's menus do: open the one dock at one of its pages.

napari toggles a dock that an entry of its own is for, so that a second press would hide
it. These are commands, each of which shows the dock and raises it. napari gives them
the viewer of the window whose menu was used.
"""

# napari reads the annotations: no "from __future__ import annotations" here

import napari.viewer

from napari_sam.plugin.widgets.dock import open_dock

__all__ = [
    "open_annotate",
    "open_boxes",
    "open_classes",
    "open_correct",
    "open_correct_tracks",
    "open_edges",
    "open_everything",
    "open_export",
    "open_folder",
    "open_follow",
    "open_measure",
    "open_points",
    "open_proposals",
    "open_track",
    "open_train",
    "open_whole_volume",
]


def open_annotate(viewer: napari.viewer.Viewer) -> None:
    """Annotate: click objects, and keep them."""
    open_dock(viewer, "annotate")


def open_correct(viewer: napari.viewer.Viewer) -> None:
    """Correct objects: merge, split and mend them."""
    open_dock(viewer, "correct")


def open_classes(viewer: napari.viewer.Viewer) -> None:
    """Sort objects into classes."""
    open_dock(viewer, "classes")


def open_everything(viewer: napari.viewer.Viewer) -> None:
    """Find everything in the image."""
    open_dock(viewer, "everything")


def open_boxes(viewer: napari.viewer.Viewer) -> None:
    """Find the objects in boxes."""
    open_dock(viewer, "boxes")


def open_points(viewer: napari.viewer.Viewer) -> None:
    """Find the objects at points."""
    open_dock(viewer, "points")


def open_proposals(viewer: napari.viewer.Viewer) -> None:
    """Propose objects, as boxes."""
    open_dock(viewer, "proposals")


def open_edges(viewer: napari.viewer.Viewer) -> None:
    """Draw edges."""
    open_dock(viewer, "edges")


def open_follow(viewer: napari.viewer.Viewer) -> None:
    """Follow objects through a stack."""
    open_dock(viewer, "follow")


def open_whole_volume(viewer: napari.viewer.Viewer) -> None:
    """Segment a whole volume."""
    open_dock(viewer, "whole_volume")


def open_track(viewer: napari.viewer.Viewer) -> None:
    """Track objects through a film."""
    open_dock(viewer, "track")


def open_correct_tracks(viewer: napari.viewer.Viewer) -> None:
    """Correct the tracks of a film."""
    open_dock(viewer, "correct_tracks")


def open_export(viewer: napari.viewer.Viewer) -> None:
    """Export tracks."""
    open_dock(viewer, "export")


def open_measure(viewer: napari.viewer.Viewer) -> None:
    """Measure the objects."""
    open_dock(viewer, "measure")


def open_train(viewer: napari.viewer.Viewer) -> None:
    """Train a model on labels."""
    open_dock(viewer, "train")


def open_folder(viewer: napari.viewer.Viewer) -> None:
    """Annotate a folder."""
    open_dock(viewer, "folder")
