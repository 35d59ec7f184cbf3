"""All objects of a concept by SAM 3: as transformers finds them, and as labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_sam
from napari_sam.inference.preprocess import to_frame
from napari_sam.inference.sam3_concepts import find_concept_masks, finds_concepts
from napari_sam.model.roi_align import roi_align

pytest.importorskip("transformers")

from tiny_network import tiny_predictor
from tiny_sam3 import SIDE, tiny_sam3_network, tiny_sam3_predictor, tokenize

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 100), np.uint8)
ALL = napari_sam.ConceptConfig(phrase="round cell", min_likelihood=0.0)


@pytest.fixture(scope="module")
def sam():
    return tiny_sam3_predictor()


def find_by_transformers(phrase, **boxes):
    network = tiny_sam3_network()
    frame, _ = to_frame(IMAGE, SIDE, (0, 255), keeps_aspect=False)
    with torch.inference_mode():
        found = network.detector_model(
            pixel_values=(frame / 255 - 0.5) / 0.5, **tokenize(phrase), **boxes
        )
    scores = found.pred_logits.sigmoid() * found.presence_logits.sigmoid()
    return found.pred_masks[0], scores[0]


def assert_same(mine, masks, scores):
    order = torch.argsort(scores, descending=True, stable=True)
    assert np.abs(mine.scores - scores[order].numpy()).max() <= 1e-4
    assert float((mine.logits - masks[order]).abs().max()) <= 1e-4


def test_a_phrase_is_answered_as_in_transformers(sam):
    embedding = sam.embed(IMAGE, contrast_limits=(0, 255))
    mine = find_concept_masks(sam, embedding, "round cell", min_score=0)
    assert mine.masks.shape == (6, 60, 100)
    assert_same(mine, *find_by_transformers("round cell"))


def test_example_boxes_are_answered_as_in_transformers(sam):
    embedding = sam.embed(IMAGE, contrast_limits=(0, 255))
    mine = find_concept_masks(
        sam,
        embedding,
        boxes=[(6, 10, 30, 40)],
        counter_boxes=[(30, 50, 60, 100)],
        min_score=0,
    )
    # centre and size in parts of the image, which fills the frame
    boxes = torch.tensor([[[0.25, 0.3, 0.3, 0.4], [0.75, 0.75, 0.5, 0.5]]])
    theirs = find_by_transformers(
        "visual", input_boxes=boxes, input_boxes_labels=torch.tensor([[1, 0]])
    )
    assert_same(mine, *theirs)


def test_points_of_sam_3_are_answered_as_in_transformers(sam):
    embedding = sam.embed(IMAGE, contrast_limits=(0, 255))
    answer = sam.predict(embedding, points=[(20.0, 30.0)])
    network = tiny_sam3_network()
    tracker = network.tracker_model
    frame, _ = to_frame(IMAGE, SIDE, (0, 255), keeps_aspect=False)
    with torch.inference_mode():
        seen = network.detector_model.vision_encoder((frame / 255 - 0.5) / 0.5)
        maps, _ = network.get_vision_features_for_tracker(seen)
        sides = tracker.backbone_feature_sizes
        maps = [
            one.permute(1, 2, 0).view(1, -1, *side)
            for one, side in zip(maps, sides, strict=True)
        ]
        maps[-1] = maps[-1] + tracker.no_memory_embedding.view(1, -1, 1, 1)
        at = torch.tensor([[[[30 * SIDE / 100, 20 * SIDE / 60]]]])
        sparse, dense = tracker.prompt_encoder(
            at, torch.ones(1, 1, 1, dtype=torch.int64), None, None
        )
        masks, scores, _, _ = tracker.mask_decoder(
            image_embeddings=maps[-1],
            image_positional_embeddings=tracker.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            high_resolution_features=maps[:-1],
        )
    order = torch.argsort(scores[0, 0], descending=True, stable=True)
    assert np.abs(answer.scores - scores[0, 0, order].numpy()).max() <= 1e-4
    assert np.abs(answer.logits - masks[0, 0, order].numpy()).max() <= 1e-4


def test_everything_of_a_concept_becomes_labels(sam):
    config = napari_sam.SegmentConfig(concept=ALL)
    labels = napari_sam.segment(IMAGE, model=sam, mode="concept", config=config)
    assert labels.shape == (60, 100)
    assert sorted(np.unique(labels)) == list(range(labels.max() + 1))
    assert np.array_equal(napari_sam.segment(IMAGE, model=sam, config=config), labels)


def test_objects_outside_the_region_or_on_labels_are_left_out(sam):
    config = napari_sam.SegmentConfig(concept=ALL)
    nowhere = napari_sam.Scope(exclude=np.ones((60, 100), np.int32))
    labels = napari_sam.segment(
        IMAGE, model=sam, mode="concept", config=config, scope=nowhere
    )
    assert not labels.any()


def test_without_a_phrase_or_an_example_it_says_what_is_missing(sam):
    with pytest.raises(ValueError, match="give a phrase, or boxes of examples"):
        napari_sam.segment(IMAGE, model=sam, mode="concept")


def test_other_models_say_that_they_know_no_concepts(sam):
    assert finds_concepts(sam)
    assert not finds_concepts(tiny_predictor())
    with pytest.raises(ValueError, match=r"'concept' needs a model.*tiny does not"):
        napari_sam.segment(IMAGE, model=tiny_predictor(), mode="concept")


def test_find_asks_sam_3_for_the_kind_and_measures_the_rest(sam):
    loose = napari_sam.FindConfig(min_match=0.0)
    every = napari_sam.find(IMAGE, "nucleus", model=sam, config=loose)
    few = napari_sam.find(IMAGE, "the 2 largest nuclei", model=sam, config=loose)
    assert every.labels.max() == len(every.scores)
    assert few.labels.max() <= 2 <= every.labels.max()
    assert list(every.scores) == sorted(every.scores, reverse=True)


def test_find_takes_objects_of_the_image_as_examples(sam):
    like = np.zeros((60, 100), np.int32)
    like[6:30, 10:40] = 3
    loose = napari_sam.FindConfig(min_match=0.0)
    found = napari_sam.find(IMAGE, like=like, model=sam, config=loose)
    assert len(found.scores) >= 1
    with pytest.raises(ValueError, match="examples for SAM 3 are objects of"):
        napari_sam.find(IMAGE, like=np.zeros((2, 5), np.float32), model=sam)


def test_features_of_boxes_are_pooled_as_torchvision_pools_them():
    # values of torchvision.ops.roi_align, worked out by hand from its definition
    rows = torch.arange(6.0)[:, None].expand(6, 6)
    features = torch.stack([rows, rows.T])[None]
    boxes = [torch.tensor([[1.0, 0.0, 5.0, 2.0], [4.0, 4.0, 8.0, 8.0]])]
    pooled = roi_align(features, boxes, 2)
    assert pooled.shape == (2, 2, 2, 2)
    assert pooled[0, 0].tolist() == [[0.5, 0.5], [1.5, 1.5]]
    assert pooled[0, 1].tolist() == [[2.0, 4.0], [2.0, 4.0]]
    # two samples for each cell and axis: 4.5 and 5.5, which is the last row; 6.5 and
    # 7.5, which lie beyond the features
    assert pooled[1, 0].tolist() == [[4.75, 0.0], [0.0, 0.0]]
