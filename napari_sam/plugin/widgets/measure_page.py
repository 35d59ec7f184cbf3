"""The page "Measure": a table of the objects, plots, and one selection for all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSplitter,
)

from napari_sam.io.measurement_tables import TABLE_FORMATS, write_table
from napari_sam.ops.message_text import counted
from napari_sam.plugin.measure.layer_measuring import LayerMeasuring
from napari_sam.plugin.measure.object_colours import ObjectColours
from napari_sam.plugin.measure.selection_marks import SelectionMarks
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layers import is_helper, is_labels_of_user
from napari_sam.plugin.viewer.navigation import go_to_point
from napari_sam.plugin.viewer.object_picking import ObjectPicker
from napari_sam.plugin.viewer.object_selection import selection_in
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    data_choice,
    form,
    main_button,
)
from napari_sam.plugin.widgets.layer_choice import LayerChoice
from napari_sam.plugin.widgets.measure_menus import (
    ChannelsButton,
    ColumnsButton,
    SelectButton,
)
from napari_sam.plugin.widgets.measurement_plot import MeasurementPlot
from napari_sam.plugin.widgets.measurement_table import MeasurementTable
from napari_sam.plugin.widgets.page import Page, Work

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.plugin.measure.layer_measuring import Measured

__all__ = ["MeasurePage"]

_FILTER = "Table for programs (*.csv);;Table for spreadsheets (*.xlsx)"
_MOST_MARKS = 300
"""Rings on the canvas at the most."""
_SLIDER = (("a volume", False), ("a film", True))

_SAVE_TIP = "Write the table to a file, for a spreadsheet or a statistics program."


class MeasurePage(Page):
    """Measures a labels layer, shows the table, and plots of it.

    Parameters
    ----------
    shared
        What all pages share.
    """

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the choice of labels, the table, the plot and the buttons."""
        viewer = self.viewer
        self.measuring = LayerMeasuring(viewer, self)
        self.selection = selection_in(viewer)
        self.picker = ObjectPicker(viewer, self.selection)
        self.colours = ObjectColours()
        self.marks = SelectionMarks(viewer)
        self._saving = LongTask("napari-sam table", self)
        self._shown: Measured | None = None
        self._rested: Any = None
        self._is_from_table = False
        self.labels = LayerChoice(viewer, is_labels_of_user, lacking="no labels yet")
        self.labels.setToolTip("The labels whose objects are measured.")
        self.slider = data_choice(_SLIDER, "What the labels are along the slider.")
        self.columns = ColumnsButton(self.measuring, self._table)
        self.channels = ChannelsButton(self.measuring, viewer)
        self.select = SelectButton(self.selection, self._table)
        self.is_coloured = QCheckBox("Colour by")
        self.is_coloured.setToolTip("Colour the objects on the canvas by a column.")
        self.colour_by = data_choice((), "The column that gives the colours.")
        self.table = MeasurementTable()
        self.plot = MeasurementPlot()
        self.save = main_button("Save table…", "samSaveTable", _SAVE_TIP)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the selected rows, or all, for a spreadsheet.")

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that saves the table."""
        return (self.save,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the choices, the table and the plot."""
        self._form = form(("Labels", self.labels), ("Slider", self.slider))
        layout.addLayout(self._form)
        buttons = (self.columns, self.channels, self.select, self.copy)
        layout.addLayout(button_row(*buttons))
        row = QHBoxLayout()
        row.addWidget(self.is_coloured)
        row.addWidget(self.colour_by, 1)
        layout.addLayout(row)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.table)
        parts.addWidget(self.plot)
        parts.setChildrenCollapsible(False)
        layout.addWidget(parts, 1)

    def connect_controls(self) -> None:
        """Connect table, plot, canvas and buttons."""
        self.labels.chosen.connect(self._on_labels)
        self.slider.activated.connect(self._on_slider)
        self.columns.changed.connect(self._show_table)
        self.is_coloured.toggled.connect(self._colour)
        self.colour_by.activated.connect(self._on_colour)
        self.measuring.changed.connect(self._on_measured)
        self.selection.changed.connect(self._show_selection)
        self.table.chosen.connect(self._on_table)
        self.table.entered_row.connect(self._go_to)
        self.plot.chosen.connect(self._on_plot)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self.copy_rows)
        self._saving.done.connect(self._on_saved)
        self._saving.failed.connect(self._on_not_saved)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Measure, and let clicks select; the tool of the annotator is put down."""
        self.labels.start()
        wanted = self.shared.labels
        if wanted is not None and not self.labels.is_by_hand:
            self.labels.choose(wanted)
        self._on_labels(self.labels.layer)
        self.picker.attach()
        self.measuring.start()
        active = self.viewer.layers.selection.active
        layer = self.labels.layer
        if layer is not None and active is not None and is_helper(active):
            self._rested = active
            self.viewer.layers.selection.active = layer
        self._show_selection()

    def leave(self) -> None:
        """Follow the labels no more, and take the annotator's tool up again."""
        self.picker.detach()
        self.measuring.stop()
        self.labels.stop()
        self.marks.close()
        rested, self._rested = self._rested, None
        if rested is not None and rested in self.viewer.layers:
            self.viewer.layers.selection.active = rested

    def close_page(self) -> None:
        """Stop for good."""
        self.measuring.close()
        self._saving.close()

    def set_layers(self, image: Any, labels: Any) -> None:
        """Measure the labels that objects go to, unless others were chosen."""
        if self.is_shown and labels is not None and not self.labels.is_by_hand:
            self.labels.refill()
            self.labels.choose(labels)
            self._on_labels(labels)

    @property
    def is_settled(self) -> bool:
        """Whether the table is of the labels as they are."""
        return self.measuring.is_settled

    # --- what the user does -------------------------------------------------------

    def _on_labels(self, layer: Any) -> None:
        self.selection.follow(layer)
        self.measuring.set_layer(layer)
        is_open = layer is not None and layer.ndim == 3
        self._form.setRowVisible(1, is_open)
        if is_open:
            self.slider.setCurrentIndex(int(self.measuring.is_film))
        self.changed.emit()

    def _on_slider(self, index: int) -> None:
        self.slider.clearFocus()
        self.measuring.is_film = bool(self.slider.currentData())
        self.measuring.measure_now()

    def _choose_rows(self, rows: NDArray[np.intp]) -> None:
        if self._shown is not None:
            self.selection.select(self._shown.table["label"].to_numpy()[rows])

    def _on_table(self, rows: NDArray[np.intp]) -> None:
        self._is_from_table = True  # and so it is not scrolled under the cursor
        self._choose_rows(rows)
        self._is_from_table = False

    def _on_plot(self, rows: NDArray[np.intp]) -> None:
        self._choose_rows(rows)
        if len(rows) == 1:
            self._go_to(int(rows[0]))

    def _go_to(self, row: int) -> None:
        """Bring the object of a row to the middle of the canvas."""
        layer, measured = self.measuring.layer, self._shown
        if layer is not None and measured is not None and row < len(measured.table):
            (position,) = measured.positions(np.array([row]))
            go_to_point(self.viewer, layer, position)

    # --- what is shown --------------------------------------------------------------

    def _on_measured(self) -> None:
        measured = self.measuring.measured
        if measured is not self._shown:
            self._shown = measured
            self.table.show_table(self._table(), self.columns.shown())
            self._fill_colours()
            self.plot.show_table(self._table())
            self._show_selection()
            self._colour()
        if self.measuring.is_working:
            self.advanced.emit(self.measuring.progress.fraction)
        self.changed.emit()

    def _table(self) -> pd.DataFrame | None:
        return None if self._shown is None else self._shown.table

    def _show_table(self) -> None:
        self.table.show_table(self._table(), self.columns.shown())
        self._show_selection()

    def _fill_colours(self) -> None:
        table, names = self._table(), []
        if table is not None:
            numbers = table.select_dtypes(["number", "bool"])
            names = [str(name) for name in numbers.columns if name != "label"]
        before = self.colour_by.currentText()
        if [self.colour_by.itemText(i) for i in range(self.colour_by.count())] == names:
            return
        self.colour_by.clear()
        self.colour_by.addItems(names)
        self.colour_by.setCurrentIndex(max(0, self.colour_by.findText(before)))

    def _on_colour(self, index: int) -> None:
        self.colour_by.clearFocus()
        self.is_coloured.setChecked(True)
        self._colour()

    def _colour(self, *_: object) -> None:
        """Colour the objects by a column, or as they were."""
        layer, name = self.measuring.layer, self.colour_by.currentText()
        if not self.is_coloured.isChecked() or layer is not self.colours.layer:
            self.colours.clear()
        table = self._table()
        if not self.is_coloured.isChecked() or table is None or name not in table:
            return
        mean = table.groupby("label")[name].mean()
        self.colours.show(layer, mean.index.tolist(), mean.to_numpy(np.float64))

    def _show_selection(self) -> None:
        """Show in the table, the plot and on the canvas what is selected."""
        if not self.is_shown:
            return
        measured, layer = self._shown, self.measuring.layer
        if measured is None or layer is None or self.selection.layer is not layer:
            rows = np.zeros(0, np.intp)
        else:
            rows = measured.rows_of(self.selection.labels)
        self.table.show_selected(rows.tolist(), scrolls=not self._is_from_table)
        self.plot.show_selected(rows.tolist())
        if layer in self.viewer.layers:
            seen = rows[:_MOST_MARKS]
            if measured is None or not len(seen):
                self.marks.show(layer, np.zeros((0, layer.ndim)), np.zeros(0))
            else:
                places, sizes = measured.positions(seen), measured.diameters(seen)
                self.marks.show(layer, places, sizes)
        self.changed.emit()

    def facts(self) -> object:
        """Return what notices are about: they go with the labels."""
        return self.labels.layer

    def next_step(self) -> Hint:
        """Say what is measured, and the next step."""
        layer, measured = self.labels.layer, self._shown
        if layer is None:
            return Hint(
                "There are no labels to measure. Keep objects in Annotate or Find, or "
                "open labels."
            )
        if self.measuring.error:
            return Hint(sentence(self.measuring.error), "problem")
        if measured is None or self.measuring.is_working:
            return Hint(f"Measuring the objects of “{layer.name}”.", "wait")
        count, chosen = len(measured.table), len(self.table.selected_rows)
        if not count:
            return Hint(f"There is no object in “{layer.name}” yet.")
        if chosen:
            return Hint(f"{chosen:,} of {counted(count, 'row')} selected.", "info")
        return Hint(
            f"{counted(count, 'row')}. Click one to go there, drag around some in the "
            "plot, or Alt-click an object."
        )

    def work(self) -> Work | None:
        """Return how far the measuring is, or the saving."""
        if self._saving.is_working:
            return Work("Saving the table", -1.0, can_cancel=False)
        if self.measuring.is_working:
            return Work("Measuring", self.measuring.progress.fraction)
        return None

    def cancel(self) -> None:
        """Stop measuring."""
        self.measuring.cancel()

    def show_state(self) -> None:
        """Show whether there is something to save."""
        has_rows = self._shown is not None and len(self._shown.table) > 0
        for button in (self.copy, self.columns, self.channels, self.select):
            button.setEnabled(has_rows)
        self.save.setEnabled(has_rows and not self._saving.is_working)

    # --- files --------------------------------------------------------------------

    def chosen_table(self) -> pd.DataFrame:
        """Return the columns that are shown, in the order of the rows."""
        if self._shown is None:
            raise ValueError("nothing was measured yet")
        model = self.table.rows
        return self._shown.table[model.columns].iloc[model.order]

    def _on_save(self) -> None:
        name = f"{self.measuring.layer.name}.csv".replace("/", "_")
        chosen, kind = QFileDialog.getSaveFileName(
            self, "Save table", str(Path.home() / name), _FILTER
        )
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower().removeprefix(".") not in TABLE_FORMATS:
            path = path.with_name(path.name + (".xlsx" if "xlsx" in kind else ".csv"))
        self.save_table(path)

    def save_table(self, path: Path) -> None:
        """Write the table away from the window; the hint says when it is there."""
        table = self.chosen_table()
        self._saving.start(lambda tell, stop: write_table(path, table))
        self.changed.emit()

    def _on_saved(self, token: object, path: Path) -> None:
        self.say(f"Saved {path.name}.", "done")

    def _on_not_saved(self, token: object, error: Exception) -> None:
        self.say(f"The table was not saved: {sentence(error)}")

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard, or all where none is selected."""
        table = self.chosen_table()
        if self.table.selected_rows:
            table = table[table.index.isin(self.table.selected_rows)]
        QGuiApplication.clipboard().setText(table.to_csv(sep="\t", index=False))
        self.say(f"Copied {counted(len(table), 'row')}.", "done")
