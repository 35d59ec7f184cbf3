"""What a labels layer, and the file that it was saved to, tell of its objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.class_lists import read_class_list
from napari_sam.io.object_tables import read_object_table
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_classes import classes_of
from napari_sam.plugin.viewer.saved_labels import saved_path
from napari_sam.workflows.session.provenance import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["adopt_file", "adopt_layer", "merge_features", "show_table", "table_of"]

_UNREAD = ("candidate", "plane", "prompts", "digest", "other_planes")
"""Columns that only programs read."""

_UNSEEN = "napari-sam unseen columns"
"""In the metadata of a labels layer: those columns, with the labels."""


def table_of(layer: Any) -> pd.DataFrame:
    """Return what a labels layer tells of its objects, all columns.

    napari shows every feature of the object under the cursor in its status bar. So only
    what a person reads is among the features; prompts and the like are in the metadata.
    """
    import pandas as pd  # 0.2 s: a session is opened before it has a table

    features = pd.DataFrame(layer.features)
    kept = layer.metadata.get(_UNSEEN)
    if not isinstance(kept, pd.DataFrame) or "index" not in features:
        return features
    more = [name for name in kept.columns if name not in features or name == "index"]
    joined = features.merge(kept[more], on="index", how="left")
    known = [name for name in COLUMNS if name in joined]
    return joined[[*known, *(name for name in joined if name not in known)]]


def show_table(layer: Any, table: pd.DataFrame) -> None:
    """Tell a labels layer what is known of its objects; see `table_of`."""
    unseen = [name for name in _UNREAD if name in table]
    layer.metadata[_UNSEEN] = table[["index", *unseen]]
    layer.features = table.drop(columns=unseen)


def adopt_layer(session: AnnotationSession, layer: Any) -> str:
    """Take up what a layer's features, or the file beside it, tell of objects.

    Returns
    -------
    str
        Why the file could not be read, as a sentence; "" if it could.
    """
    classes = classes_of(layer)
    if classes:
        session.classes.adopt(classes)
    if "index" in layer.features:
        session.adopt(table_of(layer))
    path = saved_path(layer)
    if path is None:
        return ""
    try:
        adopt_file(session, Path(path))
        session.history.read(path)  # its steps lead to what was taken up
    except (OSError, ValueError) as error:
        return sentence(error)
    return ""


def adopt_file(session: AnnotationSession, path: Path) -> bool:
    """Take up what the files beside saved labels tell of objects and their classes.

    Returns
    -------
    bool
        Whether something of an object was taken up.

    Raises
    ------
    OSError, ValueError
        If they cannot be read, or are no tables of objects.
    """
    if not len(session.classes):
        classes = read_class_list(path)
        if classes:
            session.classes.adopt(classes)
    table = read_object_table(path)
    return table is not None and bool(session.adopt(table))


def merge_features(features: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put the rows of a session's table into the features of a labels layer.

    Columns of other tools stay, for the objects that there are.

    Parameters
    ----------
    features
        The layer's features; without a column "index" row i is about label i.
    table
        From `AnnotationSession.table`.
    """
    old = features.copy()
    if len(old) and "index" not in old:
        old.insert(0, "index", np.arange(len(old)))
    if not len(old):
        return table
    background = old[old["index"] == 0]
    extra = [name for name in old.columns if name not in COLUMNS]
    if extra:
        table = table.merge(old[["index", *extra]], on="index", how="left")
    if not len(background):
        return table
    import pandas as pd

    return pd.concat([background, table], ignore_index=True)
