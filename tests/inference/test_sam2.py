"""SAM 2 behind the predictor: as transformers computes it, from images to masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam.inference.preprocess import to_frame
from napari_sam.io.embedding_store import EmbeddingStore
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from napari_sam.inference.predictor import Predictor

pytest.importorskip("transformers")

from tiny_sam2 import (
    SIDE,
    tiny_sam2_network,
    tiny_sam2_predictor,
)

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 100), np.uint8)
DOWN, ACROSS = SIDE / 60, SIDE / 100


@pytest.fixture(scope="module")
def sam() -> Predictor:
    return tiny_sam2_predictor()


@pytest.fixture(scope="module")
def network():
    return tiny_sam2_network()


def pixels(image):
    """Prepare an image as the model's processor does."""
    frame, _ = to_frame(image, SIDE, (0, 255), keeps_aspect=False)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (frame / 255 - mean) / std


def ask(network, three, **prompts):
    """Ask the network of transformers itself."""
    with torch.inference_mode():
        maps = network.get_image_embeddings(pixels(IMAGE))
        sparse, dense = network.prompt_encoder(
            **{
                "input_points": None,
                "input_labels": None,
                "input_boxes": None,
                "input_masks": None,
                **prompts,
            }
        )
        masks, scores, _, _ = network.mask_decoder(
            image_embeddings=maps[-1],
            image_positional_embeddings=network.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=three,
            high_resolution_features=maps[:-1],
        )
    return masks[0, 0].numpy(), scores[0, 0].numpy()


def assert_same(answer, masks, scores):
    order = np.argsort(-scores, kind="stable")
    assert np.abs(answer.scores - scores[order]).max() <= 1e-4
    assert np.abs(answer.logits - masks[order]).max() <= 1e-4


def test_a_point_is_answered_by_three_masks_as_in_transformers(sam, network):
    answer = sam.predict(
        sam.embed(IMAGE, contrast_limits=(0, 255)), points=[(20.0, 30.0)]
    )
    theirs = ask(
        network,
        three=True,
        input_points=torch.tensor([[[[30 * ACROSS, 20 * DOWN]]]]),
        input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
    )
    assert answer.masks.shape == (3, 60, 100)
    assert_same(answer, *theirs)


def test_points_and_a_box_are_answered_by_one_mask_as_in_transformers(sam, network):
    answer = sam.predict(
        sam.embed(IMAGE, contrast_limits=(0, 255)),
        points=[(20.0, 30.0), (50.0, 90.0)],
        labels=[1, 0],
        box=(10, 5, 40, 60),
    )
    theirs = ask(
        network,
        three=False,
        input_points=torch.tensor(
            [[[[30 * ACROSS, 20 * DOWN], [90 * ACROSS, 50 * DOWN]]]]
        ),
        input_labels=torch.tensor([[[1, 0]]]),
        input_boxes=torch.tensor([[[5 * ACROSS, 10 * DOWN, 60 * ACROSS, 40 * DOWN]]]),
    )
    assert answer.masks.shape == (1, 60, 100)
    assert_same(answer, *theirs)


def test_an_earlier_answer_is_refined_as_in_transformers(sam, network):
    embedding = sam.embed(IMAGE, contrast_limits=(0, 255))
    first = sam.predict(embedding, points=[(20.0, 30.0)])
    answer = sam.predict(embedding, points=[(20.0, 30.0)], previous=first)
    theirs = ask(
        network,
        three=False,
        input_points=torch.tensor([[[[30 * ACROSS, 20 * DOWN]]]]),
        input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
        input_masks=torch.from_numpy(first.logits[:1, None]),
    )
    assert_same(answer, *theirs)


def test_objects_asked_together_are_answered_as_one_by_one(sam):
    from napari_sam.ops.types import Prompts

    embedding = sam.embed(IMAGE)
    mask = np.zeros((60, 100), bool)
    mask[10:30, 20:50] = True
    asked = [
        Prompts.make(points=[(20, 30)]),
        Prompts.make(box=(10, 5, 40, 60)),
        Prompts.make(points=[(50, 90)]),
        Prompts.make(mask_logits=sam.mask_to_logits(embedding, mask)),
    ]
    together = sam.predict_batch(embedding, asked)
    for prompt, answer in zip(asked, together, strict=True):
        alone = sam.predict_prompts(embedding, prompt)
        assert np.abs(answer.logits - alone.logits).max() <= 1e-4
        assert answer.masks.shape[1:] == (60, 100)


def test_many_points_give_the_masks_of_single_points(sam):
    embedding = sam.embed(IMAGE)
    points = [(r, c) for r in (5, 25, 45) for c in (10, 40, 70, 95)]
    found = list(sam.point_decoder(embedding).decode(points))
    logits = torch.cat([one.logits for one in found])
    assert len(logits) == 3 * len(points)
    alone = sam.predict(embedding, points=[points[7]])
    scores = np.concatenate([one.scores for one in found])[21:24]
    order = np.argsort(-scores, kind="stable")
    assert np.abs(logits[21:24].numpy()[order] - alone.logits).max() <= 1e-4


def test_only_masks_of_a_good_score_are_kept_of_many_points(sam):
    embedding = sam.embed(IMAGE)
    points = [(5, 10), (25, 40)]
    (found,) = sam.point_decoder(embedding).decode(points)
    least = float(np.sort(found.scores)[-2])
    (kept,) = sam.point_decoder(embedding).decode(points, least)
    assert kept.scores.tolist() == [found.scores.max()]


def test_the_plane_is_squashed_to_the_frame_and_comes_back_in_its_shape(sam):
    wide = np.random.default_rng(1).integers(0, 255, (20, 90), np.uint8)
    embedding = sam.embed(wide)
    assert embedding.geometry.resized_shape == (SIDE, SIDE)
    mask = np.zeros((20, 90), bool)
    mask[5:12, 30:70] = True
    logits = sam.mask_to_logits(embedding, mask)
    row, col = np.nonzero(logits > 0)
    side = logits.shape[0]
    assert (row.min(), row.max() + 1) == pytest.approx(
        (5 / 20 * side, 12 / 20 * side), abs=1
    )
    assert (col.min(), col.max() + 1) == pytest.approx(
        (30 / 90 * side, 70 / 90 * side), abs=1
    )


def test_a_plane_in_tiles_is_answered_from_squashed_tiles(sam):
    plane = np.random.default_rng(2).integers(0, 255, (150, 260), np.uint8)
    embedding = sam.embed(plane, scale=1.0)
    answer = sam.predict(embedding, points=[(75, 200)])
    refined = sam.predict(embedding, points=[(75, 200)], previous=answer)
    assert answer.masks.shape == (3, 150, 260)
    assert refined.masks.shape == (1, 150, 260)


def test_an_embedding_from_disk_gives_the_masks_of_the_first_time(tmp_path):
    prompt = {"points": [(20, 30)]}
    answers = []
    for _ in range(2):
        sam = tiny_sam2_predictor()
        sam.cache.store = EmbeddingStore(tmp_path)
        embedding = sam.embed(IMAGE)
        assert not embedding.geometry.keeps_aspect
        answers.append(sam.predict(embedding, **prompt).logits)
    assert np.array_equal(*answers)


def test_an_embedding_is_cancelled_between_two_blocks(sam):
    asked = 0

    def is_cancelled():
        nonlocal asked
        asked += 1
        return asked == 3

    with pytest.raises(Cancelled):
        sam.embed(IMAGE[::-1], is_cancelled=is_cancelled)
    assert asked == 3


def test_half_precision_of_the_encoder_changes_little(sam):
    embedding = tiny_sam2_predictor("bfloat16").embed(IMAGE)
    exact = sam.embed(IMAGE)
    assert embedding.features.dtype == torch.float32
    error = (embedding.features - exact.features).abs().mean()
    assert error < 0.05 * exact.features.abs().mean()
