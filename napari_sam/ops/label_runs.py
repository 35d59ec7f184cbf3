"""Changes of labels as text: runs of pixels that have become one label."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["decode_change", "encode_change"]


def encode_change(before: NDArray[Any], after: NDArray[Any]) -> str:
    """Write the difference of two planes as text, "" for none.

    Parameters
    ----------
    before, after
        (H, W) labels of one integer type.

    Returns
    -------
    str
        Base64 of zlib of int64 (start, length, label) of runs in row order.
    """
    old, new = before.ravel(), after.ravel()
    pixels = np.flatnonzero(old != new)
    if not len(pixels):
        return ""
    values = new[pixels].astype(np.int64)
    is_new = np.r_[True, (np.diff(pixels) != 1) | (np.diff(values) != 0)]
    starts = np.flatnonzero(is_new)
    lengths = np.diff(np.r_[starts, len(pixels)])
    # columns compress better than rows, and steps better than places
    first = np.diff(pixels[starts], prepend=0)
    runs = np.stack([first, lengths, values[starts]]).astype("<i8")
    return b64encode(zlib.compress(runs.tobytes(), 6)).decode()


def decode_change(text: str, labels: NDArray[Any]) -> None:
    """Write a difference into (H, W) labels, in place.

    Raises
    ------
    ValueError
        If it is no difference of such labels.
    """
    try:
        runs = np.frombuffer(zlib.decompress(b64decode(text)), "<i8").reshape(3, -1)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"no runs of labels: {error}") from error
    steps, lengths, values = runs
    starts = np.cumsum(steps)
    limits = np.iinfo(labels.dtype)
    fits = (lengths > 0) & (starts >= 0) & (starts + lengths <= labels.size)
    fits &= (values >= limits.min) & (values <= limits.max)
    if not fits.all():
        raise ValueError(f"the runs do not fit labels of shape {labels.shape}")
    flat = labels.reshape(-1)
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    flat[places + np.arange(len(places))] = np.repeat(values, lengths)
