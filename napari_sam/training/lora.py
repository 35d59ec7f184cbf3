"""Low-rank adapters of the image encoder (LoRA, Hu et al. 2022).

To a weight W, which stays as it is, B A is added, of a rank that is small. B is 0 at
first, so that the model begins as it was. Adapted are the linear layers and the 1 x 1
convolutions; on export B A is added to W for good, and nothing of them is left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["add_adapters", "merged_state"]

_PATH = "parametrizations.weight"


class LowRank(nn.Module):
    """Adds B A to a weight of (outputs, inputs) or (outputs, inputs, 1, 1)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape[:2]
        self.down = nn.Parameter(weight.new_empty(rank, inputs))
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight."""
        added = self.up @ self.down
        return weight + added.view(weight.shape)


def add_adapters(encoder: nn.Module, rank: int) -> list[nn.Parameter]:
    """Freeze an encoder and adapt its weights; return what is to be trained.

    A weight with fewer than twice `rank` inputs or outputs is left as it is.
    """
    encoder.requires_grad_(False)
    added: list[nn.Parameter] = []
    for module in _adaptable(encoder, rank):
        low_rank = LowRank(module.weight, rank)
        parametrize.register_parametrization(module, "weight", low_rank)
        added += [low_rank.down, low_rank.up]
    return added


def _adaptable(encoder: nn.Module, rank: int) -> Iterator[nn.Linear | nn.Conv2d]:
    for module in list(encoder.modules()):
        if isinstance(module, nn.Conv2d):
            fits = module.kernel_size == (1, 1)
        else:
            fits = isinstance(module, nn.Linear)
        if not (fits and isinstance(module, nn.Linear | nn.Conv2d)):
            continue
        if min(module.weight.shape[:2]) >= 2 * rank:
            yield module


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's state dict with its adapters added to the weights."""
    state = {k: v for k, v in model.state_dict().items() if f".{_PATH}." not in k}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach().clone()
    return state
