"""A small folder of labelled discs, and a configuration that is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import pytest

from napari_sam.training.config import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path


def draw_discs(seed: int, shape: tuple[int, int] = (96, 120)):
    """Bright discs on a dark ground: an 8-bit image and its labels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number in range(1, 7):
        row, col = rng.uniform(12, shape[0] - 12), rng.uniform(12, shape[1] - 12)
        labels[np.hypot(rows - row, cols - col) < rng.uniform(6, 11)] = number
    image = 40 + 150 * (labels > 0) + rng.normal(0, 8, shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """A folder of one kind with eight images."""
    folder = tmp_path / "data"
    for part in ("images", "labels"):
        (folder / "discs" / part).mkdir(parents=True)
    for i in range(8):
        image, labels = draw_discs(i)
        iio.imwrite(folder / "discs" / "images" / f"{i}.png", image)
        iio.imwrite(folder / "discs" / "labels" / f"{i}.png", labels)
    return folder


@pytest.fixture
def quick() -> TrainConfig:
    """A run of four steps on one small crop each."""
    return TrainConfig(
        steps=4,
        window=64,
        full_frames=0,
        crops=1,
        prompts=2,
        warmup=1,
        held_out=0,
        validate_every=2,
        validation_images=1,
        checkpoint_minutes=60,
    )
