"""Tokens of a grid in square windows.

SAM's encoders pad the grid until windows fill it, and attend to the padding. What
the padding's queries, keys and values are is known beforehand, so that only tokens
of the grid are ever projected, and the padding is filled in when windows are cut.
Windows follow each other in rows; at the bottom and the right they reach beyond the
grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cut_windows", "join_windows"]


def cut_windows(x: Tensor, window: int, fill: Tensor) -> Tensor:
    """Cut (B, H, W, C) into (B * n, window ** 2, C), `fill` (C,) beyond the grid."""
    batch, height, width, channels = x.shape
    below, beside = -height % window, -width % window
    if beside:
        x = torch.cat((x, fill.expand(batch, height, beside, channels)), 2)
    if below:
        x = torch.cat((x, fill.expand(batch, below, width + beside, channels)), 1)
    rows, columns = (height + below) // window, (width + beside) // window
    grid = x.reshape(batch, rows, window, columns, window, channels)
    return grid.transpose(2, 3).reshape(-1, window**2, channels)


def join_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `cut_windows`: (B * n, window ** 2, C) to (B, H, W, C)."""
    rows, columns = -(-height // window), -(-width // window)
    channels = windows.shape[-1]
    grid = windows.view(-1, rows, columns, window, window, channels).transpose(2, 3)
    joined = grid.reshape(-1, rows * window, columns * window, channels)
    return joined[:, :height, :width]
