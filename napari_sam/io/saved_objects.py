"""Labels in a file, with what an image file has no room for in files beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.io.atomic_write import write_problem, write_together
from napari_sam.io.class_lists import class_list_filler, class_list_path
from napari_sam.io.edit_histories import history_filler, history_path
from napari_sam.io.link_files import FilmLinks, link_filler, link_path
from napari_sam.io.object_tables import object_table_filler, object_table_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.io.calibration import Calibration
    from napari_sam.io.edit_histories import StoredHistory
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
        """Write all files or none, and return the names of what was written.

        Raises
        ------
        OSError
            If something cannot be written; every file stays as it was before.
        """
        # what writes images is not imported before something is saved
        from napari_sam.io.label_images import label_filler

        path, history = self.path, self.history
        files: dict[Path, Callable[[Path], object] | None] = {
            path: label_filler(self.labels, self.known),
            history_path(path): None if history is None else history_filler(history),
        }
        written = path.name
        if "index" in self.table:
            table = object_table_path(path)
            files[table] = object_table_filler(self.table)
            written += f" and {table.name}"
        if self.classes or class_list_path(path).is_file():
            files[class_list_path(path)] = class_list_filler(self.classes)
        if self.links or link_path(path).is_file():
            files[link_path(path)] = link_filler(self.links)
        try:
            write_together(files)
        except OSError as error:
            raise OSError(write_problem(error, path)) from error
        return written
