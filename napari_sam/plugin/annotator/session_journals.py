"""Journals of the open sessions: nothing is lost where nobody has saved.

What a session holds is written to the user's data folder a moment after each change,
away from the window, and found again when an annotator opens the same image.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.thumbnails import candidate_picture, plane_picture
from napari_sam.plugin.viewer.layers import display_range, full_data
from napari_sam.plugin.viewer.saved_labels import saved_path
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.workflows.session.session_journal import (
    JournaledImage,
    SessionJournal,
)
from napari_sam.workflows.session.session_recovery import (
    JournaledWork,
    journaled_work,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.open_session import OpenSession
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["SessionJournals", "UnsavedWork"]

_PICTURE_SIDE = 128
_PICTURE_COLOR = (255, 200, 60)


@dataclass(eq=False)
class _Kept:
    """The journal of a session, and how often it was looked at."""

    journal: SessionJournal
    looks: int = 0
    looks_at_saving: int = -1


@dataclass(frozen=True, eq=False)
class _Read:
    """What was found out about an image, away from the window."""

    layer: Any
    image: JournaledImage
    works: list[UnsavedWork]


@dataclass(frozen=True, eq=False)
class UnsavedWork:
    """What is offered to the user.

    Attributes
    ----------
    work
        The labels, and what is known of them.
    picture
        (h, w, 3) uint8: the plane with the most objects, outlined; None where the image
        cannot be read.
    """

    work: JournaledWork
    picture: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class _Left:
    """How a session was when its journal ended, saved or not: it needs no other one."""

    digests: dict[Any, Any]
    records: dict[int, Any]

    @classmethod
    def of(cls, session: AnnotationSession) -> _Left:
        return cls(session.index.digests(), dict(session.listed()))

    def is_still(self, session: AnnotationSession) -> bool:
        """Whether nothing has changed since."""
        listed = session.listed()
        return (
            session.index.digests() == self.digests
            and listed.keys() == self.records.keys()
            and all(listed[label] is one for label, one in self.records.items())
        )


class SessionJournals(QObject):  # type: ignore[misc]
    """Keeps journals of the sessions of one annotator, and offers earlier work.

    Parameters
    ----------
    workspace
        What is worked on.
    sessions
        The open sessions.
    keep_ms
        So many milliseconds after a change it is written.
    is_on
        Whether anything is written, and offered.
    """

    changed = Signal()
    """There is other work to offer."""

    noticed = Signal(str)
    """Nothing can be kept; emitted once with what the user reads."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        keep_ms: int,
        is_on: bool,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._workspace, self._sessions = workspace, sessions
        self._is_on = is_on
        self._kept: WeakKeyDictionary[OpenSession, _Kept] = WeakKeyDictionary()
        self._left: WeakKeyDictionary[OpenSession, _Left] = WeakKeyDictionary()
        self._images: WeakKeyDictionary[Any, JournaledImage] = WeakKeyDictionary()
        self._left_out: WeakSet[Any] = WeakSet()
        self._works: list[UnsavedWork] = []
        self._was_said = False
        self._timer = single_shot(self, keep_ms, self._keep_aside)
        self._writer = LongTask("napari-sam journal", self)
        self._writer.failed.connect(self._on_failed)
        self._reader = LongTask("napari-sam unsaved work", self)
        self._reader.done.connect(self._on_read)

    # --- keeping ----------------------------------------------------------------------

    def on_change(self) -> None:
        """Write in a moment what has changed; it does not wait for a pause."""
        if self._is_on and not self._timer.isActive():
            self._timer.start()

    def leave_out(self, image: Any) -> None:
        """Keep nothing of an image layer: somebody else does."""
        self._left_out.add(image)

    def _journal_of(self, opened: OpenSession | None) -> _Kept | None:
        if opened is None or not self._is_on or opened.image in self._left_out:
            return None
        image = self._images.get(opened.image)
        if image is None or opened.is_counting:
            return None
        kept = self._kept.get(opened)
        if kept is None:
            left = self._left.get(opened)
            if left is not None and left.is_still(opened.session):
                return None
            kept = self._kept[opened] = _Kept(SessionJournal(image))
        return kept

    def _keep_aside(self) -> None:
        if self._writer.is_working:
            self._timer.start()  # one after the other
            return
        opened = self._sessions.current
        kept = self._journal_of(opened)
        if kept is None or opened is None:
            return
        if kept.journal.look(opened.session):
            kept.looks += 1
            journal = kept.journal
            self._writer.start(lambda tell, is_cancelled: journal.write())

    def _on_failed(self, token: object, error: Exception) -> None:
        if not self._was_said:
            self._was_said = True
            self.noticed.emit(
                f"What you do cannot be kept on the disk meanwhile: {error}. Save the "
                "objects yourself."
            )

    def flush(self) -> None:
        """Write what has changed, and wait for it; touches no Qt but the timer."""
        self._timer.stop()
        opened = self._sessions.current
        kept = self._journal_of(opened)
        if kept is not None and opened is not None:
            kept.looks += kept.journal.look(opened.session)
            try:
                kept.journal.write()
            except (OSError, ValueError) as error:
                self._on_failed(None, error)

    def on_saving(self, layers: list[Any]) -> None:
        """Take note that labels layers are being saved as they are now."""
        self.flush()
        for opened, kept in self._kept.items():
            if opened.canvas.layer in layers:
                kept.looks_at_saving = kept.looks

    def on_saved(self) -> None:
        """Take note that they are: what has not changed since is kept no longer."""
        for kept in self._kept.values():
            if kept.looks_at_saving == kept.looks:
                with suppress(OSError, ValueError):
                    kept.journal.mark_saved()
            kept.looks_at_saving = -1

    def close(self) -> None:
        """Write the last, and stop for good."""
        self.flush()
        self._writer.close()
        self._reader.close()
        self._release()

    def leave(self) -> None:
        """Write the last, and let another window of the program offer it."""
        self.flush()
        self._release()

    def _release(self) -> None:
        for opened, kept in self._kept.items():
            with suppress(OSError):
                kept.journal.close()
            self._left[opened] = _Left.of(opened.session)
        self._kept.clear()

    # --- what was left ----------------------------------------------------------------

    @property
    def offered(self) -> UnsavedWork | None:
        """Work on the image that was never saved, the latest; None if there is none."""
        return self._works[0] if self._works else None

    @property
    def offers(self) -> int:
        """How many sessions left unsaved work on the image."""
        return len(self._works)

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to be read or written."""
        busy = self._reader.is_working or self._writer.is_working
        return bool(busy or self._timer.isActive())

    def look_for_work(self) -> None:
        """Find out what the image is, and whether there is unsaved work on it."""
        self._set_works([])
        image = self._workspace.image
        if image is None or not self._is_on or image in self._left_out:
            return
        data, name, source = full_data(image), image.name, saved_path(image)
        told, limits = "" if source is None else str(source), display_range(image)

        def work(tell: object, is_cancelled: object) -> _Read:
            known = JournaledImage.of(data, name, told)
            found = journaled_work(known.digest)
            works = [UnsavedWork(one, _picture(one, data, limits)) for one in found]
            return _Read(image, known, works)

        self._reader.start(work)

    def _on_read(self, token: object, read: _Read) -> None:
        self._images[read.layer] = read.image
        if read.layer is not self._workspace.image:
            return
        self._set_works([one for one in read.works if not self._is_there(one.work)])
        self.on_change()

    def _is_there(self, work: JournaledWork) -> bool:
        """Whether the labels show all of it already; it is not needed then."""
        session = self._sessions.session
        if session is None or tuple(session.canvas.shape) != work.shape:
            return False
        for plane in work.planes:
            then = np.zeros(plane.shape_in(work.shape), work.dtype)
            work.write_plane(plane, then)
            if not np.array_equal(then, session.canvas.read(plane)):
                return False
        return True

    def _set_works(self, works: list[UnsavedWork]) -> None:
        if works or self._works:
            self._works = works
            self.changed.emit()

    def take_up(self) -> None:
        """Bring back the work that is offered; one step of the history.

        Raises
        ------
        ValueError
            If it does not fit the labels.
        """
        offered, session = self.offered, self._sessions.session
        if offered is None or session is None:
            return
        session.recover(offered.work)
        self._sessions.after_edit()
        self.flush()
        self._drop(offered)

    def discard(self) -> None:
        """Remove the work that is offered from the disk."""
        if self.offered is not None:
            self._drop(self.offered)

    def _drop(self, offered: UnsavedWork) -> None:
        with suppress(OSError):
            offered.work.forget()
        self._set_works([one for one in self._works if one is not offered])


def _picture(
    work: JournaledWork, data: Any, limits: tuple[float, float]
) -> NDArray[np.uint8] | None:
    """Draw the plane with the most labelled pixels; it may take a while."""
    best, mask = None, np.zeros((1, 1), np.bool_)
    for plane in work.planes:
        labels = np.zeros(plane.shape_in(work.shape), work.dtype)
        work.write_plane(plane, labels)
        if best is None or np.count_nonzero(labels) > np.count_nonzero(mask):
            best, mask = plane, labels > 0
    if best is None:
        return None
    try:
        shown = plane_picture(np.asarray(data[best.slicer]), limits)
        window = (0, 0, *mask.shape)
        return candidate_picture(shown, mask, window, _PICTURE_SIDE, _PICTURE_COLOR)
    except (OSError, ValueError, IndexError):
        return None
