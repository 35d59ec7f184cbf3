"""A small folder of labelled discs, and a configuration that is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imageio.v3 as iio
import pytest
from drawn_discs import draw_discs

from napari_sam.configs import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path


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
