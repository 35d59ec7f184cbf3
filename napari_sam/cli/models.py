"""``napari-sam models``: list what can be loaded by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.checkpoints.store import CheckpointStore

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``models``."""
    parser = subparsers.add_parser(
        "models",
        help="list the models that can be loaded by name",
        description="List the models that can be loaded by name: their size, whether "
        "they are on this machine, their licence, what they are good for and what they "
        "can do.",
    )
    parser.add_argument(
        "--decoders",
        action="store_true",
        help="list the instance decoders of the micro-sam models too",
    )
    parser.add_argument(
        "--cite", action="store_true", help="show what to cite for each model"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.checkpoints.measured_speed import PROCESSOR
    from napari_sam.checkpoints.registry import DECODERS, REGISTRY
    from napari_sam.checkpoints.store import CheckpointStore

    store = CheckpointStore()
    specs = [*REGISTRY.values(), *(DECODERS.values() if args.decoders else ())]
    rows = [("NAME", "SIZE", "STATE", "LICENCE", "GOOD FOR")]
    rows += [_row(spec, store) for spec in specs]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row, spec in zip(rows, [None, *specs], strict=True):
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]))
        if spec is not None and spec.prompts:
            print(f"    {_features(spec)}")
        if args.cite and spec is not None:
            print(f"    {spec.citation}")
    print(f"\nSeconds are those to see a plane, + to find all objects ({PROCESSOR}).")
    print(f"Downloads are kept in {store.cache_dir}")
    return 0


def _features(spec: CheckpointSpec) -> str:
    """Say what a model can do."""
    from napari_sam.checkpoints.measured_speed import seconds_in_words

    parts = {
        "prompts": ", ".join(spec.prompts) or "none",
        "everything": ", ".join(spec.everything) or "no",
        "3D": ", ".join(spec.volumes) or "no",
        "text": "yes" if spec.text else "no",
        "trainable": "yes" if spec.trainable else "no",
        "CPU": seconds_in_words(spec),
    }
    if spec.extra is not None:
        parts["needs"] = f"napari-sam[{spec.extra}]"
    if spec.gate is not None:
        parts["access"] = spec.gate
    return "; ".join(f"{name}: {value}" for name, value in parts.items())


def _row(
    spec: CheckpointSpec, store: CheckpointStore
) -> tuple[str, str, str, str, str]:
    from napari_sam.checkpoints.registry import files_of, format_size

    here = store.is_available(spec)
    size = format_size(store.path(spec).stat().st_size) if here else spec.size_text
    if spec.bundled:
        state = "bundled" if here else "missing"
    elif not here:
        state = "not downloaded"
    elif all(store.is_available(one) for one in files_of(spec)):
        state = "downloaded"
    else:
        state = "downloaded, not its decoder"
    licence = "not stated" if spec.licence.startswith("not stated") else spec.licence
    return spec.name, size, state, licence, spec.good_for
