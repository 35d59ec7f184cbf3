"""Tracked objects in the format of the Cell Tracking Challenge.

A folder holds ``mask000.tif``, ``mask001.tif`` ... with the labels of each frame, two-
or three-dimensional and of type uint16, and ``res_track.txt`` with a line ``L B E P``
for each track: its label, its first and its last frame counted from 0, and the label
of the track that it came from, 0 for none (Ulman et al., An objective comparison of
cell-tracking algorithms, Nature Methods 14, 2017; the conventions are on
celltrackingchallenge.net). A label is in every frame from B to E and in no other one,
and a parent ends before its children begin.

A track that misses frames cannot be told so. What comes after the gap is written as a
track of its own, whose parent is what came before it, as the challenge wants it.

Labels that were corrected by hand and the graph of before need not fit. The labels are
what counts: a track without a pixel is left out, and so is a link that the format
cannot hold. `CtcExport.notes` says so of each.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.label_images import write_labels
from napari_sam.ops.wording import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.io.calibration import Calibration

__all__ = ["CtcExport", "holds_ctc", "read_ctc", "write_ctc"]

_TABLE = "res_track.txt"
_MASK = re.compile(r"mask(\d{3,})\.tif")
_MOST = int(np.iinfo(np.uint16).max)

Track = tuple[int, int, int, int]


@dataclass(frozen=True)
class CtcExport:
    """What was written.

    Attributes
    ----------
    table
        The path of ``res_track.txt``.
    tracks
        How many lines it has.
    divisions
        How many of them have more than one child.
    notes
        What was in the graph or the labels and is not in the files, a sentence each.
    """

    table: Path
    tracks: int
    divisions: int
    notes: tuple[str, ...] = ()


def write_ctc(
    folder: str | Path,
    labels: Any,
    graph: Mapping[int, Sequence[int]] | None = None,
    tracks: Collection[int] = (),
    known: Calibration | None = None,
) -> CtcExport:
    """Write tracked labels to a folder; frames of an earlier export are replaced.

    Frames are read one at a time. The table is written last, so that a folder with a
    table is whole.

    Parameters
    ----------
    folder
        Made where it does not exist.
    labels
        (T, Y, X) or (T, Z, Y, X) integers, the track's id in each pixel, 0 for
        background.
    graph
        The parent of each track that has one, as {child: [parent]}. Where a parent
        has no pixel, its nearest ancestor that has one takes its place.
    tracks
        Further ids that there should be; it is noted if one has no pixel.
    known
        What is known of the axes of a frame; see
        `napari_sam.io.label_images.write_labels`.

    Returns
    -------
    CtcExport
        What was written, and what was left out.

    Raises
    ------
    ValueError
        If the labels are not as described, or an id or a track that has to be split
        does not fit into 16 bits.
    """
    if len(labels.shape) not in (3, 4) or np.dtype(labels.dtype).kind not in "iu":
        raise ValueError(
            "wanted integers of (T, Y, X) or (T, Z, Y, X), got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    where = Path(folder)
    frames = [_ids(labels[t], f"frame {t}") for t in range(len(labels))]
    seen: dict[int, list[int]] = {}
    for t, present in enumerate(frames):
        for label in present.tolist():
            seen.setdefault(label, []).append(t)
    given = {int(child): _ids_of(parents) for child, parents in (graph or {}).items()}
    parents, notes = _parents(given, seen, tracks)
    lines, names = _to_tracks(seen, parents, len(frames))
    digits = max(3, len(str(len(frames) - 1)))
    (where / _TABLE).unlink(missing_ok=True)
    for t in range(len(frames)):
        path = where / f"mask{t:0{digits}d}.tif"
        _write_frame(path, np.asarray(labels[t]), names[t], known)
    for path, number in _numbered(where):
        if number >= len(frames) or path.stem != f"mask{number:0{digits}d}":
            path.unlink()
    text = "".join(f"{a} {b} {c} {d}\n" for a, b, c, d in lines)
    table = write_atomically(where / _TABLE, lambda part: part.write_text(text))
    children = Counter(parent for *_, parent in lines if parent)
    divisions = sum(number > 1 for number in children.values())
    return CtcExport(table, len(lines), divisions, tuple(notes))


def _ids_of(parents: Any) -> list[int]:
    return [int(parent) for parent in np.atleast_1d(parents)]


def _ids(frame: Any, what: str) -> NDArray[np.int64]:
    present = np.unique(np.asarray(frame)).astype(np.int64)
    if len(present) and present[0] < 0:
        raise ValueError(f"{what} has the label {present[0]}; ids begin at 1")
    present = present[present > 0]
    if len(present) and present[-1] > _MOST:
        raise ValueError(
            f"{what} has the label {present[-1]}, and the format holds at most {_MOST} "
            "(16 bits); number the tracks anew or export fewer of them"
        )
    return present


def _to_tracks(
    seen: Mapping[int, Sequence[int]], parents: Mapping[int, int], frames: int
) -> tuple[list[Track], list[dict[int, int]]]:
    """Split tracks at their gaps; return them, and the names of ids in each frame."""
    names: list[dict[int, int]] = [{} for _ in range(frames)]
    tracks: list[Track] = []
    last: dict[int, int] = {}
    free = max(seen, default=0) + 1
    # By their beginnings: a parent has its last name before its children ask for it.
    for label in sorted(seen, key=lambda one: (seen[one][0], one)):
        at = np.array(seen[label])
        parent = last[parents[label]] if label in parents else 0
        name = label
        for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
            if name > _MOST:
                raise ValueError(
                    f"track {label} misses frames and has to be split, and there is no "
                    f"id left: the format holds at most {_MOST} (16 bits)"
                )
            tracks.append((name, int(part[0]), int(part[-1]), parent))
            for t in part.tolist():
                names[t][label] = name
            parent, name = name, free
            free += 1
        free -= 1  # the name prepared for a part that did not come
        last[label] = parent
    return sorted(tracks), names


def _parents(
    given: Mapping[int, Sequence[int]],
    seen: Mapping[int, Sequence[int]],
    tracks: Collection[int],
) -> tuple[dict[int, int], list[str]]:
    """Return {child: parent} as the format can hold it, and what it cannot."""
    known = {*map(int, tracks), *given, *(p for many in given.values() for p in many)}
    gone = sorted(known - set(seen))
    notes = []
    if gone:
        one = len(gone) == 1
        notes.append(
            f"{'Track' if one else 'Tracks'} {listed(gone)} {'has' if one else 'have'} "
            f"no pixels, and {'is' if one else 'are'} left out."
        )
    parents: dict[int, int] = {}
    for child in sorted(set(given) & set(seen)):
        parent, note = _parent(child, given, seen)
        if note:
            notes.append(note)
        if parent is not None:
            parents[child] = parent
    return parents, notes + _lost_divisions(given, seen, parents)


def _parent(
    child: int, given: Mapping[int, Sequence[int]], seen: Mapping[int, Sequence[int]]
) -> tuple[int | None, str]:
    """Return the parent of a track, and what there is to say about it."""
    several = given[child]
    if len(several) > 1:
        return None, (
            f"Track {child} has the parents {listed(several)}, and the format holds "
            "one: it is written without."
        )
    if not several:
        return None, ""
    parent, passed = several[0], [child]
    while parent not in seen and parent not in passed and len(given.get(parent, ())):
        passed.append(parent)
        parent = given[parent][0] if len(given[parent]) == 1 else parent
    if parent not in seen:
        return None, f"Track {child} is written without a parent."
    if seen[parent][-1] >= seen[child][0]:
        return None, (
            f"Track {child} begins in frame {seen[child][0]}, and its parent {parent} "
            f"ends in frame {seen[parent][-1]}, not before: it is written without a "
            "parent."
        )
    note = f"Track {child} is written as one that came from {parent}."
    return parent, "" if parent == several[0] else note


def _lost_divisions(
    given: Mapping[int, Sequence[int]],
    seen: Mapping[int, Sequence[int]],
    parents: Mapping[int, int],
) -> list[str]:
    """Say which divisions have fewer than two children left."""
    before = Counter(several[0] for several in given.values() if len(several) == 1)
    after = Counter(parents.values())
    notes = []
    for parent in sorted(p for p, number in before.items() if number > 1 and p in seen):
        if not after[parent]:
            notes.append(f"The division of track {parent} is left out.")
        elif after[parent] == 1:
            notes.append(f"The division of track {parent} has one daughter left.")
    return notes


def _write_frame(
    path: Path,
    frame: NDArray[Any],
    names: Mapping[int, int],
    known: Calibration | None,
) -> None:
    table = np.zeros(int(frame.max(initial=0)) + 1, np.uint16)
    for label, name in names.items():
        table[label] = name
    write_labels(path, table[frame], known)


def holds_ctc(folder: str | Path) -> bool:
    """Whether there are files in a folder that `write_ctc` would replace."""
    where = Path(folder)
    if not where.is_dir():
        return False
    return (where / _TABLE).exists() or bool(_numbered(where))


def _numbered(folder: Path) -> list[tuple[Path, int]]:
    matches = [(path, _MASK.fullmatch(path.name)) for path in sorted(folder.iterdir())]
    return [(path, int(match[1])) for path, match in matches if match]


def read_ctc(folder: str | Path) -> tuple[NDArray[np.uint16], dict[int, list[int]]]:
    """Read tracked labels, and check that they keep to the format.

    Returns
    -------
    (T, Y, X) or (T, Z, Y, X) uint16
        The track's id in each pixel.
    dict
        The parent of each track that has one, as {child: [parent]}.

    Raises
    ------
    OSError
        If there is no table or a frame cannot be read.
    ValueError
        If anything breaks the rules that this module describes; the message says
        what.
    """
    where = Path(folder)
    tracks = _read_table(where / _TABLE)
    labels = _read_frames(where)
    present = [set(np.unique(frame).tolist()) - {0} for frame in labels]
    for label, (begin, end, _) in tracks.items():
        if end >= len(labels):
            raise ValueError(
                f"{_TABLE}: track {label} ends in frame {end}, and there are "
                f"{len(labels)} frames"
            )
        for t in range(begin, end + 1):
            if label not in present[t]:
                raise ValueError(
                    f"{_TABLE} has track {label} in frames {begin} to {end}, but it "
                    f"is not in frame {t}"
                )
    for t, found in enumerate(present):
        for label in sorted(found):
            begin, end, _ = tracks.get(label, (1, 0, 0))
            if not begin <= t <= end:
                raise ValueError(
                    f"frame {t} holds label {label}, which {_TABLE} does not have there"
                )
    return labels, {one: [parent] for one, (_, _, parent) in tracks.items() if parent}


def _read_table(path: Path) -> dict[int, tuple[int, int, int]]:
    tracks: dict[int, tuple[int, int, int]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path.name}, line {number}"
        if len(words) != 4 or not all(word.isdecimal() for word in words):
            raise ValueError(f"{where}: wanted four numbers L B E P, got {line!r}")
        label, begin, end, parent = map(int, words)
        if not 1 <= label <= _MOST:
            raise ValueError(f"{where}: label {label} is not in 1 to {_MOST}")
        if label in tracks:
            raise ValueError(f"{where}: label {label} is there twice")
        if end < begin:
            raise ValueError(f"{where}: track {label} ends before it begins")
        tracks[label] = begin, end, parent
    for label, (begin, _, parent) in tracks.items():
        if not parent:
            continue
        if parent not in tracks:
            raise ValueError(f"{path.name}: track {label} has no parent {parent}")
        if tracks[parent][1] >= begin:
            raise ValueError(
                f"{path.name}: track {label} begins in frame {begin}, and its parent "
                f"{parent} ends in frame {tracks[parent][1]}, not before"
            )
    return tracks


def _read_frames(folder: Path) -> NDArray[np.uint16]:
    paths = sorted(_numbered(folder), key=lambda one: one[1])
    if not paths:
        raise ValueError(f"{folder} holds no mask000.tif")
    for wanted, (path, number) in enumerate(paths):
        if number != wanted:
            raise ValueError(f"{folder} has no frame {wanted}, but it has {path.name}")
    frames: list[NDArray[np.uint16]] = []
    for path, _ in paths:
        frame = np.asarray(tifffile.imread(path))
        if frame.dtype != np.uint16 or frame.ndim not in (2, 3):
            raise ValueError(
                f"{path.name} is {frame.dtype} of shape {frame.shape}; wanted uint16 "
                "of two or three axes"
            )
        if frames and frame.shape != frames[0].shape:
            raise ValueError(
                f"{path.name} has shape {frame.shape}, the first frame has "
                f"{frames[0].shape}"
            )
        frames.append(frame)
    return np.stack(frames)
