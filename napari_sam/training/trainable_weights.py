"""What of a model learns, and the average of it over the steps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import xxhash
from torch import Tensor

from napari_sam.model.build import build_sam
from napari_sam.training.lora import add_adapters, merged_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam.configs import TrainConfig
    from napari_sam.model.sam import Sam

__all__ = ["Learner"]

_ENCODER = "image_encoder"


class Learner:
    """A model of which some parameters learn.

    Parameters
    ----------
    sam
        The model. It gets adapters where the configuration wants them.
    config
        The run.

    Attributes
    ----------
    trained
        The parameters that learn, by name.
    average
        Their exponential moving average.
    """

    def __init__(self, sam: Sam, config: TrainConfig) -> None:
        self.sam = sam
        self.config = config
        sam.requires_grad_(True)
        if config.what != "all":
            sam.image_encoder.requires_grad_(False)
        if config.what == "adapters":
            for parameter in add_adapters(sam.image_encoder, config.rank):
                parameter.requires_grad_(True)
        self.trained = {n: p for n, p in sam.named_parameters() if p.requires_grad}
        self.average = self.copy()

    def copy(self) -> dict[str, Tensor]:
        """Copy the parameters that learn."""
        return {n: p.detach().clone() for n, p in self.trained.items()}

    def groups(self) -> list[dict[str, Any]]:
        """Group parameters: encoder or decoder, matrices (decayed) or the rest."""
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in self.trained.items():
            key = (name.startswith(_ENCODER), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
        config = self.config
        return [
            {
                "params": parameters,
                "base": config.lr_encoder if encoder else config.lr_decoder,
                "weight_decay": config.weight_decay if matrix else 0.0,
            }
            for (encoder, matrix), parameters in groups.items()
        ]

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Give the parameters these values.

        Raises
        ------
        ValueError
            If they are of another model or another choice of what learns.
        """
        if values.keys() != self.trained.keys():
            raise ValueError("the values are of a run in which other parameters learn")
        for name, parameter in self.trained.items():
            parameter.copy_(values[name])

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Move the average towards the parameters; faster in the first steps."""
        decay = min(self.config.ema, (1 + step) / (10 + step))
        for name, parameter in self.trained.items():
            self.average[name].lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def using(self, values: Mapping[str, Tensor]) -> Iterator[Sam]:
        """Let the model have other values for a while."""
        kept = self.copy()
        self.load(values)
        try:
            yield self.sam
        finally:
            self.load(kept)

    def weights(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the whole model's state with these values, on the CPU, merged."""
        with self.using(values) as sam:
            state = merged_state(sam)
            return {
                name: tensor.detach().cpu().clone() for name, tensor in state.items()
            }

    def model_with(self, values: Mapping[str, Tensor]) -> Sam:
        """Build the whole model anew with these values, on the CPU."""
        sam = build_sam(self.sam.architecture)
        sam.load_state_dict(self.weights(values))
        return sam

    def fixed_digest(self) -> str:
        """Identify the values of what does not learn."""
        digest = xxhash.xxh3_128()
        for name, tensor in self.sam.state_dict().items():
            if name not in self.trained:
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().float().numpy().tobytes())
        return digest.hexdigest()
