"""How long models take on a processor: figures of `benchmarks/model_speed.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec

__all__ = ["PROCESSOR", "seconds_in_words"]

PROCESSOR = "AMD EPYC, 1 thread"

_SECONDS = {
    "cells": 0.8,
    "vit_t": 1.3,
    "vit_b": 10.5,
    "vit_l": 30.1,
    "vit_h": 58.7,
    "sam2.1_tiny": 4.1,
    "sam2.1_small": 4.4,
    "sam2.1_base_plus": 7.7,
    "sam2.1_large": 22.4,
    "sam3": 59.0,
}
"""Processor seconds to embed a plane, by the architecture."""

_HQ_SECONDS = {"vit_t": 1.3, "vit_b": 10.6, "vit_l": 31.3, "vit_h": 59.0}
"""The same of SAM-HQ."""

_DECODER_SECONDS = 8.3
"""Processor seconds of micro-sam's instance decoder, for a plane that is embedded."""


def seconds_in_words(spec: CheckpointSpec) -> str:
    """Say how many processor seconds a model takes for a plane, where measured.

    Those of an instance decoder, where objects are searched for, are added.

    Examples
    --------
    >>> from napari_sam.checkpoints.registry import get_spec
    >>> seconds_in_words(get_spec("cells")), seconds_in_words(get_spec("vit_b_lm"))
    ('0.8 s', '10.5 + 8.3 s')
    """
    table = _HQ_SECONDS if spec.is_high_quality else _SECONDS
    taken = table.get(spec.architecture)
    if taken is None:
        return "not measured"
    if spec.decoder is None or not spec.has_instances:
        return f"{taken:.1f} s"
    return f"{taken:.1f} + {_DECODER_SECONDS:.1f} s"
