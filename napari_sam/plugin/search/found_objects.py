"""What a search found: sieved by a rule, and shown as long as it is not kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.configs import SelectionRule
from napari_sam.plugin.search.found_layer import FoundLayer
from napari_sam.plugin.viewer.layers import plane_shown, shape_of
from napari_sam.plugin.viewer.navigation import go_to_plane
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_sam.ops.types import MaskRecord
    from napari_sam.plugin.search.query_answers import Answer
    from napari_sam.plugin.search.search import Found
    from napari_sam.plugin.viewer.hint import Hint

__all__ = ["Results"]


class Results(QObject):  # type: ignore[misc]
    """The masks of the last search, and the preview of those that pass the sieve.

    Parameters
    ----------
    viewer
        The napari viewer.

    Attributes
    ----------
    found
        What the last search found, or None.
    rule, passing
        The sieve, and the indices of the masks that pass it.
    kept
        How many objects were kept at last and are still there, None if anything was
        done since.
    skipped
        How many of those that were to be kept lay on objects that were there already.
    output
        The Labels layer whose ground may be asked to be empty, or None.
    answer
        Which of the masks are meant, of what was said or shown; None where nothing
        was, or while the first answer is waited for.
    is_waiting
        Whether an answer is waited for.
    refusal
        Why there is none, or None.
    ask
        Asks which of the masks that pass the sliders are meant, given what was found
        and their indices; False where all are. The answer comes to `take_answer`.
    is_active
        Whether the preview may be in the viewer.
    """

    changed = Signal()
    """Other masks pass, or none are there any more."""

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.found: Found | None = None
        self.rule = SelectionRule()
        self.passing: NDArray[np.intp] = np.zeros(0, np.intp)
        self.kept: int | None = None
        self.skipped = 0
        self.answer: Answer | None = None
        self.is_waiting = False
        self.refusal: Hint | None = None
        self.ask: Callable[[Found, NDArray[np.intp]], bool] = lambda found, among: False
        self.output: Any = None
        self.is_active = False
        self.preview = FoundLayer(viewer)
        self._labels_changed = True
        self._sieve_timer = single_shot(self, 0, self.sieve)
        self._kept_labels: frozenset[int] = frozenset()
        self._recount_timer = single_shot(self, 0, self._recount)
        self._hide_timer = single_shot(self, 0, self._hide)

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Show the preview, unless what it shows is no more."""
        self._hide_timer.stop()
        self.is_active = True
        if not self.is_current:
            self.forget()
        self.show()

    def deactivate(self) -> None:
        """Take the preview out once the events at hand are done."""
        self.is_active = False
        self._sieve_timer.stop()
        self._hide_timer.start(0)

    def _hide(self) -> None:
        with suppress(RuntimeError):  # the window is gone
            self.preview.take_down()

    def take(self, found: Found) -> None:
        """Take the result of a search in place of the one before."""
        self.found, self.rule, self.kept = found, found.start, None
        self.passing = np.zeros(0, np.intp)
        self.answer, self.is_waiting, self.refusal = None, False, None
        self._labels_changed = True

    def forget(self) -> None:
        """Drop what was found."""
        self.found, self.kept = None, None
        self.answer, self.is_waiting = None, False
        self.passing = np.zeros(0, np.intp)
        self.preview.take_down()
        self.changed.emit()

    @property
    def is_current(self) -> bool:
        """Whether the image still is what was searched; True without a result."""
        return self.found is None or self.found.search.is_current(self.viewer)

    @property
    def is_here(self) -> bool:
        """Whether the plane that was searched is displayed; True without a result."""
        if self.found is None:
            return True
        search = self.found.search
        if search.image not in self.viewer.layers:
            return False
        return plane_shown(self.viewer, search.image) == search.plane

    # --- sieving ----------------------------------------------------------------

    def set_rule(self, rule: SelectionRule) -> None:
        """Sieve by another rule, as soon as the events at hand are done."""
        if rule != self.rule:
            self.rule = rule
            self.kept = None
            self._sieve_timer.start()

    def ask_again(self) -> None:
        """Ask anew which of the masks are meant: something else was said."""
        if self.found is not None:
            self.kept = None
            self._sieve_timer.start()

    def on_labels(self) -> None:
        """Take note that labels were painted."""
        self._labels_changed = True
        if self.kept is not None:
            self._recount_timer.start()
        elif self.rule.only_empty and self.found is not None:
            self._sieve_timer.start()

    def _recount(self) -> None:
        """Count those of the kept objects that are still there; without one, none were.

        They were taken back, or deleted one by one.
        """
        if self.kept is None or self.found is None or self.output is None:
            return
        there = np.unique(self._ground(self.found)).tolist()
        self.kept = len(self._kept_labels.intersection(there)) or None
        self.changed.emit()

    def sieve(self) -> None:
        """Sieve what was found, and show what passes."""
        self._sieve_timer.stop()
        found = self.found
        if found is None:
            return
        if self.rule.only_empty and self._labels_changed:
            found.selection.compare_with(self._ground(found))
            self._labels_changed = False
        among = found.selection.keep(self.rule)
        self.is_waiting, self.refusal = self.ask(found, among), None
        if not self.is_waiting:
            self.answer, self.passing = None, among
        self.show()
        self.changed.emit()

    def take_answer(self, answer: Answer, is_last: bool = True) -> None:
        """Show the masks that are meant.

        Parameters
        ----------
        answer
            Which ones.
        is_last
            Whether no other answer is waited for.
        """
        if answer.question.found is not self.found:
            return
        self.answer, self.passing = answer, answer.passing
        self.is_waiting = not is_last
        self.show()
        self.changed.emit()

    def take_refusal(self, why: Hint) -> None:
        """Show nothing: what was asked has no answer."""
        self.is_waiting, self.answer, self.refusal = False, None, why
        self.passing = np.zeros(0, np.intp)
        self.show()
        self.changed.emit()

    def _ground(self, found: Found) -> NDArray[Any]:
        layer, search = self.output, found.search
        if layer is None or tuple(layer.data.shape) != shape_of(search.image):
            return np.zeros(search.shape, np.int32)
        return np.asarray(search.plane.take(layer.data))

    @property
    def records(self) -> list[MaskRecord]:
        """The masks that pass, in the order in which they get their pixels."""
        if self._sieve_timer.isActive():
            self.sieve()
        if self.found is None:
            return []
        records = self.found.selection.records
        return [records[index] for index in self.passing.tolist()]

    # --- showing ----------------------------------------------------------------

    def show(self) -> None:
        """Show what passes, unless it was kept."""
        found = self.found
        if found is None or not self.is_active or self.kept is not None:
            return
        if found.total == 0:
            self.preview.take_down()
            return
        search = found.search
        labels = found.selection.paint(self.passing)
        highest = len(found.selection)
        self.preview.show(search.image, search.plane, labels, highest, self.output)

    def show_again(self) -> None:
        """Bring back the preview, and the plane that it is of."""
        if self.found is None:
            return
        self.kept = None
        self.sieve()
        go_to_plane(self.viewer, self.found.search.image, self.found.search.plane)
        self.changed.emit()

    def mark_kept(self, labels: Iterable[int], skipped: int = 0) -> None:
        """Take note that objects were kept with these labels; the preview goes.

        `skipped` others lay on objects that were there already.
        """
        self.preview.take_down()
        self.skipped = skipped
        self._kept_labels = frozenset(labels)
        self.kept = len(self._kept_labels)
        self._labels_changed = True
        self.changed.emit()
