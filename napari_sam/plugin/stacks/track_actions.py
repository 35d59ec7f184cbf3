"""What keys and buttons do to tracks: on the one under the cursor and on selected ones.

A key is about the object under the cursor in the frame that is shown, and where it
takes two, about the selected one too. A button is about the selected ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.plugin.stacks.track_editor import TrackEditor

__all__ = ["TRACK_ACTIONS", "TrackAction", "TrackActions"]


@dataclass(frozen=True)
class TrackAction:
    """A correction.

    Attributes
    ----------
    name
        Of the method of `TrackActions`, and of its key.
    text, tip
        What the user reads on its button, and over it.
    pairs
        Whether it takes two tracks.
    """

    name: str
    text: str
    tip: str
    pairs: bool = False


TRACK_ACTIONS = {
    one.name: one
    for one in (
        TrackAction(
            "join",
            "Join",
            "The selected track goes on as the object under the cursor; or join two "
            "selected tracks.",
            pairs=True,
        ),
        TrackAction(
            "cut", "Cut", "A new track begins with the object in the frame shown."
        ),
        TrackAction(
            "swap",
            "Swap",
            "Exchange two tracks from the frame shown on, as after a crossing.",
            pairs=True,
        ),
        TrackAction(
            "make_daughter",
            "Is daughter",
            "The object under the cursor is a daughter of the selected track, which "
            "divides; or the track selected last, of the one before.",
            pairs=True,
        ),
        TrackAction(
            "part_daughter",
            "Is no daughter",
            "The track has no parent. A sister that is left alone goes on as the "
            "parent.",
        ),
        TrackAction(
            "delete_from_here",
            "Delete from here on",
            "Erase the objects of the track in the frame shown and after it.",
        ),
        TrackAction(
            "fill_gap",
            "Fill gap",
            "Draw the object in the frames where it was missed, on free ground.",
        ),
        TrackAction(
            "confirm",
            "Right as it is",
            "Keep the links of the track when Track is pressed again, and list it no "
            "more.",
        ),
    )
}
"""By name, in the order of the buttons."""

_NOTHING = "Point at an object, or select one with a click."


class TrackActions:
    """Makes corrections for the user.

    Parameters
    ----------
    editor
        Whose tracks are corrected.
    """

    def __init__(self, editor: TrackEditor) -> None:
        self._editor = editor

    def press_key(self, name: str) -> None:
        """Make a correction of the object under the cursor."""
        here, selected = self._editor.track_at_cursor(), self._editor.selected()
        if not TRACK_ACTIONS[name].pairs:
            self._run(name, here or (selected[-1] if selected else 0))
            return
        others = [one for one in selected if one != here]
        if here and others:
            self._run(name, others[-1], here)
        elif here:
            self._editor.selection.follow(self._editor.layer)
            self._editor.selection.select([here])
            self._editor.succeeded.emit(
                f"Track {here} is selected. {_NEXT[name].format(here)}"
            )
        else:
            self._editor.noticed.emit(_NOTHING)

    def press_button(self, name: str) -> None:
        """Make a correction of the selected tracks."""
        selected = self._editor.selected()
        if not TRACK_ACTIONS[name].pairs and selected:
            self._run(name, selected[-1])
        elif len(selected) >= 2:
            self._run(name, *self._in_order(name, selected[-2], selected[-1]))
        else:
            self._editor.noticed.emit(self.why_not(name))

    def why_not(self, name: str) -> str:
        """Say why a button can do nothing now; "" if it can."""
        if self._editor.session is None:
            return "Choose labels of a film first."
        wanted = 2 if TRACK_ACTIONS[name].pairs else 1
        if len(self._editor.selected()) >= wanted:
            return ""
        if wanted == 2:
            return "Select two tracks: click one, Shift-click the other."
        return "Select a track: click an object, or its line in the tree."

    def _in_order(self, name: str, first: int, second: int) -> tuple[int, int]:
        """Return the earlier of two tracks first, where the order is not said."""
        session = self._editor.session
        if session is None or name == "swap":
            return first, second
        frames = session.lineage.frames
        if frames[second][0] < frames[first][0]:
            return second, first
        return first, second

    def _run(self, name: str, *tracks: int) -> None:
        if not all(tracks):
            self._editor.noticed.emit(_NOTHING)
            return
        getattr(self, name)(*tracks)

    def _from(self, track: int) -> int | None:
        """Return the frame that is shown, if a track is there; else None."""
        session, frame = self._editor.session, self._editor.frame
        is_there = session is not None and frame in session.lineage.frames.get(
            track, ()
        )
        return frame if is_there else None

    # --- the corrections --------------------------------------------------------------

    def join(self, track: int, other: int) -> None:
        """Let a track go on as another one."""
        at = self._from(other)
        where = "" if at is None else f" from frame {at} on"
        self._editor.make(
            lambda session: session.join(track, other, at),
            f"Track {track} goes on as {other} did{where}.",
            (track,),
        )

    def cut(self, track: int) -> None:
        """Let a new track begin in the frame that is shown."""
        at = self._editor.frame
        self._editor.make(
            lambda session: session.cut(track, at),
            f"Track {track} is cut before frame {at}.",
            (track,),
        )

    def swap(self, track: int, other: int) -> None:
        """Exchange two tracks from the frame on that is shown."""
        at = self._editor.frame
        self._editor.make(
            lambda session: session.swap(track, other, at),
            f"Tracks {track} and {other} are swapped from frame {at} on.",
            (track, other),
        )

    def make_daughter(self, parent: int, daughter: int) -> None:
        """Let a track divide."""
        at = self._from(daughter)
        self._editor.make(
            lambda session: session.set_parent(daughter, parent, at),
            f"Track {daughter} is a daughter of {parent}.",
            (parent,),
        )

    def part_daughter(self, track: int) -> None:
        """Let a track have no parent."""
        self._editor.make(
            lambda session: session.set_parent(track, None),
            f"Track {track} has no parent.",
            (track,),
        )

    def delete_from_here(self, track: int) -> None:
        """Erase a track from the frame on that is shown."""
        at = self._editor.frame
        self._editor.make(
            lambda session: session.delete(track, at),
            f"Track {track} is erased from frame {at} on.",
            (track,),
        )

    def fill_gap(self, track: int) -> None:
        """Draw a track in its gaps."""
        self._editor.make(
            lambda session: session.fill_gap(track),
            f"Track {track} is drawn where it was missed.",
            (track,),
        )

    def confirm(self, track: int) -> None:
        """Keep a track as it is."""
        self._editor.make(
            lambda session: session.confirm(track),
            f"Track {track} stays as it is.",
            (track,),
        )


_NEXT = {
    "join": "Go to a later frame, point at what it is there, and press J.",
    "swap": "Point at the other track, and press W.",
    "make_daughter": "Go on, point at its daughter, and press G.",
}
