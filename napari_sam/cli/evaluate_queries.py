"""What ``napari-sam evaluate`` does with text, examples and classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import batch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_sam.evaluation.query_objects import ImageObjects
    from napari_sam.evaluation.query_report import QueryReport
    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.labelled_folders import LabelledImage

__all__ = ["MODES", "add_arguments", "check_arguments", "score"]

MODES = ("text", "examples", "classes")
"""What is scored here."""

_OPTIONS = {"phrases": ("text",), "among": MODES, "object_head": MODES}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of these modes."""
    group = parser.add_argument_group("--mode text, examples and classes")
    group.add_argument(
        "--among",
        choices=("images", "all"),
        help="tell a kind from those that share images with it (images; default), or "
        "from all given kinds that show something else (all)",
    )
    group.add_argument(
        "--phrases",
        type=Path,
        metavar="F.toml",
        help="text: phrases for each concept or kind, as nucleus = ['cell nucleus', "
        "'nuclei'] or as 'unseen' of a table; those that ship if left out",
    )
    group.add_argument(
        "--object-head",
        type=Path,
        metavar="F",
        help="file of the head that embeds objects, in place of the one that ships",
    )


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse options that are not for the mode.

    Raises
    ------
    ValueError
        If there is one.
    """
    for name, modes in _OPTIONS.items():
        if getattr(args, name) is not None and args.mode not in modes:
            told = " and ".join(filter(None, (", ".join(modes[:-1]), modes[-1])))
            raise ValueError(f"--{name.replace('_', '-')} is for --mode {told}")


def score(
    args: argparse.Namespace, model: Predictor, images: Sequence[LabelledImage]
) -> tuple[QueryReport, list[ImageObjects]]:
    """Describe the objects of images behind a progress bar, and score them.

    Returns
    -------
    report
        The scores.
    images
        What was looked at, with what went wrong.
    """
    from tqdm import tqdm

    from napari_sam.evaluation.phrases import concept_of, phrases_of, read_phrases
    from napari_sam.evaluation.query_objects import describe_images
    from napari_sam.evaluation.query_report import summarise_queries

    known = read_phrases()
    phrases = known if args.phrases is None else read_phrases(args.phrases)
    found = []
    with tqdm(total=len(images), unit="image", disable=None) as bar:
        for item in describe_images(model, images, args.max_objects):
            found.append(item)
            bar.set_postfix(kind=item.kind, refresh=False)
            bar.update()
    concepts = {item.kind: concept_of(item.kind, known) for item in found}
    said = {
        kind: phrases_of(kind, concept, phrases) for kind, concept in concepts.items()
    }
    report = summarise_queries(
        args.mode, found, model, concepts, said, args.among == "all"
    )
    for note in report.notes:
        batch.tell("evaluate", note)
    return report, found
