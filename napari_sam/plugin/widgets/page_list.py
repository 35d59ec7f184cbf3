"""The pages of the dock, by job; a page is imported once it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.plugin.widgets.page import Page, Shared

__all__ = ["TABS", "Tab", "make_page", "tab_of", "title_of"]


@dataclass(frozen=True)
class Tab:
    """Pages for one kind of job.

    Attributes
    ----------
    name
        For `napari_sam.plugin.widgets.dock.open_dock`.
    text, tip
        What the user reads on its button, and over it.
    pages
        The names of its pages, the first one to be shown first.
    """

    name: str
    text: str
    tip: str
    pages: tuple[str, ...]


TABS = (
    Tab(
        "annotate",
        "Annotate",
        "Click objects one by one, keep what is right, and correct the others.",
        ("annotate", "correct"),
    ),
    Tab(
        "classes",
        "Classes",
        "Sort objects into classes: a few with the keys 1 to 9, the rest follow.",
        ("classes",),
    ),
    Tab(
        "find",
        "Find",
        "Let the model find objects: all, or those in boxes or at points.",
        ("everything", "boxes", "points", "proposals", "edges"),
    ),
    Tab(
        "volume",
        "Volume\nand film",
        "Objects through the planes of a volume or the frames of a film.",
        ("follow", "whole_volume", "track", "correct_tracks", "export"),
    ),
    Tab(
        "measure",
        "Measure",
        "A table and plots of the objects: size, shape, brightness.",
        ("measure",),
    ),
    Tab(
        "learn",
        "Learn",
        "Train a model on your labels, or go through a folder with it.",
        ("train", "folder"),
    ),
)

_HERE = "napari_sam.plugin.widgets"

_PAGES = {
    "annotate": ("annotate_page", "AnnotatePage", "Click objects"),
    "correct": ("correct_page", "CorrectPage", "Correct objects"),
    "classes": ("classes_page", "ClassesPage", "Sort objects into classes"),
    "everything": ("everything_page", "EverythingPage", "Everything in the image"),
    "boxes": ("prompt_pages", "BoxesPage", "The objects in boxes"),
    "points": ("prompt_pages", "PointsPage", "The objects at points"),
    "proposals": (
        "prompt_pages",
        "ProposalsPage",
        "Proposals, as boxes",
    ),
    "edges": ("prompt_pages", "EdgesPage", "Edges, as an image"),
    "follow": ("follow_page", "FollowPage", "Follow objects through the stack"),
    "whole_volume": ("volume_pages", "VolumePage", "Segment the whole volume"),
    "track": ("volume_pages", "TrackPage", "Track through a film"),
    "correct_tracks": ("correct_tracks_page", "CorrectTracksPage", "Correct tracks"),
    "export": ("volume_pages", "ExportPage", "Export tracks"),
    "measure": ("measure_page", "MeasurePage", "Measure the objects"),
    "train": ("train_page", "TrainPage", "Train on labels"),
    "folder": ("folder_page", "FolderPage", "Annotate a folder"),
}
"""Module, class and title of each page."""


def title_of(page: str) -> str:
    """Return what a page is called in the choice of a method."""
    return _PAGES[page][2]


def tab_of(name: str) -> Tab:
    """Return the tab of that name, or that a page of that name is on.

    Raises
    ------
    ValueError
        If there is neither.
    """
    for tab in TABS:
        if name == tab.name or name in tab.pages:
            return tab
    known = [*(tab.name for tab in TABS), *(name for name in _PAGES)]
    raise ValueError(
        f"page is {name!r}; wanted one of {', '.join(dict.fromkeys(known))}"
    )


def make_page(name: str, shared: Shared) -> Page:
    """Make a page, with the further arguments that are meant for it."""
    module, kind, _ = _PAGES[name]
    make = getattr(import_module(f"{_HERE}.{module}"), kind)
    page: Page = make(shared, **shared.options.get(name, {}))
    return page
