"""The dock "Segment Anything": all that the plugin does, on pages by job."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from qtpy.QtWidgets import (
    QDockWidget,
    QToolButton,
    QWidget,
)

from napari_sam.plugin.annotator.annotator import Annotator
from napari_sam.plugin.annotator.saving import saver_in
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model.embedding_store_jobs import open_store
from napari_sam.plugin.model.model_host import ModelHost
from napari_sam.plugin.model.predictor_loading import load_predictor
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.connections import Connections
from napari_sam.plugin.viewer.installations import other_installation
from napari_sam.plugin.viewer.saved_labels import take_up_saved_labels
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.plugin.widgets.choices_header import ChoicesHeader
from napari_sam.plugin.widgets.dock_closing import DockEnd
from napari_sam.plugin.widgets.dock_layout import fill_dock
from napari_sam.plugin.widgets.hint_line import HintLine
from napari_sam.plugin.widgets.key_overlay import KeyOverlay
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
    from napari_sam.plugin.annotator.saving import ObjectSaver
    from napari_sam.plugin.widgets.page import Page

__all__ = ["NAME", "Dock", "open_dock"]

NAME = "SAM (Segment Anything)"
"""Of the dock. napari knows the dock by the name of its entry in the menu *Plugins*,
and makes that name of those of the widget and of the plugin in the manifest."""

_TIMES = Times()

_AT_REST_MS = 2000
"""Milliseconds after which it is looked for another project of this name."""

_OPEN: WeakKeyDictionary[Any, ReferenceType[Dock]] = WeakKeyDictionary()
"""The dock that was made last in each viewer."""


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
    dock = _open_in(viewer) or Dock(viewer, **options)
    dock.show_page(page)
    window = getattr(viewer, "window", None)
    if window is not None and dock.parentWidget() is None:
        window.add_dock_widget(dock, name=NAME, area="right", tabify=True)
    shown = dock.parentWidget() or dock
    shown.show()
    shown.raise_()
    return dock


def _open_in(viewer: Any) -> Dock | None:
    """Return the dock of a viewer that Qt has not deleted, or None."""
    held = _OPEN.get(viewer)
    dock = None if held is None else held()
    with suppress(RuntimeError):
        if dock is not None:
            dock.isVisible()
            return dock
    return None


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
        # a proxy's layers are not the layers themselves, and `is` tells them apart
        viewer = unwrapped(viewer)
        self.viewer = viewer
        self._earlier = _open_in(viewer)
        _OPEN[viewer] = ref(self)
        self.model_host = ModelHost(load, settings.planes_kept, self, open_store())
        self.annotator = Annotator(
            viewer,
            self.model_host,
            self,
            times=times,
            keep_unsaved=settings.keep_unsaved,
        )
        self.annotator.put_off()
        self.header = ChoicesHeader(viewer, store, settings.model, settings.device)
        self.header.image.is_held = self._is_at_work
        self.saver: ObjectSaver | None = None
        self._shared = Shared(
            viewer,
            self.model_host,
            self.annotator,
            self.header,
            DockEnd(self),
            options or {},
        )
        self._layers: tuple[Any, Any] = (None, None)
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
        self._saved_timer = single_shot(self, 0, self._take_up_saved)
        self._others_timer = single_shot(self, _AT_REST_MS, self._look_for_others)
        self._inserted = Connections()

    def _lay_out(self) -> None:
        switch = self.switch
        top = (self.header, switch.bar, self.hint, switch.actions, self.progress)
        self._fit_width = fill_dock(self, top, switch.body)

    def _connect(self) -> None:
        header, annotator = self.header, self.annotator
        header.image.chosen.connect(self._on_image)
        header.channels.chosen.connect(self._on_channels)
        header.labels.chosen.connect(self._on_labels)
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
        self._fit_letters(self)

    def _fit_letters(self, part: QWidget) -> None:
        size = self.hint.label.font().pointSizeF()
        for button in part.findChildren(QToolButton):
            font = button.font()
            if size > 0 and font.pointSizeF() != size:
                font.setPointSizeF(size)
                button.setFont(font)

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
        page.saved.connect(self._on_save)
        page.chosen.connect(self.choose_layers)
        self._fit_width(page)
        self._fit_letters(page)
        page.set_layers(*self._layers)

    # --- coming and going -------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Start working, and load the model the first time."""
        super().showEvent(event)
        if event.spontaneous():
            return
        self._replace_earlier()
        self._inserted.add(self.viewer.layers.events.inserted, self._on_inserted)
        self._take_up_saved()
        frame = self.parentWidget()
        if isinstance(frame, QDockWidget):
            frame.setWindowTitle("Segment Anything")  # of its tab beside other docks
        self.header.start()
        self.annotator.activate()
        self.annotator.set_image(self.header.image.layer)
        self._take_over_saving()
        if not self._started:
            self._started = True
            self._load_model()
            self._others_timer.start()
        self._follow_annotator()
        self.keys.start()
        self.switch.set_seen(True)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of keys, events and layers; what is under way goes on."""
        super().hideEvent(event)
        if event.spontaneous():
            return
        self._inserted.clear()
        self.keys.stop()
        self._saved_timer.stop()
        self.header.stop()
        self._leave_saver()
        self.switch.set_seen(False)
        self.annotator.deactivate(later=True)

    def _look_for_others(self) -> None:
        """Say whether another project of this name is installed beside this one."""
        told = other_installation()
        if told:
            self._on_notice(told)

    def _on_inserted(self, event: Any) -> None:
        """Look at a new layer once napari has drawn it."""
        self._saved_timer.start()

    def _take_up_saved(self) -> None:
        """Make labels of what was saved from here, and choose them."""
        for labels in take_up_saved_labels(self.viewer):
            self._on_success(f"“{labels.name}” was opened as labels, with its table.")
            image = self.header.image.layer
            if self.header.labels.layer is None and image is not None:
                self.header.labels.refill()
                self.header.labels.follow(image)
                self._on_labels(self.header.labels.layer)

    def _replace_earlier(self) -> None:
        """Close another dock of this viewer: there is one at a time."""
        earlier, self._earlier = self._earlier, None
        with suppress(RuntimeError):  # Qt has deleted it
            if earlier is not None and earlier.isVisible():
                (earlier.parentWidget() or earlier).hide()

    def _take_over_saving(self) -> None:
        self.saver = saver_in(self.viewer, self.window())
        self.saver.sessions = self.annotator.sessions
        self.saver.began.connect(self.annotator.journals.on_saving)
        self.saver.done.connect(self.annotator.journals.on_saved)
        self.saver.done.connect(self._on_success)
        self.saver.failed.connect(self._on_notice)

    def _leave_saver(self) -> None:
        saver, self.saver = self.saver, None
        with suppress(RuntimeError, TypeError):  # the window is gone, and it as well
            if saver is not None:
                saver.began.disconnect(self.annotator.journals.on_saving)
                saver.done.disconnect(self.annotator.journals.on_saved)
                saver.done.disconnect(self._on_success)
                saver.failed.disconnect(self._on_notice)
                if saver.sessions is self.annotator.sessions:
                    saver.sessions = None

    def close_dock(self) -> None:
        """Stop for good all that runs behind the dock; the next one is a new one."""
        if _open_in(self.viewer) is self:
            del _OPEN[self.viewer]
        for page in self.switch.pages.values():
            page.close_page()
        self.header.model.close_worker()
        self.annotator.close()

    # --- what all pages share -----------------------------------------------------

    def _is_at_work(self) -> bool:
        """Whether work would be lost if another image were followed to."""
        session = self.annotator.session
        has_prompts = session is not None and not session.draft.is_empty
        return has_prompts or any(
            page.holds_image for page in self.switch.pages.values()
        )

    def _load_model(self) -> None:
        model = self.header.model
        if model.is_here:
            self.model_host.load(model.source, model.device_name)
        else:
            self.model_host.unload()
        self.refresh()

    def choose_layers(self, image: Any, labels: Any) -> None:
        """Choose an image and its labels, as a user does; None: new labels."""
        self.header.image.refill()
        self.header.labels.refill()
        self.header.image.choose(image)
        self._on_image(image)
        self.header.labels.choose(labels)
        self._on_labels(labels)

    def _on_channels(self, image: Any) -> None:
        """Work on other channels of the same image, with the same labels."""
        labels = self.header.labels.layer
        self.header.image.take(image)
        if labels is not None:
            self.header.labels.choose(labels)
            self._on_labels(labels)

    def _on_image(self, image: Any) -> None:
        self.annotator.set_image(image)
        self.header.labels.follow(image)
        self._follow_annotator()
        self.refresh()

    def _on_labels(self, labels: Any) -> None:
        image = self.annotator.image
        if image is None or self.header.labels.image is image:
            self.annotator.sessions.set_output(labels)
        else:  # they were chosen for an image that the annotator has left
            self.header.labels.follow(image)
        self._follow_annotator()
        self.refresh()

    def _follow_annotator(self) -> None:
        """Show what the annotator works on, and tell the pages."""
        annotator, header = self.annotator, self.header
        if annotator.is_active:
            header.image.choose(annotator.image)
            if header.image.layer is not self._layers[0]:
                header.labels.follow(header.image.layer)
            sessions = annotator.sessions
            if annotator.open_session is not None or sessions.problem:
                header.labels.choose(sessions.output)
        layers = header.image.layer, header.labels.layer
        if any(new is not old for new, old in zip(layers, self._layers, strict=True)):
            self._layers = layers
            for page in self.switch.pages.values():
                page.set_layers(*layers)

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

    def _on_save(self) -> None:
        if self.saver is not None:
            self.saver.ask()

    def _on_notice(self, text: str) -> None:
        self.shown.hear(text, "problem")

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
        choices = (self.header.image, self.header.labels)
        is_chosen = all(choice.is_settled for choice in choices)
        return is_chosen and not self._view_timer.isActive()

    @property
    def is_settled(self) -> bool:
        """Whether it is, and every prompt is answered."""
        return self.is_up_to_date and bool(self.annotator.is_settled)

    def _show_state(self) -> None:
        self._follow_annotator()
        page = self.shown
        page.show_state()
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
