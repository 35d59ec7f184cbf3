"""``napari-sam classify``: sort objects into classes, or learn the classes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch, class_tables
from napari_sam.cli.label_files import refuse_image
from napari_sam.io.file_names import label_names, name_key
from napari_sam.ops.message_text import counted, listed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.queries.classes import ObjectClassifier, Suggestions

__all__ = ["add_parser"]

_DESCRIPTION = """\
Sort the objects of images into classes. The classifier is a file from the window's page
Classes, from ObjectClassifier.save, or from --learn, which learns it from a table of
objects that were sorted. Of each image a table is written with the label and the class
of each object and the probability of every class. Images that are finished are skipped.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``classify``."""
    parser = subparsers.add_parser(
        "classify",
        help="sort the objects of images into classes",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "images", metavar="IMAGES", help="an image, a folder of images, or a pattern"
    )
    parser.add_argument(
        "labels",
        metavar="LABELS",
        help="the label image of the image; of several, a folder or a pattern of label "
        "images, named as their images, or with _labels, _masks or _cp_masks at the "
        "end",
    )
    parser.add_argument(
        "--classifier", type=Path, required=True, metavar="F", help="the classifier"
    )
    parser.add_argument(
        "--learn",
        type=Path,
        metavar="TABLE",
        help="learn the classifier first, and write it to --classifier: a CSV table "
        "with the columns label and class, of several images also image",
    )
    _add_result_arguments(parser)
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    parser.set_defaults(run=_run)


def _add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is written."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for NAME.csv of each image; without it the tables are printed, or "
        "with --learn nothing is sorted",
    )
    parser.add_argument(
        "--class-labels",
        choices=("map", "split"),
        help="also write NAME.classes.tif, in which objects have the numbers of their "
        "classes from 1 up, in the order of their names (map), or for each class "
        "NAME.CLASS.tif with its objects alone (split)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="sort finished images again, and replace the classifier that --learn "
        "writes and results of other settings",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.workflows.queries.classes import ObjectClassifier

    if args.class_labels is not None and args.out is None:
        raise ValueError("--class-labels needs --out, the folder to write to")
    partners = _partners(args)
    models: dict[str, Predictor] = {}

    def model() -> Predictor:
        if not models:
            models[""] = load_model(args.model, device=args.device)
        return models[""]

    if args.learn is not None:
        _learn(args, partners, model)
        if args.out is None:
            return 0
    elif not args.classifier.is_file():
        raise ValueError(
            f"there is no classifier {args.classifier}; --learn TABLE makes one"
        )
    classifier = ObjectClassifier.load(args.classifier)
    if args.out is None:
        return _print(args, partners, classifier, model)
    return _write_all(args, partners, classifier, model)


def _partners(args: argparse.Namespace) -> dict[Path, Path | None]:
    """Return the label image of each image, None where there is none.

    Raises
    ------
    ValueError
        If no image has labels.
    """
    here = Path()
    images = [job.source for job in batch.plan([args.images], here, ()).jobs]
    labels = [job.source for job in batch.plan([args.labels], here, ()).jobs]
    if len(images) == len(labels) == 1:
        return {images[0]: labels[0]}
    named = {name_key(path.stem): path for path in labels}
    found: dict[Path, Path | None] = {}
    for path in images:
        keys = [name_key(name) for name in label_names(path.stem)]
        found[path] = next((named[key] for key in keys if key in named), None)
    if not any(found.values()):
        raise ValueError(
            f"none of the label images of {args.labels} has the name of an image of "
            f"{args.images}, such as {images[0].stem} or {images[0].stem}_masks"
        )
    return found


def _read(
    args: argparse.Namespace, source: Path, labels: Path | None
) -> tuple[NDArray[Any], NDArray[np.int32], Any]:
    """Read an image, its labels, and what is known of its axes."""
    from napari_sam.io.images import read_labels

    if labels is None:
        raise ValueError(f"there is no label image of this name in {args.labels}")
    refuse_image(labels, "The labels are the second: IMAGES LABELS")
    image = batch.open_input(args, source)
    plane, numbers = image.plane(), read_labels(labels)
    if numbers.shape != plane.shape[:2]:
        raise ValueError(
            f"{labels} is {numbers.shape}, but the image is {plane.shape[:2]}"
        )
    return plane, numbers, image.calibration("yx")


def _learn(
    args: argparse.Namespace,
    partners: Mapping[Path, Path | None],
    model: Callable[[], Predictor],
) -> None:
    """Learn a classifier from a table, and write it.

    Raises
    ------
    OSError, ValueError
        If the table does not go with the images, or a file cannot be read.
    """
    import numpy as np

    from napari_sam.workflows.queries.classes import ObjectClassifier
    from napari_sam.workflows.queries.classification_features import (
        classification_features,
    )

    batch.check_output("--classifier", args.classifier, args.overwrite)
    sorted_objects = class_tables.read_classes(args.learn, list(partners))
    rows: list[NDArray[np.float32]] = []
    names: list[str] = []
    columns: tuple[str, ...] = ()
    for source, classes in sorted_objects.items():
        plane, labels, _ = _read(args, source, partners[source])
        numbers = np.unique(labels[labels > 0])
        at = {int(number): row for row, number in enumerate(numbers)}
        missing = [label for label in classes if label not in at]
        if missing:
            raise ValueError(
                f"{args.learn} names object {listed(missing)} of {source.name}, which "
                f"{partners[source]} does not hold"
            )
        values, columns = classification_features(plane, labels, model=model())
        rows.append(values[[at[label] for label in classes]])
        names += list(classes.values())
    try:
        learned = ObjectClassifier.fit(
            np.concatenate(rows), names, columns, model().name
        )
    except ValueError as error:
        raise ValueError(f"{args.learn}: {error}") from error
    learned.save(args.classifier)
    each = listed(f"{name} ({names.count(name)})" for name in learned.classes)
    print(
        f"learned {each} from {counted(len(names), 'object')}; written to "
        f"{args.classifier}"
    )


def _suggest(
    args: argparse.Namespace, classifier: ObjectClassifier, sam: Predictor, item: Any
) -> tuple[NDArray[np.int64], Suggestions]:
    """Sort the objects of an image; return their labels too."""
    import numpy as np

    from napari_sam.workflows.queries.classification_features import (
        classification_features,
    )

    plane, labels, _ = item
    values, columns = classification_features(plane, labels, model=sam)
    classifier.check_columns(columns, sam.name)
    numbers = np.unique(labels[labels > 0])
    if not len(numbers):
        batch.tell(args.command, "there is no object in the labels")
    return numbers.astype(np.int64), classifier.suggest(values)


def _print(
    args: argparse.Namespace,
    partners: Mapping[Path, Path | None],
    classifier: ObjectClassifier,
    model: Callable[[], Predictor],
) -> int:
    """Print the tables of all images as one."""
    failures, is_first = 0, True
    for source, labels in partners.items():
        try:
            item = _read(args, source, labels)
        except (OSError, ValueError) as error:
            batch.tell(args.command, f"{source}: {error}")
            failures += 1
            continue
        table = class_tables.table_of(*_suggest(args, classifier, model(), item))
        table.insert(0, "image", source.name)
        table.to_csv(sys.stdout, index=False, header=is_first)
        is_first = False
    return 1 if failures else 0


def _write_all(
    args: argparse.Namespace,
    partners: Mapping[Path, Path | None],
    classifier: ObjectClassifier,
    model: Callable[[], Predictor],
) -> int:
    """Write the tables, and labels, of all images; see `batch.run`."""
    from napari_sam.cli.run_record import file_digest
    from napari_sam.workflows.queries.classification_features import (
        classification_source,
    )

    endings = {
        None: (),
        "map": (".classes.tif",),
        "split": class_tables.endings_of(classifier.classes),
    }[args.class_labels]
    jobs = batch.plan([args.images], args.out, (*endings, ".csv"))
    about = {
        **batch.model_settings(args),
        **batch.array_settings(args),
        "classifier": file_digest(args.classifier),
    }
    labels_of = {
        target: partners.get(job.source) for job in jobs.jobs for target in job.targets
    }

    def settings(target: Path) -> dict[str, Any]:
        labels = labels_of[target]
        return {**about, "labels": None if labels is None else file_digest(labels)}

    def prepare() -> Callable[[batch.Job], None]:
        first = f"{classification_source(model())} 0"
        if first not in classifier.columns:  # before any image is looked at
            classifier.check_columns([first], model().name)
        return partial(_write, args, partners, classifier, model())

    return batch.run("classify", jobs, prepare, settings, args.overwrite)


def _write(
    args: argparse.Namespace,
    partners: Mapping[Path, Path | None],
    classifier: ObjectClassifier,
    sam: Predictor,
    job: batch.Job,
) -> None:
    """Write the table, and the labels, of an image."""
    from napari_sam.io.atomic_write import write_atomically
    from napari_sam.io.label_images import write_labels

    item = _read(args, job.source, partners.get(job.source))
    numbers, said = _suggest(args, classifier, sam, item)
    _, labels, calibration = item
    pictures = class_tables.class_labels(labels, numbers, said, args.class_labels)
    for target, picture in zip(job.targets[:-1], pictures, strict=True):
        write_labels(target, picture, calibration)
    table = class_tables.table_of(numbers, said)
    write_atomically(job.targets[-1], lambda part: table.to_csv(part, index=False))
