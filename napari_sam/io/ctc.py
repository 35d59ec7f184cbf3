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
from napari_sam.io.track_parents import settle_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.io.calibration import Calibration

__all__ = ["CtcExport", "find_table", "holds_ctc", "read_ctc", "write_ctc"]

_TABLE = "res_track.txt"
_MASK = re.compile(r"mask(\d{3,})\.tif")
_TRUTH = "man_track.txt"
_TRUE_MASK = re.compile(r"man_track(\d{3,})\.tif")
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
    settled, notes = settle_parents(graph or {}, seen, tracks)
    parents = {child: parent for child, (parent,) in settled.items()}
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
    table = write_atomically(
        where / _TABLE, lambda part: part.write_text(text, "utf-8")
    )
    children = Counter(parent for *_, parent in lines if parent)
    divisions = sum(number > 1 for number in children.values())
    return CtcExport(table, len(lines), divisions, tuple(notes))


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


def find_table(folder: str | Path) -> Path | None:
    """Return the table of a folder: of a result, or of a truth there or in ``TRA``."""
    where = Path(folder)
    tables = (where / _TABLE, where / _TRUTH, where / "TRA" / _TRUTH)
    return next((table for table in tables if table.is_file()), None)


def _numbered(folder: Path, pattern: re.Pattern[str] = _MASK) -> list[tuple[Path, int]]:
    matches = [
        (path, pattern.fullmatch(path.name)) for path in sorted(folder.iterdir())
    ]
    return [(path, int(match[1])) for path, match in matches if match]


def read_ctc(folder: str | Path) -> tuple[NDArray[np.uint16], dict[int, list[int]]]:
    """Read tracked labels, and check that they keep to the format.

    A truth of the challenge, ``man_track.txt`` with ``man_track000.tif`` and so on, is
    read like a result.

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
    table = find_table(folder) or Path(folder) / _TABLE
    tracks = _read_table(table)
    labels = _read_frames(table.parent, _TRUE_MASK if table.name == _TRUTH else _MASK)
    present = [set(np.unique(frame).tolist()) - {0} for frame in labels]
    for label, (begin, end, _) in tracks.items():
        if end >= len(labels):
            raise ValueError(
                f"{table.name}: track {label} ends in frame {end}, and there are "
                f"{len(labels)} frames"
            )
        for t in range(begin, end + 1):
            if label not in present[t]:
                raise ValueError(
                    f"{table.name} has track {label} in frames {begin} to {end}, but "
                    f"it is not in frame {t}"
                )
    for t, found in enumerate(present):
        for label in sorted(found):
            begin, end, _ = tracks.get(label, (1, 0, 0))
            if not begin <= t <= end:
                raise ValueError(
                    f"frame {t} holds label {label}, which {table.name} does not have "
                    "there"
                )
    return labels, {one: [parent] for one, (_, _, parent) in tracks.items() if parent}


def _read_table(path: Path) -> dict[int, tuple[int, int, int]]:
    tracks: dict[int, tuple[int, int, int]] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
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


def _read_frames(folder: Path, pattern: re.Pattern[str]) -> NDArray[np.uint16]:
    paths = sorted(_numbered(folder, pattern), key=lambda one: one[1])
    if not paths:
        first = "mask000.tif" if pattern is _MASK else "man_track000.tif"
        raise ValueError(f"{folder} holds no {first}")
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
