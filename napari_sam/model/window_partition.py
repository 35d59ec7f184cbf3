"""Tokens of a grid in square windows.

SAM's encoders pad the grid until windows fill it, and attend to the padding. What
the padding's queries, keys and values are is known beforehand, so that only tokens
of the grid are ever projected, and the padding is filled in when windows are cut.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["cut_windows", "join_windows", "window_order"]


@lru_cache(maxsize=32)
def window_order(height: int, width: int, window: int) -> Tensor:
    """Where each token of a (height, width) grid stands when cut into windows.

    Windows of (window, window) tokens follow each other in rows; at the bottom and
    the right they reach beyond the grid, so that some places stay empty.

    Returns
    -------
    (height * width,) int64
    """
    # It is kept, for training and for devices other than the first caller's.
    with torch.inference_mode(False):
        row = torch.arange(height, device="cpu")[:, None]
        col = torch.arange(width, device="cpu")
        number = row // window * -(-width // window) + col // window
        inside = row % window * window + col % window
        return (number * window**2 + inside).flatten()


def cut_windows(x: Tensor, window: int, fill: Tensor) -> Tensor:
    """Cut (B, H, W, C) into (B * n, window ** 2, C), `fill` (C,) beyond the grid."""
    batch, height, width, channels = x.shape
    count = -(-height // window) * -(-width // window)
    order = window_order(height, width, window).to(x.device)
    places = fill.expand(batch, count * window**2, -1)
    cut = places.index_copy(1, order, x.flatten(1, 2))
    return cut.view(-1, window**2, channels)


def join_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `cut_windows`: (B * n, window ** 2, C) to (B, H, W, C)."""
    count = -(-height // window) * -(-width // window)
    order = window_order(height, width, window).to(windows.device)
    places = windows.view(-1, count * window**2, windows.shape[-1])
    joined = places.index_select(1, order)
    return joined.view(-1, height, width, windows.shape[-1])
