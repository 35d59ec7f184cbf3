"""SAM 2: a network of the transformers library, with the parts that `Sam` has.

The arithmetic is that of `transformers` (Ravi et al., SAM 2: Segment Anything in Images
and Videos, 2024). Here its parts get the names and shapes of those of
`napari_sam.model.sam.Sam`, so that whatever asks a model for masks can ask SAM 2 too.
Nothing of `transformers` is imported: the network is given.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.mask_decoder import DrawnMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Sam2",
    "Sam2Architecture",
    "Sam2MaskDecoder",
    "Sam2PromptEncoder",
    "ask_before",
    "asking",
    "noting_scores",
    "pack_maps",
    "unpack_maps",
]

_MOST_LOGIT = 32.0
"""Mask prompts are kept within this on both sides, as Meta's predictor keeps them."""

_ON_BLOCK: ContextVar[Callable[[], None] | None] = ContextVar("on_block", default=None)
_SCORES: ContextVar[list[Tensor] | None] = ContextVar("scores", default=None)


@dataclass(frozen=True)
class Sam2Architecture:
    """What is asked of an architecture wherever masks are made.

    Attributes
    ----------
    name
        What the registry calls it.
    frame_size
        Side of the square input in pixels.
    pixel_mean, pixel_std
        Per channel (R, G, B), on the scale 0 to 255.
    keeps_aspect
        False: an image is squashed to the square, without padding.
    dense_head, refines_answers
        See `napari_sam.model.sam.Architecture`.
    """

    name: str
    frame_size: int = 1024
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    keeps_aspect: bool = False
    dense_head: bool = False
    refines_answers: bool = False


def pack_maps(maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Put three feature maps, of sides 4 h, 2 h and h, into one of side h.

    The pixels of a square become channels, so that nothing is lost and one tensor is
    the embedding.

    Parameters
    ----------
    maps
        (B, C / 8, 4 h, 4 w), (B, C / 4, 2 h, 2 w) and (B, C, h, w).

    Returns
    -------
    (B, 4 C, h, w)

    Examples
    --------
    >>> maps = [torch.rand(1, 8 * 2**i, 16 // 2**i, 16 // 2**i) for i in (0, 1)]
    >>> packed = pack_maps((*maps, torch.rand(1, 64, 4, 4)))
    >>> packed.shape, torch.equal(unpack_maps(packed)[1], maps[1])
    (torch.Size([1, 256, 4, 4]), True)
    """
    fine, middle, coarse = maps
    squares = (F.pixel_unshuffle(fine, 4), F.pixel_unshuffle(middle, 2))
    return torch.cat([*squares, coarse], dim=1)


def unpack_maps(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Undo `pack_maps`."""
    width = features.shape[1] // 4
    fine, middle = features[:, : 2 * width], features[:, 2 * width : 3 * width]
    coarse = features[:, 3 * width :]
    return F.pixel_shuffle(fine, 4), F.pixel_shuffle(middle, 2), coarse


@contextmanager
def asking(on_block: Callable[[], None] | None) -> Iterator[None]:
    """Have the hooks of the blocks, which all threads share, ask this thread's."""
    token = _ON_BLOCK.set(on_block)
    try:
        yield
    finally:
        _ON_BLOCK.reset(token)


def ask_before(blocks: nn.ModuleList) -> None:
    """Have each block ask whether to go on; see `asking`."""
    for block in blocks:
        block.register_forward_pre_hook(_before_block)


def _before_block(block: nn.Module, given: Any) -> None:
    on_block = _ON_BLOCK.get()
    if on_block is not None:
        on_block()


@contextmanager
def noting_scores() -> Iterator[list[Tensor]]:
    """Note the predicted IoUs of this thread, which films keep for themselves."""
    noted: list[Tensor] = []
    token = _SCORES.set(noted)
    try:
        yield noted
    finally:
        _SCORES.reset(token)


def _after_decoding(decoder: nn.Module, given: Any, answer: Any) -> None:
    noted = _SCORES.get()
    if noted is not None:
        noted.append(answer[1])


class Sam2ImageEncoder(nn.Module):
    """A frame to the three maps that the mask decoder wants, in one tensor.

    The coarse map is without the embedding that stands for no memory, so that images
    and films have the same embeddings.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.vision_encoder = network.vision_encoder
        self.conv_s0, self.conv_s1 = (
            network.mask_decoder.conv_s0,
            network.mask_decoder.conv_s1,
        )
        ask_before(self.vision_encoder.backbone.blocks)

    def forward(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Encode (1, 3, S, S); `on_block` is called before each block."""
        with asking(on_block):
            fine, middle, coarse = self.vision_encoder(
                frame, return_dict=True
            ).fpn_hidden_states
        return pack_maps((self.conv_s0(fine), self.conv_s1(middle), coarse))


class Sam2PromptEncoder(nn.Module):
    """Points, boxes and masks as tokens; see `PromptEncoder` of SAM."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder = network.prompt_encoder
        self.position = network.shared_image_embedding

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks."""
        return int(self.encoder.mask_input_size[0])

    def dense_position(self) -> Tensor:
        """Position of each embedding cell's centre, (1, width, grid, grid)."""
        grid = int(self.encoder.image_embedding_size[0])
        table = self.position.positional_embedding
        at = (torch.arange(grid, device=table.device, dtype=table.dtype) + 0.5) / grid
        y, x = torch.meshgrid(at, at, indexing="ij")
        encoded: Tensor = self.position(torch.stack([x, y], dim=-1))
        return encoded.permute(2, 0, 1)[None]

    def no_mask(self) -> Tensor:
        """Dense embedding that stands for no mask prompt, (1, width, 1, 1)."""
        weight: Tensor = self.encoder.no_mask_embed.weight
        return weight.view(1, -1, 1, 1)

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embed the prompts of B objects; see `PromptEncoder.forward` of SAM.

        A mask alone is accompanied by a point that is none, as SAM 2 was trained.
        """
        if points is None and boxes is None:
            count = 1 if masks is None else len(masks)
            points = self.no_mask().new_zeros(count, 1, 2)
            labels = torch.full((count, 1), -1, device=points.device)
        sparse, dense = self.encoder(
            input_points=None if points is None else points[:, None],
            input_labels=None if labels is None else labels[:, None],
            input_boxes=None if boxes is None else boxes[:, None],
            input_masks=None if masks is None else _within_range(masks),
        )
        return sparse[:, 0], self.no_mask() if masks is None else dense


def _within_range(masks: Tensor) -> Tensor:
    return masks.clamp(-_MOST_LOGIT, _MOST_LOGIT)


class _SharedMaps(NamedTuple):
    """The image of one embedding, prepared for many prompts."""

    features: Tensor
    position: Tensor
    dense: Tensor


class Sam2MaskDecoder(nn.Module):
    """Tokens and an embedding to masks and scores; see `MaskDecoder` of SAM."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.decoder = network.mask_decoder
        self.decoder.register_forward_hook(_after_decoding)
        self.no_memory = network.no_memory_embedding

    @property
    def iou_token(self) -> nn.Embedding:
        """The token of the predicted IoU."""
        token: nn.Embedding = self.decoder.iou_token
        return token

    def own(self, features: Tensor) -> Tensor:
        """Return what of an embedding is for this decoder: all of it."""
        return features

    def forward(
        self,
        features: Tensor,
        position: Tensor,
        sparse: Tensor,
        dense: Tensor,
        multimask: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Predict the masks of B objects; see `MaskDecoder.forward` of SAM.

        True: three masks. False: the single mask or, where that is unstable, the best
        of the three, as SAM 2 does. All four at once are not to be had; None is True.

        Returns
        -------
        masks
            (B, M, 4 h, 4 w) logits.
        scores
            (B, M) predicted IoU, 0 to 1.
        """
        fine, middle, coarse = unpack_maps(self.own(features))
        count = len(sparse)
        coarse = coarse + self.no_memory.view(1, -1, 1, 1).to(coarse.dtype)
        masks, scores, _, _ = self.decoder(
            image_embeddings=coarse.expand(count, -1, -1, -1),
            image_positional_embeddings=position.expand(count, -1, -1, -1),
            sparse_prompt_embeddings=sparse[:, None],
            dense_prompt_embeddings=dense,
            multimask_output=multimask is not False,
            high_resolution_features=[
                x.expand(count, -1, -1, -1) for x in (fine, middle)
            ],
        )
        return masks[:, 0], scores[:, 0]

    def share(self, features: Tensor, position: Tensor, dense: Tensor) -> _SharedMaps:
        """Prepare the image of one embedding for `draw_promising`."""
        return _SharedMaps(features, position, dense)

    def draw_promising(
        self,
        shared: _SharedMaps,
        sparse: Tensor,
        grid: tuple[int, int],
        least_score: float | None,
    ) -> DrawnMasks:
        """Predict three masks for each of B prompts; see `MaskDecoder` of SAM.

        All are drawn, for the library gives masks and scores together.
        """
        masks, scores = self(*shared[:2], sparse, shared.dense, True)
        chosen = torch.ones_like(scores, dtype=torch.bool)
        if least_score is not None:
            chosen = scores > least_score
        prompts, which = chosen.nonzero(as_tuple=True)
        return DrawnMasks(prompts, which, scores[chosen].float(), masks[chosen].float())


class Sam2(nn.Module):
    """SAM 2 as a model that is asked like `Sam`.

    Parameters
    ----------
    network
        ``Sam2Model`` or ``Sam2VideoModel`` of `transformers`, with its weights.
    name
        What the registry calls the architecture.
    """

    title = "SAM 2"
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, network: Any, name: str) -> None:
        super().__init__()
        self.network = network
        self.dense_head: None = None
        self._take_parts(name)
        for key in ("pixel_mean", "pixel_std"):
            values = torch.tensor(getattr(self.architecture, key)).view(1, 3, 1, 1)
            self.register_buffer(key, values, persistent=False)

    def _take_parts(self, name: str) -> None:
        """Give the parts of the network the names of those of `Sam`."""
        network = self.network
        size = int(network.config.prompt_encoder_config.image_size)
        self.architecture = Sam2Architecture(name, size)
        self.image_encoder: nn.Module = Sam2ImageEncoder(network)
        self.prompt_encoder = Sam2PromptEncoder(network)
        self.mask_decoder = Sam2MaskDecoder(network)

    @property
    def tracker(self) -> Any:
        """The part of the network that follows objects."""
        return self.network

    @property
    def has_memory(self) -> bool:
        """Whether the network can follow objects from plane to plane."""
        return hasattr(self.tracker, "memory_attention")

    def position_of(self, coarse: Tensor) -> Tensor:
        """Return the positions of a coarse map's cells, as the memory wants them."""
        neck = self.network.vision_encoder.neck
        position: Tensor = neck.position_encoding(
            coarse.shape, coarse.device, coarse.dtype
        )
        return position

    def encode(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Embed (1, 3, S, S) normalised frames: all that the mask decoder reads."""
        features: Tensor = self.image_encoder(frame, on_block)
        return features

    def normalise(self, frame: Tensor) -> Tensor:
        """Bring (B, 3, H, W) intensities of 0 to 255 to what the encoder expects."""
        return (frame - self.pixel_mean) / self.pixel_std
