"""What SAM 2 remembers of an object, and how it finds it again in another plane.

The steps are those of ``Sam2VideoModel`` in transformers, which is asked for one plane
of one object at a time. The image encoder is left out: the embedding of a plane is the
one that prompts are answered from.

References
----------
Ravi et al., SAM 2: Segment Anything in Images and Videos, 2024, section 4.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from napari_sam.model.sam2 import noting_scores, unpack_maps

if TYPE_CHECKING:
    from napari_sam.model.sam2 import Sam2

__all__ = ["FoundAgain", "ObjectMemory"]

_OBJECT = 1
"""The number of the only object of a session."""

_CERTAIN, _RECENT = "cond_frame_outputs", "non_cond_frame_outputs"
_UNUSED = ("high_res_masks",)
"""Of what a plane leaves behind, what is large and not read again."""

_SHAPE = ("maskmem_features", "maskmem_pos_enc", "pred_masks")
"""What is read of the last few planes only."""


class FoundAgain(NamedTuple):
    """An object in another plane.

    Attributes
    ----------
    logits
        (h, w) low-resolution logits; all far below 0 where it is not there.
    score
        Predicted IoU, times the probability that the object is there.
    """

    logits: Tensor
    score: float


@dataclass(eq=False)
class ObjectMemory:
    """The memory of one object on its way through the planes of a stack.

    Parameters
    ----------
    sam
        SAM 2 with its memory.
    planes
        How many the stack has.
    recent
        Of how many planes the found masks are remembered, 1 to 6 for the published
        weights.

    Attributes
    ----------
    certain, recently
        What is remembered by plane: of those that were given, and of those where the
        object was found.
    """

    sam: Sam2
    planes: int
    recent: int = 6
    certain: dict[int, dict[str, Any]] = field(default_factory=dict)
    recently: dict[int, dict[str, Any]] = field(default_factory=dict)

    @torch.inference_mode()
    def remember(self, plane: int, features: Tensor, mask: Tensor) -> None:
        """Remember an object that is given.

        Parameters
        ----------
        plane
            Its number in the stack.
        features
            (1, C, h, w), the embedding of the plane.
        mask
            (S, S) bool, the object in the frame.
        """
        session = self._session(plane, features)
        number = session.obj_id_to_idx(_OBJECT)
        session.add_mask_inputs(number, plane, mask[None, None].float())
        session.obj_with_new_inputs = [_OBJECT]
        self.sam.tracker(session, frame_idx=plane)
        self.certain[plane] = _kept(
            session.output_dict_per_obj[number][_CERTAIN][plane]
        )

    @torch.inference_mode()
    def find(self, plane: int, features: Tensor, backward: bool = False) -> FoundAgain:
        """Find the object in a plane, and remember what is found.

        Parameters
        ----------
        plane
            Its number in the stack.
        features
            (1, C, h, w), the embedding of the plane.
        backward
            Whether the planes come in falling order.
        """
        session = self._session(plane, features)
        number = session.obj_id_to_idx(_OBJECT)
        outputs = session.output_dict_per_obj[number]
        outputs[_CERTAIN], outputs[_RECENT] = dict(self.certain), dict(self.recently)
        with noting_scores() as scores:
            found = self.sam.tracker(session, frame_idx=plane, reverse=backward)
        self.recently[plane] = _kept(outputs[_RECENT][plane])
        self._forget(plane)
        there = float(found.object_score_logits.sigmoid().reshape(-1)[0])
        score = float(scores[-1].max()) * there
        return FoundAgain(found.pred_masks.reshape(found.pred_masks.shape[-2:]), score)

    def _session(self, plane: int, features: Tensor) -> Any:
        """Make a session of transformers that knows a plane by its embedding."""
        network = self.sam.tracker
        name = type(network).__name__.removesuffix("Model")
        kind = getattr(sys.modules[type(network).__module__], f"{name}InferenceSession")
        place = {"inference_device": features.device, "dtype": features.dtype}
        session = kind(inference_state_device=features.device, **place)
        session.processed_frames = range(self.planes)  # it is asked how many there are
        maps = unpack_maps(self.sam.mask_decoder.own(features))
        coarse = maps[-1]
        position = self.sam.position_of(coarse)
        session.cache.cache_vision_features(
            plane,
            {
                "vision_feats": [_rows(one) for one in maps],
                "vision_pos_embeds": [_rows(position)],
            },
        )
        return session

    def _forget(self, plane: int) -> None:
        """Drop what is too far back to be read again.

        Of planes further back than the published weights look, the pointers to the
        object are still read.
        """
        config = self.sam.tracker.config
        pointers = int(config.max_object_pointers_in_encoder)
        looks_back = int(config.num_maskmem) - 1
        for past in list(self.recently):
            away = abs(past - plane)
            if away >= (pointers if self.recent >= looks_back else self.recent):
                del self.recently[past]
            elif away >= looks_back:
                for name in _SHAPE:
                    self.recently[past].pop(name, None)


def _rows(features: Tensor) -> Tensor:
    """Return (1, C, h, w) as (h w, 1, C)."""
    return features.flatten(2).permute(2, 0, 1)


def _kept(output: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in output.items() if key not in _UNUSED}
