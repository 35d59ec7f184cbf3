"""``napari-sam train --text``: let words of another text model choose objects."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from napari_sam.cli.batch import check_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from napari_sam.training.labelled_images import Source

__all__ = ["check_text_options", "train_text"]

_OTHERS = ("config", "minutes", "what", "partial", "lr", "memory", "pth")
"""Options of the training of a model, which mean nothing here."""


def check_text_options(args: argparse.Namespace) -> bool:
    """Return whether ``--text`` is given, with what it needs and nothing else.

    Raises
    ------
    ValueError
        If ``--text-model`` is missing or alone, or another option does not go with
        them.
    """
    if args.text is None:
        if args.text_model is not None:
            raise ValueError("--text-model goes with --text clip")
        return False
    if args.text_model is None:
        raise ValueError("--text clip needs --text-model FOLDER, a CLIP on this disk")
    given = [f"--{name}" for name in _OTHERS if getattr(args, name) is not None]
    if given:
        raise ValueError(f"{', '.join(given)} does not go with --text")
    return True


def train_text(
    args: argparse.Namespace,
    sources: Sequence[Source],
    is_stopped: Callable[[], bool],
) -> int:
    """Train a head for the words of the text model, and say how good it is."""
    from napari_sam.inference.clip_tower import ClipTower, is_clip_folder
    from napari_sam.inference.model_loading import load_model
    from napari_sam.training.text_alignment import align_with_clip

    check_output("--out", args.out, args.overwrite)
    if not is_clip_folder(args.text_model):
        raise ValueError(
            f"--text-model is {args.text_model}, but no folder with a CLIP in Hugging "
            "Face's layout (config.json, model.safetensors, tokenizer)"
        )
    tower = ClipTower(args.text_model)
    model = load_model(args.start or "cells", device=args.device)
    made = align_with_clip(
        _told(sources), model, tower, args.out, seed=args.seed or 0,
        is_cancelled=is_stopped,
    )  # fmt: skip
    print(f"learned from {made.objects} objects")
    if made.accuracy == made.accuracy:
        print(
            "held-out objects: nearer to their own crop than to that of another in "
            f"{100 * made.accuracy:.0f} of 100"
        )
    print(made.path)
    return 0


def _told(sources: Sequence[Source]) -> Iterator[Any]:
    """Yield the images, and say which one is looked at."""
    for number, source in enumerate(sources, 1):
        told = f"image {number} of {len(sources)}: {source.kind}/{source.name}"
        print(told, file=sys.stderr)
        yield source
