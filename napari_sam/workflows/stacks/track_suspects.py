"""Places of a film where the tracks look wrong."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_sam.configs import TrackSuspectConfig
from napari_sam.io.images import as_labels
from napari_sam.ops.message_text import counted
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.stacks.film_labels import describe_labels
from napari_sam.workflows.stacks.lineage import Lineage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.film_labels import FrameTable

__all__ = ["TrackSuspect", "find_track_suspects", "suspects_of"]

Reason = Literal["size", "jump", "birth", "short", "division", "gap"]
"""Why a place is listed; see `TrackSuspect`."""

_LEAST_SPREAD = 0.05
"""Of logarithms of sizes, and of ways in diameters: closer ones are all alike."""

_LEAST_JUMP = 0.5
"""Diameters: a shorter way is no jump, however still the others lie."""

_LEAST_GROWTH = 1.3
"""So many times larger or smaller is no sudden change yet."""

_BIRTH, _SHORT, _GAP = 2.6, 2.2, 1.2
"""How strange these are beside what is measured."""

_OUTLINE = 0.25
"""How much a larger change of size counts: most of them are of outlines, not links."""


@dataclass(frozen=True)
class TrackSuspect:
    """A place of a film that is worth a look, for one reason.

    Attributes
    ----------
    track
        Which track.
    frame
        Where.
    reason
        "size": it is suddenly larger or smaller. "jump": it has moved far. "birth": it
        begins within the frame, after the first one, and without a parent. "short": it
        has few frames and no relatives. "division": its daughters are unlike, or more
        than two. "gap": it was missed in the frames before.
    strangeness
        1 is what is just worth a look; more is stranger.
    detail
        A few words on it.
    at
        Index of the centroid, frame first.
    """

    track: int
    frame: int
    reason: Reason
    strangeness: float
    detail: str
    at: tuple[int, ...]


def find_track_suspects(
    labels: ArrayLike,
    graph: Mapping[int, Sequence[int]] | None = None,
    *,
    config: TrackSuspectConfig | None = None,
    progress: Progress | None = None,
) -> list[TrackSuspect]:
    """List the places of a film whose tracks look wrong, the most striking first.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) array
        The track's number in each pixel, 0 for background.
    graph : mapping, optional
        The parent of each track that has one, {daughter: [parent]}.
    config : TrackSuspectConfig, optional
        What is strange, and the size of a pixel.
    progress : Progress, optional
        Steps are frames.

    Returns
    -------
    list of TrackSuspect
        One for each place and reason.

    Raises
    ------
    ValueError
        If the labels are no film, or the spacing is not that of its frames.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    TrackSession : Corrects them.

    References
    ----------
    Iglewicz and Hoaglin, How to detect and handle outliers, 1993: the robust z-score.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> film = np.zeros((4, 9, 9), int)
    >>> film[0, 3:6, 3:6] = film[3, 3:6, 3:6] = 7
    >>> [(s.track, s.frame, s.reason) for s in napari_sam.find_track_suspects(film)]
    [(7, 0, 'short'), (7, 3, 'gap')]
    """
    given = np.asarray(labels)
    if given.ndim not in (3, 4) or 0 in given.shape:
        raise ValueError(
            "a film is (T, Y, X) or (T, Z, Y, X) and not empty, got shape "
            f"{given.shape}"
        )
    if given.dtype.kind not in "ui":
        given = as_labels(given, "labels")
    steps, tables = Steps("the search for suspects", progress), []
    for t, frame in enumerate(given):
        steps.before(len(given) - t)
        tables.append(describe_labels(frame))
    steps.finish()
    present = {t: one.names.tolist() for t, one in enumerate(tables)}
    lineage, _ = Lineage.of(present, graph)
    return suspects_of(lineage, tables, given.shape[1:], config)


def suspects_of(
    lineage: Lineage,
    tables: Sequence[FrameTable],
    shape: tuple[int, ...],
    config: TrackSuspectConfig | None = None,
) -> list[TrackSuspect]:
    """List what looks wrong in a lineage, but for what was decided on.

    Parameters
    ----------
    lineage
        The tracks.
    tables
        The objects of each frame.
    shape
        Of a frame.
    config
        What is strange.

    Raises
    ------
    ValueError
        If the spacing is not that of the frames.
    """
    film = _Film(lineage, tables, shape, config or TrackSuspectConfig())
    found = [*film.odd_links(), *film.odd_tracks(), *film.odd_divisions()]
    return sorted(found, key=lambda one: (-one.strangeness, one.frame, one.track))


class _Film:
    """What is looked at."""

    def __init__(
        self,
        lineage: Lineage,
        tables: Sequence[FrameTable],
        shape: tuple[int, ...],
        config: TrackSuspectConfig,
    ) -> None:
        spacing = config.spacing or (1.0,) * len(shape)
        if len(spacing) != len(shape):
            raise ValueError(
                f"spacing must be {len(shape)} numbers, got {spacing} for frames of "
                f"shape {shape}"
            )
        self.lineage, self.tables, self.shape = lineage, tables, shape
        self.config, self.spacing = config, np.asarray(spacing, np.float64)
        names = [(t, n) for t, one in enumerate(tables) for n in one.names.tolist()]
        self._rows = {name: row for row, name in enumerate(names)}
        pixels = np.concatenate([one.sizes for one in tables])
        self._sizes = pixels * float(np.prod(self.spacing))
        flat = len(shape) == 2
        self._diameters = (
            np.sqrt(4 * self._sizes / np.pi)
            if flat
            else np.cbrt(6 * self._sizes / np.pi)
        )
        self._places = np.concatenate([one.positions for one in tables])

    def size(self, track: int, t: int) -> float:
        """Area or volume, in units of the spacing."""
        return float(self._sizes[self._rows[t, track]])

    def diameter(self, track: int, t: int) -> float:
        """Of a disc or a ball of that size."""
        return float(self._diameters[self._rows[t, track]])

    def place(self, track: int, t: int) -> NDArray[np.float64]:
        """Return the centroid in pixels."""
        at: NDArray[np.float64] = self._places[self._rows[t, track]]
        return at

    def suspect(
        self, track: int, t: int, reason: Reason, strange: float, detail: str
    ) -> TrackSuspect:
        """Return a suspect at a track's place in a frame."""
        at = (t, *np.rint(self.place(track, t)).astype(int).tolist())
        return TrackSuspect(track, t, reason, strange, detail, at)

    # --- from one frame to another ------------------------------------------------

    def odd_links(self) -> Iterator[TrackSuspect]:
        """Yield sudden changes of size, and far jumps."""
        links = [
            (track, one, other)
            for track, at in self.lineage.frames.items()
            for one, other in pairwise(at)
        ]
        if len(links) < self.config.min_links:
            return
        ends = np.array([self._rows[a, n] for n, a, _ in links])
        begins = np.array([self._rows[b, n] for n, _, b in links])
        sizes = np.log(self._sizes[begins] / self._sizes[ends])
        moves = self._moves(links, ends, begins)
        scores = _scores(sizes), _scores(moves)
        limit = self.config.outlier_thresh
        odd = (np.abs(scores[0]) >= limit) | (scores[1] >= limit)
        for place in np.flatnonzero(odd).tolist():
            track, _, t = links[place]
            if (t, track) in self.lineage.fixed:
                continue
            times = float(np.exp(abs(sizes[place])))
            strange = abs(float(scores[0][place])) / limit
            if strange >= 1 and times >= _LEAST_GROWTH:
                strange = 1 + _OUTLINE * (strange - 1)
                ratio = float(np.exp(sizes[place]))
                said = f"{ratio:.1f} times as large as in the frame before"
                yield self.suspect(track, t, "size", strange, said)
            strange = float(scores[1][place]) / limit
            if strange >= 1 and moves[place] >= _LEAST_JUMP:
                said = f"moved by {moves[place]:.1f} diameters"
                yield self.suspect(track, t, "jump", strange, said)

    def _moves(
        self,
        links: list[tuple[int, int, int]],
        ends: NDArray[np.intp],
        begins: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return how far each object moved, in diameters, less what all moved."""
        ways = self._places[begins] - self._places[ends]
        pairs = np.array([(a, b) for _, a, b in links])
        for pair in np.unique(pairs, axis=0):
            here = (pairs == pair).all(axis=1)
            if np.count_nonzero(here) >= self.config.min_links:
                ways[here] -= np.median(ways[here], axis=0)
        lengths = np.linalg.norm(ways * self.spacing, axis=1)
        times = np.sqrt(pairs[:, 1] - pairs[:, 0])
        return np.asarray(lengths / self._diameters[ends] / times)

    # --- whole tracks -------------------------------------------------------------

    def odd_tracks(self) -> Iterator[TrackSuspect]:
        """Yield births away from the border, short tracks, and gaps."""
        lineage, config = self.lineage, self.config
        parents = set(lineage.parents.values())
        for track, at in lineage.frames.items():
            is_new = track not in lineage.parents
            decided = (at[0], track) in lineage.fixed
            if is_new and not decided and at[0] > 0 and self._is_inside(track, at[0]):
                said = "begins here, away from the border and without a parent"
                yield self.suspect(track, at[0], "birth", _BIRTH, said)
            is_alone = is_new and track not in parents and not decided
            if is_alone and len(at) < min(config.min_length, len(self.tables)):
                said = f"in {counted(len(at), 'frame')} only"
                yield self.suspect(track, at[0], "short", _SHORT, said)
            for one, other in lineage.gaps(track):
                if {(t, track) for t in at} <= lineage.fixed:
                    continue
                said = f"missed in {counted(other - one - 1, 'frame')} before"
                yield self.suspect(track, other, "gap", _GAP, said)

    def _is_inside(self, track: int, t: int) -> bool:
        """Whether an object lies away from the border of the plane."""
        row = self.tables[t].place(track)
        first, last = self.tables[t].boxes[row]
        sides = np.minimum(first, np.array(self.shape) - 1 - last) * self.spacing
        least = self.config.border_distance * self.diameter(track, t)
        return bool((sides[-2:] > least).all())

    def odd_divisions(self) -> Iterator[TrackSuspect]:
        """Yield divisions with unlike daughters, or with more than two."""
        for parent in sorted(set(self.lineage.parents.values())):
            daughters = self.lineage.daughters(parent)
            firsts = [(self.lineage.frames[one][0], one) for one in daughters]
            if len(firsts) < 2 or self.lineage.fixed.issuperset(firsts):
                continue
            sizes = [self.size(one, t) for t, one in firsts]
            balance = min(sizes) / max(sizes)
            said, strange = "", 0.0
            if balance < self.config.division_balance:
                strange = self.config.division_balance / balance
                said = f"one daughter is {1 / balance:.1f} times as large as the other"
            if len(firsts) > 2:
                strange = max(strange, len(firsts) / 2)
                said = f"{len(firsts)} daughters"
            if said:
                last = self.lineage.frames[parent][-1]
                yield self.suspect(parent, last, "division", strange, said)


def _scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many deviations each value lies from the middle."""
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return np.asarray((values - middle) / max(spread, _LEAST_SPREAD))
