"""The page "Annotate": click, choose, keep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_sam.plugin.annotator.hints import LOOKS_BLACK, STROKE_STEPS, next_hint
from napari_sam.plugin.annotator.keybindings import keys_of, with_key
from napari_sam.plugin.annotator.object_view import show_object
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layers import shape_of
from napari_sam.plugin.viewer.navigation import go_to_plane
from napari_sam.plugin.viewer.object_picking import ObjectPicker
from napari_sam.plugin.viewer.object_selection import selection_in
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.candidate_strip import CandidateStrip
from napari_sam.plugin.widgets.confidence_bar import ConfidenceBar
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    class_choice,
    form,
    heading,
    main_button,
    overlap_choice,
)
from napari_sam.plugin.widgets.embedding_store_panel import EmbeddingStorePanel
from napari_sam.plugin.widgets.object_table import ObjectTable
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.text_prompt_line import TextPromptLine
from napari_sam.plugin.widgets.tool_bar import ToolBar
from napari_sam.plugin.widgets.unsaved_work_offer import UnsavedWorkOffer
from napari_sam.plugin.widgets.unsaved_work_storage import UnsavedWorkPanel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.plugin.annotator.hints import Facts
    from napari_sam.workflows.session.provenance import Record

__all__ = ["AnnotatePage"]

_WORK_HERE = "Work on this part"
_PLACE = "Place it on the image"
_OVERWRITE = "Overwrite"
_STRETCH = "Stretch the contrast"
_UNCOVER = "Hide it"
_AGAIN = "Try again"

_UNSAVED = Hint(
    "There is unsaved work on this image. Bring it back, or click an object to begin "
    "anew."
)

_NOTHING: Mapping[int, Record] = {}
"""The objects where nothing is annotated."""


class AnnotatePage(Page):
    """Labels from prompts.

    Parameters
    ----------
    shared
        What all pages share.
    """

    is_long = False

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make tools, candidates, the choices of an object, and the table."""
        self.annotator = self.shared.annotator
        self._facts: Facts = self.annotator.facts()
        self._counted: object = None
        self._fraction = -1.0
        self.unsaved = UnsavedWorkOffer()
        self.tools = ToolBar()
        self.candidates = CandidateStrip()
        self.objects = ObjectTable()
        self.selection = selection_in(self.viewer)
        self.picker = ObjectPicker(self.viewer, self.selection)
        self.embedding_store = EmbeddingStorePanel(self.annotator)
        self.unsaved_on_disk = UnsavedWorkPanel()
        self.in_3d = QCheckBox("3D: the object grows through the planes")
        self.in_3d.setToolTip(
            "A click is answered on its plane at once; then the object grows through "
            "the others. Click on any plane, or into the 3D view, to correct it."
        )
        self.in_3d.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.confidence = ConfidenceBar()
        self.hover = QCheckBox(with_key("Preview at the cursor", "toggle_hover"))
        self.hover.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text = TextPromptLine()
        self.class_name = class_choice("Class that the next objects get; may be empty.")
        self.overlap = overlap_choice()
        self.keep = main_button(
            with_key("Keep object", "commit"),
            "samKeep",
            "Write the mask to the labels, and start the next object.",
        )
        self.undo = push_button(with_key("Undo", "undo"), "Take the last step back.")
        self.redo = push_button(
            "Redo", with_key("Do the last undone step again", "redo") + "."
        )
        self.clear = push_button(
            with_key("Clear", "clear"), "Drop the prompts in hand."
        )

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that keeps the object."""
        return (self.keep,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the steps from the prompt to the object."""
        layout.addWidget(self.unsaved)
        layout.addWidget(self.tools)
        layout.addWidget(self.in_3d)
        layout.addWidget(self.confidence)
        layout.addWidget(self.candidates)
        layout.addLayout(button_row(self.undo, self.redo, self.clear))
        layout.addWidget(self.hover)
        layout.addLayout(
            form(
                ("In words", self.text),
                ("Class", self.class_name),
                ("Overlap", self.overlap),
            )
        )
        layout.addWidget(heading("Objects"))
        layout.addWidget(self.objects, 1)
        layout.addWidget(self.embedding_store)
        layout.addWidget(self.unsaved_on_disk)
        layout.addWidget(_key_list())

    def connect_controls(self) -> None:
        """Connect the controls to the annotator's actions."""
        annotator = self.annotator
        self.unsaved.taken.connect(self._on_take_up)
        self.unsaved.discarded.connect(annotator.journals.discard)
        self.tools.chosen.connect(annotator.use_tool)
        self.candidates.chosen.connect(annotator.choose)
        self.hover.toggled.connect(annotator.set_hover)
        self.in_3d.toggled.connect(annotator.growing.set_on)
        self.confidence.chosen.connect(self._on_plane)
        self.text.said.connect(annotator.set_text)
        self.text.refused.connect(self.say)
        self.class_name.currentTextChanged.connect(self._on_class)
        self.overlap.activated.connect(self._on_overlap)
        self.keep.clicked.connect(annotator.commit)
        self.undo.clicked.connect(annotator.undo)
        self.redo.clicked.connect(annotator.redo)
        self.clear.clicked.connect(annotator.clear)
        self.objects.reopened.connect(annotator.actions.reopen)
        self.objects.deleted.connect(annotator.actions.delete)
        self.objects.renamed.connect(annotator.actions.rename)
        self.objects.saved.connect(self.saved)
        self.objects.likened.connect(annotator.likened)
        self.objects.selected.connect(self.selection.select)
        self.objects.visited.connect(self._on_visited)
        self.selection.changed.connect(self._show_selected)
        self.shared.model_host.advanced.connect(self._on_advanced)

    def enter(self) -> None:
        """Take a tool in hand."""
        self.annotator.take_up()
        self.picker.attach()

    def leave(self) -> None:
        """Select no more objects by clicks."""
        self.picker.detach()

    def close_page(self) -> None:
        """Stop reading."""
        self.text.close_worker()

    # --- what the user does -------------------------------------------------------

    def _on_take_up(self) -> None:
        try:
            self.annotator.take_up_unsaved()
        except ValueError as error:
            self.say(sentence(error))

    def _on_class(self, text: str) -> None:
        self.annotator.class_name = text.strip()

    def _on_overlap(self, index: int) -> None:
        self.overlap.clearFocus()
        self.annotator.overlap = self.overlap.currentData()

    def _on_visited(self, label: int) -> None:
        """Bring an object into view, on the plane shown if it lies there."""
        opened = self.annotator.open_session
        if opened is not None:
            at = self.annotator.plane
            show_object(self.viewer, opened.image, opened.session, label, at)

    def _on_plane(self, number: int) -> None:
        """Go to a plane of the stack."""
        image, plane = self.annotator.image, self.annotator.growing.plane_at(number)
        if image is not None and plane is not None:
            go_to_plane(self.viewer, image, plane)

    def _show_growing(self) -> None:
        """Show the switch where there are several planes, and what has grown."""
        growing, image = self.annotator.growing, self.annotator.image
        self.in_3d.setVisible(image is not None and len(shape_of(image)) > 2)
        self.in_3d.blockSignals(True)
        self.in_3d.setChecked(growing.is_on)
        self.in_3d.blockSignals(False)
        grown = growing.grown
        self.confidence.setVisible(grown is not None)
        if grown is not None:
            self.confidence.show_confidence(
                grown.confidence, grown.given, growing.count, growing.number
            )

    def _show_selected(self) -> None:
        self.objects.show_selected(self.selection.labels)

    def on_remedy(self, text: str) -> None:
        """Do what the hint's button says."""
        annotator = self.annotator
        actions = {
            _PLACE: annotator.sessions.place_output,
            _OVERWRITE: annotator.overwrite,
            _WORK_HERE: annotator.image_fixes.open_part,
            _STRETCH: annotator.image_fixes.stretch,
            _UNCOVER: annotator.image_fixes.uncover,
        }
        actions.get(text, annotator.image_fixes.retry)()

    def cancel(self) -> None:
        """Stop looking at the plane."""
        self.shared.model_host.stop()

    # --- what is shown --------------------------------------------------------------

    def _on_advanced(self, fraction: float) -> None:
        self._fraction = fraction
        self.advanced.emit(fraction)

    def facts(self) -> Facts:
        """Return what the hint depends on, as of the last `show_state`."""
        return self._facts

    def next_step(self) -> Hint:
        """Say the next step."""
        drawn = self.annotator.edits.strokes.in_hand
        if drawn:
            return STROKE_STEPS[drawn]
        hint = next_hint(self._facts)
        is_free = hint.kind == "do" and not self._facts.has_prompts
        if is_free and self.annotator.journals.offered is not None:
            return _UNSAVED
        return hint

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that solves what a hint says, or ""."""
        facts = self._facts
        if facts.too_large is not None:
            return _WORK_HERE
        if facts.is_refused:
            return _OVERWRITE
        if not is_notice and facts.hidden_by and facts.hidden_by in hint.text:
            return _UNCOVER
        if is_notice:
            return ""
        if self.annotator.sessions.is_misplaced:
            return _PLACE
        if hint is LOOKS_BLACK:
            return _STRETCH
        again = facts.embedding_state in ("stopped", "failed")
        return _AGAIN if again and hint.kind == "problem" else ""

    def work(self) -> Work | None:
        """Return how far the look at the plane is, while it is under way."""
        if self._facts.embedding_state == "working":
            return Work("Looking at the plane", self._fraction)
        return None

    def show_state(self) -> None:
        """Show the tool, the candidates and the objects."""
        annotator = self.annotator
        title = self.shared.header.model.title
        facts = self._facts = replace(annotator.facts(), model_name=title)
        journals = annotator.journals
        self.unsaved.show_offer(journals.offered, journals.offers)
        self.tools.show_tool(annotator.tool, annotator.positive)
        self.tools.setEnabled(annotator.plane is not None)
        self._show_growing()
        self.hover.setChecked(annotator.hover)
        self._show_session(facts)
        self._show_embedding_store(facts)

    def _show_embedding_store(self, facts: Facts) -> None:
        """Count embeddings anew where another plane is ready or another one shown."""
        state = (self.annotator.key, facts.embedding_state, facts.model_state)
        if state != self._counted:
            self._counted = state
            self.embedding_store.refresh()

    def _show_session(self, facts: Facts) -> None:
        annotator = self.annotator
        session = annotator.session
        objects = _NOTHING if session is None else session.listed()
        if self.is_shown:
            self.selection.follow(annotator.sessions.output)
        if session is None:
            self.objects.show_objects(objects, self._color_of)
        else:
            index = session.index
            self.objects.show_objects(
                objects, self._color_of, index.area, index.version
            )
        in_3d = facts.grows and facts.is_3d_view
        if session is None or (annotator.plane is None and not in_3d):
            self.candidates.show_candidates(None, None, 0)
            for button in (self.keep, self.undo, self.redo, self.clear):
                button.setEnabled(False)
            return
        picture = self.shared.model_host.planes.picture(annotator.key)
        self.candidates.show_candidates(session.candidates, picture, session.choice)
        is_in_hand = facts.has_prompts or facts.grown_planes > 0
        self.keep.setEnabled(is_in_hand)
        editing = facts.editing is not None
        self.keep.setText(
            with_key("Keep the change" if editing else "Keep object", "commit")
        )
        self.text.show_text(session.text)
        self.undo.setEnabled(session.can_undo)
        self.redo.setEnabled(session.can_redo)
        self.clear.setEnabled(is_in_hand)
        self._show_classes(session.classes.names)

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
    for row, entry in enumerate(keys_of("window", "annotator", "points")):
        key = QLabel(entry.key)
        key.setStyleSheet("font-weight: 700;")
        text = QLabel(entry.text)
        text.setWordWrap(True)
        grid.addWidget(key, row, 0)
        grid.addWidget(text, row, 1)
    grid.setColumnStretch(1, 1)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    return box
