"""What every page of the dock has: a next step, a main button, work to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_sam.plugin.annotator.hints import Facts, model_hint, obstacle_hint
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import plane_shown
from napari_sam.plugin.widgets.hint_line import Notice, NoticeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QPushButton

    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.plugin.widgets.dock_closing import DockEnd
    from napari_sam.plugin.widgets.dock_header import DockHeader

__all__ = ["PUT_BACK", "Page", "Shared", "Work"]

PUT_BACK = "Put it back"
"""What the button of the hint says after labels were removed."""


@dataclass(frozen=True)
class Work:
    """What is under way.

    Attributes
    ----------
    text
        What the user reads.
    fraction
        How far it is, 0 to 1; negative where that is not known.
    can_cancel
        Whether it can be stopped.
    """

    text: str
    fraction: float = -1.0
    can_cancel: bool = True


@dataclass(frozen=True, eq=False)
class Shared:
    """What all pages of a dock share.

    Attributes
    ----------
    viewer
        The napari viewer.
    model_host
        The model at work.
    annotator
        The annotator of the viewer.
    header
        The choices of image, labels, model and device.
    end
        Tells when the dock is closed for good.
    options
        Further arguments of a page, by the page's name.
    """

    viewer: Any
    model_host: ModelHost
    annotator: Annotator
    header: DockHeader
    end: DockEnd
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def image(self) -> Any:
        """The image layer that is chosen, or None."""
        return self.header.image.layer

    @property
    def labels(self) -> Any:
        """The labels layer that is chosen; None for a new one."""
        return self.header.labels.layer


class Page(QWidget):  # type: ignore[misc]
    """One job of the dock.

    A page makes its controls, lays them out, and connects them, in this order. The
    dock asks it what to show after each `changed`; it shows the hint, the button of
    the hint, the page's actions and its work above the page.

    Parameters
    ----------
    shared
        What all pages share.

    Attributes
    ----------
    actions
        The row with the main button, which the dock always shows.
    is_shown
        Whether the page can be seen; the dock sets it.
    """

    is_long = True
    """Whether its work is worth a sign on its tab while another page is seen."""

    changed = Signal()
    """What the dock shows of the page may have changed."""

    advanced = Signal(float)
    """How far the work is; emitted between two `changed`, see `Work.fraction`."""

    wanted = Signal(str)
    """Another page is to be shown; emitted with its name."""

    saved = Signal()
    """The objects are to be saved."""

    chosen = Signal(object, object)
    """Another image is to be worked on; emitted with it and its labels."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.viewer = shared.viewer
        self.is_shown = False
        self.actions = QWidget()
        self._notice = Notice()
        self.make_controls()
        row = QHBoxLayout(self.actions)
        row.setContentsMargins(0, 0, 0, 0)
        for button in self.action_buttons():
            row.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.setContentsMargins(0, 0, 0, 0)
        self.lay_out(layout)
        self.connect_controls()

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make what the page consists of."""

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the buttons that are always seen; one at a time is blue."""
        return ()

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the page below the actions."""

    def connect_controls(self) -> None:
        """Connect what was made."""

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Start working: the page is seen now."""

    def leave(self) -> None:
        """Let go of events: another page is seen now, or none; work goes on."""

    def set_layers(self, image: Any, labels: Any) -> None:
        """Work on another image, and labels; each may be None."""

    @property
    def holds_image(self) -> bool:
        """Whether work would be lost if another image were followed to."""
        return False

    def close_page(self) -> None:
        """Stop for good."""

    # --- what is shown --------------------------------------------------------------

    @property
    def primary(self) -> QPushButton:
        """The blue button: the next big step of the page."""
        return self.action_buttons()[0]

    def show_state(self) -> None:
        """Show how things stand; called by the dock after `changed`."""

    def facts(self) -> object:
        """Return what notices are about: they go when it changes."""
        return None

    def next_step(self) -> Hint:
        """Say the next step."""
        return Hint("")

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that solves what a hint says, or ""."""
        return ""

    def on_remedy(self, text: str) -> None:
        """Do what the hint's button says."""

    def work(self) -> Work | None:
        """Return what is under way, or None."""
        return None

    def cancel(self) -> None:
        """Stop what is under way."""

    def said(self) -> tuple[Hint, str]:
        """Return the hint, and the text of its button."""
        notice = self._notice.text_at(self.facts())
        hint = Hint(notice, self._notice.kind) if notice else self.next_step()
        remedy = self.remedy(hint, bool(notice))
        is_gone = self.shared.annotator.sessions.removed is not None
        return hint, remedy or (PUT_BACK if notice and is_gone else "")

    def say(self, text: str, kind: NoticeKind = "problem") -> None:
        """Say something once; to the window where another page is seen."""
        self._notice.say(text, kind)
        if text and not self.is_shown:
            (show_warning if kind == "problem" else show_info)(text)
        self.changed.emit()

    def hear(self, text: str, kind: NoticeKind) -> None:
        """Say what the annotator, or whoever else works behind all pages, has said."""
        self.say(text, kind)

    # --- what stands in the way -----------------------------------------------------

    def plane_facts(self) -> Facts:
        """Return what would keep any tool from working on the displayed plane."""
        image, host = self.shared.image, self.shared.model_host
        return Facts(
            has_image=image is not None,
            is_3d_view=self.viewer.dims.ndisplay == 3,
            plane_shown=image is None or plane_shown(self.viewer, image) is not None,
            model_state=host.model_state,
            model_name=self.shared.header.model.title,
            model_error=host.model_error,
        )

    def obstacle(self) -> Hint | None:
        """Say what keeps a tool from working on the displayed plane, if anything."""
        return obstacle_hint(self.plane_facts()) or self.model_obstacle()

    def model_obstacle(self) -> Hint | None:
        """Say what is wrong with the model, or that it is being loaded."""
        facts = self.plane_facts()
        if facts.model_state == "loading":
            return Hint("Loading the model.", "wait")
        return model_hint(facts)
