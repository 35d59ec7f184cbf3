from pathlib import Path

import numpy as np
import pytest
import tifffile
from ideal_predictor import IdealPredictor, grid_of_discs
from tiny_network import tiny_predictor

import napari_sam
from napari_sam.configs import (
    MODES,
    GridConfig,
    InstanceConfig,
    RefineConfig,
    SegmentConfig,
    read_settings,
)
from napari_sam.evaluation.instances import overlap_labels, score_overlaps
from napari_sam.io.samples import load_sample
from napari_sam.training.rendering import render_scene
from napari_sam.workflows.objects.grid_masks import grid_defaults
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.objects.refinement import refine_instances
from napari_sam.workflows.objects.segment import choose_mode, segment

DISCS = grid_of_discs(120, 40, 8).astype(np.uint8)
EXACT = InstanceConfig(smoothing=0, min_area=5)


class Careless(IdealPredictor):
    """Draws objects a pixel larger, as a decoder that is asked to refine might."""

    grow = 1

    def answer(self, embedding, prompts, count):
        answer = super().answer(embedding, prompts, count)
        mask = answer.masks[0]
        for _ in range(self.grow):
            wide = np.pad(mask, 1)
            mask = wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
            mask |= answer.masks[0]
        answer.masks[0] = mask
        return answer


def test_the_door_is_open_and_the_bundled_model_finds_nuclei(cells):
    image = load_sample("nuclei_2d")
    truth = tifffile.imread(Path(__file__).parents[2] / "data" / "nuclei_2d_labels.tif")
    labels = napari_sam.segment(image, model=cells)
    assert labels.dtype == np.int32
    assert labels.shape == image.shape
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert score_overlaps(overlap_labels(truth, labels)).precision(0) >= 0.75
    part = image[:160, :160]
    refined = napari_sam.segment(part, model=cells, mode="refined")
    scores = score_overlaps(overlap_labels(truth[:160, :160], refined))
    assert scores.precision(0) >= 0.6


def test_dense_maps_have_the_size_of_the_image(cells):
    part = load_sample("nuclei_2d")[:200, :160]
    maps = cells.dense_maps(cells.embed(part, scale="whole"))
    assert maps.shape == (3, 200, 160)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    inside = maps[0] > 0.5
    assert maps[1][inside].mean() < maps[1][~inside].mean()
    assert maps[2][inside].mean() < maps[2][~inside].mean()


def test_refined_masks_replace_those_that_they_agree_with():
    found = find_instances(DISCS, model=Careless(), config=EXACT)
    lenient = RefineConfig(agreement_thresh=0.7)
    records = refine_instances(DISCS, found, model=Careless(), config=lenient)
    assert [r.area > old for r, old in zip(records, found.areas, strict=True)] == (
        [True] * 9
    )
    assert [r.predicted_iou for r in records] == found.scores.tolist()
    assert [r.point for r in records] == list(map(tuple, found.points))


@pytest.mark.parametrize(
    ("sam", "config"),
    [
        (Careless(score=0.3), RefineConfig(agreement_thresh=0)),
        (Careless(), RefineConfig(agreement_thresh=0.95)),
        (Careless(), RefineConfig(agreement_thresh=0, pred_iou_thresh=0.95)),
    ],
)
def test_an_instance_stays_where_the_answer_is_doubtful(sam, config):
    found = find_instances(DISCS, model=sam, config=EXACT)
    assert refine_instances(DISCS, found, model=sam, config=config) == found.records()


def test_refinement_wants_the_image_that_was_searched():
    found = find_instances(DISCS, model=IdealPredictor(), config=EXACT)
    with pytest.raises(ValueError, match="instances have shape"):
        refine_instances(DISCS[:-1], found, model=IdealPredictor())


def test_refinement_prompts_in_the_tiles_that_were_searched():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    sam = IdealPredictor()
    found = find_instances(image, model=sam, config=EXACT)
    seen = set(sam.shapes[1:])
    sam.shapes.clear()
    records = refine_instances(image, found, model=sam)
    assert set(sam.shapes) == seen | {(400, 400)}
    assert len(records) == 100
    assert sum(r.area for r in records) == image.sum()
    assert all(p.box is not None and len(p.points) == 1 for p in sam.asked)


def test_auto_takes_what_the_model_has():
    assert choose_mode("auto", IdealPredictor()) == "instances"
    assert choose_mode("auto", tiny_predictor()) == "grid"
    for mode in set(MODES) - {"auto", "concept"}:  # see test_concepts
        assert choose_mode(mode, IdealPredictor()) == mode


@pytest.mark.parametrize("mode", ["instances", "refined"])
def test_a_mode_that_the_model_lacks_is_refused(mode):
    with pytest.raises(ValueError, match="has no dense head, so that mode"):
        segment(np.zeros((20, 20)), model=tiny_predictor(), mode=mode)


def test_grid_mode_labels_what_passes_and_nothing_where_nothing_does():
    image = load_sample("coins")[:64, :80]
    loose = GridConfig(points_per_side=2, pred_iou_thresh=-9, stability_score_thresh=0)
    labels = segment(
        image, model=tiny_predictor(), mode="grid", config=SegmentConfig(grid=loose)
    )
    assert labels.shape == (64, 80)
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    strict = GridConfig(points_per_side=2, pred_iou_thresh=99)
    assert not segment(
        image, model=tiny_predictor(), config=SegmentConfig(grid=strict)
    ).any()


def test_the_grid_has_thresholds_that_suit_the_model(monkeypatch):
    assert grid_defaults(tiny_predictor()) == GridConfig()
    seen = []

    def generate(image, *, model, config, **options):
        seen.append(config.over(grid_defaults(model)))
        return []

    monkeypatch.setattr("napari_sam.workflows.objects.segment.generate_masks", generate)
    given = GridConfig(points_per_side=8, box_nms_thresh=0.7)
    assert not segment(
        DISCS, model=IdealPredictor(), mode="grid", config=SegmentConfig(grid=given)
    ).any()
    assert not segment(DISCS, model=IdealPredictor(), mode="grid").any()
    own = grid_defaults(IdealPredictor())
    assert own.pred_iou_thresh < GridConfig().pred_iou_thresh
    assert seen[1] == own
    assert (seen[0].points_per_side, seen[0].box_nms_thresh) == (8, 0.7)
    assert seen[0].pred_iou_thresh == own.pred_iou_thresh


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "magic"}, "mode must be one of"),
        ({"config": {"order": "age"}}, "(?s)order.*'score' or 'area'"),
        ({"model": "no such model"}, "no such model"),
    ],
)
def test_wrong_words_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        config = SegmentConfig(**arguments.pop("config", {}))
        segment(np.zeros((20, 20)), config=config, **arguments)


def test_settings_are_sorted_by_what_they_are_of():
    found = read_settings("refined", {"min_area": "50", "agreement_thresh": 0.5})
    assert found == SegmentConfig(
        instances=InstanceConfig(min_area=50),
        refine=RefineConfig(agreement_thresh=0.5),
    )
    grid = read_settings("grid", {"points_per_side": "16"})
    assert grid == SegmentConfig(grid=GridConfig(points_per_side=16))
    assert read_settings("auto", {}) == SegmentConfig()


@pytest.mark.parametrize(
    ("mode", "settings", "message"),
    [
        ("grid", {"min_area": 3}, "mode 'grid' has no parameter 'min_area'"),
        ("instances", {"min_area": "many"}, "min_area"),
        ("clicks", {}, "mode must be one of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(mode, settings, message):
    with pytest.raises(ValueError, match=message):
        read_settings(mode, settings)


def test_nuclei_inside_cells_are_another_level_than_the_cells(cells):
    scene = render_scene("cells_fluo_packed", np.random.default_rng(5006), (256, 256))
    nuclei_alone = SegmentConfig(instances=InstanceConfig(level="nuclei"))

    nuclei = napari_sam.segment(scene.image, model=cells, config=nuclei_alone)
    whole = napari_sam.segment(scene.image, model=cells)

    assert _share_found(scene.nuclei, nuclei) > 0.8 > _share_found(scene.nuclei, whole)
    assert _share_found(scene.labels, whole) > 0.3 > _share_found(scene.labels, nuclei)


def _share_found(true, labels):
    """Share of the true objects that one of the labels matches (IoU above .5)."""
    numbered = np.unique(true, return_inverse=True)[1].reshape(true.shape)
    scores = score_overlaps(overlap_labels(numbered, labels))
    return scores.matches[0] / scores.truths
