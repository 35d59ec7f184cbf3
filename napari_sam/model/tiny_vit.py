"""TinyViT image encoders (Wu et al. 2022), as used by MobileSAM and LiteMedSAM.

Convolutions first, then three stages of windowed attention with learned biases by
absolute offset, then SAM's neck. MobileSAM, LiteMedSAM and the bundled model
differ only in where they take their strides; parameter names and shapes are those
of the published files.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.image_encoder import neck
from napari_sam.model.window_partition import cut_windows, join_windows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TinyVit", "TinyVitConfig"]

_EARLY_STAGE = 1
"""The stage behind which SAM-HQ takes early features, from 0."""

_TOKENS = 2048
"""Tokens whose hidden layer is held at one time on a CPU."""


@dataclass(frozen=True)
class TinyVitConfig:
    """Where a TinyViT-5M takes its strides.

    Attributes
    ----------
    stem
        (kernel, stride) of the two stem convolutions.
    merges
        Stride of the downsampling behind each of the first three stages.
    """

    stem: tuple[tuple[int, int], tuple[int, int]]
    merges: tuple[int, int, int] = (2, 2, 1)
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    out_channels: int = 256

    @property
    def stride(self) -> int:
        """Frame pixels per embedding cell."""
        return prod(stride for _, stride in self.stem) * prod(self.merges)

    @property
    def early_channels(self) -> int:
        """Channels of the early features that SAM-HQ reads."""
        return self.widths[_EARLY_STAGE + 1]


def _is_by_piece(x: Tensor) -> bool:
    """Whether to compute in pieces that fit a CPU's cache: not to train or export."""
    is_fixed = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return x.device.type == "cpu" and not is_fixed


class TinyVit(nn.Module):
    """TinyViT from a square frame to an embedding."""

    def __init__(self, config: TinyVitConfig) -> None:
        super().__init__()
        widths = config.widths
        self.patch_embed = Stem(widths[0], config.stem)
        self.layers = nn.ModuleList()
        for i, width in enumerate(widths):
            blocks: list[nn.Module] = [
                MBConv(width)
                if i == 0
                else TinyVitBlock(width, config.heads[i], config.windows[i])
                for _ in range(config.depths[i])
            ]
            last = i == len(widths) - 1
            merge = None if last else Merge(width, widths[i + 1], config.merges[i])
            self.layers.append(Stage(blocks, merge))
        self.neck = neck(widths[-1], config.out_channels)

    def forward(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Embed (B, 3, H, W) normalised frames as (B, C, H / stride, W / stride).

        There is no absolute position: any height and width that the strides divide
        will do. `on_block` is called before each part of a block; what it raises
        ends the work.
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
            (B, C', h, w) behind the second stage.
        """
        x = self.patch_embed(frame.contiguous(memory_format=torch.channels_last))
        early = x
        for number, stage in enumerate(self.layers):
            x = stage(x, on_block or _go_on)
            if number == _EARLY_STAGE:
                early = x
        y: Tensor = self.neck(x)
        return y, early


def _go_on() -> None:
    """Do nothing between two parts of the work."""


class ConvNorm(nn.Module):
    """Bias-free convolution and batch normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        if self.bn.training:
            y: Tensor = self.bn(self.c(x))
            return y
        # With fixed statistics the normalisation is a part of the convolution.
        var = self.bn.running_var
        mean = self.bn.running_mean
        if var is None or mean is None:
            raise RuntimeError("batch normalisation has lost its running statistics")
        scale = self.bn.weight * torch.rsqrt(var + self.bn.eps)
        return F.conv2d(
            x,
            self.c.weight * scale[:, None, None, None],
            self.bn.bias - mean * scale,
            self.c.stride,
            self.c.padding,
            groups=self.c.groups,
        )


class Stem(nn.Module):
    """Two convolutions from pixels to the first stage."""

    def __init__(
        self, width: int, stem: tuple[tuple[int, int], tuple[int, int]]
    ) -> None:
        super().__init__()
        (kernel0, stride0), (kernel1, stride1) = stem
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, kernel0, stride0),
            nn.GELU(),
            ConvNorm(width // 2, width, kernel1, stride1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, width, H', W')."""
        y: Tensor = self.seq(x)
        return y


class MBConv(nn.Module):
    """Inverted bottleneck; the last activation comes after the residual sum."""

    def __init__(self, width: int, expand: int = 4) -> None:
        super().__init__()
        hidden = width * expand
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        y = F.gelu(self.conv1(x))
        on_block()
        y = F.gelu(self.conv2(y))
        return F.gelu(self.conv3(y) + x)


class Merge(nn.Module):
    """Change of width, and of resolution where `stride` is 2, between two stages."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, kernel=3, stride=stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return y


class Stage(nn.Module):
    """Some blocks at one resolution, and the way to the next."""

    def __init__(self, blocks: list[nn.Module], merge: Merge | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = merge

    def forward(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        for block in self.blocks:
            on_block()
            x = block(x, on_block)
        if self.downsample is None:
            return x
        on_block()
        y: Tensor = self.downsample(x)
        return y


class TinyVitBlock(nn.Module):
    """Windowed attention, a depthwise convolution, and an MLP.

    Attention and MLP are residual, the convolution between them is not.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvNorm(width, width, kernel=3, groups=width)
        self.mlp = NormedMlp(width, 4 * width)

    def forward(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self.attn(tokens)
        on_block()
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        tokens = tokens + self.mlp(tokens)
        out: Tensor = tokens.permute(0, 3, 1, 2)
        return out


class NormedMlp(nn.Module):
    """Layer norm, then two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        if not _is_by_piece(x):
            return self._of(x)
        tokens = x.reshape(-1, x.shape[-1])
        y = torch.empty_like(tokens)
        for start in range(0, len(tokens), _TOKENS):
            y[start : start + _TOKENS] = self._of(tokens[start : start + _TOKENS])
        return y.view(x.shape)

    def _of(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return y


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
        """Map (B, H, W, C) to the same shape.

        The query, key and value of one head lie side by side in the projection.
        The bias is read from the parameter at each call: the original keeps a copy
        from its last `eval()`, and is wrong when weights are loaded after it.
        """
        height, width = x.shape[1:3]
        # The original pads before the norm, with zeros: the norm's bias, projected.
        padding = self.qkv(self.norm.bias)
        windows = cut_windows(self.qkv(self.norm(x)), self.window, padding)
        qkv = windows.view(*windows.shape[:2], self.heads, 3, -1)
        bias = self.attention_biases[:, self.attention_bias_idxs].to(qkv.dtype)
        mixed = (attend_by_head if _is_by_piece(qkv) else attend)(qkv, bias)
        z: Tensor = self.proj(join_windows(mixed, self.window, height, width))
        return z


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
    does in blocks; the logits of one head fit its cache.
    """
    windows, tokens, heads, _, depth = qkv.shape
    y = qkv.new_empty(windows, tokens, heads, depth)
    for head in range(heads):
        q, k, v = qkv[:, :, head].unbind(2)
        logits = torch.baddbmm(bias[head], q, k.mT, alpha=depth**-0.5)
        y[:, :, head] = logits.softmax(-1) @ v
    return y.flatten(2)


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
