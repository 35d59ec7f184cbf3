"""What an embedding on disk says of itself, in its zarr's metadata, under a seal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.embedding_groups import METADATA, is_plain_folder, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "DAMAGED",
    "FORMAT",
    "attributes_of",
    "digest_of",
    "is_key",
    "is_sealed",
    "note_scale",
    "read_facts",
    "scale_in",
    "sealed",
]

FORMAT = 1
"""Raised when entries are laid out, or embeddings are computed, in another way."""

DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
)
"""What comes of reading facts that are not as they were written."""

_LARGEST = 2**28
"""Values of an entry beyond which its metadata cannot be right."""

_KEY = re.compile(r"[0-9a-f]{40}")


def is_key(name: str) -> bool:
    """Whether a name can be an embedding's: 40 hex digits."""
    return _KEY.fullmatch(name) is not None


def is_sealed(entry: Path, key: str) -> bool:
    """Whether a folder says, under its seal, that it is an entry, and which one."""
    if not is_plain_folder(entry):
        return False
    try:
        attributes = attributes_of(read_json(entry / METADATA))
        return bool(attributes["key"] == key and "format" in attributes)
    except DAMAGED:
        return False


def digest_of(features: NDArray[np.float16]) -> str:
    """Return the checksum of features, (C, h, w) of float16."""
    little = np.ascontiguousarray(features).astype("<f2", copy=False)
    return xxhash.xxh3_128_hexdigest(f"{little.shape}".encode() + little.tobytes())


def sealed(attributes: dict[str, Any]) -> dict[str, Any]:
    """Add the checksum of all other attributes."""
    rest = {name: value for name, value in attributes.items() if name != "seal"}
    text = json.dumps(rest, sort_keys=True)
    return {**rest, "seal": xxhash.xxh3_128_hexdigest(text.encode())}


def read_facts(entry: Path, key: str) -> dict[str, Any]:
    """Read what an entry says of itself.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError, KeyError, TypeError, OverflowError
        If it is damaged, of another version or about another key.
    """
    content = read_json(entry / METADATA)
    attributes = attributes_of(content)
    if (attributes["format"], attributes["key"]) != (FORMAT, key):
        raise ValueError(f"{entry} is of another version or has another key")
    if np.prod(content["shape"], dtype=float) > _LARGEST:
        raise ValueError(f"{entry} has the shape {content['shape']}")
    return attributes


def attributes_of(content: Any) -> dict[str, Any]:
    """Return the sealed attributes in an array's metadata."""
    attributes: dict[str, Any] = content["attributes"]
    if sealed(attributes)["seal"] != attributes["seal"]:
        raise ValueError("what the entry says of itself does not verify")
    return attributes


def scale_in(attributes: dict[str, Any]) -> float | None:
    """Return the scale that `note_scale` noted, None without one."""
    scale = attributes.get("closer_scale")
    return None if scale is None else float(scale)


def note_scale(entry: Path, scale: float) -> None:
    """Add `closer_scale` to what an entry says of itself.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If it cannot be written, or the entry is damaged.
    """
    content = read_json(entry / METADATA)
    attributes = attributes_of(content)
    content["attributes"] = sealed({**attributes, "closer_scale": scale})
    text = json.dumps(content)
    write_atomically(entry / METADATA, lambda path: path.write_text(text, "utf-8"))
