"""Suggesting classes of objects: what was learned from some, said of the others.

What looks at the objects runs on the model's thread; after that only the classifier is
learned anew with each class that is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.object_classes import with_names
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.image_identity import image_identity
from napari_sam.plugin.viewer.layers import plane_reader

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.annotator.actions import Actions
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.queries.classes import ObjectClassifier
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.suggestion_job import SuggestionAnswer

__all__ = ["ClassSuggester"]

_URGENCY = 0.5
"""Between embedding planes ahead, and answering clicks."""


class ClassSuggester(QObject):  # type: ignore[misc]
    """Learns classes from objects that have one, and suggests them for the others.

    Parameters
    ----------
    workspace, sessions, actions
        Parts of the annotator.
    model_host
        The model at work.
    parent
        Its owner.

    Attributes
    ----------
    classifier
        What was learned or loaded last; None for nothing.
    source
        Name of the file that the classifier was loaded from; "" where it is learned
        from the objects that are sorted here.
    problem
        Why there are no suggestions, "" if there are or could be.
    """

    changed = Signal()
    """There are other suggestions, or they come from another classifier."""

    noticed = Signal(str)
    """Something went wrong; emitted with what the user reads once."""

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
        self._host = model_host
        self._task = LongTask(model_host.thread, self, urgency=_URGENCY)
        self._task.done.connect(self._on_suggested)
        self._task.failed.connect(self._on_failed)
        self._asked: tuple[object, ...] = ()
        self._seen: tuple[ObjectClass, ...] = ()
        self._met: WeakSet[AnnotationSession] = WeakSet()
        self.classifier: ObjectClassifier | None = None
        self.source = self.problem = ""

    @property
    def is_working(self) -> bool:
        """Whether suggestions are being made."""
        return bool(self._task.is_working)

    @property
    def is_looking(self) -> bool:
        """Whether the objects are being looked at, which takes longer."""
        token = self._task.token
        return token is not None and token[1] is not None

    def forget_asked(self) -> None:
        """Ask again next time, even if nothing has changed."""
        self._asked = ()

    def drop(self) -> None:
        """Stop what is being suggested."""
        self._task.drop()

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    # --- classifiers ----------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write what was learned from the objects that are sorted here to a file."""
        try:
            self._newest().save(path)
        except (ValueError, OSError) as error:
            self.noticed.emit(sentence(error))
            return
        self.succeeded.emit(f"Saved {path.name}. Load it for other images.")

    def _newest(self) -> ObjectClassifier:
        """Return what the suggestions come from; ValueError if there is nothing."""
        if self.classifier is not None:
            return self.classifier
        session = self._sessions.session
        if session is None:
            raise ValueError("there is no object that has a class yet")
        return session.suggestions.learn(session.model_name)

    def load(self, path: Path) -> None:
        """Suggest classes with a classifier from a file."""
        from napari_sam.workflows.queries.classes import ObjectClassifier

        try:
            found = ObjectClassifier.load(path)
        except (ValueError, OSError) as error:
            self.noticed.emit(sentence(error))
            return
        self.use(found, path.name)

    def use(self, classifier: ObjectClassifier | None, source: str = "") -> None:
        """Suggest classes with a classifier; None: with the objects sorted here."""
        self.classifier, self.source, self.problem = classifier, source, ""
        self._asked = ()
        session = self._sessions.session
        if classifier is not None and session is not None and source:
            names = classifier.classes
            self._actions.edit(lambda session: session.classes.add_names(names))
        elif classifier is not None and session is not None:
            session.classes.adopt(
                with_names(tuple(session.classes), classifier.classes)
            )
            self._sessions.after_edit()
        self.changed.emit()

    def learn_here(self) -> None:
        """Learn from the objects that are sorted here, whatever was loaded."""
        self.use(None)

    def _for_session(self, session: AnnotationSession) -> ObjectClassifier | None:
        """Return the classifier to ask; None: one of the objects sorted here.

        What was learned elsewhere holds until each of its classes has an example here.
        """
        kept = self.classifier
        if kept is None:
            return None
        if self.source:
            return kept
        here = {record.class_name for record in session.listed().values()}
        is_gone = not set(kept.classes) <= set(session.classes.names)
        return None if is_gone or set(kept.classes) <= here else kept

    # --- suggestions ----------------------------------------------------------------

    def ask(self, session: AnnotationSession) -> None:
        """Ask for suggestions, unless they are those of what the session shows."""
        self._carry_on(session)
        at, predictor = self._at, self._host.predictor
        if predictor is None or at.image is None or at.plane is None:
            return
        image, listed = at.image, session.listed()
        version = session.index.version
        state = (session, at.plane, listed, version, predictor, image_identity(image))
        if state == self._asked or self._is_looking_at(session, at.plane):
            return
        self._asked = state
        classifier = self._for_session(session)
        kinds = {r.class_name for r in listed.values() if r.class_name}
        if classifier is None and len(kinds) < 2:
            self._task.drop()
            session.suggestions.drop()
            self.problem = ""
            return
        job = session.suggestions.job(classifier)
        read = plane_reader(image, at.plane)

        def work(progress: object, is_cancelled: IsCancelled) -> SuggestionAnswer:
            pixels = None
            if job.labels is not None:
                pixels = read()
                predictor.embed(pixels, is_cancelled=is_cancelled)  # it is kept then
            return job.run(pixels, predictor)

        looks_at = None if job.labels is None else at.plane
        self._task.start(work, (session, looks_at, classifier is None))

    def _carry_on(self, session: AnnotationSession) -> None:
        """Give a session that is seen for the first time the classes known so far."""
        if session not in self._met:
            self._met.add(session)
            if self.classifier is not None:
                known = tuple(session.classes) or self._seen
                session.classes.adopt(with_names(known, self.classifier.classes))
                self._sessions.after_edit()
        if len(session.classes):
            self._seen = tuple(session.classes)

    def _is_looking_at(self, session: AnnotationSession, plane: Plane) -> bool:
        """Whether a plane is being looked at: what changes meanwhile comes after it."""
        if not self._task.is_working or self._task.token is None:
            return False
        of, looks_at, _ = self._task.token
        return of is session and looks_at == plane

    def _on_suggested(self, token: Any, answer: SuggestionAnswer) -> None:
        session, _, is_own = token
        session.suggestions.deliver(answer)
        self.problem = ""
        if is_own:
            self.classifier, self.source = answer.classifier, ""
        self.changed.emit()

    def _on_failed(self, token: Any, error: Exception) -> None:
        token[0].suggestions.drop()
        self.problem = sentence(error)
        self.changed.emit()
