"""Embeddings on disk, shared by windows, scripts and commands.

Each image has a zarr (v3) group, and each embedded plane or tile is an array in it::

    ROOT/napari-sam-embeddings/napari-sam.json      the mark of a store
        <fingerprint of the image>/<key>/zarr.json      what it is, and its checksums
        <fingerprint of the image>/<key>/c.0.0.0        (C, h, w) float16

The store writes in that folder alone, whatever else lies in ROOT, and removes only what
carries its description (see `embedding_groups` and `embedding_entry`). What earlier
versions wrote, with the groups in ROOT itself, is found, counted and removed alike.

What is found rests on the key alone, which names the content of the plane, the contrast
limits, the model and its precision
(`napari_sam.inference.embedding_cache.embedding_key`): what has the right key is right,
whichever group it lies in. The fingerprint only says which embeddings belong together,
for their size, their number and their clearing.

An entry is written beside its place and renamed, so that a reader never sees half of
one. What does not verify when it is read is removed, and whoever needs it makes it
again.
"""

from __future__ import annotations

import errno
import os
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.embedding_description import (
    DAMAGED,
    is_key,
    is_sealed,
    note_scale,
    read_facts,
    scale_in,
)
from napari_sam.io.embedding_entry import (
    Origin,
    StoredEmbedding,
    read_entry,
    touch_entry,
    write_entry,
)
from napari_sam.io.embedding_folders import EmbeddingFolders, default_store_folder
from napari_sam.io.embedding_groups import (
    METADATA,
    NotOurs,
    find_folder,
    is_marked,
    is_plain_name,
    make_folder,
    make_group,
    remove_group,
)
from napari_sam.io.embedding_removal import (
    Entry,
    entry_nbytes,
    list_entries,
    remove_damaged,
    remove_entry,
    remove_unused,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import FrameGeometry

__all__ = [
    "DEFAULT_LIMIT",
    "EmbeddingStore",
    "Origin",
    "StoredEmbedding",
]

DEFAULT_LIMIT = 10 * 2**30
"""Bytes that a store takes up at the most, unless it is told otherwise."""

_KEEP = 0.9
"""Share of the limit that is left when room is made, so that it is made seldom."""

_LOOK_EVERY = 64
"""Entries written between two looks at what other processes have written."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk without room."""

_GONE = frozenset({errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO})
"""Errors of a disk that is at fault as a whole."""


class EmbeddingStore:
    """Embeddings in a folder, up to a number of bytes; for threads and processes.

    Where the folder cannot be written, or its disk is full, the store says so once
    (a RuntimeWarning, and `problem`), and from then on only finds what is there. Where
    that is true of one image's group alone, as another user's may be, it holds for that
    image alone (see `problem_of`).

    Parameters
    ----------
    root
        A folder, in which other things may lie: the store writes in `folder`, a
        sub-folder of its own that is made when needed, and touches nothing else. See
        `default_store_folder` for None.
    max_bytes
        Beyond them the embeddings that were used longest ago are removed. Several
        processes may pass the limit by what they write between two looks.
    warn
        Whether to warn where nothing can be written; a window shows `problem`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from napari_sam.ops.types import FrameGeometry
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
        self.folder = find_folder(self.root)
        """Where it writes."""
        self._folders = EmbeddingFolders(self.root, self.folder)
        self.max_bytes = max_bytes
        self._warn = warn
        self.problem = ""
        """Why nothing more is written; "" while all is well."""
        self._lock = threading.Lock()
        self._groups: set[str] = set()
        self._refused: dict[str, str] = {}
        self._held: int | None = None
        self._unseen = 0

    # --- finding ----------------------------------------------------------------

    def get(self, key: str) -> StoredEmbedding | None:
        """Read an embedding and mark it as just used.

        One that is cut off, altered or of another version is removed, and None is
        the answer, as for one that is not there.
        """
        found = self._folders.find(key)
        if found is None:
            return None
        try:
            stored = read_entry(found, key)
        except (OSError, MemoryError, ImportError):  # the disk's fault, or ours
            return None
        except Exception:  # noqa: BLE001 - whatever a damaged file makes zarr raise
            remove_damaged(found, key, found.parent.parent == self.folder)
            return None
        touch_entry(found)
        return stored

    def __contains__(self, key: str) -> bool:
        """Whether there is an embedding; its features are not read."""
        return self._attributes(key) is not None

    def closer_scale(self, key: str) -> float | None:
        """Return the scale that was noted for an embedding, without reading it."""
        attributes = self._attributes(key)
        with suppress(*DAMAGED):
            return None if attributes is None else scale_in(attributes)
        return None

    def _attributes(self, key: str) -> dict[str, Any] | None:
        found = self._folders.find(key)
        if found is None:
            return None
        try:
            attributes = read_facts(found, key)
        except DAMAGED:
            return None
        touch_entry(found)
        return attributes

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
        origin = origin or Origin()
        if not is_key(key):
            raise ValueError(f"an embedding's key is 40 hex digits, got {key!r}")
        if not is_plain_name(origin.image):
            raise ValueError(
                "an image is named by letters, digits and lines in a store, got "
                f"{origin.image!r}"
            )
        if self.problem_of(origin.image):
            return False
        try:
            small = np.asarray(features, np.float16)
            size = self._write(key, small, geometry, origin)
        except MemoryError:
            return False
        except OSError as error:
            self._give_up(error, origin.image)
            return False
        self._make_room(size)
        found = self._folders.find(key)
        return found is not None and is_sealed(found, key)

    def note_scale(self, key: str, scale: float) -> None:
        """Note at which scale the objects of an embedded plane are looked at.

        In frame pixels per pixel of the plane. It follows from the embedding, and
        noting it saves the time of finding it out again.
        """
        found = self._folders.find(key)
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
        if is_sealed(group / key, key):
            touch_entry(group / key)
            return 0
        return write_entry(group, key, features, geometry, origin)

    def _open_group(self, name: str) -> Path:
        """Make the group of an image where it does not exist, or is damaged."""
        group = self.folder / name
        if name not in self._groups or not (group / METADATA).is_file():
            make_folder(self.folder)
            make_group(group)
            self._groups.add(name)
        return group

    def problem_of(self, image: str) -> str:
        """Return why nothing more is written for an image; "" while all is well."""
        return self.problem or self._refused.get(image, "")

    def _give_up(self, error: OSError, image: str) -> None:
        """Say once why nothing more is written, of one image or at all."""
        group = self.folder / image
        is_alone = (
            error.errno not in _FULL | _GONE
            and is_marked(self.folder)
            and os.path.lexists(group)
        )
        if isinstance(error, NotOurs):
            why = str(error)
        elif error.errno in _FULL:
            why = f"the disk of {self.root} is full"
        else:
            place = group if is_alone else self.folder
            why = f"{place} cannot be written ({error.strerror or error})"
        with self._lock:
            is_new = not self.problem_of(image)
            if is_alone:
                self._refused[image] = why
            else:
                self.problem = why
        if is_new and self._warn:
            whose = "embeddings of one image" if is_alone else "embeddings"
            warnings.warn(
                f"{whose} are not kept on disk any more: {why}; all else goes on",
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
        found = self._folders.find(key)
        return 0 if found is None else entry_nbytes(found)

    def image_nbytes(self, image: str) -> int:
        """Bytes of the embeddings of one image, named by its fingerprint."""
        groups = self._folders.groups(image)
        return sum(entry.nbytes for group in groups for entry in list_entries(group))

    def planes(self, image: str, view: str) -> set[tuple[int | None, ...]]:
        """Return the indices of an image's planes that are embedded in a view."""
        found = set()
        groups = self._folders.groups(image)
        for entry in (entry for group in groups for entry in list_entries(group)):
            with suppress(*DAMAGED):
                attributes = read_facts(entry.path, entry.path.name)
                if attributes["view"] == view and attributes["plane"]:
                    found.add(tuple(attributes["plane"]))
        return found

    def clear(self, image: str | None = None) -> None:
        """Remove the embeddings of an image; of all images if None.

        What others are writing meanwhile may stay, and so does all that is not an
        embedding. A disk that was full, and a folder that could not be written, are
        tried again.
        """
        for group in self._folders.groups(image):
            for entry in list_entries(group):
                remove_entry(entry.path)
            remove_group(group)
        with self._lock:
            self._groups.clear()
            self._refused.clear()
            self._folders.forget()
            self._held = None
            self.problem = ""

    def _scan(self) -> list[Entry]:
        return [entry for g in self._folders.groups() for entry in list_entries(g)]

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
        """Remove the longest unused beyond the limit."""
        held = remove_unused(self.folder, entries, _KEEP * self.max_bytes)
        if held is None:
            return
        self._held = held
        if held > self.max_bytes:
            self.problem = (
                f"{self.root} is full to its limit, and what lies there cannot be "
                "removed"
            )
