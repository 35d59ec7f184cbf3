import imageio.v3 as iio
import numpy as np
import pytest
from disc_predictor import DiscPredictor


@pytest.fixture
def model(monkeypatch):
    """Stand in for the model that the commands load; `loaded` tells what was asked."""
    sam = DiscPredictor(radii=(5, 8, 20), scores=(0.9, 0.8, 0.7), steepness=3)
    sam.loaded = []

    def load_model(source, *, device="auto"):
        sam.loaded.append((source, device))
        return sam

    monkeypatch.setattr("napari_sam.inference.predictor.load_model", load_model)
    return sam


@pytest.fixture
def plate(tmp_path):
    """A folder of three images."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for name in ("a", "b", "c"):
        iio.imwrite(folder / f"{name}.png", np.full((48, 64), 9, np.uint8))
    return folder
