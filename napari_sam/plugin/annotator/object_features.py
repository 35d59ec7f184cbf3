"""The table of a session in the features of a labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.workflows.session.provenance import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["merge_features"]


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
