"""Embeddings on disk, shared by windows, scripts and commands.

Each image has a zarr (v3) group, and each embedded plane or tile is an array in it::

    ROOT/<fingerprint of the image>/<key>/zarr.json     what it is, and its checksums
    ROOT/<fingerprint of the image>/<key>/c.0.0.0       (C, h, w) float16

What is found rests on the key alone, which names the content of the plane, the contrast
limits, the model and its precision (`napari_sam.inference.embedding.embedding_key`):
what has the right key is right, whichever group it lies in. The fingerprint only says
which embeddings belong together, for their size, their number and their clearing.

An entry is written beside its place and renamed, so that a reader never sees half of
one. What does not verify when it is read is removed, and whoever needs it makes it
again.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from filelock import FileLock, Timeout

from napari_sam.io.atomic import write_atomically
from napari_sam.io.embedding_entry import (
    DAMAGED,
    FORMAT,
    METADATA,
    Entry,
    Origin,
    StoredEmbedding,
    entry_nbytes,
    list_entries,
    note_scale,
    read_entry,
    read_facts,
    remove_entry,
    scale_in,
    touch_entry,
    write_entry,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import FrameGeometry

__all__ = [
    "DEFAULT_LIMIT",
    "STORE_VARIABLE",
    "EmbeddingStore",
    "Origin",
    "StoredEmbedding",
    "default_store_folder",
]

STORE_VARIABLE = "NAPARI_SAM_EMBEDDINGS"
"""Environment variable that moves the store to another folder."""

DEFAULT_LIMIT = 10 * 2**30
"""Bytes that a store takes up at the most, unless it is told otherwise."""

_GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {"napari_sam": FORMAT}}

_KEEP = 0.9
"""Share of the limit that is left when room is made, so that it is made seldom."""

_LOOK_EVERY = 64
"""Entries written between two looks at what other processes have written."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def default_store_folder() -> Path:
    """Where embeddings lie: ``$NAPARI_SAM_EMBEDDINGS``, else the user's cache."""
    chosen = os.environ.get(STORE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("napari-sam", appauthor=False) / "embeddings"


class EmbeddingStore:
    """Embeddings in a folder, up to a number of bytes; for threads and processes.

    Where the folder cannot be written, or its disk is full, the store says so once
    (a RuntimeWarning, and `problem`), and from then on only finds what is there.

    Parameters
    ----------
    root
        The folder; it is made when needed. See `default_store_folder` for None.
    max_bytes
        Beyond them the embeddings that were used longest ago are removed. Several
        processes may pass the limit by what they write between two looks.
    warn
        Whether to warn where nothing can be written; a window shows `problem`.

    Examples
    --------
    >>>     >>> import numpy as np
    >>> store = EmbeddingStore(tempfile.mkdtemp())
    >>> geometry = FrameGeometry.fit((20, 30), 64)
    >>> store.put("a" * 40, np.ones((2, 4, 4), np.float16), geometry)
    True
    >>> store.get("a" * 40).features.shape
    (2, 4, 4)
    """

    def __init__(
        self,
        root: str | Path | None = None,
        max_bytes: int = DEFAULT_LIMIT,
        *,
        warn: bool = True,
    ) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be 1 or more, got {max_bytes}")
        self.root = default_store_folder() if root is None else Path(root).expanduser()
        self.max_bytes = max_bytes
        self._warn = warn
        self.problem = ""
        """Why nothing more is written; "" while all is well."""
        self._lock = threading.Lock()
        self._groups: set[str] = set()
        self._held: int | None = None
        self._unseen = 0

    # --- finding ----------------------------------------------------------------

    def get(self, key: str) -> StoredEmbedding | None:
        """Read an embedding and mark it as just used.

        One that is cut off, altered or of another version is removed, and None is
        the answer, as for one that is not there.
        """
        found = self._find(key)
        if found is None:
            return None
        try:
            stored = read_entry(found, key)
        except (PermissionError, InterruptedError):
            return None
        except Exception:  # noqa: BLE001 - whatever a damaged file makes zarr raise
            remove_entry(found)
            return None
        touch_entry(found)
        return stored

    def __contains__(self, key: str) -> bool:
        """Whether there is an embedding; its features are not read."""
        return self._attributes(key) is not None

    def closer_scale(self, key: str) -> float | None:
        """Return the scale that was noted for an embedding, without reading it."""
        attributes = self._attributes(key)
        return None if attributes is None else scale_in(attributes)

    def _attributes(self, key: str) -> dict[str, Any] | None:
        found = self._find(key)
        if found is None:
            return None
        try:
            attributes = read_facts(found, key)
        except DAMAGED:
            return None
        touch_entry(found)
        return attributes

    def _find(self, key: str) -> Path | None:
        for group in self._list_groups():
            if (group / key / METADATA).is_file():
                return group / key
        return None

    def _list_groups(self) -> list[Path]:
        try:
            with os.scandir(self.root) as items:
                return [
                    Path(item.path)
                    for item in items
                    if not item.name.startswith(".") and item.is_dir()
                ]
        except OSError:
            return []

    # --- writing ----------------------------------------------------------------

    def put(
        self,
        key: str,
        features: NDArray[Any],
        geometry: FrameGeometry,
        origin: Origin | None = None,
    ) -> bool:
        """Keep an embedding; remove the longest unused beyond the limit.

        Parameters
        ----------
        key
            Its name.
        features
            (C, h, w); stored as float16.
        geometry
            The map between the image plane and the model's frame.
        origin
            The image that it is counted with.

        Returns
        -------
        bool
            Whether it is there now.
        """
        if self.problem:
            return False
        try:
            small = np.asarray(features, np.float16)
            size = self._write(key, small, geometry, origin or Origin())
            self._make_room(size)
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def note_scale(self, key: str, scale: float) -> None:
        """Note at which scale the objects of an embedded plane are looked at.

        In frame pixels per pixel of the plane. It follows from the embedding, and
        noting it saves the time of finding it out again.
        """
        found = self._find(key)
        if found is None or self.problem:
            return
        with suppress(*DAMAGED):  # it is found out again
            note_scale(found, scale)

    def _write(
        self,
        key: str,
        features: NDArray[np.float16],
        geometry: FrameGeometry,
        origin: Origin,
    ) -> int:
        """Write an entry unless it is there, and return its bytes."""
        group = self._open_group(origin.image)
        if (group / key / METADATA).is_file():
            touch_entry(group / key)
            return 0
        return write_entry(group, key, features, geometry, origin)

    def _open_group(self, name: str) -> Path:
        """Make the group of an image where it does not exist, or is damaged."""
        group = self.root / name
        if name in self._groups and group.is_dir():
            return group
        metadata = group / METADATA
        try:
            is_whole = json.loads(metadata.read_bytes()) == _GROUP
        except (OSError, ValueError):
            is_whole = False
        if not is_whole:
            text = json.dumps(_GROUP)
            write_atomically(metadata, lambda path: path.write_text(text))
        self._groups.add(name)
        return group

    def _give_up(self, error: OSError) -> None:
        """Say once why nothing more is written."""
        if error.errno in _FULL:
            why = f"the disk of {self.root} is full"
        else:
            why = f"{self.root} cannot be written ({error.strerror or error})"
        with self._lock:
            is_new, self.problem = not self.problem, why
        if is_new and self._warn:
            warnings.warn(
                f"embeddings are not kept on disk any more: {why}; all else goes on",
                RuntimeWarning,
                stacklevel=4,
            )

    # --- size -------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Bytes of all embeddings."""
        return sum(entry.nbytes for entry in self._scan())

    def entry_nbytes(self, key: str) -> int:
        """Bytes of one embedding, 0 where it is not there."""
        found = self._find(key)
        return 0 if found is None else entry_nbytes(found)

    def image_nbytes(self, image: str) -> int:
        """Bytes of the embeddings of one image, named by its fingerprint."""
        return sum(entry.nbytes for entry in list_entries(self.root / image))

    def planes(self, image: str, view: str) -> set[tuple[int | None, ...]]:
        """Return the indices of an image's planes that are embedded in a view."""
        found = set()
        for entry in list_entries(self.root / image):
            try:
                attributes = read_facts(entry.path, entry.path.name)
            except DAMAGED:
                continue
            if attributes["view"] == view and attributes["plane"]:
                found.add(tuple(attributes["plane"]))
        return found

    def clear(self, image: str | None = None) -> None:
        """Remove the embeddings of an image; of all images if None.

        What others are writing meanwhile may stay. A disk that was full is tried
        again.
        """
        groups = self._list_groups() if image is None else [self.root / image]
        for group in groups:
            for entry in list_entries(group):
                remove_entry(entry.path)
            with suppress(OSError):
                (group / METADATA).unlink()
                group.rmdir()
        with self._lock:
            self._groups.clear()
            self._held = None
            self.problem = ""

    def _scan(self) -> list[Entry]:
        return [entry for g in self._list_groups() for entry in list_entries(g)]

    def _make_room(self, size: int) -> None:
        """Count what was written, and remove the longest unused beyond the limit."""
        with self._lock:
            self._unseen += 1
            if self._held is not None:
                self._held += size
            is_known = self._held is not None and self._unseen < _LOOK_EVERY
            if is_known and (self._held or 0) <= self.max_bytes:
                return
            self._unseen = 0
            entries = self._scan()
            self._held = sum(entry.nbytes for entry in entries)
            if self._held > self.max_bytes:
                self._evict(entries)

    def _evict(self, entries: list[Entry]) -> None:
        """Remove the longest unused; one process at a time, the others go on."""
        held = sum(entry.nbytes for entry in entries)
        with suppress(Timeout), FileLock(self.root / ".evicting.lock", timeout=0):
            for entry in sorted(entries, key=lambda entry: entry.used):
                if held <= _KEEP * self.max_bytes:
                    break
                remove_entry(entry.path)
                held -= entry.nbytes
            self._held = held
