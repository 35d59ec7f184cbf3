"""What a dask worker loads at its start in tests: a stand-in for every model.

The model's name says how it behaves: "slow" takes a moment for each block, "bad" fails
where the image has a 7.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from exact_predictor import ExactPredictor

from napari_sam.inference import model_loading

PAUSE = 0.2
"""Seconds that "slow" takes for a block, in which a test may end its process."""


class NamedPredictor(ExactPredictor):
    def __init__(self, name):
        super().__init__(frame_size=128)
        self.name = name
        self.digest = "of the stand-in"

    def see(self, image):
        if self.name == "slow":
            time.sleep(PAUSE)
        if self.name == "bad" and (image == 7).any():
            raise RuntimeError("a 7 was seen")
        return super().see(image)


def load_named(source, *, device="auto"):
    return NamedPredictor(source)


def dask_setup(worker):
    model_loading.load_model = load_named
