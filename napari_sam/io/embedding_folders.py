"""Where the embeddings of a store lie, in its own folder and where earlier ones did."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from napari_sam.io.embedding_description import is_key
from napari_sam.io.embedding_groups import (
    METADATA,
    is_group,
    is_marked,
    is_plain_file,
    is_plain_folder,
    is_plain_name,
    list_groups,
)

__all__ = ["STORE_VARIABLE", "EmbeddingFolders", "default_store_folder"]

STORE_VARIABLE = "NAPARI_SAM_EMBEDDINGS"
"""Environment variable that moves the store to another folder."""


def default_store_folder() -> Path:
    """Where embeddings lie: ``$NAPARI_SAM_EMBEDDINGS``, else the user's cache."""
    chosen = os.environ.get(STORE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("napari-sam", appauthor=False) / "embeddings"


class EmbeddingFolders:
    """The groups of a store, and the entries in them.

    Parameters
    ----------
    root
        The folder that was chosen; earlier versions made their groups in it.
    folder
        The store's own folder.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._former: list[Path] | None = None

    def forget(self) -> None:
        """Look for the groups of earlier versions again."""
        self._former = None

    def find(self, key: str) -> Path | None:
        """Return where an entry lies, whether or not it is whole."""
        if not is_key(key):
            return None
        for group in self._candidates():
            entry = group / key
            if (
                is_plain_file(entry / METADATA)
                and is_plain_folder(entry)
                and is_group(group)
            ):
                return entry
        return None

    def _candidates(self) -> list[Path]:
        """List what may be groups: those that it writes to, then those of before."""
        try:
            with os.scandir(self._folder) as items:
                named = [Path(item.path) for item in items if is_plain_name(item.name)]
        except OSError:
            named = []
        own = named if is_marked(self._folder) else []
        return own + self._list_former()

    def _list_former(self) -> list[Path]:
        """List the groups that earlier versions made in the root itself."""
        if self._former is None:
            self._former = [] if self._folder == self._root else list_groups(self._root)
        return self._former

    def groups(self, image: str | None = None) -> list[Path]:
        """List the groups, of one image or of all."""
        if image is None:
            return [group for group in self._candidates() if is_group(group)]
        if not is_plain_name(image):
            return []
        here = [self._folder / image] if is_marked(self._folder) else []
        before = [group for group in self._list_former() if group.name == image]
        return [group for group in here + before if is_group(group)]
