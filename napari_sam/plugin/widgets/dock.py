"""The dock "Segment Anything": all that the plugin does, on pages by job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_sam.plugin.annotator.annotator import Annotator
from napari_sam.plugin.annotator.keybindings import choose_keys
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model.embedding_store_jobs import open_store
from napari_sam.plugin.model.model_host import ModelHost
from napari_sam.plugin.model.predictor_loading import load_predictor
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.conflicting_package import conflicting_package
from napari_sam.plugin.viewer.settings import read_key_choices, read_settings
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.plugin.widgets.chosen_layers import ChosenLayers
from napari_sam.plugin.widgets.dock_closing import DockEnd
from napari_sam.plugin.widgets.dock_header import DockHeader
from napari_sam.plugin.widgets.dock_layout import fill_dock, fit_letters
from napari_sam.plugin.widgets.dock_saving import DockSaving
from napari_sam.plugin.widgets.hint_line import HintLine
from napari_sam.plugin.widgets.key_overlay import KeyOverlay
from napari_sam.plugin.widgets.open_docks import (
    dock_in,
    forget_dock,
    hide_dock,
    remember_dock,
)
from napari_sam.plugin.widgets.page import PUT_BACK, Shared, Work
from napari_sam.plugin.widgets.page_list import tab_of
from napari_sam.plugin.widgets.page_switch import PageSwitch
from napari_sam.plugin.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.plugin.widgets.hint_line import NoticeKind
    from napari_sam.plugin.widgets.page import Page

__all__ = ["NAME", "Dock", "open_dock"]

NAME = "SAM (Segment Anything)"
"""Of the dock. napari knows the dock by the name of its entry in the menu *Plugins*,
and makes that name of those of the widget and of the plugin in the manifest."""

_TIMES = Times()

_AT_REST_MS = 2000
"""Milliseconds after which it is looked for another project of this name."""


def open_dock(viewer: Any, page: str = "annotate", **options: Any) -> Dock:
    """Show the dock of a viewer at a page; it is made where there is none.

    Parameters
    ----------
    viewer
        The napari viewer. Without a window, as a `napari.components.ViewerModel` is,
        the dock stands alone.
    page
        "annotate", "correct"; "classes"; "find", or one of its pages "everything",
        "boxes", "points", "proposals" and "edges"; "volume", or "follow",
        "whole_volume", "track" and "export"; "measure"; "learn", or "train" and
        "folder".
    options
        For a new dock, see `Dock`.

    Returns
    -------
    Dock
        The one dock of the viewer.

    Raises
    ------
    ValueError
        If there is no such page.

    Examples
    --------
    >>> import napari
    >>> from napari_sam.plugin.widgets.dock import open_dock
    >>> dock = open_dock(napari.Viewer(), "everything")  # doctest: +SKIP
    """
    tab_of(page)
    viewer = unwrapped(viewer)
    dock = dock_in(viewer) or Dock(viewer, **options)
    dock.show_page(page)
    window = getattr(viewer, "window", None)
    if window is not None and dock.parentWidget() is None:
        window.add_dock_widget(dock, name=NAME, area="right", tabify=True)
    shown = dock.parentWidget() or dock
    shown.show()
    shown.raise_()
    return dock


class Dock(QWidget):  # type: ignore[misc]
    """A header that all pages share, the next step, and one page at a time.

    Parameters
    ----------
    viewer
        The napari viewer.
    load
        Makes a predictor from a model's name or path and a device; called away
        from the window.
    store
        Where checkpoints are kept.
    options
        Further arguments of a page, by the page's name.
    times
        How long the annotator waits, see `Times`.

    Attributes
    ----------
    header
        The choices of image, labels, model and device.
    layers
        The image and the labels that are worked on.
    saving
        What saves the objects.
    model_host, annotator
        The model at work and the annotator, which all pages share.
    hint, progress
        The line with the next step, and the one with what is under way.
    keys
        Shows all keys.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        load: Callable[[str, str], PromptableModel] = load_predictor,
        store: CheckpointStore | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        times: Times = _TIMES,
    ) -> None:
        super().__init__()
        settings = read_settings()
        for problem in choose_keys(read_key_choices()):
            show_warning(problem)
        # a proxy's layers are not the layers themselves, and `is` tells them apart
        viewer = unwrapped(viewer)
        self.viewer = viewer
        self._earlier = dock_in(viewer)
        remember_dock(viewer, self)
        self.model_host = ModelHost(load, settings.planes_kept, self, open_store())
        self.annotator = Annotator(
            viewer,
            self.model_host,
            self,
            times=times,
            keep_unsaved=settings.keep_unsaved,
        )
        self.annotator.put_off()
        self.header = DockHeader(viewer, store, settings.model, settings.device)
        self.header.image.is_held = self._is_at_work
        self.layers = ChosenLayers(self.header, self.annotator, self)
        self.saving = DockSaving(viewer, self.annotator, self)
        self._shared = Shared(
            viewer,
            self.model_host,
            self.annotator,
            self.header,
            DockEnd(self),
            options or {},
        )
        self._started = False
        self._answer_ms = times.answer
        self._make_controls()
        self._lay_out()
        self._connect()
        self.show_page("annotate")
        self.destroyed.connect(self.model_host.close)

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.keys = KeyOverlay(self)
        self.switch = PageSwitch(self._shared, self)
        self._view_timer = single_shot(self, 0, self._show_state)
        self._others_timer = single_shot(self, _AT_REST_MS, self._look_for_others)

    def _lay_out(self) -> None:
        switch = self.switch
        top = (self.header, switch.bar, self.hint, switch.actions, self.progress)
        self._fit_width = fill_dock(self, top, switch.body)

    def _connect(self) -> None:
        header, annotator = self.header, self.annotator
        self.layers.changed.connect(self.refresh)
        self.layers.moved.connect(self._on_layers)
        self.saving.succeeded.connect(self._on_success)
        self.saving.failed.connect(self._on_notice)
        self.saving.opened.connect(self.layers.find_labels)
        header.model.chosen.connect(self._load_model)
        header.model.noticed.connect(self._on_notice)
        self.switch.made.connect(self._on_made)
        self.switch.switched.connect(self.refresh)
        self.hint.pressed.connect(self._on_remedy)
        self.hint.lettered.connect(self._on_lettered)
        self.progress.cancelled.connect(self._on_cancel)
        self.model_host.changed.connect(self.refresh)
        annotator.noticed.connect(self._on_notice)
        annotator.succeeded.connect(self._on_success)
        annotator.changed.connect(self.refresh)
        annotator.likened.connect(self._on_likened)
        annotator.keys_wanted.connect(self.keys.toggle)
        for over in (self._shared.end.ended, self.destroyed):  # a window, or all of it
            over.connect(annotator.journals.leave)

    def _on_lettered(self) -> None:
        """Use the font of napari's theme where its style sheet does not reach."""
        fit_letters(self, self.hint.label)

    # --- pages ----------------------------------------------------------------

    @property
    def shown(self) -> Page:
        """The page that is shown, or would be if the dock were."""
        return self.switch.shown

    @property
    def shown_name(self) -> str:
        """Its name."""
        return self.switch.name

    def page(self, name: str) -> Page:
        """Return a page, which is made the first time; see `open_dock` for names."""
        return self.switch.page(name)

    def show_page(self, name: str) -> Page:
        """Show a page, or the one of a tab that was shown there last.

        Raises
        ------
        ValueError
            If there is no such page.
        """
        return self.switch.show(name)

    def _on_made(self, page: Page) -> None:
        page.changed.connect(self.refresh)
        page.advanced.connect(self._on_advanced)
        page.wanted.connect(self.show_page)
        page.saved.connect(self.saving.ask)
        page.chosen.connect(self.layers.choose)
        self._fit_width(page)
        fit_letters(page, self.hint.label)
        page.set_layers(self.layers.image, self.layers.labels)

    # --- coming and going -------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Start working, and load the model the first time."""
        super().showEvent(event)
        if event.spontaneous():
            return
        earlier, self._earlier = self._earlier, None
        hide_dock(earlier)
        self.saving.look()
        frame = self.parentWidget()
        if isinstance(frame, QDockWidget):
            frame.setWindowTitle("Segment Anything")  # of its tab beside other docks
        self.header.start()
        self.annotator.activate()
        self.annotator.set_image(self.header.image.layer)
        self.saving.take_over(self.window())
        if not self._started:
            self._started = True
            self._load_model()
            self._others_timer.start()
        self.layers.follow_annotator()
        self.keys.start()
        self.switch.set_seen(True)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of keys, events and layers; what is under way goes on."""
        super().hideEvent(event)
        if event.spontaneous():
            return
        self.saving.leave()
        self.keys.stop()
        self.header.stop()
        self.switch.set_seen(False)
        self.annotator.deactivate(later=True)

    def _look_for_others(self) -> None:
        """Say whether another project of this name is installed beside this one."""
        told = conflicting_package()
        if told:
            self._on_notice(told)

    def close_dock(self) -> None:
        """Stop for good all that runs behind the dock; the next one is a new one."""
        forget_dock(self.viewer, self)
        for page in self.switch.pages.values():
            page.close_page()
        self.header.model.close_worker()
        self.annotator.close()

    # --- what all pages share -----------------------------------------------------

    def _is_at_work(self) -> bool:
        """Whether work would be lost if another image were followed to."""
        session = self.annotator.session
        has_prompts = session is not None and not session.draft.is_empty
        return has_prompts or any(one.holds_image for one in self.switch.pages.values())

    def _load_model(self) -> None:
        model = self.header.model
        if model.is_here:
            self.model_host.load(model.source, model.device_name)
        else:
            self.model_host.unload()
        self.refresh()

    def _on_layers(self, image: Any, labels: Any) -> None:
        for page in self.switch.pages.values():
            page.set_layers(image, labels)

    # --- what the user does -------------------------------------------------------

    def _on_remedy(self) -> None:
        text = self.hint.button.text()
        if text == PUT_BACK:
            self.annotator.sessions.put_back()
        else:
            self.shown.on_remedy(text)
        self.refresh()

    def _on_cancel(self) -> None:
        self.shown.cancel()
        self.refresh()

    def _on_notice(self, text: str, kind: NoticeKind = "problem") -> None:
        self.shown.hear(text, kind)

    def _on_success(self, text: str) -> None:
        self.shown.hear(text, "done")

    def _on_likened(self, labels: tuple[int, ...], is_like: bool, anew: bool) -> None:
        page: Any = self.show_page("everything")
        page.find_like(labels, is_like, anew)

    # --- what is shown --------------------------------------------------------------

    def refresh(self) -> None:
        """Show how things stand, once the events at hand are done."""
        wait = self._answer_ms if self.model_host.answering.is_busy else 0
        if wait == 0 or not self._view_timer.isActive():
            self._view_timer.start(wait)

    @property
    def is_up_to_date(self) -> bool:
        """Whether what is shown is how things stand."""
        return self.layers.is_settled and not self._view_timer.isActive()

    @property
    def is_settled(self) -> bool:
        """Whether it is, and every prompt is answered."""
        return self.is_up_to_date and bool(self.annotator.is_settled)

    def _show_state(self) -> None:
        self.layers.follow_annotator()
        page = self.shown
        page.show_state()
        if page.work() is None and self.annotator.is_settled:
            self.model_host.hear_of_workers()
        self.header.show_state(self.model_host.device)
        hint, button = page.said()
        self.hint.show_hint(hint, button)
        self._show_work(page.work())
        self.switch.show_busy()

    def _show_work(self, work: Work | None) -> None:
        if work is None and self.model_host.model_state == "loading":
            work = Work("Loading the model", can_cancel=False)
        if work is None:
            self.progress.hide()
        else:
            self.progress.show_work(work.text, work.can_cancel)
            self.progress.set_fraction(work.fraction)

    def _on_advanced(self, fraction: float) -> None:
        if self.sender() is self.shown:
            self.progress.set_fraction(fraction)
