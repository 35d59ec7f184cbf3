"""Fine-tuning: from a model that is there to one that knows the user's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.configs import AugmentConfig, TrainConfig
from napari_sam.model.tiny_vit import TinyVitConfig

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam

__all__ = ["FINE_AUGMENT", "fine_tuning"]

FINE_AUGMENT = AugmentConfig(
    zoom=(0.75, 1.35),
    rotate=0.3,
    brightness=0.05,
    contrast=0.15,
    gamma=0.15,
    invert=0.0,
    blur=0.1,
    noise=0.15,
    channels=0.0,
)
"""Milder than for training from scratch: the images to come look like these."""

_BY_WHAT: dict[str, dict[str, Any]] = {
    "decoder": {"lr_encoder": 0.0, "lr_decoder": 2e-4, "crops": 1},
    "adapters": {"lr_encoder": 1e-3, "lr_decoder": 2e-4, "crops": 1},
    "all": {"lr_encoder": 5e-5, "lr_decoder": 2e-4, "crops": 1},
}


def fine_tuning(
    start: Sam, /, minutes: float | None = 5.0, **changes: Any
) -> TrainConfig:
    """Return the configuration that fine-tunes a model for some minutes.

    Parameters
    ----------
    start
        The model to start from.
    minutes
        How long; None: by the steps that are given.
    changes
        Any field of `TrainConfig`; `what` first of all, which brings learning rates
        of its own. If it is left out, all of a model with a light encoder learns, and
        of others all but the encoder; docs/training.md tells what each gains.

    Raises
    ------
    ValueError
        If a change is not known or not possible.
    """
    is_light = isinstance(start.architecture.encoder, TinyVitConfig)
    what = changes.get("what", "all" if is_light else "decoder")
    settings: dict[str, Any] = {
        "architecture": start.architecture.name,
        "what": what,
        "minutes": minutes,
        "closer": True,
        "choosing": is_light and start.dense_head is not None,
        "chosen": 0.7,
        "boxes": 0.3,
        "box_noise": 0.05,
        "warmup": 10,
        "full_frames": 0.1,
        "validations": 8,
        "ema": 0.97,
        "held_out": 0.2,
        "hold": "objects",
        "patience": 8,
        "checkpoint_minutes": 0.5,
        "augment": FINE_AUGMENT,
        **_BY_WHAT.get(what, {}),
    }
    if not is_light:
        settings["full_frames"] = 1.0 if what != "decoder" else 0.1
    return TrainConfig.model_validate(settings | changes)
