"""``napari-sam download``: fetch a model or an instance decoder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.checkpoints.store import CheckpointStore

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``download``."""
    parser = subparsers.add_parser(
        "download",
        help="download a model",
        description="Download a model into the cache, after asking; with a model of "
        "micro-sam comes its instance decoder. What broke off is resumed, and each "
        "file is verified by its published hash.",
    )
    parser.add_argument(
        "name", metavar="NAME", help="a name that `napari-sam models` lists"
    )
    parser.add_argument(
        "--yes", action="store_true", help="download without asking first"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.checkpoints.registry import files_of, get_spec
    from napari_sam.checkpoints.store import CheckpointStore

    store = CheckpointStore()
    specs = files_of(get_spec(args.name))
    missing = [s for s in specs if not s.bundled and not store.is_available(s)]
    if missing and not args.yes and not _agreed(missing, store):
        print("Nothing was downloaded.")
        return 1
    for spec in specs:
        print(_download(spec, store))
    return 0


def _agreed(specs: Sequence[CheckpointSpec], store: CheckpointStore) -> bool:
    """Show what would be fetched, and ask."""
    from napari_sam.checkpoints.model_features import missing_extra

    for spec in specs:
        print(
            f"{spec.title}: {spec.size_text}\n"
            f"  from     {spec.url or spec.gate}\n"
            f"  to       {store.path(spec)}\n"
            f"  licence  {spec.licence}\n"
            f"  cite     {spec.citation}"
        )
        if spec.gate:
            print("  access   its publisher gives it on request, at the address above")
        if missing := missing_extra(spec):
            print(f"  {missing}")
    them = "it" if len(specs) == 1 else "them"
    if not sys.stdin.isatty():
        raise ValueError(f"there is nobody to ask; add --yes to download {them}")
    return input(f"Download {them}? [y/N] ").strip().lower() in ("y", "yes")


def _download(spec: CheckpointSpec, store: CheckpointStore) -> str:
    """Fetch with a progress bar; return the file's path."""
    from tqdm import tqdm

    with tqdm(
        desc=spec.name, unit="B", unit_scale=True, unit_divisor=1000, disable=None
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        return str(store.download(spec, progress=show))
