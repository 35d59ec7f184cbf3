"""micro-sam's instance decoder: a U-Net's decoder on the embedding of SAM.

Archit et al. (Nature Methods 22, 2025) decode the embedding to three maps in the
frame's resolution, from which a watershed makes instances. The network is the UNETR
(Hatamizadeh et al., WACV 2022) of torch_em without its skip connections from the
encoder: what would come from there is made of the embedding itself. Parameter names
and shapes are those of micro-sam's files.
"""

from __future__ import annotations

import itertools
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.dense_maps import DenseMaps

__all__ = ["UnetrDecoder"]

_CHANNELS = (512, 256, 128, 64)


class UnetrDecoder(DenseMaps):
    """Foreground, distance to centre and distance to boundary, as logits.

    Parameters
    ----------
    width
        Channels of the embedding.
    channels
        Of the embedding's grid, and of each of the three finer ones.
    is_transposed
        Whether what enlarges is learned (a transposed convolution) or bilinear.
    """

    map_stride: ClassVar[float] = 1.0
    is_quick: ClassVar[bool] = False
    resizes_logits: ClassVar[bool] = False

    def __init__(
        self,
        width: int = 256,
        channels: tuple[int, int, int, int] = _CHANNELS,
        is_transposed: bool = False,
    ) -> None:
        super().__init__()
        first, second, third, last = channels
        self.base = ConvBlock(width, first)
        self.decoder = Decoder(channels, is_transposed)
        self.deconv1 = Deconv(width, first, is_transposed)
        self.deconv2 = Deconv(first, second, is_transposed)
        self.deconv3 = Deconv(second, third, is_transposed)
        self.deconv4 = Deconv(third, last, is_transposed)
        self.deconv_out = _upsampler(last, last, is_transposed)
        self.decoder_head = ConvBlock(2 * last, last)
        self.out_conv = nn.Conv2d(last, 3, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) embeddings to (B, 3, 16 h, 16 w) logits."""
        beside = [self.deconv1(features)]
        for deconv in (self.deconv2, self.deconv3):
            beside.append(deconv(beside[-1]))
        x = self.decoder(self.base(features), beside)
        y = self.decoder_head(self.deconv_out(x), self.deconv4(beside.pop()))
        z: Tensor = self.out_conv(y)
        return z


class Decoder(nn.Module):
    """Three steps to finer grids, each joined by what lies beside it."""

    def __init__(
        self, channels: tuple[int, int, int, int], is_transposed: bool
    ) -> None:
        super().__init__()
        steps = list(itertools.pairwise(channels))
        self.blocks = nn.ModuleList(ConvBlock(a, b) for a, b in steps)
        self.samplers = nn.ModuleList(_upsampler(a, b, is_transposed) for a, b in steps)

    def forward(self, x: Tensor, beside: list[Tensor]) -> Tensor:
        """Enlarge (B, C, h, w) by the factor 8.

        Of each of `beside`, which has twice the channels, the middle half is read.
        """
        for block, sampler, other in zip(
            self.blocks, self.samplers, beside, strict=True
        ):
            x = sampler(x)
            start = (other.shape[1] - x.shape[1]) // 2
            x = block(x, other[:, start : start + x.shape[1]])
        return x


class ConvBlock(nn.Module):
    """Twice: instance normalisation, a 3 x 3 convolution, and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.InstanceNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.InstanceNorm2d(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, *parts: Tensor) -> Tensor:
        """Map the channels of all parts together to (B, outputs, h, w).

        Each channel is normalised by itself, and a convolution is a sum over channels:
        the parts need not be copied into one tensor, which would be the largest of all.
        """
        _, conv, *others = self.block
        conv = cast("nn.Conv2d", conv)
        weights = torch.split(conv.weight, [part.shape[1] for part in parts], dim=1)
        bias, x = conv.bias, parts[0]
        for number, (part, weight) in enumerate(zip(parts, weights, strict=True)):
            some = F.conv2d(F.instance_norm(part), weight, bias, padding=1)
            x = some if number == 0 else x.add_(some)
            bias = None
        for layer in others:
            x = layer(x)
        return x


class Deconv(nn.Module):
    """A grid of twice the side, a 3 x 3 convolution, batch normalisation and ReLU.

    As micro-sam uses it, which never switches its decoder to evaluation, each image is
    normalised by its own mean and deviation. The running statistics of its files are
    kept, but not used.
    """

    def __init__(self, inputs: int, outputs: int, is_transposed: bool) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _upsampler(inputs, outputs, is_transposed),
            Convolution(outputs),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, 2 h, 2 w)."""
        upsampler, convolution, norm, act = self.block
        norm = cast("nn.BatchNorm2d", norm)
        x = convolution(upsampler(x))
        y: Tensor = act(
            F.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)
        )
        return y


class Convolution(nn.Module):
    """A 3 x 3 convolution under the name that the files give it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        y: Tensor = self.block(x)
        return y


class Bilinear(nn.Module):
    """Twice the side by interpolation, and other channels.

    The channels are mixed before the grid is enlarged. That is the same, for both are
    linear and the weights of an interpolation add up to 1, and it is a quarter of the
    work.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, 2 h, 2 w)."""
        return F.interpolate(
            self.conv(x), scale_factor=2, mode="bilinear", align_corners=False
        )


class Transposed(nn.Module):
    """Twice the side by a transposed convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, 2 h, 2 w)."""
        y: Tensor = self.block(x)
        return y


def _upsampler(inputs: int, outputs: int, is_transposed: bool) -> nn.Module:
    return (Transposed if is_transposed else Bilinear)(inputs, outputs)
