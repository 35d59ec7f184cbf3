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

from napari_sam.model.cache_blocking import (
    Gelu,
    add_by_rows,
    gelu,
    is_blocked,
    row_blocks,
)
from napari_sam.model.image_encoder import neck
from napari_sam.model.window_attention import WindowAttention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TinyVit", "TinyVitConfig"]

_EARLY_STAGE = 1
"""The stage behind which SAM-HQ takes early features, from 0."""

_TOKENS = 2048
"""Tokens whose hidden layer is held at one time on a CPU."""

_WINDOW_TOKENS = 4096
"""Tokens whose windows are held at one time on a CPU."""

_HIDDEN_BYTES = 1 << 21
"""Of the hidden layer of a bottleneck that is held at one time on a CPU."""


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
        will do. `on_block` is called between parts of the work; what it raises
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
        weight, bias = self.fold()
        return F.conv2d(
            x, weight, bias, self.c.stride, self.c.padding, groups=self.c.groups
        )

    def fold(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the convolution with its norm, as they are fixed.

        With fixed statistics the normalisation is a part of the convolution.
        """
        var = self.bn.running_var
        mean = self.bn.running_mean
        if var is None or mean is None:
            raise RuntimeError("batch normalisation has lost its running statistics")
        scale = self.bn.weight * torch.rsqrt(var + self.bn.eps)
        return self.c.weight * scale[:, None, None, None], self.bn.bias - mean * scale


class Stem(nn.Module):
    """Two convolutions from pixels to the first stage."""

    def __init__(
        self, width: int, stem: tuple[tuple[int, int], tuple[int, int]]
    ) -> None:
        super().__init__()
        (kernel0, stride0), (kernel1, stride1) = stem
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, kernel0, stride0),
            Gelu(),
            ConvNorm(width // 2, width, kernel1, stride1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, width, H', W')."""
        y: Tensor = self.seq(x)
        return y


class Bottleneck(nn.Module):
    """A pointwise, a depthwise and a pointwise convolution, with GELU between them."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        self.conv3 = ConvNorm(hidden, outputs)
        self.stride = stride

    def convolve(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        if is_blocked(x) and not self.conv1.bn.training:
            return torch.cat(list(self._by_rows(x, on_block)), 2)
        y = gelu(self.conv1(x))
        on_block()
        out: Tensor = self.conv3(gelu(self.conv2(y)))
        return out

    def _by_rows(self, x: Tensor, on_block: Callable[[], None]) -> Iterator[Tensor]:
        """Convolve blocks of rows, each with the rows beside it that it needs."""
        (weight1, bias1), (weight2, bias2), (weight3, bias3) = (
            conv.fold() for conv in (self.conv1, self.conv2, self.conv3)
        )
        hidden = len(weight1)
        row_bytes = len(x) * x.shape[3] * hidden * x.element_size()
        rows = max(1, _HIDDEN_BYTES // row_bytes // self.stride)
        height = x.shape[2]
        for start, stop in row_blocks(-(-height // self.stride), rows):
            first, last = start * self.stride - 1, (stop - 1) * self.stride + 2
            y = gelu(F.conv2d(x[:, :, max(first, 0) : last], weight1, bias1))
            beyond = (max(-first, 0), max(last - height, 0))
            if any(beyond):
                y = F.pad(y, (0, 0, *beyond))
            y = F.conv2d(y, weight2, bias2, self.stride, (0, 1), groups=hidden)
            yield F.conv2d(gelu(y), weight3, bias3)
            on_block()


class MBConv(Bottleneck):
    """Inverted bottleneck; the last activation comes after the residual sum."""

    def __init__(self, width: int, expand: int = 4) -> None:
        super().__init__(width, width * expand, width)

    def forward(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        return gelu(self.convolve(x, on_block) + x)


class Merge(Bottleneck):
    """Change of width, and of resolution where `stride` is 2, between two stages."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, outputs, stride)

    def forward(self, x: Tensor, on_block: Callable[[], None] = _go_on) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return self.convolve(x, on_block)


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
        y: Tensor = self.downsample(x, on_block)
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
        width, window = x.shape[3], self.attn.window
        rows = max(1, _WINDOW_TOKENS // (window * width)) * window
        tokens = add_by_rows(x.permute(0, 2, 3, 1), self.attn.prepare(), rows)
        on_block()
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows = max(1, _TOKENS // width)
        tokens = add_by_rows(tokens, self.mlp, rows, in_place=True)
        return tokens.permute(0, 3, 1, 2)


class NormedMlp(nn.Module):
    """Layer norm, then two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        y: Tensor = self.fc2(gelu(self.fc1(self.norm(x))))
        return y
