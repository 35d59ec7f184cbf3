"""What an image shows, and the parameters of `InstanceConfig` that suit it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from napari_sam.configs.objects import ImageKind, InstanceConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IMAGE_KINDS", "for_kind"]

IMAGE_KINDS: tuple[ImageKind, ...] = get_args(ImageKind)

_PREFERRED: Mapping[str, InstanceConfig] = MappingProxyType(
    {
        "nuclei": InstanceConfig(confidence_thresh=0.7),
        "tissue": InstanceConfig(
            foreground_thresh=0.64, seed_depth=0.08, confidence_thresh=0.7
        ),
        "cells": InstanceConfig(foreground_thresh=0.46),
        "rods": InstanceConfig(foreground_thresh=0.46, confidence_thresh=0.6),
        "membranes": InstanceConfig(
            foreground_thresh=0.4, seed_depth=0.25, confidence_thresh=0.5
        ),
        "organelles": InstanceConfig(
            foreground_thresh=0.64, seed_depth=0.08, confidence_thresh=0.8
        ),
        "particles": InstanceConfig(foreground_thresh=0.46, seed_depth=0.25),
    }
)


def for_kind(config: InstanceConfig, kind: str | None) -> InstanceConfig:
    """Fill in what suits a kind of images where a configuration sets nothing.

    Parameters
    ----------
    config
        What is set here stays.
    kind
        One of `IMAGE_KINDS`; None or "any": one set of defaults for all.

    Raises
    ------
    ValueError
        If it is no known kind.

    Examples
    --------
    >>> for_kind(InstanceConfig(min_area=50), "membranes").seed_depth
    0.25
    >>> for_kind(InstanceConfig(seed_depth=0.2), "membranes").seed_depth
    0.2
    """
    if kind is None or kind == "any":
        return config.model_copy(update={"kind": "any"})
    if kind not in _PREFERRED:
        raise ValueError(
            f"kind must be one of {', '.join(IMAGE_KINDS)}, or 'any', got {kind!r}"
        )
    settled = config.over(_PREFERRED[kind])
    return settled.model_copy(update={"kind": kind})
