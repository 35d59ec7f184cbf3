"""A predictor on a small random network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_network import tiny_predictor

if TYPE_CHECKING:
    from napari_sam.inference.predictor import Predictor


@pytest.fixture
def predictor() -> Predictor:
    """Random weights, the same in every test."""
    return tiny_predictor()
