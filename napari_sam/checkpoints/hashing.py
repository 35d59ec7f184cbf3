"""Hashes of files, in one pass and cancellable."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import xxhash

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam.ops.types import IsCancelled

__all__ = ["hash_file"]

_CHUNK = 1 << 20


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def _new(algorithm: str) -> _Hash:
    if algorithm == "xxh128":
        return xxhash.xxh3_128()
    if algorithm in ("sha256", "md5"):
        return hashlib.new(algorithm, usedforsecurity=False)
    raise ValueError(f"hash must be sha256, md5 or xxh128, got {algorithm!r}")


def hash_file(
    path: str | Path,
    algorithms: Iterable[str] = ("sha256",),
    is_cancelled: IsCancelled | None = None,
) -> dict[str, str]:
    """Hash a file's content.

    Parameters
    ----------
    path
        File to read; it is read once, whatever the number of algorithms.
    algorithms
        ``"sha256"``, ``"md5"`` or ``"xxh128"``.
    is_cancelled
        Asked between chunks of one megabyte.

    Returns
    -------
    dict
        Lower-case hex digest by algorithm.

    Raises
    ------
    ValueError
        If an algorithm is not one of the three.
    Cancelled
        If `is_cancelled` answered True.
    """
    hashes = {algorithm: _new(algorithm) for algorithm in algorithms}
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            if is_cancelled is not None and is_cancelled():
                raise Cancelled
            for running in hashes.values():
                running.update(chunk)
    return {algorithm: running.hexdigest() for algorithm, running in hashes.items()}
