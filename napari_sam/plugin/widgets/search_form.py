"""How and where to search: mode, region, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_sam.plugin.search.model_modes import LEVEL_MODES
from napari_sam.plugin.search.search_options import KINDS, LEVELS, MODES, OPTIONS
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.layers import shape_of, spatial_metadata
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import PageStack
from napari_sam.plugin.widgets.layer_choice import DrawnChoice
from napari_sam.plugin.widgets.model_picker import row_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.search.search_options import Option

__all__ = ["OptionsForm", "SearchForm"]


_WHERE = (
    ("plane", "The whole plane"),
    ("view", "What the window shows now"),
    ("region", "A region that I draw"),
)


_MODE_TIP = (
    "Instances: every cell or nucleus at once, in seconds. Refined: the same, "
    "each one outlined anew, slower. Both need a model that was trained for "
    "it, such as the bundled one. Grid of points: any model is asked about "
    "each point of a grid; finds objects of any kind and size, slowest. "
    "Concept: SAM 3 finds all that the words below name."
)
_KIND_TIP = (
    "What the image looks like: how easily touching objects are split, how faint "
    "they may be and how sure the model has to be follow from it. Anything: one "
    "set of numbers for all images."
)
_LEVEL_TIP = (
    "What is outlined where cells are seen with their nuclei: whole cells, or the "
    "nuclei. Objects without nuclei are the same in both."
)


class OptionsForm(QWidget):  # type: ignore[misc]
    """A box to type a number in for each parameter of a mode, in groups."""

    def __init__(self, options: tuple[Option, ...]) -> None:
        super().__init__()
        self._options = options
        self.boxes: dict[str, QSpinBox | QDoubleSpinBox] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        group = ""
        for option in sorted(options, key=lambda o: _group_rank(options, o)):
            if option.group != group:
                group = option.group
                heading = QLabel(group)
                heading.setStyleSheet("font-weight: 600; padding-top: 3px;")
                form.addRow(heading)
            box = _number_box(option)
            label = QLabel(option.text)
            label.setToolTip(box.toolTip())
            form.addRow(label, box)
            self.boxes[option.name] = box

    @property
    def values(self) -> dict[str, Any]:
        """What is set otherwise, by the names of the configuration."""
        values: dict[str, Any] = {}
        for option in self._options:
            value = self.boxes[option.name].value()
            if option.nothing and value == option.low:
                continue
            if value == round(option.default, 4):
                if not option.is_own:
                    continue
                value = option.default
            values[option.name] = int(value) if option.is_whole else float(value)
        return values

    def reset(self) -> None:
        """Set the defaults."""
        for option in self._options:
            self.boxes[option.name].setValue(option.default)


def _group_rank(options: tuple[Option, ...], option: Option) -> int:
    return [other.group for other in options].index(option.group)


def _number_box(option: Option) -> QSpinBox | QDoubleSpinBox:
    box = QSpinBox() if option.is_whole else QDoubleSpinBox()
    number = int if option.is_whole else float
    if isinstance(box, QDoubleSpinBox):
        box.setDecimals(2 if round(option.default, 2) == option.default else 4)
    box.setRange(number(option.low), number(option.high))
    box.setSingleStep(number(option.step))
    box.setValue(number(option.default))
    box.setSpecialValueText(option.nothing)
    box.setSuffix(option.unit)
    box.setToolTip(f"{option.tip}\n({option.name})")
    box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    box.editingFinished.connect(box.clearFocus)
    return box


def _choice(choices: tuple[tuple[str, str], ...], tip: str) -> QComboBox:
    """Make a row of what may be chosen: names, and what the user reads."""
    combo = QComboBox()
    for name, text in choices:
        combo.addItem(text, name)
    combo.setToolTip(tip)
    return combo


class SearchForm(QWidget):  # type: ignore[misc]
    """Mode, where, and the parameters, which are folded away.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        Returns the image layer that is chosen, or None.
    """

    changed = Signal()
    """Something is set otherwise."""

    def __init__(self, viewer: Any, image: Callable[[], Any]) -> None:
        super().__init__()
        self._viewer = viewer
        self._image = image
        self.mode = _choice(MODES, _MODE_TIP)
        self.kind = _choice(KINDS, _KIND_TIP)
        self.level = _choice(LEVELS, _LEVEL_TIP)
        self._has_levels = False
        self.where = QComboBox()
        for name, text in _WHERE:
            self.where.addItem(text, name)
        self.where.setToolTip("Where objects are looked for.")
        self.region = DrawnChoice(viewer, self._may_be_region, "New region")
        self.draw = push_button("Draw", "Drag a rectangle over the region to search.")
        self.skip_labelled = QCheckBox("Skip what is labelled already")
        self.skip_labelled.setToolTip(
            "Nothing is looked for on the labels that are chosen above."
        )
        self.skip_labelled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.forms = {name: OptionsForm(options) for name, options in OPTIONS.items()}
        self._lay_out()
        for combo in (self.mode, self.kind, self.level, self.where):
            combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            combo.setMinimumContentsLength(6)
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.activated.connect(self._on_chosen)
        self.region.chosen.connect(self._on_changed)
        self.skip_labelled.toggled.connect(self._on_changed)
        self.draw.clicked.connect(self._on_draw)
        self.reset.clicked.connect(self._on_reset)
        self._show_region()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.region, 1)
        row.addWidget(self.draw)
        self._region_row = QWidget()
        self._region_row.setLayout(row)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(row_label("Mode"), self.mode)
        self._kind_label = row_label("Looks like")
        form.addRow(self._kind_label, self.kind)
        self._level_label = row_label("Outline")
        form.addRow(self._level_label, self.level)
        form.addRow(row_label("Where"), self.where)
        self._region_label = row_label("")
        form.addRow(self._region_label, self._region_row)
        self.pages = PageStack()
        for page in self.forms.values():
            self.pages.addWidget(page)
        self.reset = push_button("Defaults", "Set these choices as they were at first.")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.skip_labelled)
        column.addWidget(self.pages)
        column.addWidget(self.reset)
        self.more = QCollapsible("More")
        self.more.toggleButton().setToolTip("Finer choices of how objects are found.")
        self.more.setContent(inner)
        self.more.collapse(animate=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.more)

    # --- what is set --------------------------------------------------------------

    @property
    def mode_name(self) -> str:
        """The mode that is chosen."""
        return str(self.mode.currentData())

    @property
    def where_name(self) -> str:
        """Where to search: "plane", "view" or "region"."""
        return str(self.where.currentData())

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """The parameters of each mode."""
        told = {name: form.values for name, form in self.forms.items()}
        level = str(self.level.currentData())
        for mode in LEVEL_MODES:
            if self.kind_name != "any":
                told[mode]["kind"] = self.kind_name
            if level != "auto":
                told[mode]["level"] = level
        return told

    @property
    def kind_name(self) -> str:
        """What the image looks like to the user; "any": one set of numbers for all."""
        return str(self.kind.currentData())

    def show_mode(self, mode: str) -> None:
        """Show the parameters of a mode that is not "auto"."""
        self.pages.setCurrentWidget(self.forms[mode])
        for widget in (self._kind_label, self.kind):
            widget.setEnabled(mode in LEVEL_MODES)
        for widget in (self._level_label, self.level):
            widget.setEnabled(mode in LEVEL_MODES and self._has_levels)

    def show_levels(self, are_two: bool) -> None:
        """Grey the choice of nuclei or whole cells where the model has none."""
        self._has_levels = are_two
        if not are_two:
            self.level.setCurrentIndex(0)

    def show_level(self, level: str | None) -> None:
        """Show what is outlined where nothing is chosen; None: whole objects."""
        text = dict(LEVELS)["auto"]
        if level is not None and self.level.currentData() == "auto":
            text = f"{level.capitalize()}, as you wrote"  # all of it is to be seen
        self.level.setItemText(self.level.findData("auto"), text)

    def show_kind(self, kind: str | None) -> None:
        """Show what the model took the image for; None: it was not asked."""
        names = dict(KINDS)
        text = names["auto"]
        if kind is not None:
            text += f": {names[kind].split(':')[0].lower()}"
        self.kind.setItemText(self.kind.findData("auto"), text)

    def show_reasons(self, why_not: Callable[[str], str]) -> None:
        """Grey the modes that the model does not have, and say why."""
        model = self.mode.model()
        for index in range(self.mode.count()):
            why = why_not(str(self.mode.itemData(index)))
            model.item(index).setEnabled(not why)
            self.mode.setItemData(index, why, Qt.ItemDataRole.ToolTipRole)

    def show_scale(self, scale: float | None) -> None:
        """Set by how much the image is enlarged; None: as the model sees fit."""
        for name in LEVEL_MODES:
            self.forms[name].boxes["scale"].setValue(scale or 0.0)

    def choose(self, mode: str | None = None, where: str | None = None) -> None:
        """Choose a mode or where to search, as a user does."""
        for combo, name in ((self.mode, mode), (self.where, where)):
            if name is not None:
                combo.setCurrentIndex(combo.findData(name))
        self._on_chosen()

    # --- regions ------------------------------------------------------------------

    def _may_be_region(self, layer: Any) -> bool:
        annotator = active_in(self._viewer)
        layers = None if annotator is None else annotator.layers
        own = None if layers is None else layers.boxes
        return isinstance(layer, Shapes) and layer is not own

    def _show_region(self) -> None:
        is_drawn = self.where_name == "region"
        self._region_row.setVisible(is_drawn)
        self._region_label.setVisible(is_drawn)

    def draw_on(self, layer: Any) -> None:
        """Let the user draw rectangles on a Shapes layer."""
        self.region.choose(layer)
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def _on_draw(self) -> None:
        layer, image = self.region.layer, self._image()
        if layer is None and image is not None:
            layer = Shapes(
                name="SAM region",
                ndim=image.ndim,
                edge_color="#ffd23f",
                face_color="transparent",
                edge_width=max(1.0, max(shape_of(image)[-2:]) / 250),
                **spatial_metadata(image),
            )
            self._viewer.add_layer(layer)
        if layer is not None:
            self.draw_on(layer)
        self.changed.emit()

    def _on_chosen(self, index: int = 0) -> None:
        self.mode.clearFocus()
        self.kind.clearFocus()
        self.level.clearFocus()
        self.where.clearFocus()
        self._show_region()
        self.changed.emit()

    def _on_changed(self, value: object = None) -> None:
        self.changed.emit()

    def _on_reset(self) -> None:
        for form in self.forms.values():
            form.reset()
