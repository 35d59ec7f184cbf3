"""The annotator of one viewer: what a user can do, and how things stand.

It owns no widget. The dock shows its state after each `changed` and calls its actions;
so do the keys. Its parts: `PromptSync` between layers and session, `PromptRequests`
between session and model, `Sessions` on the images of the viewer, and `Actions`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.actions import Actions
from napari_sam.plugin.annotator.class_sorter import ClassSorter
from napari_sam.plugin.annotator.hint_facts import FactReader
from napari_sam.plugin.annotator.image_fixes import ImageFixes
from napari_sam.plugin.annotator.key_actions import key_actions
from napari_sam.plugin.annotator.keybindings import KeyBinder, keys_of
from napari_sam.plugin.annotator.object_edits import ObjectEdits
from napari_sam.plugin.annotator.object_growing import ObjectGrowing
from napari_sam.plugin.annotator.object_suspects import review_objects
from napari_sam.plugin.annotator.prompt_requests import PromptRequests
from napari_sam.plugin.annotator.prompt_sync import PromptSync
from napari_sam.plugin.annotator.session_journals import SessionJournals
from napari_sam.plugin.annotator.sessions import Sessions
from napari_sam.plugin.annotator.workspace import Times, Workspace
from napari_sam.plugin.model.embedding_store_jobs import EmbeddingStoreJobs
from napari_sam.plugin.model.gc_pauses import GcPauses
from napari_sam.plugin.viewer.active_annotator import claim, release

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.hints import Facts
    from napari_sam.plugin.annotator.open_session import OpenSession
    from napari_sam.plugin.annotator.prompt_layers import PromptLayers
    from napari_sam.plugin.model.embedded_planes import PlaneKey
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["Annotator"]

_TIMES = Times()

_KEYS = keys_of("annotator", "points")
"""The keys that work wherever the annotator does, and on its points."""


class Annotator(QObject):  # type: ignore[misc]
    """Annotates the images of a viewer with a model.

    Parameters
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    model_host
        The model at work.
    times
        How long its parts wait.
    keep_unsaved
        Whether journals are kept of what is not saved.

    Attributes
    ----------
    sessions
        The sessions on the images, and the labels layer that is written to.
    journals
        What keeps the sessions on the disk, and offers what was never saved.
    embedding_jobs
        What is embedded ahead of the user, and kept on disk.
    actions
        What is done to the object in hand, and to those that are kept.
    image_fixes
        What a hint offers where the image is in the way.
    sorter
        Sorts objects into classes.
    edits
        Merges, splits and mends objects.
    growing
        Has objects grow through the stack.
    suspects
        Goes from one object that looks wrong to the next.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    likened = Signal(object, bool, bool)
    """All objects like some are to be found; emitted with their labels, whether they
    are what is wanted, and whether they take the place of those shown before."""

    keys_wanted = Signal()
    """The list of all keys is to be shown, or hidden."""

    previewed = Signal()
    """The preview shows the answer to the prompts as they are now."""

    def __init__(
        self,
        viewer: Any,
        model_host: ModelHost,
        parent: QObject | None = None,
        *,
        times: Times = _TIMES,
        keep_unsaved: bool = True,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.model_host = model_host
        self._at = Workspace(viewer)
        self._keys = KeyBinder({k.action: self._action_of(k.action) for k in _KEYS})
        self._gc_pauses = GcPauses(
            viewer, lambda: model_host.predictor is not None, times.rest, self
        )
        self.sessions = Sessions(self._at, times.look, self)
        self.journals = SessionJournals(
            self._at, self.sessions, times.keep, keep_unsaved, self
        )
        self.embedding_jobs = EmbeddingStoreJobs(model_host, self)
        self._requests = PromptRequests(
            self._at, self.sessions, model_host, self.embedding_jobs, times, self
        )
        self._prompt_sync = PromptSync(
            self._at, self.sessions, self._requests, self._keys, times, self
        )
        self.actions = Actions(
            self._at, self.sessions, self._requests, self._prompt_sync, self
        )
        self.growing = ObjectGrowing(
            self._at, self.sessions, self._requests, self._prompt_sync, model_host, self
        )
        self.sorter = ClassSorter(
            self._at, self.sessions, self.actions, model_host, self
        )
        self.edits = ObjectEdits(
            self._at, self.sessions, self.actions, model_host, self._keys, self
        )
        self.suspects = review_objects(self._at, self.sessions, self.edits, self)
        self._fact_reader = FactReader(
            self._at, self.sessions, self._prompt_sync, model_host, self.growing
        )
        self.image_fixes = ImageFixes(
            self._at, self.sessions, self._requests, self.set_image, self
        )
        self._key_actions = key_actions(self)
        self._connect()

    def _action_of(self, name: str) -> Callable[[], None]:
        """Return what a key does; the parts that do it are made later."""
        return lambda: self._key_actions[name]()

    def _connect(self) -> None:
        actions = self.actions
        parts = (self.sessions, self._requests, self._prompt_sync, self.image_fixes)
        for part in parts:
            part.changed.connect(self.changed)
            part.noticed.connect(self.noticed)
        self.embedding_jobs.noticed.connect(self.noticed)
        for part in (actions, self.sorter, self.edits, self.suspects, self.growing):
            part.changed.connect(self.changed)
            part.noticed.connect(self.noticed)
            part.succeeded.connect(self.succeeded)
        actions.likened.connect(self.likened)
        self._prompt_sync.previewed.connect(self.previewed)
        self.sessions.entered.connect(self.journals.look_for_work)
        self.sessions.leaving.connect(self.journals.flush)
        self.journals.changed.connect(self.changed)
        self.journals.noticed.connect(self.noticed)
        for signal in (self.sessions.looked, actions.changed, self._requests.changed):
            signal.connect(self.journals.on_change)
        host, answers = self.model_host, self.model_host.answering
        host.changed.connect(self._gc_pauses.look)
        for signal in (answers.answered, answers.hovered, host.embedded):
            signal.connect(self._gc_pauses.on_answer)

    # --- coming and going -----------------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        if self.is_active:
            return
        claim(self.viewer, self)
        self._at.is_active = True
        self._gc_pauses.attach()
        self._prompt_sync.attach()
        self.growing.attach()
        self.changed.emit()

    def deactivate(self, later: bool = False) -> None:
        """Stop: keys and events are let go, the prompt layers leave the viewer.

        Parameters
        ----------
        later
            Leave the layers until the events at hand are done: a widget is also
            hidden when its window is being destroyed, and the layer list with it.
        """
        if not self.is_active:
            return
        with suppress(RuntimeError):  # the window is gone
            self.edits.strokes.stop()
        self.growing.detach()
        self._prompt_sync.detach(later)
        self._gc_pauses.detach()
        self._at.is_active = False
        release(self.viewer, self)
        self.changed.emit()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.growing.close()
        self.sorter.close()
        self.edits.close()
        self.suspects.close()
        self.journals.close()
        self.embedding_jobs.close()
        self.model_host.close()
        self.sessions.close()

    def set_image(self, image: Any) -> None:
        """Work on another image layer, or None."""
        if image is not self.image:
            self.edits.strokes.stop()
        self._prompt_sync.set_image(image)

    def put_off(self) -> None:
        """Show no prompt layers and embed no plane until `take_up`.

        Called before `activate`. The keys work meanwhile, and whoever does something
        else with the viewer keeps the layer that is selected.
        """
        self._at.is_at_hand = False

    def take_up(self) -> None:
        """Bring the prompt layers into the viewer, and take up the first tool."""
        self._prompt_sync.take_up()

    def refresh(self) -> None:
        """Show the session as it is, after somebody else has changed it."""
        self._prompt_sync.refresh()

    # --- how things stand -----------------------------------------------------------

    @property
    def is_active(self) -> bool:
        """Whether it works in the viewer."""
        return self._at.is_active

    @property
    def is_at_hand(self) -> bool:
        """Whether its prompt layers are shown while it works; see `put_off`."""
        return self._at.is_at_hand

    @property
    def is_settled(self) -> bool:
        """Whether all that happened is read, answered and shown.

        Work ahead of the user does not count; see `is_idle`.
        """
        parts = (self._prompt_sync, self._requests, self.sessions)
        return not any(part.is_waiting for part in parts)

    @property
    def is_idle(self) -> bool:
        """Whether it is settled, and nothing is embedded that nobody waits for."""
        return self.is_settled and not self._requests.is_ahead

    @property
    def image(self) -> Any:
        """The image layer that is worked on, or None."""
        return self._at.image

    @property
    def plane(self) -> Plane | None:
        """The plane of it that is shown, or None."""
        return self._at.plane

    @property
    def key(self) -> PlaneKey | None:
        """What the embedding that is needed now is of."""
        return self._at.key

    @property
    def layers(self) -> PromptLayers | None:
        """The prompt layers of the image, or None."""
        return self._prompt_sync.display.layers

    @property
    def tool(self) -> str:
        """The tool in hand, "" for none."""
        return self._prompt_sync.display.tool

    @property
    def positive(self) -> bool:
        """Whether a left click says that the object is there."""
        return self._prompt_sync.display.positive

    @property
    def hover(self) -> bool:
        """Whether the mask under the cursor is previewed."""
        return self._prompt_sync.hover.is_on

    @property
    def open_session(self) -> OpenSession | None:
        """The image with its output and its session."""
        return self.sessions.current

    @property
    def session(self) -> AnnotationSession | None:
        """The session on the image and the output that are chosen."""
        return self.sessions.session

    @property
    def class_name(self) -> str:
        """What the next objects are called."""
        return self.actions.class_name

    @class_name.setter
    def class_name(self, name: str) -> None:
        self.actions.class_name = name

    @property
    def overlap(self) -> OverlapRule:
        """Who gets a pixel that is labelled already."""
        return self.actions.overlap

    @overlap.setter
    def overlap(self, rule: OverlapRule) -> None:
        self.actions.overlap = rule

    def facts(self) -> Facts:
        """Return what the hint line depends on."""
        return self._fact_reader.read()

    # --- actions, of the keys and the widgets ---------------------------------------

    def use_tool(self, tool: str, positive: bool | None = None) -> None:
        """Take up a tool: its layer becomes active, in its mode."""
        self.actions.use_tool(tool, positive)

    def set_hover(self, on: bool) -> None:
        """Switch the preview under the cursor on or off."""
        self.actions.set_hover(on)

    def cycle(self) -> None:
        """Choose the next candidate."""
        self.actions.cycle()

    def choose(self, index: int) -> None:
        """Choose a candidate."""
        self.actions.choose(index)

    def commit(self, overwrite: bool = False) -> None:
        """Keep the object, now or as soon as its mask has come, and start the next.

        Parameters
        ----------
        overwrite
            Take the pixels of other objects, whatever the overlap rule says.
        """
        self.actions.commit(overwrite)

    def overwrite(self) -> None:
        """Keep the object and take the pixels that other objects have."""
        self.actions.overwrite()

    def set_text(self, text: str) -> None:
        """Say in words which candidate is meant, "" for none."""
        self.actions.set_text(text)

    def undo(self) -> None:
        """Undo the last step."""
        self.actions.undo()

    def redo(self) -> None:
        """Do the last undone step again."""
        self.actions.redo()

    def clear(self) -> None:
        """Drop the prompts in hand, and what is half drawn; end strokes first."""
        if self.edits.strokes.in_hand:
            self.edits.strokes.stop()
        else:
            self.actions.clear()

    def take_up_unsaved(self) -> None:
        """Bring back the work that `journals` offers; ValueError if it does not fit."""
        self.journals.take_up()
        self.refresh()
