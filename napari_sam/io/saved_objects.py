"""Labels in a file, with what an image file has no room for in files beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.io.class_lists import class_list_path, write_class_list
from napari_sam.io.edit_histories import StoredHistory, write_history
from napari_sam.io.link_files import FilmLinks, link_path, write_links
from napari_sam.io.object_tables import object_table_path, write_object_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.io.calibration import Calibration
    from napari_sam.ops.object_classes import ObjectClass

__all__ = ["SavedObjects"]


@dataclass(frozen=True, eq=False)
class SavedObjects:
    """Objects as they are saved.

    Attributes
    ----------
    path
        The TIFF.
    labels
        Any axes.
    table
        A row of each object; written where it has the column "index".
    known
        What is known of the pixels.
    classes, links
        See `napari_sam.io.class_lists` and `napari_sam.io.link_files`. Where there are
        none, files of earlier ones are emptied.
    history
        See `napari_sam.io.edit_histories`. None: a file of an earlier one goes.
    """

    path: Path
    labels: NDArray[Any]
    table: pd.DataFrame
    known: Calibration | None = None
    classes: tuple[ObjectClass, ...] = ()
    links: FilmLinks = field(default_factory=FilmLinks)
    history: StoredHistory | None = None

    def write(self) -> str:
        """Write everything, and return the names of what was written.

        Raises
        ------
        OSError
            If something cannot be written.
        """
        # what writes images is not imported before something is saved
        from napari_sam.io.label_images import write_labels

        path = self.path
        write_labels(path, self.labels, self.known)
        write_history(path, self.history or StoredHistory(self.labels.shape, {}, ()))
        written = path.name
        if "index" in self.table:
            write_object_table(path, self.table)
            written += f" and {object_table_path(path).name}"
        if self.classes or class_list_path(path).is_file():
            write_class_list(path, self.classes)
        if self.links or link_path(path).is_file():
            write_links(path, self.links)
        return written
