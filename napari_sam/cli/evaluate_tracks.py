"""``napari-sam evaluate-tracks``: score tracks by rules of the tracking challenge."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch
from napari_sam.configs import TrackConfig, read_pairs, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Film = tuple[NDArray[Any], Mapping[int, Sequence[int]]]

__all__ = ["add_parser"]

_DESCRIPTION = """\
Score tracks against a truth. Without --found and --model, the labels of the truth are
tracked: their numbers are mixed up in every frame, and some objects may be left out.
"found" and "right" are the share of the true links that were found, and of the links
made that are true; "divisions" is the F1 of pairs of daughter and parent. DET, SEG,
TRA, LNK and BC are the measures of the Cell Tracking Challenge, from py-ctcmetrics;
BC(1) takes a division that is a frame early or late for right. Beside "track" stand
"overlap", which links what overlaps most, and laptrack with its defaults.
"""

_TRACKERS = ("track", "overlap", "laptrack")
_LABELS = ("labels.tif", "labels.tiff", "labels.zarr")
_NAMES = [
    n for n in settings_of(TrackConfig) if n not in ("spacing", "link", "segment")
]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``evaluate-tracks``."""
    parser = subparsers.add_parser(
        "evaluate-tracks",
        help="score tracks by the Cell Tracking Challenge's rules",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_film_arguments(parser)
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda, mps, or the address of a running dask scheduler, such "
        "as tcp://10.0.0.1:8786, whose workers embed the planes (default: auto)",
    )
    _add_tracker_arguments(parser)
    parser.add_argument(
        "--json", type=Path, metavar="F", help="write the scores to this file"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the table in Markdown"
    )
    arguments.add_overwrite_argument(parser, "the file of --json")
    parser.set_defaults(run=_run)


def _add_film_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is scored."""
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="TRUTH",
        help="tracks with labels: a folder of the Cell Tracking Challenge (01_GT, or a "
        "result), a .geff, an .xml of TrackMate; a TIFF or zarr of labels with numbers "
        "that last; or a folder with labels.tif, and tracks.csv if some divide",
    )
    parser.add_argument(
        "--simulate",
        type=int,
        nargs="+",
        default=[],
        metavar="SEED",
        help="films of discs that wander and divide, drawn with these seeds",
    )
    parser.add_argument(
        "--found",
        type=Path,
        metavar="TRACKS",
        help="score these tracks, in any form of --data, of the one film of --data",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="find the objects in image.tif of each folder with this model, and track "
        "those",
    )


def _add_tracker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how objects are tracked."""
    parser.add_argument(
        "--trackers",
        nargs="+",
        choices=_TRACKERS,
        default=list(_TRACKERS),
        metavar="X",
        help="track, overlap, laptrack (default: all)",
    )
    parser.add_argument(
        "--missed",
        type=float,
        default=0.0,
        metavar="P",
        help="the share of the objects that is left out (default: %(default)s)",
    )
    parser.add_argument(
        "--every",
        type=arguments.count,
        default=1,
        metavar="N",
        help="take every Nth frame (default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"for track: {', '.join(_NAMES)}; may be repeated",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.evaluation.track_report import score_tracks, sum_up
    from napari_sam.io.atomic_write import write_atomically

    _check(args)
    batch.check_output("--json", args.json, args.overwrite)
    config = read_pairs(
        TrackConfig, dict(pair.partition("=")[::2] for pair in args.set)
    )
    rows, failures = [], 0
    for name, truth in _films(args):
        try:
            seen, tracked = _tracked(args, name, truth, config)
            for tracker, found in tracked:
                rows.append(score_tracks(name, tracker, seen, found))
        except ValueError as error:
            print(f"{name} was left out: {error}", file=sys.stderr)
            failures += 1
    report = sum_up(rows)
    print(report.to_markdown() if args.markdown else report.to_table())
    if args.json is not None:
        write_atomically(
            args.json, lambda path: path.write_text(report.to_json(), "utf-8")
        )
    return 1 if failures else 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if not args.data and not args.simulate:
        raise ValueError("there is no film: give --data, --simulate or both")
    if not 0 <= args.missed < 1:
        raise ValueError(f"--missed is {args.missed}; wanted a share from 0 to below 1")
    if args.found is not None and (len(args.data) != 1 or args.simulate):
        raise ValueError("--found is the result of one film: give one --data")
    if args.found is not None and (args.model or args.missed or args.every != 1):
        raise ValueError(
            "--found is scored as it is, without --model, --missed, --every"
        )
    if args.model is not None and (args.simulate or args.missed):
        raise ValueError(
            "--model needs images: it goes without --simulate and --missed"
        )


def _films(args: argparse.Namespace) -> Iterator[tuple[str, Film]]:
    """Yield the name and the truth of each film."""
    from napari_sam.evaluation.simulated_films import simulate_film

    for path in args.data:
        labels, graph = _read(args, path)
        yield path.stem if path.is_file() else path.name, (labels[:: args.every], graph)
    for seed in args.simulate:
        labels, graph = simulate_film(seed)
        yield f"simulated {seed}", (labels[:: args.every], graph)


def _read(args: argparse.Namespace, path: Path) -> Film:
    """Read tracks with labels; of a label image, its numbers are the tracks."""
    import numpy as np

    from napari_sam.io.track_files import read_tracks
    from napari_sam.io.track_formats import format_to_read

    if format_to_read(path) is not None:
        found = read_tracks(path)
        batch.tell("evaluate-tracks", found.note and f"{path}: {found.note}")
        if found.labels is None:
            raise ValueError(f"{path} has positions only, and no labels to compare")
        return found.labels, found.graph
    graph: Mapping[int, Sequence[int]] = {}
    if path.is_dir() and not (path / "zarr.json").exists():
        table = path / "tracks.csv"
        graph = read_tracks(table).graph if table.exists() else {}
        there = [path / name for name in _LABELS if (path / name).exists()]
        if not there:
            raise ValueError(f"{path} holds neither tracks nor {' or '.join(_LABELS)}")
        path = there[0]
    return np.asarray(_open(path, labels=True)), graph


def _open(path: Path, labels: bool) -> Any:
    """Open a film, time first."""
    from napari_sam.io.image_reader import ArraySource, open_array

    image = open_array(ArraySource(str(path)))
    axes, frames = image.stack_axes("t"), image.stack("t")
    if len(axes) not in (3, 4) or image.is_colour:
        raise ValueError(f"{path} has the axes {image.axes.upper()}; wanted a film")
    if labels and frames.dtype.kind not in "iu":
        raise ValueError(f"{path} holds {frames.dtype}; labels are whole numbers")
    place = max(axes.find("t"), 0)
    return frames.transpose([place, *(n for n in range(len(axes)) if n != place)])


def _tracked(
    args: argparse.Namespace, name: str, truth: Film, config: TrackConfig
) -> tuple[Film, Iterator[tuple[str, Film]]]:
    """Return the truth as far as it is seen, and what each tracker makes of it."""
    import numpy as np

    from napari_sam.evaluation.simulated_films import mix_numbers, without_some

    if args.found is not None:
        found = _read(args, args.found)
        return truth, iter([(args.found.name, found)])
    if args.model is not None:
        labels = _segmented(args, name)
        return truth, _run_trackers(args, labels, config)
    rng = np.random.default_rng(0)
    seen = without_some(np.asarray(truth[0]), args.missed, rng)
    return (seen, truth[1]), _run_trackers(args, mix_numbers(seen, rng), config)


def _run_trackers(
    args: argparse.Namespace, labels: NDArray[Any], config: TrackConfig
) -> Iterator[tuple[str, Film]]:
    from napari_sam.evaluation.track_baselines import laptrack_tracks, overlap_tracks
    from napari_sam.workflows.stacks.tracking import track

    for name in dict.fromkeys(args.trackers):
        if name == "track":
            found = track(labels, config=config)
            yield name, (found.labels, found.graph)
        else:
            yield (
                name,
                {"overlap": overlap_tracks, "laptrack": laptrack_tracks}[name](labels),
            )


def _segmented(args: argparse.Namespace, name: str) -> NDArray[Any]:
    """Find the objects of each frame of the film's image."""
    import numpy as np

    from napari_sam.cli.progress_bar import StepBar
    from napari_sam.inference.model_loading import load_model
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.volume import segment_film

    folder = next(path for path in args.data if name in (path.name, path.stem))
    path = folder / "image.tif"
    if not path.exists():
        raise ValueError(f"--model needs {path}, which is not there")
    film = _open(path, labels=False)[:: args.every]
    with StepBar("plane") as bar:
        return np.asarray(
            segment_film(
                film,
                model=load_model(args.model, device=args.device),
                progress=Progress(bar.show),
            )
        )
