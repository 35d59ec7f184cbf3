"""Correcting the tracks of a film: a session without a window.

The labels are the truth: a track is a number in them. The lineage says which tracks are
relatives, and which links somebody has decided on. Each correction is one step that can
be undone, and changes the labels and the lineage together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.configs import TrackConfig, TrackSuspectConfig
from napari_sam.workflows.stacks import lineage_edits
from napari_sam.workflows.stacks.film_labels import FilmLabels, track_rows
from napari_sam.workflows.stacks.gap_filling import fill_gaps, with_filled_gaps
from napari_sam.workflows.stacks.lineage import Lineage
from napari_sam.workflows.stacks.lineage_regrouping import LineageChange, regroup
from napari_sam.workflows.stacks.relinking import find_origins
from napari_sam.workflows.stacks.touched_objects import (
    Unlinked,
    lost_divisions,
    touched_objects,
)
from napari_sam.workflows.stacks.track_edit import TrackEdit, compare_lineages
from napari_sam.workflows.stacks.track_history import TrackHistory
from napari_sam.workflows.stacks.track_suspects import suspects_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.stacks.film_labels import FrameTable, Region
    from napari_sam.workflows.stacks.lineage import Node
    from napari_sam.workflows.stacks.track_suspects import TrackSuspect

__all__ = ["TrackSession"]


class TrackSession:
    """The tracks of a film, and what corrects them.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) int array
        The track's number in each pixel, 0 for background. It is changed in place.
    graph : mapping, optional
        The parent of each track that has one, {daughter: [parent]}, as
        `Tracking.graph` and napari's Tracks layer have it.
    fixed : iterable of (frame, track), optional
        Objects whose origin is decided on already; see `Lineage`.
    config : TrackConfig, optional
        What may be the same object where links are looked for, and the size of a pixel.
    progress : Progress, optional
        Steps are frames, which are read once.

    Attributes
    ----------
    lineage
        Who is who; a new value after each correction.
    notes
        What of the graph does not fit the labels, a sentence each.
    unlinked
        What somebody has painted and is not linked anew yet; see `take_up`.

    Raises
    ------
    ValueError
        If the labels are no film, or cannot be written to.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    track : Gives labels that can be corrected here.
    find_track_suspects : Where to look for what is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> film = np.zeros((4, 8, 20), int)
    >>> film[0, 2:5, 2:5], film[1, 2:5, 3:6], film[2, 2:5, 9:12] = 1, 1, 2
    >>> film[3, 2:5, 10:13] = 2
    >>> session = napari_sam.TrackSession(film)
    >>> session.join(1, 2)
    TrackEdit(tracks=(1,), made=(), gone=(2,), frames=(2, 3))
    >>> session.lineage.frames
    {1: (0, 1, 2, 3)}
    >>> session.undo(), session.lineage.frames
    (True, {1: (0, 1), 2: (2, 3)})
    """

    def __init__(
        self,
        labels: NDArray[Any] | LabelCanvas,
        graph: Mapping[int, Sequence[int]] | None = None,
        *,
        fixed: Iterable[Node] = (),
        config: TrackConfig | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._film = FilmLabels(labels)
        self.config = config or TrackConfig()
        axes, spacing = len(self._film.shape), self.config.spacing
        if spacing is not None and len(spacing) != axes:
            raise ValueError(
                f"spacing must be {axes} numbers, got {spacing} for a film of shape "
                f"{tuple(self._film.canvas.shape)}"
            )
        self._film.look(progress=progress)
        self.lineage, self.notes = Lineage.of(self._film.present(), graph, fixed)
        self._history = TrackHistory()
        self._free = self.lineage.largest + 1
        self.unlinked = Unlinked()

    # --- how things stand -----------------------------------------------------------

    @property
    def labels(self) -> Any:
        """The labels, as an array or the canvas that was given."""
        return getattr(self._film.canvas, "array", self._film.canvas)

    @property
    def tables(self) -> tuple[FrameTable, ...]:
        """The objects of each frame: their numbers, sizes and centroids."""
        return tuple(self._film.tables)

    @property
    def tracks(self) -> NDArray[np.float64]:
        """(N, 4) or (N, 5) float64, (id, t, (z,) y, x), as `Tracking.tracks`."""
        return track_rows(self._film.tables)

    @property
    def graph(self) -> dict[int, list[int]]:
        """{daughter: [parent]}, as napari's Tracks layer wants it."""
        return self.lineage.graph

    @property
    def can_undo(self) -> bool:
        """Whether there is a correction to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is one to make again."""
        return self._history.can_redo

    def position(self, track: int, frame: int) -> tuple[float, ...] | None:
        """Return the centroid of a track in a frame; None where it is not there."""
        table = self._film.tables[frame]
        row = table.place(track)
        return None if row is None else tuple(table.positions[row].tolist())

    def suspects(self, config: TrackSuspectConfig | None = None) -> list[TrackSuspect]:
        """List what looks wrong, but for what was decided on; the strangest first.

        See `find_track_suspects`. Fit for another thread.
        """
        config = config or TrackSuspectConfig(spacing=self.config.spacing)
        return suspects_of(self.lineage, self.tables, self._film.shape, config)

    # --- corrections ----------------------------------------------------------------

    def join(self, track: int, other: int, frame: int | None = None) -> TrackEdit:
        """Let a track go on as another one, from a frame on; see `join_tracks`.

        Parameters
        ----------
        track
            It keeps its number.
        other
            What it is later.
        frame
            From which on; None: from the first frame of the other one.

        Raises
        ------
        ValueError
            If there is nothing to join.
        """
        return self._correct(lineage_edits.join_tracks, track, other, frame)

    def cut(self, track: int, frame: int) -> TrackEdit:
        """Let a track end before a frame; the rest becomes a track of its own.

        Raises
        ------
        ValueError
            If there is nothing to cut.
        """
        return self._correct(lineage_edits.cut_track, track, frame)

    def swap(self, track: int, other: int, frame: int) -> TrackEdit:
        """Exchange two tracks from a frame on, as after a crossing.

        Raises
        ------
        ValueError
            If one of them is not there, ends before, or would come from a later one.
        """
        return self._correct(lineage_edits.swap_tracks, track, other, frame)

    def set_parent(
        self, daughter: int, parent: int | None, frame: int | None = None
    ) -> TrackEdit:
        """Say from which track another one came by division; None: from no one.

        A parent that goes on is cut there, and its rest is the other daughter.

        Raises
        ------
        ValueError
            If the parent is not there before the daughter.
        """
        return self._correct(lineage_edits.set_parent, daughter, parent, frame)

    def delete(self, track: int, frame: int | None = None) -> TrackEdit:
        """Erase the objects of a track from a frame on; None: all of them.

        Raises
        ------
        ValueError
            If there are none.
        """
        return self._correct(lineage_edits.delete_track, track, frame)

    def _correct(self, edit: Callable[..., LineageChange], *wanted: Any) -> TrackEdit:
        """Make a correction of the labels as they are now."""
        self.refresh()
        return self._make(edit(self.lineage, *wanted, free=self._free))

    def _check(self, track: int) -> None:
        self.refresh()
        if track not in self.lineage:
            raise ValueError(f"there is no track {track}")

    def confirm(self, track: int) -> TrackEdit:
        """Decide that a track is right: tracking again leaves its links as they are.

        Raises
        ------
        ValueError
            If it is not there.
        """
        self._check(track)
        nodes = [(t, track) for t in self.lineage.frames[track]]
        change = regroup(self.lineage, {}, fix=nodes, free=self._free)
        self._make(change)
        return TrackEdit((track,))

    def fill_gap(self, track: int, frame: int | None = None) -> TrackEdit:
        """Draw a track in the frames of its gaps, between its outlines beside them.

        Pixels of other objects stay theirs.

        Parameters
        ----------
        track
            A track with a gap.
        frame
            A frame of the gap; None: all gaps of the track.

        Raises
        ------
        ValueError
            If there is no gap, or no free pixel to draw on.
        """
        self._check(track)
        added = fill_gaps(self._film, self.lineage, track, frame)
        lineage = with_filled_gaps(self.lineage, track, added)
        return self._make(LineageChange(lineage), added)

    def track_again(
        self, config: TrackConfig | None = None, progress: Progress | None = None
    ) -> TrackEdit:
        """Link the whole film again, except for what was decided on.

        One step, which can be undone. No object is left out, however short its track.

        Parameters
        ----------
        config
            What may be the same object; from now on. None: as before.
        progress
            Steps are frames.

        Raises
        ------
        Cancelled
            If `progress.is_cancelled` answered True; nothing is changed then.
        """
        self.refresh()
        return self.take_origins(self.find_origins(config, progress))

    def find_origins(
        self, config: TrackConfig | None = None, progress: Progress | None = None
    ) -> dict[Node, Node | None]:
        """Do the first part of `track_again`; fit for another thread."""
        self.config = config or self.config
        free = set(self.lineage.origins()) - self.lineage.fixed
        whole = range(len(self._film))
        return find_origins(
            self._film.read, whole, self.lineage, free, self.config, progress
        )

    def take_origins(self, origins: Mapping[Node, Node | None]) -> TrackEdit:
        """Do the second part of `track_again`: make tracks of what was found."""
        known = self.lineage.origins_among(origins)
        return self._make(regroup(self.lineage, known, free=self._free))

    # --- what others changed ----------------------------------------------------------

    def refresh(self, frames: Collection[int] | None = None) -> TrackEdit:
        """Look at the labels again, and link anew what somebody has painted there.

        Objects with numbers that no track had are linked to what they fit, and so are
        those that moved or changed their size, and what came from them. What was
        decided on stays. The links are a step that can be undone, the paint is not.

        Parameters
        ----------
        frames
            Those that may have changed; None: all.
        """
        old = self.lineage
        if self.take_up(frames):
            self.take_links(self.find_links())
        return (
            TrackEdit() if self.lineage is old else compare_lineages(old, self.lineage)
        )

    def take_up(self, frames: Collection[int] | None = None) -> bool:
        """Do the first part of `refresh`; whether there is something to link anew."""
        before = self._film.look(frames)
        if before:
            old = self.lineage
            self.lineage, _ = Lineage.of(self._film.present(), old.graph, old.fixed)
            self._free = max(self._free, self.lineage.largest + 1)
            lost = lost_divisions(old, self.lineage, before)
            if lost:
                self._make(regroup(self.lineage, lost, free=self._free))
            touched = touched_objects(old, self.lineage, before, self._film.tables)
            new = self.lineage.frames.keys() - old.frames.keys()
            self.unlinked = self.unlinked.with_more(touched, new)
        return bool(self.unlinked.objects)

    def find_links(self) -> dict[Node, Node | None]:
        """Do the second part of `refresh`, the long one; fit for another thread."""
        lineage = self.lineage
        free = self.unlinked.objects & lineage.origins().keys()
        if not free:
            return {}
        first = min(free)[0] - self.config.max_gap - 1
        reach = range(max(0, first), max(free)[0] + 1)
        return find_origins(self._film.read, reach, lineage, free, self.config)

    def take_links(self, origins: Mapping[Node, Node | None]) -> TrackEdit:
        """Do the third part of `refresh`: make tracks of what was found."""
        new, self.unlinked = self.unlinked.new, Unlinked()
        known = self.lineage.origins_among(origins)
        return self._make(regroup(self.lineage, known, weak=new, free=self._free))

    # --- steps ------------------------------------------------------------------------

    def undo(self) -> bool:
        """Take the last correction back; whether there was one.

        A pixel that somebody has painted since stays as it is.
        """
        self.refresh()
        return self._stand(self._history.back(self._film))

    def redo(self) -> bool:
        """Make the correction again that was taken back last; whether there was one."""
        self.refresh()
        return self._stand(self._history.forward(self._film))

    def _stand(self, lineage: Lineage | None) -> bool:
        """Be where a step leads, as far as the labels are."""
        if lineage is None:
            return False
        graph, fixed = lineage.graph, lineage.fixed
        self.lineage, _ = Lineage.of(self._film.present(), graph, fixed)
        return True

    def _make(
        self, change: LineageChange, added: Mapping[Node, Region] | None = None
    ) -> TrackEdit:
        """Make a correction, as one step."""
        before, after = self.lineage, change.lineage
        if after == before:
            return TrackEdit()
        self._history.make(self._film, before, change, added or {})
        self.lineage = after
        self._free = max(self._free, after.largest + 1)
        return compare_lineages(before, after)
