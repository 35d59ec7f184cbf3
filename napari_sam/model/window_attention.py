"""The windowed attention of TinyViT (Wu et al. 2022).

Its learned bias goes by how far two tokens lie apart, as in LeViT (Graham et al. 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.cache_blocking import is_blocked
from napari_sam.model.window_partition import cut_windows, join_windows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WindowAttention", "attend", "attend_by_head", "offset_index"]

_EXACT_SUMS = (1e-30, 1e30)
"""Least and largest sum of weights exp(logit) that bfloat16 holds as well as 1."""


class WindowAttention(nn.Module):
    """Attention inside square windows with a learned bias by absolute offset."""

    attention_bias_idxs: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))
        self.register_buffer(
            "attention_bias_idxs", offset_index(window), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        return self.prepare()(x)

    def prepare(self) -> Callable[[Tensor], Tensor]:
        """Return `forward` for the weights as they are, for several calls.

        The query, key and value of one head lie side by side in the projection.
        The bias is read from the parameter each time: the original keeps a copy
        from its last `eval()`, and is wrong when weights are loaded after it.
        """
        # The original pads before the norm, with zeros: the norm's bias, projected.
        padding = self.qkv(self.norm.bias)
        bias = self.attention_biases[:, self.attention_bias_idxs].to(padding.dtype)

        def attention(x: Tensor) -> Tensor:
            height, width = x.shape[1:3]
            windows = cut_windows(self.qkv(self.norm(x)), self.window, padding)
            qkv = windows.view(*windows.shape[:2], self.heads, 3, -1)
            mixed = (attend_by_head if is_blocked(qkv) else attend)(qkv, bias)
            z: Tensor = self.proj(join_windows(mixed, self.window, height, width))
            return z

        return attention


def attend(qkv: Tensor, bias: Tensor) -> Tensor:
    """Let the tokens of each window attend to each other.

    Parameters
    ----------
    qkv
        (n, T, heads, 3, d) queries, keys and values.
    bias
        (heads, T, T), added to the logits.

    Returns
    -------
    (n, T, heads * d)
    """
    q, k, v = qkv.permute(3, 0, 2, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
    return y.transpose(1, 2).flatten(2)


def attend_by_head(qkv: Tensor, bias: Tensor) -> Tensor:
    """Attend as `attend` does, by plain products, one head at a time.

    On a CPU, windows of 49 to 196 tokens are too small for what PyTorch's attention
    does in blocks; the logits of one head fit its cache. Its softmax takes most of
    the time in bfloat16, whose exponents reach far enough to do without the largest
    logit of each row; the sums of the weights come with the product.
    """
    windows, tokens, heads, _, depth = qkv.shape
    q, k, v = qkv.permute(3, 2, 0, 1, 4)
    q, k = q.contiguous(), k.contiguous()
    is_short = qkv.dtype == torch.bfloat16
    values = v.new_ones(heads, windows, tokens, depth + is_short)
    values[..., :depth] = v
    y = qkv.new_empty(windows, tokens, heads, depth)
    for head in range(heads):
        logits = torch.baddbmm(bias[head], q[head], k[head].mT, alpha=depth**-0.5)
        if not (is_short and _mix_unscaled(logits, values[head], y[:, :, head])):
            y[:, :, head] = logits.softmax(-1) @ values[head, ..., :depth]
    return y.flatten(2)


def _mix_unscaled(logits: Tensor, values: Tensor, out: Tensor) -> bool:
    """Mix values by exp(logits), and say whether that is as good as by a softmax.

    The last column of the values is of ones, which sums the weights up.
    """
    mixed = logits.exp() @ values
    sums = mixed[..., -1:]
    least, most = (float(value) for value in sums.aminmax())
    torch.div(mixed[..., :-1], sums, out=out)
    return _EXACT_SUMS[0] < least and most < _EXACT_SUMS[1]


def offset_index(window: int) -> Tensor:
    """Give each pair of positions of a window the number of its absolute offset.

    The offsets (|row - row'|, |col - col'|) are numbered in the order in which they
    first appear in a row-major walk over all pairs, which is that of the position
    reached from the window's first corner.

    Returns
    -------
    (window ** 2, window ** 2) int64
    """
    at = torch.arange(window)
    row, col = at.repeat_interleave(window), at.repeat(window)
    rows = (row[:, None] - row[None, :]).abs()
    cols = (col[:, None] - col[None, :]).abs()
    return rows * window + cols
