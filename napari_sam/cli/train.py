"""``napari-sam train``: train or fine-tune a model on a folder of labelled images."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]

_INTERRUPTED = 130


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``train``."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on labelled images",
        description="Train on a folder of labelled images by the recipe of the SAM "
        "paper. A run that was stopped goes on when it is started again; Ctrl-C ends "
        "it after the current step, with a checkpoint.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with KIND/images/NAME.png and KIND/labels/NAME.png",
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="a TOML file"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="where the weights go (.safetensors); the run's checkpoint and its "
        "metrics (.jsonl) lie beside it",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="processor threads; all if left out"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import logging

    import torch

    from napari_sam.checkpoints.load import load_sam
    from napari_sam.ops.types import Cancelled
    from napari_sam.training.config import read_config
    from napari_sam.training.trainer import Trainer

    if args.out.suffix != ".safetensors":
        raise ValueError(f"--out is {args.out}; its name must end in .safetensors")
    if not args.out.resolve().parent.is_dir():
        raise ValueError(f"--out is {args.out}, but its folder does not exist")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = read_config(args.config)
    init = load_sam(config.init).model.state_dict() if config.init else None
    trainer = Trainer(config, args.data, args.out, init)

    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        print("stopping after this step", file=sys.stderr)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    try:
        trainer.run(is_cancelled=lambda: stopping)
    except Cancelled as stopped:
        print(f"{stopped}; start the same command to go on", file=sys.stderr)
        return _INTERRUPTED
    print(args.out)
    return 0
