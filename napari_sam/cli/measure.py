"""``napari-sam measure``: a table of the objects of labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch
from napari_sam.cli.label_files import refuse_image
from napari_sam.cli.measuring import add_property_arguments, properties_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["add_parser"]

_REPORTED = (OSError, ValueError, MemoryError)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``measure``."""
    parser = subparsers.add_parser(
        "measure",
        help="measure the objects of labelled images, to one table",
        description="Measure size, shape, place and intensities of each object of "
        "labelled planes, volumes and films, and write one table with a row for each "
        "object, and each frame of a film. A file that fails is reported at the end, "
        "and is not in the table.",
    )
    parser.add_argument(
        "images",
        type=Path,
        metavar="IMAGES",
        help="an image, or a folder of images; or a project, or a folder with the "
        "folders images and labels, without LABELS",
    )
    parser.add_argument(
        "labels",
        type=Path,
        nargs="?",
        metavar="LABELS",
        help="its labels, or the folder of labels, each named like its image, or with "
        "_labels, _masks or _cp_masks at the end",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="TABLE",
        help="the table to write, .csv or .xlsx",
    )
    add_property_arguments(parser)
    arguments.add_array_arguments(parser)
    arguments.add_overwrite_argument(parser, "TABLE where it is there")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import pandas as pd
    from tqdm import tqdm

    from napari_sam.io.measurement_tables import check_table_path, write_table
    from napari_sam.ops.message_text import counted, reason

    check_table_path(args.out)
    batch.check_output("--out", args.out, args.overwrite)
    tables: list[pd.DataFrame] = []
    failures: list[tuple[str, Exception]] = []
    count, found = _tables(args)
    with tqdm(total=count, unit="image", disable=None) as bar:
        for name, table in found:
            bar.set_postfix_str(name, refresh=False)
            bar.update()
            if isinstance(table, Exception):
                failures.append((name, table))
            else:
                tables.append(table)
    if tables:
        whole = pd.concat(tables, ignore_index=True)
        write_table(args.out, whole)
        print(
            f"{counted(len(whole), 'row')} of {counted(len(tables), 'image')} written "
            f"to {args.out}"
        )
    for name, problem in failures:
        batch.tell("measure", f"{name}: {reason(problem)}")
    return 1 if failures else 0


def _tables(
    args: argparse.Namespace,
) -> tuple[int, Iterator[tuple[str, pd.DataFrame | Exception]]]:
    """Return how many images there are, and the table of each, or why it has none."""
    from napari_sam.workflows.measure.measure_folder import measure_file, pair_files
    from napari_sam.workflows.measure.properties import check_property_names

    check_property_names(properties_of(args))
    how: dict[str, Any] = {"properties": properties_of(args)}
    if args.pixel_size is not None:
        sizes = args.pixel_size
        how["spacing"] = sizes[0] if len(sizes) == 1 else tuple(sizes)
    if args.labels is None and (args.images / "project.json").is_file():
        from napari_sam.workflows.project.measurements import measure_images
        from napari_sam.workflows.project.project import Project

        project = Project.open(args.images)
        names = [name for name in project.images if project.notes(name)]
        return len(names), measure_images(project, names, **how)
    pairs = pair_files(args.images, args.labels, **batch.array_options(args))
    batch.tell_hidden("measure", pairs.hidden)

    def each() -> Iterator[tuple[str, pd.DataFrame | Exception]]:
        for pair in pairs:
            try:
                refuse_image(pair.labels, "The labels are the second: IMAGES LABELS")
                yield pair.name, measure_file(pair, **how)
            except _REPORTED as error:
                yield pair.name, error

    return len(pairs), each()
