"""What each key of the annotator does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.annotator.annotator import Annotator

__all__ = ["key_actions"]


def key_actions(annotator: Annotator) -> dict[str, Callable[[], None]]:
    """Return what the keys call, by the names of their actions in `KEYS`."""
    actions, edits = annotator.actions, annotator.edits
    return {
        "commit": actions.commit,
        "cycle": actions.cycle,
        "undo": actions.undo,
        "redo": actions.redo,
        "clear": annotator.clear,
        "reopen_under_cursor": actions.reopen_under_cursor,
        "delete_under_cursor": actions.delete_under_cursor,
        "like_under_cursor": actions.like_under_cursor,
        "unlike_under_cursor": actions.unlike_under_cursor,
        "merge": edits.merge_under_cursor,
        "merge_along": partial(edits.strokes.toggle, "merge"),
        "split": partial(edits.strokes.toggle, "split"),
        "next_object": edits.next_object,
        "previous_object": edits.previous_object,
        "next_suspect": annotator.suspects.next_suspect,
        "use_object": partial(actions.use_tool, "point", positive=True),
        "use_background": partial(actions.use_tool, "point", positive=False),
        "use_box": partial(actions.use_tool, "box"),
        "use_lasso": partial(actions.use_tool, "lasso"),
        "use_brush": partial(actions.use_tool, "brush"),
        "toggle_hover": actions.toggle_hover,
        "toggle_polarity": actions.toggle_polarity,
    }
