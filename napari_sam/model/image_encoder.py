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
from napari_sam.model.window_partition import cut_windows, join_windows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ImageEncoderViT", "VitConfig"]

_BIAS_VALUES = 2**22
"""Values of the attention bias that are held at one time."""


_BIAS_VALUES_ON_GPU = 2**28
"""The same on a GPU, which is faster the more it has to do at a time: in bfloat16 half
a gigabyte, all heads of an image of ViT-B."""


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

    @property
    def early_channels(self) -> int:
        """Channels of the early features that SAM-HQ reads."""
        return self.width


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
        self.first_global = min(config.global_blocks, default=0)

    def forward(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Embed (B, 3, S, S) normalised frames as (B, C, S / patch, S / patch).

        `on_block` is called before each block; what it raises ends the work.
        """
        return self.embed_early_and_late(frame, on_block)[0]

    def embed_early_and_late(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embed as `forward`, and return early features too.

        Returns
        -------
        features
            See `forward`.
        early
            (B, width, S / patch, S / patch) behind the first block with global
            attention.
        """
        x = self.patch_embed(frame) + self.pos_embed
        early: Tensor | None = None
        for number, block in enumerate(self.blocks):
            if on_block is not None:
                on_block()
            x = block(x)
            if number == self.first_global:
                early = x
        y: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return y, (x if early is None else early).permute(0, 3, 1, 2)


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
        return y.permute(0, 2, 3, 1).contiguous()


class Block(nn.Module):
    """Pre-norm transformer block with windowed (`window` > 0) or global attention."""

    def __init__(
        self, width: int, heads: int, mlp_ratio: int, window: int, grid: int
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, window or grid, windowed=window > 0)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLPBlock(width, width * mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        x = x + self.attn(self.norm1(x))
        z: Tensor = x + self.mlp(self.norm2(x))
        return z


class Attention(nn.Module):
    """Multi-head attention with decomposed relative position.

    Parameters
    ----------
    width, heads
        Channels, and how many heads share them.
    side
        Side of the grid, or of a window, that the position tables are made for.
    windowed
        Whether tokens attend within windows of `side` only.

    Attributes
    ----------
    bias_values
        Values of the bias that are held at one time. Few are fast on a processor; a
        graph that is to be exported is the shorter, the more there are.
    """

    bias_values = _BIAS_VALUES

    def __init__(self, width: int, heads: int, side: int, windowed: bool) -> None:
        super().__init__()
        self.heads = heads
        self.window = side if windowed else 0
        self.qkv = nn.Linear(width, width * 3)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // heads))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        height, width = x.shape[1:3]
        qkv, side = self.qkv(x), self.window
        if side:
            # The original pads after the norm, with zeros: the projection's bias.
            windows = cut_windows(qkv, side, self.qkv.bias)
            y = join_windows(self._attend(windows, side, side), side, height, width)
        else:
            y = self._attend(qkv.flatten(1, 2), height, width).view(x.shape)
        z: Tensor = self.proj(y)
        return z

    def _attend(self, qkv: Tensor, height: int, width: int) -> Tensor:
        """Attend within each of B grids: (B, H * W, 3 C) to (B, H * W, C).

        The bias <q, Rh> + <q, Rw> (unscaled q) is made for so many grids, heads and
        query rows at a time that it stays in a processor's cache.
        """
        batch, tokens, _ = qkv.shape
        q, k, v = qkv.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        rel_h = relative_table(self.rel_pos_h, height)
        rel_w = relative_table(self.rel_pos_w, width)
        most = self.bias_values
        if qkv.device.type == "cuda":
            most = max(most, _BIAS_VALUES_ON_GPU)
        rows = min(height, max(1, most // (width * tokens)))
        pairs = max(1, most // (rows * width * tokens))
        some_heads, some_grids = min(pairs, self.heads), max(1, pairs // self.heads)

        def attend(here: tuple[slice, slice], top: int) -> Tensor:
            some = q[here][:, :, top * width : (top + rows) * width]
            bias = _bias(some, rel_h[top : top + rows], rel_w, width)
            return F.scaled_dot_product_attention(
                some, k[here], v[here], attn_mask=bias
            )

        grids = []
        for g in range(0, batch, some_grids):
            heads = []
            for h in range(0, self.heads, some_heads):
                here = slice(g, g + some_grids), slice(h, h + some_heads)
                parts = [attend(here, top) for top in range(0, height, rows)]
                heads.append(torch.cat(parts, 2))
            grids.append(torch.cat(heads, 1).transpose(1, 2).flatten(2))
        return torch.cat(grids)


def _bias(q: Tensor, rel_h: Tensor, rel_w: Tensor, width: int) -> Tensor:
    """Relative-position bias of some query rows.

    `q` is (B, heads, rows * width, d), `rel_h` (rows, H, d), `rel_w` (W, W, d);
    the result is (B, heads, rows * width, H * W).
    """
    batch, heads, _, d = q.shape
    grid = q.reshape(batch, heads, -1, width, d)
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
