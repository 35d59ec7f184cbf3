"""The dock widget "Annotate with SAM"."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from napari.layers import Image
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_sam.plugin.annotator.annotator import Annotator
from napari_sam.plugin.annotator.hints import LOOKS_BLACK, Facts, next_hint
from napari_sam.plugin.annotator.keybindings import keys_of
from napari_sam.plugin.annotator.saving import saver_in
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model.embedding_store_jobs import open_store
from napari_sam.plugin.model.model_host import ModelHost, load_predictor
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.candidate_strip import CandidateStrip
from napari_sam.plugin.widgets.dock_layout import (
    NEW_LAYER,
    body_layout,
    class_choice,
    fill_dock,
    form,
    heading,
    main_button,
    overlap_choice,
)
from napari_sam.plugin.widgets.embedding_store_panel import EmbeddingStorePanel
from napari_sam.plugin.widgets.hint_line import HintLine, Notice
from napari_sam.plugin.widgets.layer_choice import LayerChoice
from napari_sam.plugin.widgets.model_picker import ModelPicker
from napari_sam.plugin.widgets.object_table import ObjectTable
from napari_sam.plugin.widgets.progress_line import ProgressLine
from napari_sam.plugin.widgets.tool_bar import ToolBar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.plugin.annotator.saving import ObjectSaver
    from napari_sam.workflows.session.provenance import Record

__all__ = ["AnnotateWidget", "dock_annotator"]

_TITLE = "Annotate with SAM"
"""Of the dock, as in the plugin's manifest."""

_OPEN: WeakKeyDictionary[Any, ReferenceType[AnnotateWidget]] = WeakKeyDictionary()
"""The annotator that was made last in each viewer."""


def dock_annotator(
    viewer: Any,
    load: Callable[[str, str], PromptableModel] = load_predictor,
    store: CheckpointStore | None = None,
) -> AnnotateWidget:
    """Show the annotator of a viewer; it is made and docked where there is none.

    Parameters
    ----------
    viewer
        The napari viewer.
    load, store
        For a new one, see `AnnotateWidget`.
    """
    viewer = unwrapped(viewer)
    window = getattr(viewer, "window", None)
    held = _OPEN.get(viewer)
    widget = None if held is None else held()
    if widget is not None and not _is_alive(widget):
        widget = None
    if widget is None and window is not None and load is load_predictor and not store:
        # napari then knows it by its name, and its menu shows this one again
        with suppress(KeyError, ValueError):
            _, widget = window.add_plugin_dock_widget("napari-sam", _TITLE, tabify=True)
    if widget is None:
        widget = AnnotateWidget(viewer, load, store)
    if window is not None and widget.parentWidget() is None:
        window.add_dock_widget(widget, name=_TITLE, area="right", tabify=True)
    shown = widget.parentWidget() or widget
    shown.show()
    shown.raise_()
    return widget


def _is_alive(widget: AnnotateWidget) -> bool:
    try:
        widget.isVisible()
    except RuntimeError:  # Qt has deleted it
        return False
    return True


_WORK_HERE = "Work on this part"
_PUT_BACK = "Put it back"
_PLACE = "Place it on the image"
_OVERWRITE = "Overwrite"
_STRETCH = "Stretch the contrast"
_UNCOVER = "Hide it"

_NOTHING: Mapping[int, Record] = {}
"""The objects where nothing is annotated."""

_TIMES = Times()

_ANSWER_MS = 150
"""For so long an answer may take before the wait for it is shown."""


class AnnotateWidget(QWidget):  # type: ignore[misc]
    """Click, choose, keep: labels from prompts.

    Parameters
    ----------
    viewer
        The napari viewer.
    load
        Makes a predictor from a model's name or path and a device; called away
        from the window.
    store
        Where checkpoints are kept.
    times
        How long the annotator waits, see `Times`.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        load: Callable[[str, str], PromptableModel] = load_predictor,
        store: CheckpointStore | None = None,
        times: Times = _TIMES,
    ) -> None:
        super().__init__()
        settings = read_settings()
        # a proxy's layers are not the layers themselves, and `is` tells them apart
        viewer = unwrapped(viewer)
        self.viewer = viewer
        _OPEN[viewer] = ref(self)
        self.model_host = ModelHost(load, settings.planes_kept, self, open_store())
        self.annotator = Annotator(viewer, self.model_host, self, times=times)
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.image = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
        self.output = LayerChoice(viewer, is_labels_of_user, NEW_LAYER)
        self.image.is_held = self._has_prompts
        self.model = ModelPicker(store, settings.model, settings.device)
        self.tools = ToolBar()
        self.candidates = CandidateStrip()
        self.objects = ObjectTable()
        self.embedding_store = EmbeddingStorePanel(self.annotator)
        self.saver: ObjectSaver | None = None
        self._make_controls()
        self._lay_out()
        self._connect()
        self._notice = Notice()
        self._started = False
        self._shelved: object = None
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.setInterval(0)
        self._view_timer.timeout.connect(self._show_state)
        self.destroyed.connect(self.model_host.close)

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.hover = QCheckBox("Preview under the cursor (H)")
        self.class_name = class_choice("Class that the next objects get; may be empty.")
        self.overlap = overlap_choice()
        self.keep = main_button("Keep object (N)", "samKeep", 6)
        self.undo = QPushButton("Undo (U)")
        self.redo = QPushButton("Redo (Shift-U)")
        self.clear = QPushButton("Clear prompts")
        for button in (self.undo, self.redo, self.clear, self.hover):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def _lay_out(self) -> None:
        steps = QHBoxLayout()
        for button in (self.undo, self.redo, self.clear):
            steps.addWidget(button)
        body, layout = body_layout()
        layout.addLayout(form(("Image", self.image), ("Save in", self.output)))
        layout.addWidget(self.model)
        layout.addWidget(heading("1  Say what the object is"))
        layout.addWidget(self.tools)
        layout.addWidget(self.hover)
        layout.addWidget(heading("2  Choose a candidate (Q)"))
        layout.addWidget(self.candidates)
        layout.addWidget(heading("3  Keep it"))
        layout.addLayout(form(("Class", self.class_name), ("Overlap", self.overlap)))
        layout.addWidget(self.keep)
        layout.addLayout(steps)
        layout.addWidget(heading("Objects"))
        layout.addWidget(self.objects, 1)
        layout.addWidget(self.embedding_store)
        layout.addWidget(_key_list())
        fill_dock(self, (self.hint, self.progress), body)

    def _connect(self) -> None:
        annotator = self.annotator
        self.image.chosen.connect(annotator.set_image)
        self.output.chosen.connect(annotator.sessions.set_output)
        self.model.chosen.connect(self._load_model)
        self.model.noticed.connect(self._on_notice)
        self.tools.chosen.connect(annotator.use_tool)
        self.candidates.chosen.connect(annotator.choose)
        self.hover.toggled.connect(annotator.set_hover)
        self.class_name.currentTextChanged.connect(self._on_class)
        self.overlap.activated.connect(self._on_overlap)
        self.keep.clicked.connect(annotator.commit)
        self.undo.clicked.connect(annotator.undo)
        self.redo.clicked.connect(annotator.redo)
        self.clear.clicked.connect(annotator.clear)
        self.objects.reopened.connect(annotator.reopen)
        self.objects.deleted.connect(annotator.delete)
        self.objects.renamed.connect(annotator.rename)
        self.objects.saved.connect(self._on_save)
        self.progress.cancelled.connect(self.model_host.stop)
        self.hint.pressed.connect(self._on_hint_button)
        self.model_host.advanced.connect(self.progress.set_fraction)
        annotator.changed.connect(self._on_changed)
        annotator.noticed.connect(self._on_notice)
        annotator.succeeded.connect(self._on_success)

    # --- coming and going -------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Start working, and load the model the first time."""
        super().showEvent(event)
        if event.spontaneous():
            return
        self.image.start()
        self.output.start()
        self.annotator.activate()
        self.annotator.set_image(self.image.layer)
        self.saver = saver_in(self.viewer, self.window())
        self.saver.sessions = self.annotator.sessions
        self.saver.done.connect(self._on_success)
        self.saver.failed.connect(self._on_notice)
        if not self._started:
            self._started = True
            self._load_model()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of keys, events and layers."""
        super().hideEvent(event)
        if event.spontaneous():
            return
        self.image.stop()
        self.output.stop()
        self._leave_saver()
        self.annotator.deactivate(later=True)

    def _leave_saver(self) -> None:
        saver, self.saver = self.saver, None
        with suppress(RuntimeError, TypeError):  # the window is gone, and it as well
            if saver is not None:
                saver.done.disconnect(self._on_success)
                saver.failed.disconnect(self._on_notice)
                if saver.sessions is self.annotator.sessions:
                    saver.sessions = None

    def _on_save(self) -> None:
        if self.saver is not None:
            self.saver.ask()

    def _has_prompts(self) -> bool:
        session = self.annotator.session
        return session is not None and not session.draft.is_empty

    def _load_model(self) -> None:
        if self.model.is_here:
            self.model_host.load(self.model.source, self.model.device_name)
        else:
            self.model_host.unload()

    # --- what the user does -------------------------------------------------------

    def _on_class(self, text: str) -> None:
        self.annotator.class_name = text.strip()

    def _on_overlap(self, index: int) -> None:
        self.overlap.clearFocus()
        self.annotator.overlap = self.overlap.currentData()

    def _on_hint_button(self) -> None:
        annotator = self.annotator
        actions = {
            _PUT_BACK: annotator.sessions.put_back,
            _PLACE: annotator.sessions.place_output,
            _OVERWRITE: annotator.overwrite,
            _WORK_HERE: annotator.open_part,
            _STRETCH: annotator.stretch,
            _UNCOVER: annotator.uncover,
        }
        actions.get(self.hint.button.text(), annotator.retry)()

    # --- what is shown --------------------------------------------------------------

    def _on_notice(self, text: str) -> None:
        self._notice.say(text)
        self._on_changed()

    def _on_success(self, text: str) -> None:
        self._notice.say(text, "done")
        self._on_changed()

    def _on_changed(self) -> None:
        wait = _ANSWER_MS if self.model_host.is_answering else 0
        if wait == 0 or not self._view_timer.isActive():
            self._view_timer.start(wait)

    def _show_state(self) -> None:
        annotator = self.annotator
        facts = replace(annotator.facts(), model_name=self.model.title)
        self._show_hint(facts)
        self._show_progress(facts)
        self.model.show_device(self.model_host.device)
        self.tools.show_tool(annotator.tool, annotator.positive)
        self.tools.setEnabled(annotator.plane is not None)
        self.image.choose(annotator.image)
        self.output.choose(annotator.sessions.output)
        self.hover.setChecked(annotator.hover)
        self._show_session(facts)
        self._show_embedding_store(facts)

    def _show_embedding_store(self, facts: Facts) -> None:
        """Count embeddings anew where another plane is ready or another one shown."""
        state = (self.annotator.key, facts.embedding_state, facts.model_state)
        if state != self._shelved:
            self._shelved = state
            self.embedding_store.refresh()

    def _show_hint(self, facts: Facts) -> None:
        notice = self._notice.text_at(facts)
        hint = Hint(notice, self._notice.kind) if notice else next_hint(facts)
        self.hint.show_hint(hint, self._button_for(facts, hint, bool(notice)))

    def _button_for(self, facts: Facts, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that solves what the hint line says."""
        if facts.too_large is not None:
            return _WORK_HERE
        if facts.is_refused:
            return _OVERWRITE
        if not is_notice and facts.hidden_by and facts.hidden_by in hint.text:
            return _UNCOVER
        if is_notice:
            return _PUT_BACK if self.annotator.sessions.removed is not None else ""
        if self.annotator.sessions.is_misplaced:
            return _PLACE
        if hint is LOOKS_BLACK:
            return _STRETCH
        again = facts.embedding_state in ("stopped", "failed")
        return "Try again" if again and hint.kind == "problem" else ""

    def _show_progress(self, facts: Facts) -> None:
        if facts.model_state == "loading":
            self.progress.show_work("Loading the model", can_cancel=False)
            self.progress.set_fraction(-1.0)
        elif facts.embedding_state == "working":
            self.progress.show_work("Looking at the plane")
        else:
            self.progress.hide()

    def _show_session(self, facts: Facts) -> None:
        session = self.annotator.session
        objects = _NOTHING if session is None else session.listed()
        self.objects.show_objects(objects, self._color_of)
        if session is None or self.annotator.plane is None:
            self.candidates.show_candidates(None, None, 0)
            for button in (self.keep, self.undo, self.redo, self.clear):
                button.setEnabled(False)
            return
        picture = self.model_host.picture(self.annotator.key)
        self.candidates.show_candidates(session.candidates, picture, session.choice)
        self.keep.setEnabled(facts.has_prompts)
        editing = facts.editing is not None
        self.keep.setText("Keep the change (N)" if editing else "Keep object (N)")
        self.undo.setEnabled(session.can_undo)
        self.redo.setEnabled(session.can_redo)
        self.clear.setEnabled(facts.has_prompts)
        self._show_classes(session.class_names)

    def _show_classes(self, names: tuple[str, ...]) -> None:
        combo = self.class_name
        listed = [combo.itemText(i) for i in range(combo.count())]
        missing = [name for name in names if name not in listed]
        if missing:
            text = combo.currentText()
            combo.blockSignals(True)
            combo.addItems(missing)
            combo.setCurrentText(text)
            combo.blockSignals(False)

    def _color_of(self, label: int) -> tuple[int, int, int]:
        layer = self.annotator.sessions.output
        color = None if layer is None else layer.get_color(label)
        if color is None:
            return 128, 128, 128
        red, green, blue = (round(255 * float(c)) for c in color[:3])
        return red, green, blue


def _key_list() -> QWidget:
    box = QWidget()
    grid = QGridLayout(box)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setVerticalSpacing(1)
    for row, entry in enumerate(keys_of("annotator", "points")):
        key = QLabel(entry.key)
        key.setStyleSheet("font-weight: 700;")
        grid.addWidget(key, row, 0)
        grid.addWidget(QLabel(entry.text), row, 1)
    grid.setColumnStretch(1, 1)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    return box
