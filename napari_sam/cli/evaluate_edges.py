"""``napari-sam evaluate-edges``: score edges against boundaries that people drew."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.edge_scores import EdgeScores
    from napari_sam.io.boundary_folders import OutlinedImage

    Detector = Callable[[NDArray[Any]], NDArray[Any]]

__all__ = ["add_parser"]

_DESCRIPTION = """\
Score edges by the protocol of BSDS500. Edge images are cut at many thresholds, thinned,
and matched pixel by pixel, one to one, with the boundaries of every annotator within
0.0075 of the image's diagonal. Reported are the F score at the best threshold of the
set (ODS) and of each image (OIS), the area under precision over recall (AP), and the
recall at a precision of one half (R50). Sobel and Canny are scored by the same code;
their published ODS on the test images are .539 and .600.
"""

_METHODS = ("model", "sobel", "canny")
_COLUMNS = ("ods", "ois", "ap", "r50", "threshold", "precision", "recall")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``evaluate-edges``."""
    parser = subparsers.add_parser(
        "evaluate-edges",
        help="score edges against boundaries that people drew",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with images/NAME.jpg and ground_truth/NAME.npz, which holds "
        "'boundaries', (annotators, H, W) bool",
    )
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    parser.add_argument(
        "--method",
        nargs="+",
        choices=_METHODS,
        default=list(_METHODS),
        metavar="X",
        help="model, sobel, canny (default: all)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="F", help="write the scores to this file"
    )
    arguments.add_overwrite_argument(parser, "the file of --json")
    _add_amount_arguments(parser)
    parser.set_defaults(run=_run)


def _add_amount_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how much is scored."""
    parser.add_argument(
        "--max-images",
        type=arguments.count,
        metavar="N",
        help="score N images, evenly spaced in the order of their names",
    )
    parser.add_argument(
        "--thresholds",
        type=arguments.count,
        default=30,
        metavar="N",
        help="cut at N thresholds; the literature has 99 (default: %(default)s)",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.evaluation.edge_scores import summarise_edges
    from napari_sam.io.atomic_write import write_atomically

    images = _select(args)
    batch.check_output("--json", args.json, args.overwrite)
    methods = list(dict.fromkeys(args.method))
    counts: dict[str, list[Any]] = {name: [] for name in methods}
    detectors = {name: _detector(name, args) for name in methods}
    failures = _count_all(images, detectors, counts, args.thresholds)
    for name, problem in failures.items():
        print(f"{name} was left out: {problem}", file=sys.stderr)
    scores = {name: summarise_edges(some) for name, some in counts.items()}
    print(_table(scores))
    if args.json is not None:
        text = json.dumps(_content(scores, args), indent=2) + "\n"
        write_atomically(args.json, lambda path: path.write_text(text, "utf-8"))
    return 1 if failures else 0


def _select(args: argparse.Namespace) -> list[OutlinedImage]:
    import numpy as np

    from napari_sam.io.boundary_folders import list_outlined_images

    images = list_outlined_images(args.data, **batch.array_options(args))
    batch.tell_hidden("evaluate-edges", images.hidden)
    if args.max_images is None or args.max_images >= len(images):
        return images
    spread = np.linspace(0, len(images) - 1, args.max_images).round().astype(int)
    return [images[i] for i in spread]


def _detector(method: str, args: argparse.Namespace) -> Detector:
    from napari_sam.evaluation.edge_baselines import canny_edges, sobel_edges

    if method != "model":
        return {"sobel": sobel_edges, "canny": canny_edges}[method]

    from napari_sam.inference.model_loading import load_model
    from napari_sam.workflows.objects.edges import detect_edges

    sam = load_model(args.model, device=args.device)
    return lambda image: detect_edges(image, model=sam)


def _count_all(
    images: Sequence[OutlinedImage],
    detectors: Mapping[str, Detector],
    counts: Mapping[str, list[Any]],
    thresholds: int,
) -> dict[str, Exception]:
    """Score each image by each method; an image that fails counts for none."""
    from tqdm import tqdm

    from napari_sam.evaluation.edge_scores import count_matches, even_thresholds

    cuts = even_thresholds(thresholds)
    failures: dict[str, Exception] = {}
    for item in tqdm(images, unit="image", disable=None):
        try:
            image, boundaries = item.read()
            found = {
                name: count_matches(detect(image), boundaries, cuts)
                for name, detect in detectors.items()
            }
        except (OSError, ValueError, RuntimeError) as error:
            failures[item.name] = error
            continue
        for name, one in found.items():
            counts[name].append(one)
    return failures


def _table(scores: Mapping[str, EdgeScores]) -> str:
    head = f"{'method':<8}{'images':>8}" + "".join(f"{c:>11}" for c in _COLUMNS)
    rows = [
        f"{name:<8}{row.n:>8}"
        + "".join(f"{getattr(row, column):>11.3f}" for column in _COLUMNS)
        for name, row in scores.items()
    ]
    return "\n".join([head, *rows])


def _content(
    scores: Mapping[str, EdgeScores], args: argparse.Namespace
) -> dict[str, Any]:
    methods = {
        name: {"n": row.n, **{column: getattr(row, column) for column in _COLUMNS}}
        for name, row in scores.items()
    }
    model = {"model": str(args.model)} if "model" in scores else {}
    return {"thresholds": args.thresholds, **model, "methods": methods}
