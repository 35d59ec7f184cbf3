"""Blocks of an image that fit a CPU's cache, one after the other.

On a CPU, what lies between two layers is written to memory and read back, and for a
large frame that takes a good part of the time. Computed in blocks of rows ("cache
blocking"), it stays in the cache, and the answer is the same up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Gelu", "add_by_rows", "gelu", "is_blocked", "row_blocks"]


def is_blocked(x: Tensor) -> bool:
    """Whether to compute in blocks: on a CPU, and neither to train nor to export."""
    is_recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return x.device.type == "cpu" and not is_recorded


def row_blocks(height: int, rows: int) -> Iterator[tuple[int, int]]:
    """Cut `height` rows into blocks of at most `rows`: (start, stop) of each."""
    for start in range(0, height, rows):
        yield start, min(start + rows, height)


def add_by_rows(
    x: Tensor, branch: Callable[[Tensor], Tensor], rows: int, *, in_place: bool = False
) -> Tensor:
    """Return x + branch(x), where no block of rows needs another; see `is_blocked`.

    Parameters
    ----------
    x
        (B, H, W, C).
    branch
        Maps (B, h, W, C) to the same shape.
    rows
        Of a block, 1 or more; a multiple of what `branch` sees together.
    in_place
        Whether `x` is used for nothing else, so that the sum may take its place.
    """
    if not is_blocked(x):
        return x + branch(x)
    y = x if in_place else torch.empty_like(x)
    for start, stop in row_blocks(x.shape[1], rows):
        part = x[:, start:stop]
        torch.add(part, branch(part), out=y[:, start:stop])
    return y


def gelu(x: Tensor) -> Tensor:
    """Apply GELU to what is used for nothing else, in place if `is_blocked`.

    PyTorch has a fast way for contiguous tensors alone, so that channels that lie
    last in memory are made the last axis.
    """
    if not is_blocked(x):
        return F.gelu(x)
    is_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    torch.ops.aten.gelu_(x.permute(0, 2, 3, 1) if is_last else x)
    return x


class Gelu(nn.Module):
    """`gelu` as a layer, for what the layer before it has made."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return gelu(x)
