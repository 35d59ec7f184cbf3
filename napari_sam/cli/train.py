"""``napari-sam train``: train or fine-tune a model on labelled images."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli.arguments import add_array_arguments, add_overwrite_argument, count
from napari_sam.cli.batch import array_options, check_output, tell_hidden
from napari_sam.cli.train_on_worker import (
    add_scheduler_argument,
    tell_left_out,
    train_on_worker,
)
from napari_sam.cli.train_text import check_text_options, train_text
from napari_sam.configs import TrainConfig, read_config, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_sam.model.sam import Sam
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.train_result import TrainResult

__all__ = ["add_parser"]

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_DESCRIPTION = """\
Fine-tune a model on labelled images for some minutes; or train by a configuration.

  napari-sam train --data MY_IMAGES --minutes 5 --out mine.safetensors
  napari-sam train --data DIR --config recipe.toml --out new.safetensors
  napari-sam train --data DIR --text clip --text-model FOLDER --out head.safetensors

A fifth of the objects is held out: by them the best weights are chosen, and the
command tells how good the model was and is. A run that was stopped or killed goes on
when the same command is given again; Ctrl-C ends it after the current step, with a
checkpoint, and a second one at once. The best weights so far are in the file at any
time.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``train``."""
    parser = subparsers.add_parser(
        "train",
        help="train or fine-tune a model on labelled images",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_file_arguments(parser)
    _add_learning_arguments(parser)
    _add_export_arguments(parser)
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, cuda or mps"
    )
    add_scheduler_argument(parser)
    parser.add_argument(
        "--threads", type=count, metavar="N", help="processor threads; all if left out"
    )
    add_array_arguments(parser)
    add_overwrite_argument(
        parser,
        "the files of --out, --pth and --micro-sam, and begin anew where a run was "
        "stopped",
    )
    parser.set_defaults(run=_run)


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is learned from, and where the weights go."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with KIND/images/NAME.png and KIND/labels/NAME.png, or with "
        "images and labels; or an OME-Zarr image with labels",
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
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file; without one, the model is fine-tuned by what follows",
    )


def _add_learning_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how the model is trained."""
    parser.add_argument(
        "--from",
        dest="start",
        metavar="M",
        help="name of a registered model, or path of a checkpoint, to start from "
        "(default: cells)",
    )
    parser.add_argument(
        "--minutes", type=_positive, metavar="T", help="how long (default: 5)"
    )
    parser.add_argument(
        "--what",
        choices=settings_of(TrainConfig)["what"].choices,
        help="what learns: all but the image encoder, whose embeddings are made once "
        "(decoder); low-rank adapters of the encoder too; or all (default: all of a "
        "model with a light encoder, such as cells, of others the decoder)",
    )
    parser.add_argument(
        "--partial",
        nargs="*",
        metavar="KIND",
        help="kinds of which only some objects are labelled; all if none is named",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="random numbers (0)")
    parser.add_argument(
        "--lr", type=_positive, metavar="R", help="learning rate of the decoder"
    )
    parser.add_argument(
        "--memory",
        type=_positive,
        metavar="GB",
        help="gigabytes of activations held at a time; the fewer, the slower",
    )


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what else is written, and the head for texts."""
    parser.add_argument(
        "--pth",
        type=Path,
        metavar="FILE",
        help="write the weights in the layout of Meta's files (.pth) too, which "
        "segment-anything and micro-sam read",
    )
    parser.add_argument(
        "--micro-sam",
        type=Path,
        metavar="FILE",
        help="write the model with its instance decoder as one file (.pt) that "
        "micro-sam loads, where --from is a model of micro-sam",
    )
    parser.add_argument(
        "--text",
        choices=("clip",),
        help="train no model but the head by which the words of a CLIP choose among "
        "objects; --out is its file, which load_model takes as object_head",
    )
    parser.add_argument(
        "--text-model",
        type=Path,
        metavar="FOLDER",
        help="the CLIP, in Hugging Face's layout; needs the extra [transformers]",
    )


def _positive(text: str) -> float:
    """Parse a number above 0, as argparse wants it."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"wanted a number above 0, got {text!r}")
    return value


def _run(args: argparse.Namespace) -> int:
    import logging

    import torch

    from napari_sam.ops.types import Cancelled

    _check_files(args)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if check_text_options(args):
        with _stopped_by_signals() as is_stopped:
            return train_text(args, _find_data(args), is_stopped)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    init, config = _configure(args)
    _check_export(args, init)
    if not (args.overwrite or _is_of_run(args.out, config)):
        check_output("--out", args.out, overwrite=False)
    if args.scheduler is None and "://" in args.device:
        args.scheduler = args.device
    run = _train_here if args.scheduler is None else train_on_worker
    try:
        with _stopped_by_signals() as is_stopped:
            result, left_out = run(args, config, init, _find_data(args), is_stopped)
    except Cancelled as stopped:
        print(f"{stopped}; start the same command to go on", file=sys.stderr)
        return _INTERRUPTED
    _export(args)
    _report(result)
    return 1 if result.reason == "diverged" or left_out else 0


def _train_here(
    args: argparse.Namespace,
    config: TrainConfig,
    init: Sam | None,
    sources: Sequence[Source],
    is_stopped: Callable[[], bool],
) -> tuple[TrainResult, list[str]]:
    """Train on this machine; also tell which images were left out."""
    from napari_sam.training.trainer import Trainer

    trainer = Trainer(
        config,
        sources,
        args.out,
        init,
        device=args.device,
        anew=args.overwrite,
    )
    trainer.data.check()
    left_out = trainer.data.told_left_out
    tell_left_out(left_out)
    return trainer.run(is_cancelled=is_stopped), left_out


def _check_files(args: argparse.Namespace) -> None:
    """Refuse, before any work, places where nothing can be written."""
    if args.out.suffix != ".safetensors":
        raise ValueError(f"--out is {args.out}; its name must end in .safetensors")
    if not args.out.resolve().parent.is_dir():
        raise ValueError(f"--out is {args.out}, but its folder does not exist")
    check_output("--pth", args.pth, args.overwrite)
    check_output("--micro-sam", args.micro_sam, args.overwrite)


def _check_export(args: argparse.Namespace, init: Sam | None) -> None:
    """Refuse a file for micro-sam that could not be written in the end."""
    if args.micro_sam is None:
        return
    from napari_sam.checkpoints.export import check_micro_sam

    if args.micro_sam.suffix != ".pt":
        raise ValueError(f"--micro-sam is {args.micro_sam}; it must end in .pt")
    if init is None:
        raise ValueError(
            "--micro-sam needs a model of micro-sam to start from (--from)"
        )
    check_micro_sam(args.start or "the model", init.architecture)


def _export(args: argparse.Namespace) -> None:
    """Write the model for other programs, where that is asked for."""
    from napari_sam.checkpoints.export import export_micro_sam, export_pth

    if args.pth is not None:
        export_pth(args.out, args.pth)
    if args.micro_sam is not None:
        export_micro_sam(args.out, args.micro_sam)


def _is_of_run(out: Path, config: TrainConfig) -> bool:
    """Whether weights are those of a run that can be gone on with.

    Beside them is a checkpoint, of which `Trainer` knows more; or they were written
    with this configuration, before there was any.
    """
    from napari_sam.training.run_files import read_config_of

    checkpoint = out.with_name(f"{out.name}.checkpoint")
    return checkpoint.exists() or read_config_of(out) == config.model_dump_json()


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C or SIGTERM asked to stop.

    The second one ends the process at once, in whatever it hangs: checkpoints and
    weights are written whole or not at all.
    """
    stopping = False
    before = {name: signal.getsignal(name) for name in _SIGNALS}

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for name in _SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        print("stopping after this step; once more ends it at once", file=sys.stderr)

    for name in _SIGNALS:
        signal.signal(name, stop)
    try:
        yield lambda: stopping
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _configure(args: argparse.Namespace) -> tuple[Sam | None, TrainConfig]:
    """Read the configuration, or make the one that fine-tunes."""
    from napari_sam.checkpoints.load import load_sam
    from napari_sam.training.finetune import fine_tuning

    changes: dict[str, Any] = {
        "what": args.what,
        "seed": args.seed,
        "lr_decoder": args.lr,
        "memory": args.memory,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if args.partial is not None:
        changes["partial"] = tuple(args.partial) or ("*",)
    if args.config is None:
        start = args.start or "cells"
        init = load_sam(start).trainable
        minutes = args.minutes or 5.0
        return init, fine_tuning(init, minutes, init=str(start), **changes)
    config = read_config(args.config)
    if args.minutes is not None:
        changes["minutes"] = args.minutes
    if args.start is not None:
        changes["init"] = args.start
    config = TrainConfig.model_validate(config.model_dump() | changes)
    return load_sam(config.init).trainable if config.init else None, config


def _find_data(args: argparse.Namespace) -> list[Source]:
    """List the labelled images of a folder, or the planes of a zarr image."""
    from napari_sam.io.image_reader import is_zarr

    if is_zarr(args.data) or (args.data / ".zattrs").exists():
        from napari_sam.io.labelled_arrays import read_zarr_pairs

        return [*read_zarr_pairs(args.data, **array_options(args))]
    from napari_sam.io.labelled_folders import list_labelled_images

    images = list_labelled_images(args.data, **array_options(args))
    tell_hidden("train", images.hidden)
    return [*images]


def _report(result: TrainResult) -> None:
    why = {
        "steps": "all steps done",
        "minutes": "the time is over",
        "patience": "no more gain",
        "diverged": "it diverged; the best weights before are kept, try a lower --lr",
    }
    print(f"{why[result.reason]} after step {result.step}; best was {result.best_step}")
    if result.after is not None:
        names = ("1 click", "box")
        before = result.before or (float("nan"),) * 2
        for name, old, new in zip(names, before, result.after, strict=True):
            print(f"held-out objects, {name}: IoU {old:.3f} before, {new:.3f} after")
    print(result.path)
