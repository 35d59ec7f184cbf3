"""Equal weights give micro-sam's own maps.

``tests/data/micro_sam_reference.npz`` holds what micro-sam's and torch_em's published
code computes from weights that are drawn by name (see ``make_micro_sam_reference.py``).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_weights import drawn_image, drawn_weights

from napari_sam.model.unetr_decoder import UnetrDecoder

REFERENCE = Path(__file__).parents[1] / "data" / "micro_sam_reference.npz"
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """A decoder, the grid of the embedding, and of how many pixels one is kept."""

    width: int
    channels: tuple[int, int, int, int]
    is_transposed: bool
    grid: tuple[int, int]
    step: int = 1


CASES = {
    "small_bilinear": Case(16, (32, 16, 8, 4), False, (3, 4)),
    "small_transposed": Case(16, (32, 16, 8, 4), True, (4, 3)),
    "full_bilinear": Case(256, (512, 256, 128, 64), False, (8, 8), 7),
    "full_transposed": Case(256, (512, 256, 128, 64), True, (8, 8), 7),
}
"""A grid that is not square tells rows from columns."""


def features_of(case):
    return drawn_image("features", (1, case.width, *case.grid))


@pytest.mark.parametrize("name", CASES)
def test_equal_weights_give_the_maps_of_micro_sam(name):
    case = CASES[name]
    decoder = UnetrDecoder(case.width, case.channels, case.is_transposed).eval()
    shapes = {key: value.shape for key, value in decoder.state_dict().items()}
    decoder.load_state_dict(drawn_weights(shapes), strict=True)
    with torch.inference_mode():
        maps = decoder(features_of(case)).sigmoid()[0].numpy()
    assert maps.shape == (3, *(16 * side for side in case.grid))
    with np.load(REFERENCE) as kept:
        wanted = kept[name]
    assert wanted.std() > 0.05
    found = maps[:, :: case.step, :: case.step]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)


def test_each_image_is_seen_by_itself():
    case = CASES["small_bilinear"]
    decoder = UnetrDecoder(case.width, case.channels)
    shapes = {key: value.shape for key, value in decoder.state_dict().items()}
    decoder.load_state_dict(drawn_weights(shapes))
    before = {key: value.clone() for key, value in decoder.state_dict().items()}
    one, other = features_of(case), drawn_image("other", (1, 16, *case.grid))
    with torch.inference_mode():
        alone = decoder(one)
        together = decoder.train()(torch.cat([other, one]))
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=TOLERANCE)
    assert all(torch.equal(before[k], v) for k, v in decoder.state_dict().items())
