"""What a session holds, kept on the disk while it lasts, without being asked.

A journal is a file of one JSON object a line (`napari_sam.io.journal`): first what the
image is, then each change of the labels and of what is known of the objects. What a
line tells is there as a whole or not at all. It is begun with the first object; where
everything was saved elsewhere, or nothing is left, nothing stays of it.

`SessionJournal.look` sees what has changed and is short; `SessionJournal.write` may run
on another thread. `journaled_work` reads such files back.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import zlib
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from napari_sam.io.atomic_write import make_folder, write_atomically
from napari_sam.io.fingerprint import content_digest
from napari_sam.io.journal import Journal
from napari_sam.io.process_lock import claim
from napari_sam.ops.label_runs import encode_change
from napari_sam.ops.object_classes import classes_to_json
from napari_sam.workflows.session.provenance import draft_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.provenance import Record

__all__ = [
    "FOLDER_VARIABLE",
    "JournaledImage",
    "SessionJournal",
    "journal_folder",
    "read_line",
]

VERSION = 1
SUFFIX = ".journal"
FOLDER_VARIABLE = "NAPARI_SAM_JOURNALS"


def journal_folder() -> Path:
    """Return where journals lie: `NAPARI_SAM_JOURNALS`, or the user's data folder."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    data = platformdirs.user_data_path("napari-sam", appauthor=False)
    return data / "journals"


@dataclass(frozen=True)
class JournaledImage:
    """The image that a session is about.

    Attributes
    ----------
    digest
        Of its content, by which it is known again; see `content_digest`.
    name
        What the user calls it.
    source
        The file that it was read from; "" for none.
    """

    digest: str
    name: str = ""
    source: str = ""

    @classmethod
    def of(cls, data: Any, name: str = "", source: str = "") -> JournaledImage:
        """Return what an array of any kind, as it is now, is known by."""
        return cls(content_digest(data, name, source), name, source)


@dataclass(frozen=True, eq=False)
class _Update:
    """What has changed since a journal looked last.

    Attributes
    ----------
    planes
        (H, W) labels of the planes that changed, as they are now.
    records
        What is known of objects, where that has changed.
    gone
        Labels of which nothing is known any more.
    drafts
        The prompts in hand by plane, as JSON; None where they are as before.
    objects
        How many there are now.
    shape, dtype
        Of all labels.
    classes
        What objects are sorted into; None where that is as before.
    """

    planes: Mapping[Plane, NDArray[Any]]
    records: tuple[Record, ...]
    gone: tuple[int, ...]
    drafts: Mapping[Plane, str] | None
    objects: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    classes: tuple[ObjectClass, ...] | None = None


@dataclass(eq=False)
class _Written:
    """What a journal tells so far, in little room."""

    planes: dict[Plane, bytes] = field(default_factory=dict)
    rows: dict[int, list[Any]] = field(default_factory=dict)
    drafts: dict[Plane, str] = field(default_factory=dict)
    classes: tuple[ObjectClass, ...] = ()


class SessionJournal:
    """Keeps what a session holds on the disk.

    Parameters
    ----------
    image
        What the session is about.
    folder
        Where the journal lies; the user's own by default.
    rewrite_from
        Bytes from which what there is is written in place of how it came to be, once
        that is four times as long.

    Attributes
    ----------
    path
        The file; made with the first object.
    """

    def __init__(
        self,
        image: JournaledImage,
        folder: Path | None = None,
        *,
        rewrite_from: int = 2**22,
    ) -> None:
        self._image = image
        self._rewrite_from = rewrite_from
        name = f"{image.digest}-{secrets.token_hex(6)}{SUFFIX}"
        self.path = (folder or journal_folder()) / name
        self._digests: dict[Plane, int] = {}
        self._records: dict[int, Record] = {}
        self._drafts: Mapping[Plane, str] = {}
        self._classes: tuple[ObjectClass, ...] = ()
        self._lock = threading.Lock()
        self._claim = ExitStack()
        self._journal: Journal[dict[str, Any]] | None = None
        self._written = _Written()
        self._seen: deque[_Update] = deque()
        self._unwritten: _Update | None = None
        self._is_saved = True
        self._full_size = 0
        self._bytes = 0

    # --- what has changed -----------------------------------------------------------

    def look(self, session: AnnotationSession) -> bool:
        """See what has changed since the last look, and whether anything has.

        Parameters
        ----------
        session
            Looked at on its own thread; its canvas is looked at before, by
            `SessionState.reconcile`, where others write to it.
        """
        listed = session.listed()
        if not listed and not self._digests:
            return False  # not begun, and nothing to tell
        digests = session.index.digests()
        held = session.prompting.drafts
        drafts = {plane: draft_to_json(draft) for plane, draft in held.items()}
        planes = {
            plane: np.array(session.canvas.read(plane))
            for plane, digest in digests.items()
            if self._digests.get(plane) != digest
        }
        records = tuple(r for k, r in listed.items() if self._records.get(k) is not r)
        gone = tuple(label for label in self._records if label not in listed)
        has_drafts = drafts != self._drafts
        classes = tuple(session.classes)
        has_classes = classes != self._classes
        if not (planes or records or gone or has_drafts or has_classes):
            return False
        self._digests, self._records, self._drafts = digests, dict(listed), drafts
        self._classes = classes
        canvas = session.canvas
        self._seen.append(
            _Update(
                planes,
                records,
                gone,
                drafts if has_drafts else None,
                len(listed),
                tuple(canvas.shape),
                canvas.dtype,
                classes if has_classes else None,
            )
        )
        return True

    # --- the file -------------------------------------------------------------------

    def write(self) -> None:
        """Write what looks have seen, and wait until it is on the disk.

        Raises
        ------
        OSError
            If it cannot be written; what was written before stays, and what could not
            be is written the next time.
        """
        with self._lock:
            while self._seen:
                self._unwritten = _joined(self._unwritten, self._seen.popleft())
            update = self._unwritten
            if update is None:
                return
            event = self._event(update)
            self._append(event, update)
            self._take(event, update)
            self._unwritten = None
            self._is_saved = False
            if self._bytes > max(self._rewrite_from, 4 * self._full_size):
                self._write_anew(update)

    def _event(self, update: _Update) -> dict[str, Any]:
        event: dict[str, Any] = {"event": "change", "time": _now()}
        event["objects"] = update.objects
        changes = []
        for plane, labels in update.planes.items():
            change = encode_change(self._plane(plane, labels), labels)
            if change:
                changes.append({"plane": plane.index, "runs": change})
        event["planes"] = changes
        event["rows"] = [list(record.row) for record in update.records]
        event["gone"] = list(update.gone)
        if update.drafts is not None:
            event["drafts"] = [
                {"plane": plane.index, "prompts": told}
                for plane, told in update.drafts.items()
            ]
        if update.classes is not None:
            event["classes"] = classes_to_json(update.classes)
        return event

    def _plane(self, plane: Plane, like: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of a plane as they were written."""
        packed = self._written.planes.get(plane)
        if packed is None:
            return np.zeros_like(like)
        return np.frombuffer(zlib.decompress(packed), like.dtype).reshape(like.shape)

    def _append(self, event: dict[str, Any], update: _Update) -> None:
        if self._journal is None:
            make_folder(self.path.parent)
            self._claim.enter_context(claim(self.path))
            self._journal = Journal(self.path, read_line, lambda *_: None)
        if not self._journal.lines:
            self._journal.append(self._beginning(update))
        self._journal.append(event)
        self._bytes = self.path.stat().st_size

    def _beginning(self, update: _Update) -> dict[str, Any]:
        image = self._image
        return {
            "event": "begin",
            "version": VERSION,
            "image": {
                "digest": image.digest,
                "name": image.name,
                "source": image.source,
            },
            "shape": list(update.shape),
            "dtype": update.dtype.str,
            "time": _now(),
        }

    def _take(self, event: dict[str, Any], update: _Update) -> None:
        """Take note of what the file tells now."""
        written = self._written
        for plane, labels in update.planes.items():
            packed = zlib.compress(np.ascontiguousarray(labels).tobytes(), 1)
            written.planes[plane] = packed
        for label in update.gone:
            written.rows.pop(label, None)
        written.rows.update({row[0]: row for row in event["rows"]})
        if update.drafts is not None:
            written.drafts = dict(update.drafts)
        if update.classes is not None:
            written.classes = update.classes

    def _write_anew(self, update: _Update) -> None:
        """Write what there is in place of how it came to be."""
        written = self._written
        shape = update.shape
        planes = []
        for plane, packed in written.planes.items():
            flat = np.frombuffer(zlib.decompress(packed), update.dtype)
            labels = flat.reshape(plane.shape_in(shape))
            runs = encode_change(np.zeros_like(labels), labels)
            if runs:
                planes.append({"plane": plane.index, "runs": runs})
        event = {
            "event": "change",
            "time": _now(),
            "objects": update.objects,
            "planes": planes,
            "rows": list(written.rows.values()),
            "gone": [],
            "drafts": [
                {"plane": plane.index, "prompts": told}
                for plane, told in written.drafts.items()
            ],
            "classes": classes_to_json(written.classes),
        }
        lines = (self._beginning(update), event)
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        write_atomically(self.path, lambda part: part.write_bytes(data))
        self._journal = Journal(self.path, read_line, lambda *_: None)
        self._bytes = self._full_size = len(data)

    def mark_saved(self) -> None:
        """Take note that all that was written is in a file of the user's now.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        with self._lock:
            self._is_saved = True
            if self._journal is not None:
                self._journal.append({"event": "saved", "time": _now()})

    def close(self) -> None:
        """End; the file goes if all in it was saved, or no object is left."""
        with self._lock:
            is_needed = self._written.rows and not self._is_saved
            if self._journal is not None and not is_needed:
                self.path.unlink(missing_ok=True)
            self._journal = None
            self._claim.close()


def _joined(before: _Update | None, after: _Update) -> _Update:
    """Return one update in place of two."""
    if before is None:
        return after
    records = {r.label: r for r in (*before.records, *after.records)}
    gone = set(before.gone) - {r.label for r in after.records} | set(after.gone)
    return replace(
        after,
        planes={**before.planes, **after.planes},
        records=tuple(r for k, r in records.items() if k not in gone),
        gone=tuple(sorted(gone)),
        drafts=before.drafts if after.drafts is None else after.drafts,
        classes=before.classes if after.classes is None else after.classes,
    )


def read_line(raw: bytes) -> dict[str, Any]:
    """Read a line of a journal.

    Raises
    ------
    ValueError
        If it is none.
    """
    event = json.loads(raw)
    if not isinstance(event, dict) or "event" not in event:
        raise ValueError(f"not an event: {raw[:80]!r}")
    return event


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
