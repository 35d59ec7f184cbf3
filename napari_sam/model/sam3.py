"""SAM 3: the network of the transformers library, as a model that is asked like `Sam`.

Carion et al., SAM 3: Segment Anything with Concepts, 2025. Its tracker answers points,
boxes and masks, and follows objects, as SAM 2 does; its detector finds all objects of a
concept, which a phrase or example boxes name. Both see one image encoder.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from napari_sam.model.roi_align import roi_align
from napari_sam.model.sam2 import (
    Sam2,
    Sam2Architecture,
    Sam2MaskDecoder,
    Sam2PromptEncoder,
    ask_before,
    asking,
    pack_maps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ConceptAnswer", "Sam3"]

_GRAY = (127.5, 127.5, 127.5)


class ConceptAnswer(NamedTuple):
    """What the detector says of an image.

    Attributes
    ----------
    logits
        (Q, h, w) masks, above 0 where an object is; the image fills them.
    scores
        (Q,), how likely each is an object of the concept, 0 to 1.
    """

    logits: Tensor
    scores: Tensor


class _Sam3ImageEncoder(nn.Module):
    """A frame to what the detector and the mask decoder want, in one tensor."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        decoder = network.tracker_model.mask_decoder
        self.backbone = network.detector_model.vision_encoder.backbone
        self.neck = network.tracker_neck
        self.conv_s0, self.conv_s1 = decoder.conv_s0, decoder.conv_s1
        ask_before(self.backbone.layers)

    def forward(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Encode (1, 3, S, S); `on_block` is called before each block."""
        patch = int(self.backbone.config.patch_size)
        with asking(on_block):
            rows = self.backbone(frame, return_dict=True).last_hidden_state
        side = frame.shape[-1] // patch
        seen = rows.transpose(1, 2).reshape(len(rows), -1, side, side)
        (fine, middle, coarse, *_), _ = self.neck(seen)
        maps = (self.conv_s0(fine), self.conv_s1(middle), coarse)
        return torch.cat([seen, pack_maps(maps)], dim=1)


class _Sam3MaskDecoder(Sam2MaskDecoder):
    """The decoder of the tracker, which reads the last channels of an embedding."""

    def __init__(self, network: Any, first: int) -> None:
        super().__init__(network)
        self.first = first

    def own(self, features: Tensor) -> Tensor:
        """Return what of an embedding is for this decoder."""
        return features[:, self.first :]


def _give_roi_align(geometry_encoder: nn.Module) -> None:
    """Give the code of example boxes the one function that it takes of torchvision."""
    module: Any = sys.modules[type(geometry_encoder).__module__]
    if not hasattr(module, "torchvision"):
        module.torchvision = SimpleNamespace(ops=SimpleNamespace(roi_align=roi_align))


class Sam3(Sam2):
    """SAM 3 as a model that is asked like `Sam`, and for concepts.

    Parameters
    ----------
    network
        ``Sam3VideoModel`` of `transformers`, with its weights.
    name
        What the registry calls the architecture.
    tokenizer
        What makes numbers of a phrase, as `transformers` has it.
    """

    title = "SAM 3"

    def __init__(self, network: Any, name: str, tokenizer: Any = None) -> None:
        super().__init__(network, name)
        self.tokenizer = tokenizer
        _give_roi_align(network.detector_model.geometry_encoder)

    def _take_parts(self, name: str) -> None:
        network = self.network
        size = int(network.config.image_size)
        self.architecture = Sam2Architecture(name, size, _GRAY, _GRAY)
        self.width = int(
            network.detector_model.vision_encoder.backbone.config.hidden_size
        )
        self.image_encoder: nn.Module = _Sam3ImageEncoder(network)
        self.prompt_encoder = Sam2PromptEncoder(network.tracker_model)
        self.mask_decoder = _Sam3MaskDecoder(network.tracker_model, self.width)

    @property
    def tracker(self) -> Any:
        """The part of the network that follows objects."""
        return self.network.tracker_model

    def position_of(self, coarse: Tensor) -> Tensor:
        """Return the positions of a coarse map's cells, as the memory wants them."""
        position: Tensor = self.network.tracker_neck.position_encoding(
            coarse.shape, coarse.device, coarse.dtype
        )
        return position

    @torch.inference_mode()
    def find_concept(
        self,
        features: Tensor,
        phrase: str,
        boxes: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> ConceptAnswer:
        """Find all objects of a concept.

        Parameters
        ----------
        features
            (1, C, h, w), the embedding of an image.
        phrase
            A noun phrase; "visual" where example boxes alone say what is meant.
        boxes, labels
            (N, 4) as (centre x, centre y, width, height) in parts of the frame, and
            (N,) 1 for examples and 0 for counter-examples.
        """
        detector = self.network.detector_model
        said = self.tokenizer(
            phrase,
            padding="max_length",
            truncation=True,
            max_length=int(detector.config.text_config.max_position_embeddings),
            return_tensors="pt",
        )
        maps, positions = detector.vision_encoder.neck(features[:, : self.width])
        seen = SimpleNamespace(
            fpn_hidden_states=maps,
            fpn_position_encoding=positions,
            hidden_states=None,
            attentions=None,
        )
        found = detector(
            vision_embeds=seen,
            input_ids=said["input_ids"].to(features.device),
            attention_mask=said["attention_mask"].to(features.device),
            input_boxes=None if boxes is None else boxes[None],
            input_boxes_labels=None if labels is None else labels[None],
        )
        scores = found.pred_logits.sigmoid()
        if found.presence_logits is not None:
            scores = scores * found.presence_logits.sigmoid()
        return ConceptAnswer(found.pred_masks[0], scores[0])
