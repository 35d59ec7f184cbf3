"""How good tracks are: by the Cell Tracking Challenge's rules, and link by link.

The measures of the challenge come from the package ``py-ctcmetrics``: DET and TRA
(Matula et al., Cell tracking accuracy measurement based on comparison of acyclic
oriented graphs, PLoS ONE 10, 2015), SEG (Maska et al., A benchmark for comparison of
cell tracking algorithms, Bioinformatics 30, 2014), LNK, and BC, the F1 of divisions
(Ulman et al., An objective comparison of cell-tracking algorithms, Nature Methods 14,
2017).
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.ctc import write_ctc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Graph = Mapping[int, Sequence[int]]

__all__ = ["LinkScores", "score_by_the_challenge", "score_links"]

CHALLENGE = ("DET", "SEG", "TRA", "LNK", "BC(0)", "BC(1)")
"""The measures; BC(i) takes a division that is i frames early or late for right."""


@dataclass(frozen=True)
class LinkScores:
    """How many links of tracks are right.

    A link joins two appearances of an object with none between them.

    Attributes
    ----------
    links, made, right
        Links of the truth, of the result, and of both.
    daughters, said, true
        Pairs of daughter and parent of the truth, of the result, and of both.
    """

    links: int
    made: int
    right: int
    daughters: int
    said: int
    true: int

    @property
    def recall(self) -> float:
        """Share of the true links that were found; NaN if there is none."""
        return self.right / self.links if self.links else math.nan

    @property
    def precision(self) -> float:
        """Share of the links made that are true; NaN if there is none."""
        return self.right / self.made if self.made else math.nan

    @property
    def division_f1(self) -> float:
        """F1 of pairs of daughter and parent; NaN where nothing divides."""
        total = self.daughters + self.said
        return 2 * self.true / total if total else math.nan


def score_by_the_challenge(
    truth: NDArray[Any], graph: Graph, found: NDArray[Any], found_graph: Graph
) -> dict[str, float]:
    """Score tracks by the measures of the Cell Tracking Challenge.

    Parameters
    ----------
    truth, found
        (T, Y, X) or (T, Z, Y, X) integers, the track's id in each pixel.
    graph, found_graph
        {child: [parent]}. A track with a gap counts as two, of which the first is the
        parent of the second, as the challenge has it.

    Returns
    -------
    dict
        Each of `CHALLENGE`; BC is NaN where nothing divides. All but that are 0 where
        nothing was found.

    Raises
    ------
    OSError
        If the package is not installed.
    ValueError
        If the shapes differ, the truth holds no object, or there are more tracks than
        16 bits can number.
    """
    if truth.shape != found.shape:
        raise ValueError(
            f"the truth has the shape {truth.shape}, and the tracks have {found.shape}"
        )
    if not np.any(truth):
        raise ValueError("the truth holds no object to score")
    evaluate = _library()
    divides = len({p for parents in graph.values() for p in parents}) > 0
    if not np.any(found):
        none = dict.fromkeys(CHALLENGE, 0.0)
        return none if divides else none | {"BC(0)": math.nan, "BC(1)": math.nan}
    with tempfile.TemporaryDirectory(prefix="napari-sam-") as folder:
        true, result = Path(folder) / "01_GT", Path(folder) / "01_RES"
        _write_truth(true, *_numbered(truth, graph))
        write_ctc(result, *_numbered(found, found_graph))
        with contextlib.redirect_stdout(io.StringIO()) as said:
            measures = ["Valid", "DET", "SEG", "TRA", "LNK", "BC"]
            scores = evaluate(str(result), str(true), measures, threads=1)
    if not scores.get("Valid"):
        told = said.getvalue().strip()
        raise ValueError(f"py-ctcmetrics finds the tracks not valid: {told}")
    values = {name: scores[name] for name in CHALLENGE}
    return {k: math.nan if v is None else float(v) for k, v in values.items()}


def _library() -> Any:
    try:
        from ctc_metrics.scripts.evaluate import evaluate_sequence
    except ImportError as error:
        raise OSError(
            "the measures of the Cell Tracking Challenge come from the package "
            'py-ctcmetrics, which is not installed: pip install "napari-sam[tracks]"'
        ) from error
    return evaluate_sequence


def _numbered(
    labels: NDArray[Any], graph: Graph
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    """Return tracks numbered from 1 up, so that 16 bits hold any of them."""
    ids, flat = np.unique(labels, return_inverse=True)
    ids = ids[ids > 0]
    number = {int(one): n for n, one in enumerate(ids, start=1)}
    shift = int(labels.min() > 0)  # where no pixel is background
    parents = {
        number[child]: [number[parent] for parent in several if parent in number]
        for child, several in graph.items()
        if child in number
    }
    return flat.reshape(labels.shape) + shift, parents


def _write_truth(folder: Path, labels: NDArray[Any], graph: Graph) -> None:
    """Write a truth as the challenge has it: tracks, and all objects as outlined."""
    tracks, outlines = folder / "TRA", folder / "SEG"
    outlines.mkdir(parents=True)
    write_ctc(tracks, labels, graph)
    (tracks / "res_track.txt").rename(tracks / "man_track.txt")
    for path in sorted(tracks.glob("mask*.tif")):
        number = path.stem.removeprefix("mask")
        outline = outlines / f"man_seg{number}.tif"
        outline.write_bytes(path.read_bytes())
        path.rename(tracks / f"man_track{number}.tif")


def score_links(
    truth: NDArray[Any], graph: Graph, found: NDArray[Any], found_graph: Graph
) -> LinkScores:
    """Compare the links of tracks, and the pairs of daughter and parent.

    An object that was found is the true one of which it covers more than half.
    """
    true_name = _true_names(truth, found)
    wanted = _links(truth)
    made = _links(found)
    nobody = -1
    right = {
        (t, a, s, b)
        for t, i, s, j in made
        if (a := true_name.get((t, i), nobody)) == (b := true_name.get((s, j), nobody))
        and a != nobody
    } & wanted
    there = set(np.unique(truth).tolist())
    pairs = {(c, p) for c, parents in graph.items() for p in parents}
    real = {(c, p) for c, p in pairs if {c, p} <= there}
    first, last = _ends(found)
    said = {
        (true_name.get((first[c], c)), true_name.get((last[p], p)))
        for c, parents in found_graph.items()
        for p in parents
        if c in first and p in last
    }
    return LinkScores(
        len(wanted), len(made), len(right), len(real), len(said), len(said & real)
    )


def _true_names(truth: NDArray[Any], found: NDArray[Any]) -> dict[tuple[int, int], int]:
    names: dict[tuple[int, int], int] = {}
    for t, (true, seen) in enumerate(zip(truth, found, strict=True)):
        sizes = dict(
            zip(*(x.tolist() for x in np.unique(true, return_counts=True)), strict=True)
        )
        both = (true > 0) & (seen > 0)
        pairs, shared = np.unique(
            np.stack([seen[both], true[both]]), axis=1, return_counts=True
        )
        for (i, label), count in zip(pairs.T.tolist(), shared.tolist(), strict=True):
            if 2 * count > sizes[label]:
                names[t, i] = label
    return names


def _links(film: NDArray[Any]) -> set[tuple[int, int, int, int]]:
    """Return (frame, label, later frame, label) of each link."""
    seen: dict[int, int] = {}
    links = set()
    for t, frame in enumerate(film):
        for label in np.unique(frame[frame > 0]).tolist():
            if label in seen:
                links.add((seen[label], label, t, label))
            seen[label] = t
    return links


def _ends(film: NDArray[Any]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the first and the last frame of each label."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for t, frame in enumerate(film):
        for label in np.unique(frame[frame > 0]).tolist():
            first.setdefault(label, t)
            last[label] = t
    return first, last
