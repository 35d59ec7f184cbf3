"""The plugin's settings, from napari's preferences where it keeps them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

__all__ = ["AnnotatorSettings", "read_key_choices", "read_settings"]


@dataclass(frozen=True)
class AnnotatorSettings:
    """What a user may set.

    Attributes
    ----------
    model
        Name of the model that is chosen when the annotator opens.
    device
        "auto", "cpu", "cuda", "mps", or the address of a Dask scheduler.
    planes_kept
        How many embedded planes are kept in memory.
    embeddings_folder
        Where embeddings are kept on disk; "" for the user's cache.
    embeddings_limit
        Gigabytes that they may take up there; 0 keeps none.
    keep_unsaved
        Whether what was not saved is kept on the disk, and offered again.
    """

    model: str = "cells"
    device: str = "auto"
    planes_kept: int = 32
    embeddings_folder: str = ""
    embeddings_limit: int = 10
    keep_unsaved: bool = True


def read_settings() -> AnnotatorSettings:
    """Read the settings; napari before 0.9 keeps none for plugins."""
    stored = _stored("annotator")
    return AnnotatorSettings() if stored is None else _from_stored(stored)


def read_key_choices() -> dict[str, str]:
    """Read the keys that the user chose, by the names of their settings."""
    stored = _stored("key_choices")
    if stored is None:
        return {}
    given = stored.model_dump() if hasattr(stored, "model_dump") else vars(stored)
    return {k: v for k, v in given.items() if isinstance(v, str) and v.strip()}


def _stored(group: str) -> Any:
    """Return a group of the plugin's settings; None where napari keeps none."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return getattr(get_plugin_settings("napari-sam"), group)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _from_stored(stored: Any) -> AnnotatorSettings:
    known: dict[str, Any] = {}
    for field in fields(AnnotatorSettings):
        value = getattr(stored, field.name, None)
        if isinstance(value, type(field.default)):
            known[field.name] = value
    return AnnotatorSettings(**known)
