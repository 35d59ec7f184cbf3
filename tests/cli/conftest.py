from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam.training.dataset import Dataset


@pytest.fixture
def model(monkeypatch):
    """Stand in for the model that the commands load; `loaded` tells what was asked."""
    sam = DiscPredictor(radii=(5, 8, 20), scores=(0.9, 0.8, 0.7), steepness=3)
    sam.loaded = []

    def load_model(source, *, device="auto"):
        sam.loaded.append((source, device))
        return sam

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_model)
    return sam


@pytest.fixture
def plate(tmp_path):
    """A folder of three images."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for name in ("a", "b", "c"):
        iio.imwrite(folder / f"{name}.png", np.full((48, 64), 9, np.uint8))
    return folder


@pytest.fixture
def trained(monkeypatch):
    """Stand in for the training: it takes the data, and is done; tells the data."""
    seen = []

    class Trainer:
        def __init__(self, config, data, out, *args, **options):
            self.data = Dataset(data, config, 512, 8)
            self.out = out
            seen.append(self.data)

        def run(self, **options):
            self.out.write_bytes(b"weights")
            told = {"reason": "steps", "step": 1, "best_step": 1, "path": "w"}
            return SimpleNamespace(before=None, after=None, **told)

    monkeypatch.setattr("napari_sam.training.trainer.Trainer", Trainer)
    return seen


@pytest.fixture
def from_nothing(tmp_path):
    """Options with which a training loads no model, and holds nothing out."""
    path = tmp_path / "config.toml"
    path.write_text("held_out = 0.0\n")
    return ["--config", str(path)]
