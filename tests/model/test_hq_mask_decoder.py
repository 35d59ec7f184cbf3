"""Equal weights give SAM-HQ's own masks.

``tests/data/sam_hq_reference.npz`` holds what SAM-HQ's published code computes from
weights that are drawn by name (see ``make_sam_hq_reference.py``).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_weights import drawn_image, drawn_weights

from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.model.image_encoder import VitConfig
from napari_sam.model.sam import Architecture

REFERENCE = Path(__file__).parents[1] / "data" / "sam_hq_reference.npz"
TOLERANCE = 1e-4

POINTS = torch.tensor([[[40.0, 90.0]], [[101.0, 33.0]]])
BOXES = torch.tensor([[20.0, 30.0, 90.0, 110.0], [64.0, 8.0, 120.0, 60.0]])
ANSWERS = [("point", True), ("point", False), ("box", False)]


@dataclass(frozen=True)
class Case:
    """An image encoder; of a tiny one all but the frame is as published."""

    frame_size: int
    width: int = 64
    depth: int = 3
    heads: int = 2
    window: int = 5
    global_blocks: tuple[int, ...] = (1, 2)
    is_tiny: bool = False


CASES = {"vit": Case(128), "tiny": Case(1024, is_tiny=True)}
"""Of two blocks with global attention, the first is read."""


def architecture_of(case):
    if case.is_tiny:
        return replace(ARCHITECTURES["vit_t"], high_quality=True)
    vit = VitConfig(case.width, case.depth, case.heads, case.global_blocks, window=5)
    return Architecture("small", vit, frame_size=case.frame_size, high_quality=True)


def frame_of(case):
    return drawn_image("frame", (1, 3, case.frame_size, case.frame_size))


def kept_of(values):
    """Keep some of many pixels, the same of each channel."""
    step = 1 if values.shape[-1] <= 32 else 5
    return values[..., ::step, ::step].numpy()[:, :64]


@pytest.fixture(scope="module", params=CASES)
def answered(request):
    """A model with drawn weights, its embedding, and the reference of its case."""
    case = CASES[request.param]
    model = build_sam(architecture_of(case))
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict(drawn_weights(shapes), strict=True)
    with torch.inference_mode():
        features = model.encode(frame_of(case))
    with np.load(REFERENCE) as kept:
        wanted = {
            key.removeprefix(f"{request.param}_"): kept[key]
            for key in kept.files
            if key.startswith(f"{request.param}_")
        }
    return model, features, wanted


def assert_close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_embedding_begins_with_that_of_the_image_encoder(answered):
    _, features, wanted = answered
    assert features.shape[1] == 3 * 256
    assert_close(kept_of(features[:, :256]), wanted["features"])


@pytest.mark.parametrize(("prompt", "several"), ANSWERS)
def test_equal_weights_give_the_masks_of_sam_hq(answered, prompt, several):
    model, features, wanted = answered
    ones = torch.ones(2, 1, dtype=torch.int64)
    prompts = (None, None, BOXES) if prompt == "box" else (POINTS, ones, None)
    with torch.inference_mode():
        sparse, dense = model.prompt_encoder(*prompts, None)
        position = model.prompt_encoder.dense_position()
        masks, scores = model.mask_decoder(features, position, sparse, dense, several)
    best = scores.argmax(1)  # of three, the published code returns the best alone
    chosen = torch.arange(2), best
    name = f"{prompt}_{several}"
    assert_close(scores[chosen].numpy(), wanted[f"{name}_scores"][:, 0])
    assert_close(kept_of(masks[chosen][:, None]), wanted[f"{name}_masks"])


def test_many_points_are_answered_as_one_by_one(answered):
    model, features, _ = answered
    decoder, encoder = model.mask_decoder, model.prompt_encoder
    ones = torch.ones(2, 1, dtype=torch.int64)
    grid = tuple(features.shape[-2:])
    with torch.inference_mode():
        sparse, dense = encoder(POINTS, ones)
        position = encoder.dense_position()
        masks, scores = decoder(features, position, sparse, dense, True)
        shared = decoder.share(features, position, encoder.no_mask())
        drawn = decoder.draw_promising(shared, sparse, grid, None)
    assert_close(drawn.scores.numpy(), scores.flatten().numpy())
    assert_close(drawn.logits.numpy(), masks.flatten(0, 1).numpy())
