"""The dock widget "Segment everything"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QVBoxLayout,
    QWidget,
)

from napari_sam.ops.wording import counted
from napari_sam.plugin.model.embedding_store_jobs import open_store
from napari_sam.plugin.model.model_host import ModelHost, load_predictor
from napari_sam.plugin.search.hint_facts import FactReader
from napari_sam.plugin.search.hints import (
    EverythingFacts,
    black_hint,
    next_step,
)
from napari_sam.plugin.search.segment_everything import Everything
from napari_sam.plugin.viewer.active_annotator import active_in, unwrapped
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.viewer.sample_data import preset_scale
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.annotate import AnnotateWidget, dock_annotator
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
from napari_sam.plugin.widgets.hint_line import HintLine, Notice, NoticeKind
from napari_sam.plugin.widgets.layer_choice import LabelsChoice, LayerChoice
from napari_sam.plugin.widgets.mask_filter_panel import SievePanel
from napari_sam.plugin.widgets.model_picker import ModelPicker
from napari_sam.plugin.widgets.progress_line import ProgressLine
from napari_sam.plugin.widgets.search_form import SearchForm

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.plugin.annotator.annotator import Annotator

__all__ = ["EverythingWidget"]

_SHOW, _STRETCH = "Show again", "Stretch the contrast"
"""What the button of the hint says."""


class EverythingWidget(QWidget):  # type: ignore[misc]
    """Find everything, sieve it with sliders, keep what is right.

    Parameters
    ----------
    viewer
        The napari viewer.
    load
        Makes a predictor from a model's name or path and a device; called away
        from the window.
    store
        Where checkpoints are kept.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        load: Callable[[str, str], PromptableModel] = load_predictor,
        store: CheckpointStore | None = None,
    ) -> None:
        super().__init__()
        settings = read_settings()
        # a proxy's layers are not the layers themselves, and `is` tells them apart
        viewer = unwrapped(viewer)
        self.viewer = viewer
        self._load, self._store = load, store
        self.model_host = ModelHost(load, settings.planes_kept, self, open_store())
        self.everything = Everything(
            viewer, self.model_host, self._open_annotator, self
        )
        self.annotate: AnnotateWidget | None = None
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.image = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
        self.image.is_held = self._is_at_work
        self.output = LabelsChoice(
            viewer, is_labels_of_user, NEW_LAYER, is_for_writing=True
        )
        self.model = ModelPicker(store, settings.model, settings.device)
        self.form = SearchForm(viewer, lambda: self.everything.image)
        self.sieve = SievePanel()
        self._make_controls()
        self._lay_out()
        self._connect()
        self._notice = Notice()
        self._facts = FactReader(self.everything)
        self._started = False
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.setInterval(0)
        self._view_timer.timeout.connect(self._show_state)
        self._orphan_timer = QTimer(self)
        self._orphan_timer.setSingleShot(True)
        self._orphan_timer.timeout.connect(self._stop_if_closed)
        self.destroyed.connect(self.model_host.close)
        self.destroyed.connect(self.everything.runner.close)

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.find = main_button("Find objects", "samFind", 7)
        self.keep = main_button("Keep objects", "samKeepAll", 7)
        self.class_name = class_choice("Class that the objects get; may be empty.")
        self.overlap = overlap_choice()

    def _lay_out(self) -> None:
        self._sieve_part = QWidget()
        part = QVBoxLayout(self._sieve_part)
        part.setContentsMargins(0, 0, 0, 0)
        part.addWidget(heading("2  Sieve out the wrong ones"))
        part.addWidget(self.sieve)
        part.addWidget(heading("3  Keep the others"))
        part.addLayout(
            form(
                ("Save in", self.output),
                ("Class", self.class_name),
                ("Overlap", self.overlap),
            )
        )
        part.addWidget(self.keep)
        body, layout = body_layout()
        layout.addLayout(form(("Image", self.image)))
        layout.addWidget(self.model)
        layout.addWidget(heading("1  Find everything"))
        layout.addWidget(self.form)
        layout.addWidget(self.find)
        layout.addWidget(self._sieve_part)
        layout.addStretch(1)
        fill_dock(self, (self.hint, self.progress), body)

    def _connect(self) -> None:
        everything = self.everything
        self.image.chosen.connect(self._on_image)
        self.output.chosen.connect(self._on_output)
        self.model.chosen.connect(self._load_model)
        self.model.noticed.connect(self._on_notice)
        self.form.changed.connect(self._on_form)
        self.find.clicked.connect(self._on_find)
        self.progress.cancelled.connect(everything.cancel)
        self.sieve.ruled.connect(everything.results.set_rule)
        self.class_name.currentTextChanged.connect(self._on_class)
        self.overlap.activated.connect(self._on_overlap)
        self.keep.clicked.connect(everything.keep)
        self.hint.pressed.connect(self._on_hint_button)
        everything.changed.connect(self._on_changed)
        everything.noticed.connect(self._on_notice)
        everything.arrived.connect(self._on_arrived)
        everything.runner.progressed.connect(self._on_progress)

    # --- coming and going -------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Start working, and load the model the first time."""
        super().showEvent(event)
        if event.spontaneous():
            return
        for choice in (self.image, self.output, self.form.region):
            choice.start()
        self.output.follow(self.image.layer)
        self._take_up_annotator()
        self.everything.activate()
        self._on_image(self.image.layer)
        self._on_form()
        if not self._started:
            self._started = True
            self._load_model()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of events and of the preview; a search goes on behind a tab."""
        super().hideEvent(event)
        if event.spontaneous():
            return
        for choice in (self.image, self.output, self.form.region):
            choice.stop()
        self.everything.deactivate()
        self._orphan_timer.start(0)

    def _stop_if_closed(self) -> None:
        """Stop a search if the dock was closed, and not only covered by another."""
        if self.parentWidget() is None:
            self.everything.cancel()

    def _take_up_annotator(self) -> None:
        """Choose what the annotator of the viewer works on."""
        annotator = active_in(self.viewer)
        if annotator is not None and not self._started:
            self.image.choose(annotator.image)
            self.output.follow(self.image.layer)
            self.output.choose(annotator.sessions.output)

    def _load_model(self) -> None:
        if self.model.is_here:
            self.model_host.load(self.model.source, self.model.device_name)
        else:
            self.model_host.unload()

    def _open_annotator(self) -> Annotator:
        """Show the annotator beside this widget, with the same model."""
        self.annotate = dock_annotator(self.viewer, self._load, self._store)
        self.annotate.model.choose(self.model.source)
        self.annotate.annotator.activate()
        return self.annotate.annotator

    # --- what the user does -------------------------------------------------------

    def _is_at_work(self) -> bool:
        """Whether another image would take away what is searched or found here."""
        everything, found = self.everything, self.everything.found
        waits = found is not None and found.total and everything.results.kept is None
        return bool(everything.runner.is_working or waits)

    def _on_image(self, image: Any) -> None:
        """Search another image, and keep its objects in its own labels."""
        scale = preset_scale(image)
        if scale != preset_scale(self.everything.image):
            self.form.show_scale(scale)
        self.output.follow(image)
        self.everything.set_image(image)
        self.everything.set_output(self.output.layer)

    def _on_hint_button(self) -> None:
        if self.hint.button.text() == _STRETCH:
            self.everything.stretch()
        else:
            self.everything.results.show_again()

    def _on_form(self) -> None:
        everything, form = self.everything, self.form
        everything.mode, everything.where = form.mode_name, form.where_name
        everything.set_region(form.region.layer)
        everything.skip_labelled = form.skip_labelled.isChecked()
        self._on_changed()

    def _on_find(self) -> None:
        self._on_form()
        self.everything.options = self.form.options
        self.everything.start()

    def _on_output(self, layer: Any) -> None:
        self.everything.set_output(layer)
        annotator = active_in(self.viewer)
        if annotator is not None and annotator.image is self.everything.image:
            annotator.sessions.set_output(layer)

    def _on_class(self, text: str) -> None:
        self.everything.class_name = text.strip()

    def _on_overlap(self, index: int) -> None:
        self.overlap.clearFocus()
        self.everything.overlap = self.overlap.currentData()

    # --- what is shown --------------------------------------------------------------

    def _on_notice(self, text: str, kind: NoticeKind = "problem") -> None:
        self._notice.say(text, kind)
        self._on_changed()

    def _on_changed(self) -> None:
        self._view_timer.start()

    def _on_progress(self, fraction: float, left: float) -> None:
        self.progress.show_work(_progress_text(left))
        self.progress.set_fraction(fraction)
        self._on_changed()

    def _on_arrived(self) -> None:
        found = self.everything.found
        if found is not None:
            self.sieve.start(found.selection.area, found.start, found.mode == "grid")

    def _show_state(self) -> None:
        everything = self.everything
        facts = self._facts.read()
        common = replace(facts.common, model_name=self.model.title)
        facts = replace(facts, common=common)
        self._show_hint(facts)
        self._show_progress(facts)
        self.model.show_device(self.model_host.device)
        self.form.show_mode(everything.found_mode)
        self.output.choose(everything.output)
        self.find.setEnabled(
            not facts.working
            and everything.plane is not None
            and self.model_host.predictor is not None
            and not facts.common.output_problem
            and not facts.region_problem
        )
        self._show_found(facts)

    def _show_found(self, facts: EverythingFacts) -> None:
        found = self.everything.found
        self._sieve_part.setEnabled(bool(facts.found) and not facts.working)
        passing = self.everything.results.passing
        count = len(passing)
        number = counted(count, "object") if count else "objects"
        self.keep.setText(f"Keep {number}")
        self.keep.setEnabled(bool(count) and facts.kept is None and not facts.working)
        if found is not None:
            scores = found.selection.iou
            self.sieve.show_result(scores[found.every], scores[passing], found.total)

    def _show_hint(self, facts: EverythingFacts) -> None:
        notice = self._notice.text_at(facts)
        if notice:
            self.hint.show_hint(Hint(notice, self._notice.kind))
            return
        hidden = bool(facts.found) and not (facts.is_here and facts.is_shown)
        again = hidden and not facts.working and _is_reachable(facts)
        hint = next_step(facts)
        text = _SHOW if again else ""
        if hint == black_hint(facts):
            text = _STRETCH
        self.hint.show_hint(hint, text)

    def _show_progress(self, facts: EverythingFacts) -> None:
        if facts.common.model_state == "loading":
            self.progress.show_work("Loading the model", can_cancel=False)
            self.progress.set_fraction(-1.0)
        elif not facts.working:
            self.progress.hide()


def _is_reachable(facts: EverythingFacts) -> bool:
    """Say whether what was found can be shown, as far as the view goes."""
    return facts.common.has_image and facts.common.model_state != "failed"


def _progress_text(left: float) -> str:
    if left < 0:
        return "Finding objects"
    if left >= 90:
        return f"Finding objects, {left / 60:.0f} min left"
    return f"Finding objects, {max(1, round(left))} s left"
