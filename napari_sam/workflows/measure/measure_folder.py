"""One table of the objects of many files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.file_names import label_names, name_key
from napari_sam.io.image_reader import ArraySource, is_zarr, open_array
from napari_sam.io.images import Listed, list_images
from napari_sam.io.object_tables import read_object_table
from napari_sam.io.other_formats import split_dataset
from napari_sam.ops.message_text import counted
from napari_sam.workflows.measure.measure import measure_channels
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_sam.io.calibration import Calibration
    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.workflows.progress import Progress

__all__ = [
    "JOINED",
    "LabelFile",
    "channels_of",
    "join_objects",
    "measure_file",
    "measure_folder",
    "open_channels",
    "pair_files",
]

JOINED = ("class", "score", "points", "model", "time")
"""Columns of the table of a session that go with the measurements of its objects."""


@dataclass(frozen=True)
class LabelFile:
    """Labels on disk, and their image.

    Attributes
    ----------
    name
        What it is called in the column "image".
    labels
        The file of the labels.
    image
        The file of the image; None for shapes without intensities.
    channels, axes, scene
        What of the image's file is looked at; see `ArraySource`. All channels are
        measured where none is chosen.
    """

    name: str
    labels: Path
    image: Path | None = None
    channels: tuple[int, ...] | None = None
    axes: str = ""
    scene: int | None = None


def measure_folder(
    images: str | Path,
    labels: str | Path | None = None,
    *,
    spacing: float | Sequence[float] | Calibration | None = None,
    properties: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure the objects of all images of a folder, to one table.

    Parameters
    ----------
    images : str or Path
        A folder of images, or one image.
    labels : str or Path, optional
        The folder of their labels, in which each file is named like its image, or with
        ``_labels``, ``_masks`` or ``_cp_masks`` at the end; or the one label image. If
        left out, `images` is a folder with the folders ``images`` and ``labels``, as a
        project is exported and as training reads it.
    spacing : float, sequence of float or Calibration, optional
        See `measure`; what the files say, if left out.
    properties : str or sequence of str, optional
        See `measure`.
    progress : Progress, optional
        Told of each image; asked whether to go on.

    Returns
    -------
    DataFrame
        As of `measure`, with the column "image" before. Where a table lies beside the
        labels, as the window saves it, its classes and scores are joined.

    Raises
    ------
    ValueError
        If a folder does not exist, nothing in it has its partner, or a file does not
        fit its partner.
    OSError
        If a file cannot be read.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    measure : The same of arrays.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")
    >>> written = napari_sam.write_labels("labels/a.tif", image > 100)
    >>> written = napari_sam.write_labels("images/a.tif", image)
    >>> napari_sam.measure_folder("images", "labels")["image"].tolist()
    ['a']
    """
    import pandas as pd

    pairs = pair_files(images, labels)
    steps = Steps("measuring", progress)
    quiet = None if progress is None else progress.quiet
    tables = []
    for number, pair in enumerate(pairs):
        steps.before(len(pairs) - number)
        tables.append(
            measure_file(pair, spacing=spacing, properties=properties, progress=quiet)
        )
    steps.finish()
    return pd.concat(tables, ignore_index=True)


def pair_files(
    images: str | Path,
    labels: str | Path | None = None,
    *,
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> Listed[LabelFile]:
    """Find which labels are of which image, sorted by name.

    Parameters
    ----------
    images, labels
        See `measure_folder`.
    channels, axes, scene
        Of all images; see `LabelFile`.

    Raises
    ------
    ValueError
        If there is no pair, or labels have no image.
    """
    root, where = _find_both(images, labels)
    given = {"channels": channels, "axes": axes, "scene": scene}
    if _is_image(where):
        return Listed([LabelFile(root.stem, where, root, **given)])  # type: ignore[arg-type]
    in_root, in_where = (list_images(one, (".npy",)) for one in (root, where))
    known = _by_name(in_root.paths)
    found = list(_by_name(in_where.paths).values())
    hidden = in_root.hidden + in_where.hidden
    if not found:
        also = f"; {counted(hidden, 'hidden file')} left out" if hidden else ""
        raise ValueError(f"the folder {where} holds no label image{also}")
    named = {
        name_key(n): path for path in known.values() for n in label_names(path.stem)
    }
    named |= known  # an image of the very name comes first
    lone = [path.name for path in found if name_key(path.stem) not in named]
    if lone:
        more = f", and {len(lone) - 1} more have none" if len(lone) > 1 else ""
        raise ValueError(
            f"the label image {lone[0]} has no image of that name in {root}{more}"
        )
    pairs = Listed(
        LabelFile(image.stem, path, image, **given)  # type: ignore[arg-type]
        for path in sorted(found)
        for image in [named[name_key(path.stem)]]
    )
    pairs.hidden = hidden
    return pairs


def _find_both(images: str | Path, labels: str | Path | None) -> tuple[Path, Path]:
    """Return where images and labels are: two files, or two folders."""
    root = Path(images)
    if labels is None:
        root, where = root / "images", root / "labels"
        if not (root.is_dir() and where.is_dir()):
            raise ValueError(
                f"{images} has no folders images and labels; name the folder, or the "
                "file, of the labels beside"
            )
    else:
        where = Path(labels)
    for path in (root, where):
        if not split_dataset(path)[0].exists():
            raise ValueError(f"there is no file or folder {path}")
    if _is_image(root) != _is_image(where):
        raise ValueError(
            f"{root} and {where} must be two folders, or two files: an image and its "
            "labels"
        )
    return root, where


def _by_name(paths: Sequence[Path]) -> dict[str, Path]:
    """Return files by their names, or refuse two of one name."""
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(name_key(path.stem), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path.name} have one name; which labels are whose cannot "
                "be told. Rename one of them"
            )
    return found


def _is_image(path: Path) -> bool:
    return split_dataset(path)[0].is_file() or is_zarr(path)


def measure_file(
    file: LabelFile,
    *,
    spacing: float | Sequence[float] | Calibration | None = None,
    unit: str | None = None,
    properties: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure the objects of one file.

    Parameters
    ----------
    file
        What is measured.
    spacing, properties, progress
        See `measure_folder`.
    unit
        See `measure_channels`.

    Raises
    ------
    OSError, ValueError
        See `measure_folder`.
    """
    image = []
    if file.image is not None:
        place = str(file.image), file.channels, file.axes, file.scene
        image = open_channels(ArraySource(*place))
    labels, axes = _open_labels(file, image)
    known = image[0] if image and image[0].scale else labels
    found = known.calibration(axes.replace("t", "")).micrometres
    try:
        table = measure_channels(
            _stack(labels, axes),
            channels_of(image, axes),
            spacing=found if spacing is None else spacing,
            unit=unit,
            time_axis=axes.find("t") if "t" in axes else None,
            properties=properties,
            progress=progress,
        )
    except ValueError as error:
        raise ValueError(f"{file.labels}: {error}") from error
    objects = read_object_table(file.labels)
    if objects is not None:
        table = join_objects(table, objects)
    table.insert(0, "image", file.name)
    return table


def join_objects(table: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """Add class, score and origin of objects to what was measured of them.

    Parameters
    ----------
    table
        From `measure`.
    objects
        A row for each object, with the column "index" for its label, as
        `AnnotationSession.table` gives it; those of `JOINED` among its columns go
        with the object.
    """
    known = [name for name in JOINED if name in objects and name not in table]
    if not known:
        return table
    chosen = objects[["index", *known]].drop_duplicates("index")
    joined = table.merge(chosen, left_on="label", right_on="index", how="left")
    joined = joined.drop(columns="index")
    for name in known:
        if joined[name].dtype.kind not in "biuf":
            joined[name] = joined[name].fillna("")
    return joined


def open_channels(source: ArraySource) -> list[PlaneArray]:
    """Open an image once for each channel that is chosen, or for each that it has.

    The intensities are those of the file, also where several channels would be seen as
    one colour image.

    Raises
    ------
    OSError, ValueError
        See `open_array`.
    """
    chosen = source.channels
    image = open_array(replace(source, channels=(chosen or (0,))[:1]))
    if chosen is None:
        count = 1
        if "c" in image.axes:
            count = int(image.array.shape[image.axes.index("c")])
        chosen = tuple(range(count))
    return [replace(image, channels=(number,)) for number in chosen]


def _open_labels(
    file: LabelFile, image: Sequence[PlaneArray]
) -> tuple[PlaneArray, str]:
    """Open labels; axes that a user names, or their file does not, are the image's."""
    labels = open_array(ArraySource(str(file.labels)))
    if image and (labels.assumed or file.axes):
        wanted = _axes_of(image[0])
        if len(wanted) == len(labels.axes):
            labels = open_array(ArraySource(str(file.labels), axes=wanted))
    if labels.is_colour:
        raise ValueError(f"{file.labels} has colour and holds no labels")
    return labels, _axes_of(labels)


def _axes_of(array: PlaneArray) -> str:
    """Return the axes that have more than one index, those of the plane last."""
    return array.stack_axes("z") if array.running_axes else "yx"


def _stack(array: PlaneArray, axes: str) -> Any:
    """Return an array with these axes, read when it is sliced; colour comes last."""
    if not array.running_axes:
        return array.read((0,) * len(array.leading), (0, 0, *array.shape))
    stack, kept = array.stack("z"), array.stack_axes("z")
    if set(kept) != set(axes):
        return stack
    colour = [stack.ndim - 1] if array.is_colour else []
    return stack.transpose([*(kept.index(axis) for axis in axes), *colour])


def channels_of(image: Sequence[PlaneArray], axes: str) -> dict[str, Any]:
    """Return the channels of an image by their names, read when they are sliced.

    Parameters
    ----------
    image
        The image, opened once for each of its channels.
    axes
        Those of its labels, in their order.
    """
    if len(image) == 1:
        stack = _stack(image[0], axes)
        if not image[0].is_colour:
            return {"": stack}
        return {str(n): stack[..., n] for n in range(stack.shape[-1])}
    found: dict[str, Any] = {}
    for place, one in enumerate(image):
        number, names = (one.channels or (place,))[0], one.channel_names
        name = names[number].strip() if number < len(names) else ""
        found[str(number) if name in ("", *found) else name] = _stack(one, axes)
    return found
