"""The ViT image encoder of SAM (paper, appendix A; Li et al. 2022, ViTDet).

A plain vision transformer on 16-pixel patches with windowed attention in most
blocks, global attention in four, decomposed relative position everywhere, and a
neck to 256 channels. Parameter names and shapes are those of the official files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.layers import LayerNorm2d, MLPBlock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ImageEncoderViT", "VitConfig"]

_QUERY_BLOCK = 256
"""Query tokens whose attention bias is held at one time."""


@dataclass(frozen=True)
class VitConfig:
    """Sizes of a ViT encoder; the defaults that SAM's three share are filled in."""

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    patch: int = 16
    window: int = 14
    mlp_ratio: int = 4
    out_channels: int = 256

    @property
    def stride(self) -> int:
        """Frame pixels per embedding cell."""
        return self.patch


class ImageEncoderViT(nn.Module):
    """ViT encoder from a square frame to an embedding."""

    def __init__(self, config: VitConfig, frame_size: int) -> None:
        super().__init__()
        grid = frame_size // config.patch
        width = config.width
        self.patch_embed = PatchEmbed(width, config.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.ModuleList(
            Block(
                width,
                config.heads,
                config.mlp_ratio,
                window=0 if i in config.global_blocks else config.window,
                grid=grid,
            )
            for i in range(config.depth)
        )
        self.neck = neck(width, config.out_channels)

    def forward(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Embed (B, 3, S, S) normalised frames as (B, C, S / patch, S / patch).

        `on_block` is called before each block; what it raises ends the work.
        """
        x = self.patch_embed(frame) + self.pos_embed
        for block in self.blocks:
            if on_block is not None:
                on_block()
            x = block(x)
        y: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return y


def neck(width: int, out_channels: int) -> nn.Sequential:
    """Two bias-free convolutions, 1x1 and 3x3, each followed by a LayerNorm2d."""
    return nn.Sequential(
        nn.Conv2d(width, out_channels, 1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        LayerNorm2d(out_channels),
    )


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens, channels last."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, frame: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, S / patch, S / patch, width)."""
        y: Tensor = self.proj(frame)
        return y.permute(0, 2, 3, 1)


class Block(nn.Module):
    """Pre-norm transformer block with windowed (`window` > 0) or global attention."""

    def __init__(
        self, width: int, heads: int, mlp_ratio: int, window: int, grid: int
    ) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, side=window or grid)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLPBlock(width, width * mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        height, width = x.shape[1:3]
        y = self.norm1(x)
        if self.window:
            # Padding comes after the norm and is attended to, as in the original:
            # its keys and values are the projection's bias, not masked out.
            windows = split_windows(y, self.window)
            y = join_windows(self.attn(windows), self.window, height, width)
        else:
            y = self.attn(y)
        x = x + y
        z: Tensor = x + self.mlp(self.norm2(x))
        return z


class Attention(nn.Module):
    """Multi-head attention over a square grid with decomposed relative position."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, width * 3)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // heads))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape.

        The bias <q, Rh> + <q, Rw> (unscaled q) is made for one block of query rows
        at a time, so that no whole attention matrix is ever held.
        """
        batch, height, width, channels = x.shape
        qkv = self.qkv(x).view(batch, height * width, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        rel_h = relative_table(self.rel_pos_h, height)
        rel_w = relative_table(self.rel_pos_w, width)
        rows = max(1, _QUERY_BLOCK // width)
        parts = []
        for top in range(0, height, rows):
            some = q[:, :, top * width : (top + rows) * width]
            bias = _bias(some, rel_h[top : top + rows], rel_w, width)
            parts.append(F.scaled_dot_product_attention(some, k, v, attn_mask=bias))
        y = torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]
        z: Tensor = self.proj(y.transpose(1, 2).reshape((*x.shape[:3], channels)))
        return z


def _bias(q: Tensor, rel_h: Tensor, rel_w: Tensor, width: int) -> Tensor:
    """Relative-position bias of some query rows.

    `q` is (B, heads, rows * width, d), `rel_h` (rows, H, d), `rel_w` (W, W, d);
    the result is (B, heads, rows * width, H * W).
    """
    batch, heads, _, d = q.shape
    grid = q.view(batch, heads, -1, width, d)
    by_row = torch.einsum("bnhwd,hkd->bnhwk", grid, rel_h)
    by_col = torch.einsum("bnhwd,wkd->bnhwk", grid, rel_w)
    bias = by_row[..., :, None] + by_col[..., None, :]
    return bias.reshape(batch, heads, q.shape[2], -1)


def relative_table(table: Tensor, side: int) -> Tensor:
    """Rows of a relative-position table for each (query, key) pair along one axis.

    Parameters
    ----------
    table
        (L, d); entry q - k + (L - 1) / 2 belongs to offset q - k. If L is not
        2 * side - 1 it is resized linearly, as in the original.
    side
        Number of positions along the axis.

    Returns
    -------
    (side, side, d)
    """
    length = 2 * side - 1
    if table.shape[0] != length:
        table = F.interpolate(table.T[None], size=length, mode="linear")[0].T
    at = torch.arange(side, device=table.device)
    return table[at[:, None] - at[None, :] + side - 1]


def split_windows(x: Tensor, window: int) -> Tensor:
    """Cut (B, H, W, C) into (B * n, window, window, C), zero-padded bottom right."""
    batch, height, width, channels = x.shape
    down, right = -height % window, -width % window
    if down or right:
        x = F.pad(x, (0, 0, 0, right, 0, down))
    rows, cols = (height + down) // window, (width + right) // window
    x = x.view(batch, rows, window, cols, window, channels)
    return x.transpose(2, 3).reshape(-1, window, window, channels)


def join_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `split_windows`: (B * n, window, window, C) to (B, H, W, C)."""
    rows, cols = -(-height // window), -(-width // window)
    channels = windows.shape[-1]
    x = windows.view(-1, rows, cols, window, window, channels).transpose(2, 3)
    x = x.reshape(-1, rows * window, cols * window, channels)
    return x[:, :height, :width]
