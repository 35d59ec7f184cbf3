"""Tables of the classes of objects, and label images by class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_sam.io.file_names import file_stem, name_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.workflows.queries.classes import Suggestions

__all__ = ["class_labels", "endings_of", "read_classes", "table_of"]


def read_classes(path: Path, images: Sequence[Path]) -> dict[Path, dict[int, str]]:
    """Read which objects have which class.

    Parameters
    ----------
    path
        A CSV table with the columns label, class and, for several images, image: a
        file name, with or without its ending. Objects without a class are left out.
    images
        The images there are.

    Returns
    -------
    dict
        Of each image that has some, the class of each label.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such table, or names an image that is not there, or an object with
        two classes.
    """
    from napari_sam.io.object_tables import read_csv

    table = read_csv(path, dtype=str, keep_default_na=False)
    wanted = ["label", "class", *(["image"] if len(images) > 1 else [])]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"{path} has no column {' and no column '.join(missing)}; wanted are "
            f"{', '.join(wanted)}, and it has {', '.join(map(str, table))}"
        )
    known: dict[str, Path] = {}
    for image in images:
        known[name_key(image.name)] = known[name_key(image.stem)] = image
    found: dict[Path, dict[int, str]] = {}
    for row in table.to_dict("records"):
        name = str(row["class"]).strip()
        if not name:
            continue
        image = _image(row, known, images, path)
        label = _label(row["label"], path)
        before = found.setdefault(image, {}).setdefault(label, name)
        if before != name:
            raise ValueError(
                f"{path} gives object {label} of {image.name} two classes, {before} "
                f"and {name}"
            )
    if not found:
        raise ValueError(f"{path} gives no object a class")
    return found


def _image(
    row: Mapping[Hashable, str],
    known: dict[str, Path],
    images: Sequence[Path],
    path: Path,
) -> Path:
    if "image" not in row or (len(images) == 1 and not row["image"].strip()):
        return images[0]
    image = known.get(name_key(row["image"].strip()))
    if image is None:
        raise ValueError(
            f"{path} names the image {row['image']!r}, which is not among those given"
        )
    return image


def _label(text: str, path: Path) -> int:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (number.is_integer() and 0 < number < 2**31):
        raise ValueError(f"{path} has the label {text!r}; wanted a number from 1 up")
    return int(number)


def table_of(numbers: NDArray[np.int64], said: Suggestions) -> pd.DataFrame:
    """Return label, class, its probability, and that of every class.

    Parameters
    ----------
    numbers
        (N,) labels of the objects.
    said
        What they are.
    """
    import pandas as pd

    chances = said.probabilities
    table = {
        "label": numbers,
        "class": list(said.names),
        "probability": chances.max(axis=1) if len(numbers) else [],
    }
    each = {f"probability {name}": chances[:, i] for i, name in enumerate(said.classes)}
    return pd.DataFrame({**table, **each}).round(6)


def endings_of(classes: Sequence[str]) -> tuple[str, ...]:
    """Name the label image of each class, by what every system can have in a name.

    Examples
    --------
    >>> endings_of(["alive", "dead/dying", "dead?dying"])
    ('.alive.tif', '.dead_dying.tif', '.dead_dying_.tif')
    """
    made: list[str] = []
    for name in classes:
        stem = file_stem(re.sub(r"[^\w\- ]+", "_", name).strip() or "_")
        while name_key(stem) in map(name_key, made):
            stem += "_"
        made.append(stem)
    return tuple(f".{stem}.tif" for stem in made)


def class_labels(
    labels: NDArray[np.int32],
    numbers: NDArray[np.int64],
    said: Suggestions,
    how: str | None,
) -> list[NDArray[np.int32]]:
    """Return label images by class.

    Parameters
    ----------
    labels
        (H, W), the objects.
    numbers
        (N,) their labels, rising.
    said
        What they are.
    how
        "map": one image of the numbers of classes, from 1 up; "split": one for each
        class, of its objects with their labels; None: nothing.
    """
    import numpy as np

    if how is None:
        return []
    places = [said.classes.index(name) + 1 for name in said.names]
    of = np.concatenate([[0], places]).astype(np.int32)
    inside = labels > 0
    rows = np.where(inside, np.searchsorted(numbers, labels) + 1, 0)
    classes = of[rows]
    if how == "map":
        return [classes]
    return [
        np.where(classes == place, labels, 0)
        for place in range(1, len(said.classes) + 1)
    ]
