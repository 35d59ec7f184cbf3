"""Sorting objects into classes in a viewer: keys, colours, what is suggested.

All of it goes through the session, so that a script can do the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.class_colours import ClassColours
from napari_sam.plugin.annotator.class_suggester import ClassSuggester
from napari_sam.plugin.annotator.keybindings import KeyBinder, keys_of
from napari_sam.plugin.annotator.object_view import show_object
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.annotator.actions import Actions
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["MOST_COLOURED", "ClassSorter"]

MOST_COLOURED = 20_000
"""Objects beyond which each new colour would hold the window for long."""

_TOUCH = 6
"""Pixels of the canvas that the mouse is moved without meaning another object."""


class ClassSorter(QObject):  # type: ignore[misc]
    """Sorts the objects of the session that is worked in.

    Parameters
    ----------
    workspace, sessions, actions
        Parts of the annotator.
    model_host
        The model at work.

    Attributes
    ----------
    is_on
        Whether the keys are bound, and suggestions are made.
    is_coloured
        Whether objects have the colours of their classes.
    chosen
        The object that the keys are about until the mouse moves; 0 for none.
    suggester
        What suggests classes.
    """

    changed = Signal()
    """Classes, suggestions or the chosen object have changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        actions: Actions,
        model_host: ModelHost,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at, self._sessions, self._actions = workspace, sessions, actions
        self._keys = KeyBinder(
            {
                **{f"give_class_{key}": self._giver(key) for key in range(1, 10)},
                "take_class": lambda: self.give(None),
                "next_unsure": self.next_unsure,
            }
        )
        self._events = Connections()
        self._active: Any = None
        self._colours = ClassColours()
        self.suggester = ClassSuggester(workspace, sessions, actions, model_host, self)
        self.suggester.changed.connect(self._on_suggester)
        self.suggester.noticed.connect(self.noticed)
        self.suggester.succeeded.connect(self.succeeded)
        self._timer = single_shot(self, 0, self._look)
        self._mouse: Any = None
        self.is_on, self.is_coloured = False, True
        self.chosen = 0
        for signal in (actions.changed, sessions.changed, sessions.session_changed):
            signal.connect(self._look_soon)
        model_host.changed.connect(self._look_soon)

    # --- coming and going -----------------------------------------------------------

    def start(self) -> None:
        """Bind the keys, and suggest classes from now on."""
        if self.is_on:
            return
        self.is_on = True
        viewer = self._at.viewer
        self._events.add(viewer.layers.selection.events.active, self._on_active)
        for emitter in (viewer.dims.events.current_step, viewer.dims.events.order):
            self._events.add(emitter, self._look_soon)
        self._keys.bind(viewer, keys_of("classes"))
        viewer.mouse_move_callbacks.append(self._on_mouse)
        self._on_active()
        self.suggester.forget_asked()
        self._look_soon()

    def stop(self) -> None:
        """Unbind the keys; classes and colours stay."""
        if not self.is_on:
            return
        self.is_on = False
        self._events.clear()
        self._keys.unbind_all()
        self._active = None
        callbacks = self._at.viewer.mouse_move_callbacks
        if self._on_mouse in callbacks:
            callbacks.remove(self._on_mouse)
        self.suggester.drop()
        self.chosen = 0
        self._colour()

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self.suggester.close()

    def _on_active(self, event: Any = None) -> None:
        """Bind the keys on the active layer: napari asks it before the viewer."""
        layer = self._at.viewer.layers.selection.active
        if layer is self._active:
            return
        if self._active is not None:
            self._keys.unbind(self._active)
        self._active = layer
        if layer is not None:
            self._keys.bind(layer, keys_of("classes"))

    def _on_mouse(self, viewer: Any, event: Any) -> None:
        """Let go of the chosen object, unless the mouse was only touched."""
        if not self.chosen:
            return
        at = getattr(event, "pos", None)
        if at is not None and self._mouse is None:
            self._mouse = np.array(at, float)
        if at is None or np.abs(np.array(at, float) - self._mouse).max() > _TOUCH:
            self.chosen = 0
            self._colour()
            self.changed.emit()

    # --- how things stand -----------------------------------------------------------

    @property
    def session(self) -> AnnotationSession | None:
        """The session that is worked in, or None."""
        return self._sessions.session

    @property
    def has_too_many(self) -> bool:
        """Whether there are too many objects to colour them by class."""
        session = self.session
        return session is not None and len(session.listed()) > MOST_COLOURED

    @property
    def is_working(self) -> bool:
        """Whether suggestions are being made."""
        return self.suggester.is_working or bool(self._timer.isActive())

    # --- what the user does ---------------------------------------------------------

    def _giver(self, key: int) -> Callable[[], None]:
        return lambda: self.give(key)

    def give(self, key: int | None) -> None:
        """Give the chosen object, or that under the cursor, the class of a key.

        Parameters
        ----------
        key
            1 to 9; None takes the class away.
        """
        session = self.session
        if session is None:
            self.noticed.emit("There are no objects to sort yet.")
            return
        one = None if key is None else session.classes.of_key(key)
        if key is not None and one is None:
            self.noticed.emit(f"Key {key} has no class yet. Press Add class first.")
            return
        name = "" if one is None else one.name
        label = self.chosen or self._actions.label_at_cursor()
        if label:
            self._edit(lambda session: session.set_class(label, name))
        else:
            self.noticed.emit(
                "There is no object under the cursor. Point at one, and press the key."
            )

    def next_unsure(self) -> None:
        """Go to the object whose class is least sure, and choose it."""
        session = self.session
        if session is None:
            self.noticed.emit("There are no objects to sort yet.")
            return
        try:
            label = session.suggestions.next_unsure(self.chosen or None)
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return
        if label is None:
            self.succeeded.emit("Every object that was looked at has a class.")
            return
        self.chosen, self._mouse = label, None
        if self._at.image is not None and self._at.plane is not None:
            at = self._at
            show_object(at.viewer, at.image, session, label, at.plane, zoom=True)
        if self._sessions.output is not None:
            self._sessions.output.selected_label = label
        self._colour()
        self.changed.emit()

    def accept(self, min_probability: float = 0.0) -> None:
        """Make suggestions classes, those that are at least so probable."""
        accepted: list[int] = []

        def accept(session: AnnotationSession) -> None:
            accepted.extend(session.suggestions.accept(min_probability=min_probability))

        self._edit(accept)
        if accepted:
            has = "has" if len(accepted) == 1 else "have"
            self.succeeded.emit(
                f"{counted(len(accepted), 'object')} {has} a class now. "
                "U takes it back."
            )
        else:
            self.noticed.emit(
                f"No suggestion is as sure as {100 * min_probability:.0f} %."
            )

    def add(self, name: str) -> None:
        """Add a class."""
        self._edit(lambda session: session.classes.add(name))

    def rename(self, name: str, new_name: str) -> None:
        """Give a class another name."""
        self._edit(lambda session: session.classes.rename(name, new_name))

    def recolour(self, name: str, colour: tuple[int, int, int]) -> None:
        """Give a class another colour."""
        self._edit(lambda session: session.classes.recolour(name, colour))

    def set_key(self, name: str, key: int | None) -> None:
        """Give a class another key."""
        self._edit(lambda session: session.classes.set_key(name, key))

    def remove(self, name: str) -> None:
        """Take a class away; its objects have none then."""
        counts: list[int] = []
        self._edit(lambda session: counts.append(session.classes.remove(name)))
        if counts and counts[0]:
            has = "has" if counts[0] == 1 else "have"
            self.succeeded.emit(
                f"{counted(counts[0], 'object')} of “{name}” {has} no class now. "
                "U takes it back."
            )

    def _edit(self, action: Callable[[AnnotationSession], object]) -> None:
        self._actions.edit(action)
        self._look_soon()

    def set_coloured(self, on: bool) -> None:
        """Colour objects by class, or as napari does."""
        self.is_coloured = on
        self._colour()
        self.changed.emit()

    # --- suggestions ----------------------------------------------------------------

    def _look_soon(self, event: Any = None) -> None:
        if self.is_on or self._colours.is_shown:
            self._timer.start()

    def _look(self) -> None:
        """Bring suggestions and colours up to what the session shows."""
        opened, session = self._sessions.current, self.session
        if session is None or opened is None or opened.is_counting:
            self._colour()
            self.changed.emit()
            return
        if self.is_on and opened.canvas.layer is not None:
            self.suggester.ask(session)
        self._colour()
        self.changed.emit()

    def _on_suggester(self) -> None:
        self._look_soon()
        self._colour()
        self.changed.emit()

    # --- what is shown --------------------------------------------------------------

    def _colour(self) -> None:
        layer, session = self._sessions.output, self.session
        has_classes = session is not None and len(session.classes) > 0
        if (
            not self.is_coloured
            or self.has_too_many
            or layer is None
            or not has_classes
        ):
            self._colours.hide()
        elif session is not None and (self.is_on or self._colours.is_shown):
            self._colours.show(layer, session, self.chosen)
