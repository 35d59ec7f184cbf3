"""Places where tracks look wrong: found, shown, and spoken of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.annotator.suspect_review import SuspectReview
from napari_sam.plugin.viewer.navigation import go_to_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Tell
    from napari_sam.plugin.stacks.track_editor import TrackEditor
    from napari_sam.workflows.stacks.track_suspects import TrackSuspect

__all__ = ["TrackSuspects", "review_tracks"]


class TrackSuspects:
    """The tracks of an editor, as a source of suspects.

    Parameters
    ----------
    editor
        Whose tracks are looked at.
    viewer
        The napari viewer.
    """

    def __init__(self, editor: TrackEditor, viewer: Any) -> None:
        self._editor, self._viewer = editor, viewer

    def state(self) -> object:
        """Return what the suspects depend on; None where there is nothing."""
        session = self._editor.session
        return None if session is None else (id(session), self._editor.version)

    def refresh(self) -> None:
        """Take up what was painted."""
        self._editor.look()

    def why_not(self) -> str:
        """Say why nothing can be looked for; "" if all is well."""
        has_film = self._editor.session is not None
        return "" if has_film else "Choose labels of a film first."

    def search(self) -> Callable[[Tell, IsCancelled], list[TrackSuspect]]:
        """Return what finds the suspects, the strangest first, away from the window."""
        session = self._editor.session
        if session is None:
            return lambda tell, is_cancelled: []
        suspects = session.suspects
        return lambda tell, is_cancelled: suspects()

    def key(self, suspect: TrackSuspect) -> tuple[int, int, str]:
        """Return what is the same of a suspect that was seen already."""
        return suspect.track, suspect.frame, suspect.reason

    def show(self, suspect: TrackSuspect) -> None:
        """Bring a place of a track into view, and select the track."""
        editor = self._editor
        go_to_point(self._viewer, editor.layer, suspect.at)
        editor.selection.follow(editor.layer)
        editor.selection.select([suspect.track])

    def words(self, suspect: TrackSuspect) -> str:
        """Say which track it is, and what is wrong with it."""
        return f"Track {suspect.track}, frame {suspect.frame}: {suspect.detail}"


def review_tracks(editor: TrackEditor, viewer: Any, parent: QObject) -> SuspectReview:
    """Go from one place where tracks look wrong to the next, as the tracks are."""
    review = SuspectReview(TrackSuspects(editor, viewer), parent)
    editor.changed.connect(review.look_soon)
    return review
