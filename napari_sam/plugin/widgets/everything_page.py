"""The page "Everything": say what to find, choose with sliders, keep it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_sam.ops.message_text import counted
from napari_sam.plugin.search.example_objects import examples_in
from napari_sam.plugin.search.hint_facts import FactReader
from napari_sam.plugin.search.hints import EverythingFacts, black_hint, next_step
from napari_sam.plugin.search.model_modes import parts_nuclei, query_options, why_not
from napari_sam.plugin.search.segment_everything import Everything
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.sample_data import preset_scale
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    class_choice,
    form,
    heading,
    main_button,
    overlap_choice,
)
from napari_sam.plugin.widgets.mask_filter_panel import SievePanel
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.query_line import QueryLine
from napari_sam.plugin.widgets.search_form import SearchForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.search.search import Found
    from napari_sam.plugin.viewer.hint import Hint

__all__ = ["EverythingPage"]

_SHOW, _STRETCH, _ANY = "Show again", "Stretch the contrast", "Any kind"
"""What the button of the hint says."""


class EverythingPage(Page):
    """Find everything or what is described, choose with sliders, keep what is right.

    Parameters
    ----------
    shared
        What all pages share.
    """

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the search, its form, the sieve, and the choices of the objects."""
        shared = self.shared
        self.everything = Everything(
            shared.viewer, shared.model_host, self._open_annotator, self
        )
        self._reader = FactReader(self.everything)
        self._facts = EverythingFacts()
        self._progress = (-1.0, -1.0)
        self.what = QueryLine(self.everything.query)
        self.form = SearchForm(self.viewer, lambda: self.everything.image)
        self.sieve = SievePanel()
        self.find = main_button(
            "Find objects",
            "samFind",
            "Look for all objects on the plane that is shown.",
        )
        self.keep = main_button(
            "Keep objects",
            "samKeepAll",
            "Write the objects that are shown to the labels.",
        )
        self.again = push_button("Find again", "Look anew, with what is chosen now.")
        self.keep.hide()
        self.again.hide()
        self.class_name = class_choice("Class that the objects get; may be empty.")
        self.overlap = overlap_choice()

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the buttons of the two steps, and the one that goes back."""
        return self.find, self.keep, self.again

    @property
    def primary(self) -> QPushButton:
        """The button of the step that is next."""
        return self.find if self.keep.isHidden() else self.keep

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out what and how to search, and below it what to do with the result."""
        self._sieve_part = QWidget()
        part = QVBoxLayout(self._sieve_part)
        part.setContentsMargins(0, 0, 0, 0)
        part.addWidget(heading("Hide the wrong ones"))
        part.addWidget(self.sieve)
        part.addWidget(heading("Keep the others"))
        part.addLayout(form(("Class", self.class_name), ("Overlap", self.overlap)))
        layout.addWidget(self.what)
        layout.addWidget(self.form)
        layout.addWidget(self._sieve_part)
        layout.addStretch(1)

    def connect_controls(self) -> None:
        """Connect the controls to the search."""
        everything = self.everything
        self.form.changed.connect(self._on_form)
        for button in (self.find, self.again):
            button.clicked.connect(self._on_find)
        self.what.entered.connect(self._on_entered)
        self.sieve.ruled.connect(everything.results.set_rule)
        self.sieve.matched.connect(everything.query.set_match)
        self.class_name.currentTextChanged.connect(self._on_class)
        self.overlap.activated.connect(self._on_overlap)
        self.keep.clicked.connect(self._on_keep)
        everything.changed.connect(self.changed)
        everything.noticed.connect(self.say)
        everything.arrived.connect(self._on_arrived)
        everything.runner.progressed.connect(self._on_progress)
        self.shared.end.undocked.connect(everything.cancel)
        self.destroyed.connect(everything.runner.close)
        self.destroyed.connect(everything.query.close)
        self.destroyed.connect(everything.answers.close)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Show what was found, and follow the viewer."""
        self.form.region.start()
        self.everything.activate()
        self._on_form()

    def leave(self) -> None:
        """Let go of events and of the preview; a search goes on."""
        self.form.region.stop()
        self.everything.deactivate()

    def set_layers(self, image: Any, labels: Any) -> None:
        """Search another image, and keep its objects in its own labels."""
        scale = preset_scale(image)
        if scale != preset_scale(self.everything.image):
            self.form.show_scale(scale)
        self.everything.set_image(image)
        if labels is not self.everything.output:
            self.everything.set_output(labels)

    @property
    def holds_image(self) -> bool:
        """Whether another image would take away what is searched or found here."""
        everything, found = self.everything, self.everything.found
        waits = found is not None and found.total and everything.results.kept is None
        return bool(everything.runner.is_working or waits)

    def close_page(self) -> None:
        """Stop a search for good."""
        self.everything.close()

    def _open_annotator(self) -> Annotator:
        annotator = self.shared.annotator
        annotator.activate()
        return annotator

    # --- what the user does -------------------------------------------------------

    def on_remedy(self, text: str) -> None:
        """Do what the hint's button says."""
        if text == _STRETCH:
            self.everything.stretch()
        elif text == _ANY:
            self.what.drop_kind()
        else:
            self.everything.results.show_again()

    def cancel(self) -> None:
        """Stop the search."""
        self.everything.cancel()

    def _on_form(self) -> None:
        everything, form = self.everything, self.form
        everything.set_region(form.region.layer)
        everything.choices.mode = form.mode_name
        everything.choices.where = form.where_name
        everything.choices.skip_labelled = form.skip_labelled.isChecked()
        self.changed.emit()

    def _on_find(self) -> None:
        self.what.take_text()
        self._on_form()
        self.everything.choices.options = self.form.options
        self.everything.start()

    def _on_keep(self) -> None:
        self.what.take_text()
        self.everything.keep()

    def _on_entered(self) -> None:
        """Find what was written, among what was found here or by a search."""
        self.everything.choices.options = self.form.options
        self._on_form()
        self.everything.look_for()

    def find_like(self, labels: tuple[int, ...], is_like: bool, anew: bool) -> None:
        """Find all objects like some of the annotator's, or leave out those like them.

        Parameters
        ----------
        labels
            Of the objects that are shown as examples.
        is_like
            Whether they are what is wanted.
        anew
            Whether they take the place of the examples before.
        """
        predictor = self.shared.model_host.predictor
        if predictor is None:
            self.say("The model is not loaded yet; try again in a moment.")
            return
        try:
            examples = examples_in(self.shared.annotator, labels, predictor)
        except ValueError as error:
            self.say(sentence(error))
            return
        self.say("")
        self.everything.choices.options = self.form.options
        self._on_form()
        self.everything.show_example(examples, is_like, anew)

    def _on_class(self, text: str) -> None:
        self.everything.class_name = text.strip()

    def _on_overlap(self, index: int) -> None:
        self.overlap.clearFocus()
        self.everything.overlap = self.overlap.currentData()

    def _on_progress(self, fraction: float, left: float) -> None:
        self._progress = fraction, left
        self.changed.emit()

    def _on_arrived(self) -> None:
        found = self.everything.found
        if found is not None:
            selection = found.selection
            scores = selection.iou[found.every]
            is_grid = found.mode == "grid"
            self.sieve.start(selection.area, scores, found.start, is_grid)

    # --- what is shown --------------------------------------------------------------

    def facts(self) -> EverythingFacts:
        """Return what the hint depends on, as of the last `show_state`."""
        return self._facts

    def next_step(self) -> Hint:
        """Say the next step."""
        return next_step(self._facts)

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that solves what a hint says, or ""."""
        facts = self._facts
        if is_notice:
            return ""
        if hint == black_hint(facts):
            return _STRETCH
        if facts.is_kind_in_the_way and facts.is_here and facts.is_shown:
            return _ANY
        hidden = bool(facts.found) and not (facts.is_here and facts.is_shown)
        reachable = facts.common.has_image and facts.common.model_state != "failed"
        return _SHOW if hidden and not facts.working and reachable else ""

    def work(self) -> Work | None:
        """Return how far the search is."""
        everything = self.everything
        if not everything.runner.is_working:
            if everything.query.is_looking:
                return Work("Looking at the examples", can_cancel=False)
            is_first = everything.results.answer is None  # later ones come at once
            if is_first and everything.answers.is_working:
                return Work("Looking which objects are meant")
            return None
        fraction, left = self._progress
        return Work(_progress_text(left), fraction)

    def show_state(self) -> None:
        """Show which buttons can be pressed, and what was found."""
        everything = self.everything
        facts = self._reader.read()
        title = self.shared.header.model.title
        common = replace(facts.common, model_name=title)
        facts = self._facts = replace(facts, common=common)
        predictor = self.shared.model_host.predictor
        self.form.show_levels(parts_nuclei(predictor))
        mode = everything.found_mode
        self.form.show_mode(mode)
        wanted = query_options(self.form.options, everything.query, predictor)
        self.form.show_level(wanted.get(mode, {}).get("level"))
        self.form.show_kind(_kind_seen(everything.found))
        self.form.show_reasons(lambda mode: why_not(mode, predictor))
        may_find = (
            not facts.working
            and everything.plane is not None
            and self.shared.model_host.predictor is not None
            and not facts.common.output_problem
            and not facts.region_problem
        )
        is_second_step = bool(facts.found) and facts.kept is None
        for button in (self.find, self.again):
            button.setEnabled(may_find)
        if is_second_step:  # those that go first: all three are wider than the dock
            self.find.hide()
        for button in (self.keep, self.again):
            button.setVisible(is_second_step)
        self.find.setVisible(not is_second_step)
        self._show_found(facts)

    def _show_found(self, facts: EverythingFacts) -> None:
        found = self.everything.found
        self._sieve_part.setVisible(found is not None)
        self._sieve_part.setEnabled(bool(facts.found) and not facts.working)
        passing = self.everything.results.passing
        count = len(passing)
        number = counted(count, "object") if count else "objects"
        self.keep.setText(f"Keep {number}")
        self.keep.setEnabled(bool(count) and facts.kept is None and not facts.working)
        if found is None:
            return
        answer, least = self.everything.results.answer, self.everything.query.min_match
        scores: NDArray[Any] = found.selection.iou[found.every]
        left: NDArray[Any] = found.selection.iou[passing]
        if answer is not None and answer.is_ranked:
            self.sieve.show_match(answer.matches, least)
            scores, left = answer.matches, answer.passing_matches
        else:
            self.sieve.show_match(None, least)
        self.sieve.show_result(scores, left, found.total)


def _kind_seen(found: Found | None) -> str | None:
    """Return what the model took the image for; None where it was not asked."""
    if found is None or found.mode not in ("instances", "refined"):
        return None
    asked = found.search.options.get(found.mode, {}).get("kind")
    return found.kind if asked == "auto" else None


def _progress_text(left: float) -> str:
    if left < 0:
        return "Finding objects"
    if left >= 90:
        return f"Finding objects, {left / 60:.0f} min left"
    return f"Finding objects, {max(1, round(left))} s left"
