"""From a state dict to a network that holds it, with nothing missing or left over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.instance_decoders import decoder_kind
from napari_sam.checkpoints.mismatch import explain_mismatch
from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from torch import Tensor

    from napari_sam.model.sam import Sam

__all__ = ["build_filled", "is_high_quality", "skip_initialisation"]

_HQ_TOKEN = "mask_decoder.hf_token.weight"
"""Which only the models of SAM-HQ have."""


def is_high_quality(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors are those of a model of SAM-HQ."""
    return _HQ_TOKEN in state


def build_filled(architecture: str, state: Mapping[str, Tensor]) -> Sam:
    """Build the model and give it every tensor of `state`, with none left over."""
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"it says that its architecture is {architecture!r}; known are "
            f"{', '.join(ARCHITECTURES)}"
        )
    known, levels = ARCHITECTURES[architecture], _dense_levels(state)
    with skip_initialisation():
        model = build_sam(
            replace(
                known,
                dense_head=levels > 0,
                dense_levels=levels or known.dense_levels,
                instance_decoder=decoder_kind(state),
                high_quality=is_high_quality(state),
            )
        )
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if wanted != given:
        raise CheckpointError(explain_mismatch(architecture, wanted, given))
    model.load_state_dict(dict(state), strict=True)
    return model.eval()


def _dense_levels(state: Mapping[str, Tensor]) -> int:
    """Tell on how many levels a dense head sees objects; 0: there is none."""
    if not any(key.startswith("dense_head.layers.") for key in state):
        return 0
    return 2 if any(key.startswith("dense_head.nuclei.") for key in state) else 1


def skip_initialisation() -> AbstractContextManager[Any]:
    """Build networks without random weights, within the block."""
    return _SkipInitialisation()


class _SkipInitialisation(TorchFunctionMode):
    """Leave out the random numbers of new layers: all are overwritten, strictly.

    Drawing them takes half of the time that loading ViT-H takes.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
