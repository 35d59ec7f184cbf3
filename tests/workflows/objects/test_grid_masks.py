"""Everything in an image, held against a literal form of the published algorithm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from literal_generator import literal_masks
from lively_network import blocks_image, lively_predictor
from pydantic import ValidationError

import napari_sam
from napari_sam import GridConfig, generate_masks
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.objects.grid_masks import estimate_seconds
from napari_sam.workflows.progress import Progress

THRESHOLDS = {
    "pred_iou_thresh": 0.8,
    "stability_score_thresh": 0.4,
    "box_nms_thresh": 0.8,
}


@pytest.fixture(scope="module")
def sam():
    return lively_predictor()


@pytest.fixture(scope="module")
def image():
    return blocks_image((60, 90))


def assert_same(found, literal):
    assert len(found) == len(literal)
    for ours, theirs in zip(found, literal, strict=True):
        assert ours.predicted_iou == pytest.approx(theirs.iou, abs=1e-4)
        stability = np.nan_to_num(theirs.stability)
        assert ours.stability_score == pytest.approx(stability, abs=1e-4)
        assert ours.point == pytest.approx(theirs.point[::-1])
        x0, y0, x1, y1 = theirs.crop
        assert ours.crop_box == (y0, x0, y1, x1)
        mask = ours.rle.decode()
        union = (mask | theirs.mask).sum()
        assert (mask & theirs.mask).sum() >= 0.999 * union
        assert ours.area == mask.sum()
        x0, y0, x1, y1 = theirs.box
        wanted = (y0, x0, y1 + 1, x1 + 1) if union else (0, 0, 0, 0)
        assert ours.bbox == wanted


@pytest.mark.parametrize(
    ("shape", "options", "least"),
    [
        ((60, 90), {}, 10),
        ((90, 60), {"points_per_batch": 5}, 8),
        ((60, 90), {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}, 50),
        ((60, 90), {"stability_score_offset": 0.3, "box_nms_thresh": 0.3}, 5),
        ((256, 200), {}, 10),
        ((200, 40), {}, 3),
        ((7, 5), {}, 2),
        ((1, 1), {"pred_iou_thresh": 0.0}, 0),
        ((160, 240), {"crop_n_layers": 1, "points_per_side": 6}, 10),
        (
            (240, 200),
            {
                "crop_n_layers": 2,
                "crop_n_points_downscale_factor": 2,
                "crop_overlap_ratio": 0.5,
                "crop_nms_thresh": 0.4,
            },
            5,
        ),
        ((9, 3), {"crop_n_layers": 2, "crop_n_points_downscale_factor": 2}, 10),
        ((60, 90), {"min_mask_region_area": 30}, 8),
        ((7, 5), {"min_mask_region_area": 50}, 1),
        (
            (160, 120),
            {"min_mask_region_area": 100, "crop_n_layers": 1, "points_per_side": 4},
            5,
        ),
    ],
)
def test_same_records_in_the_same_order_as_the_literal_algorithm(
    sam, shape, options, least
):
    image = blocks_image(shape, seed=1)
    options = {"points_per_side": 7, **THRESHOLDS, **options}
    found = generate_masks(image, model=sam, config=GridConfig(**options))
    options.pop("points_per_batch", None)
    literal = literal_masks(sam, image, **options)
    assert len(literal) >= least
    assert_same(found, literal)


def test_an_embedding_is_as_good_as_its_image(sam, image):
    config = GridConfig(points_per_side=5, **THRESHOLDS)
    assert generate_masks(image, model=sam, config=config) == generate_masks(
        sam.embed(image, scale="whole"), model=sam, config=config
    )


def test_crops_need_the_image(sam, image):
    with pytest.raises(ValueError, match="give the image"):
        generate_masks(
            sam.embed(image, scale="whole"),
            model=sam,
            config=GridConfig(crop_n_layers=1),
        )


def test_masks_are_those_of_the_predictor(sam, image):
    config = GridConfig(points_per_side=5, **THRESHOLDS)
    embedding = sam.embed(image, scale="whole")
    for record in generate_masks(embedding, model=sam, config=config):
        answer = sam.predict(embedding, points=[record.point])
        k = np.abs(answer.scores - record.predicted_iou).argmin()
        assert np.array_equal(answer.masks[k], record.rle.decode())


@pytest.mark.parametrize("count", [1, 3, 11])
def test_how_many_points_are_decoded_at_once_does_not_matter(sam, image, count):
    points = np.random.default_rng(0).uniform(0, 60, (20, 2))
    decoder = sam.point_decoder(sam.embed(image, scale="whole"))
    usual = list(decoder.decode(points, 0.85))
    starts = range(0, len(points), count)
    other = [
        replace(found, points=found.points + start)
        for start in starts
        for found in decoder.decode(points[start : start + count], 0.85)
    ]
    for name in ("points", "masks", "scores", "logits"):
        a, b = (torch.cat([torch.as_tensor(getattr(s, name)) for s in found])
                for found in (usual, other))  # fmt: skip
        assert len(a) > 6
        assert torch.allclose(a, b, atol=1e-4)


def test_only_masks_above_the_threshold_are_drawn(sam, image):
    points = np.random.default_rng(0).uniform(0, 60, (10, 2))
    decoder = sam.point_decoder(sam.embed(image, scale="whole"))
    everything = list(decoder.decode(points))
    assert sum(len(found.scores) for found in everything) == 30
    good = list(decoder.decode(points, 0.9))
    wanted = [score for found in everything for score in found.scores if score > 0.9]
    assert [score for found in good for score in found.scores] == wanted
    assert next(decoder.decode(points, 9.0)).logits.shape == (0, 64, 64)


def test_scores_that_reach_no_threshold_give_nothing(sam, image):
    config = GridConfig(points_per_side=3, pred_iou_thresh=9.0)
    assert generate_masks(image, model=sam, config=config) == []
    mended = GridConfig(
        points_per_side=2,
        stability_score_thresh=1.5,
        crop_n_layers=1,
        min_mask_region_area=10,
    )
    assert generate_masks(image, model=sam, config=mended) == []


def test_own_grids_are_asked_in_rows_and_columns(sam, image):
    config = GridConfig(
        point_grids=[np.array([[0.25, 0.5], [0.5, 0.1]])],
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        box_nms_thresh=1.0,
    )
    found = generate_masks(image, model=sam, config=config)
    assert {record.point for record in found} == {(15.0, 45.0), (30.0, 9.0)}
    assert GridConfig.model_validate(config.model_dump()) == config
    assert hash(config) == hash(config.model_copy())


def test_a_region_limits_the_grid_and_not_the_masks(sam, image):
    config = GridConfig(points_per_side=6, **THRESHOLDS)
    roi = np.zeros((60, 90), bool)
    roi[:30, 45:] = True
    progress = []
    found = generate_masks(
        image,
        model=sam,
        config=config,
        scope=Scope(roi=roi),
        progress=Progress(lambda *done: progress.append(done)),
    )
    assert found
    assert all(roi[int(r.point[0]), int(r.point[1])] for r in found)
    assert any((r.rle.decode() & ~roi).any() for r in found)
    assert progress == [(0, 1), (1, 1)]


def test_labelled_ground_is_left_alone(sam, image):
    config = GridConfig(points_per_side=6, **THRESHOLDS)
    free = generate_masks(image, model=sam, config=config)
    taken = free[0].rle.decode()
    exclude = np.where(taken, 7, 0).astype(np.int32)
    found = generate_masks(
        image, model=sam, config=config, scope=Scope(exclude=exclude)
    )
    assert found
    for record in found:
        assert exclude[int(record.point[0]), int(record.point[1])] == 0
        assert (record.rle.decode() & taken).sum() <= record.area / 2
    assert (
        generate_masks(
            image, model=sam, config=config, scope=Scope(exclude=np.ones((60, 90), int))
        )
        == []
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"roi": np.zeros((60, 90), bool)}, "no pixel"),
        ({"roi": np.ones((60, 91), bool)}, r"shape \(60, 90\)"),
        ({"roi": np.ones((60, 90))}, "bool"),
        ({"roi": np.ones((0, 0), bool)}, "shape"),
        ({"roi": np.eye(60, 90, 89, dtype=bool)}, "no point of the grid"),
        ({"exclude": np.zeros((90, 60), int)}, r"shape \(60, 90\)"),
        ({"exclude": np.zeros((60, 90), float)}, "whole numbers"),
    ],
)
def test_regions_that_do_not_fit_are_refused_before_any_work(
    sam, image, arguments, message
):
    def is_cancelled():
        raise AssertionError("work began")

    with pytest.raises(ValueError, match=message):
        generate_masks(
            image,
            model=sam,
            config=GridConfig(points_per_side=2),
            progress=Progress(is_cancelled=is_cancelled),
            scope=Scope(**arguments),
        )


def test_images_that_are_none_are_refused(sam):
    with pytest.raises(ValueError, match="image has shape"):
        generate_masks(np.zeros((2, 3, 4, 5)), model=sam)
    with pytest.raises(ValueError, match="empty"):
        generate_masks(np.zeros((0, 5)), model=sam)


def test_progress_counts_batches_and_cancelling_stops_between_two(sam):
    image = blocks_image((40, 50))
    config = GridConfig(
        points_per_side=4,
        points_per_batch=5,
        crop_n_layers=1,
        crop_n_points_downscale_factor=2,
        pred_iou_thresh=9.0,
    )
    progress = []
    generate_masks(
        image,
        model=sam,
        config=config,
        progress=Progress(lambda *done: progress.append(done)),
    )
    assert progress == [(done, 8) for done in range(9)]

    progress.clear()
    with pytest.raises(Cancelled):
        generate_masks(
            image,
            model=sam,
            config=config,
            progress=Progress(
                lambda *done: progress.append(done),
                is_cancelled=lambda: len(progress) == 3,
            ),
        )
    assert progress == [(0, 8), (1, 8), (2, 8)]


def test_crops_see_the_contrast_of_the_whole_image(sam):
    image = np.full((50, 60), 1000.0)
    image[25:] = np.linspace(1000, 5000, 60)
    seen = []
    embed = sam.embed

    def spy(part, **options):
        seen.append(options["contrast_limits"])
        return embed(part, **options)

    config = GridConfig(points_per_side=1, crop_n_layers=1)
    sam.embed = spy
    try:
        generate_masks(image, model=sam, config=config)
        generate_masks(
            image, model=sam, config=config, scope=Scope(contrast_limits=(0, 1))
        )
    finally:
        del sam.embed
    assert len(set(seen[:5])) == 1
    assert set(seen[5:]) == {(0, 1)}


def test_fast_stability_is_close_and_gives_whole_masks(sam, image):
    options = {"points_per_side": 5, **THRESHOLDS, "stability_score_thresh": 0.0}
    exact = generate_masks(image, model=sam, config=GridConfig(**options))
    fast = generate_masks(
        image, model=sam, config=GridConfig(stability="fast", **options)
    )
    assert [record.rle for record in fast] == [record.rle for record in exact]
    gaps = [
        abs(a.stability_score - b.stability_score)
        for a, b in zip(exact, fast, strict=True)
        if a.area
    ]
    assert 0 < max(gaps) < 0.1


def test_bfloat16_is_close(sam, image):
    config = GridConfig(points_per_side=4, pred_iou_thresh=0.0)
    rough = lively_predictor("bfloat16")
    points = np.random.default_rng(0).uniform(0, 60, (9, 2))
    found = [
        torch.cat(
            [
                part.logits
                for part in p.point_decoder(p.embed(image, scale="whole")).decode(
                    points
                )
            ]
        )
        for p in (sam, rough)
    ]
    agree = ((found[0] > 0) == (found[1] > 0)).float().mean()
    assert agree > 0.95
    assert isinstance(generate_masks(image, model=rough, config=config), list)


def test_an_estimate_of_time_grows_with_the_points(sam, image):
    embedding = sam.embed(image, scale="whole")
    few = estimate_seconds(embedding, model=sam, config=GridConfig(points_per_side=2))
    many = estimate_seconds(embedding, model=sam, config=GridConfig(points_per_side=64))
    assert 0 < few < many
    full = np.ones((60, 90), int)
    assert estimate_seconds(embedding, model=sam, scope=Scope(exclude=full)) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"points_per_side": None},
        {"points_per_side": 0},
        {"points_per_side": 4, "point_grids": [[(0.5, 0.5)]]},
        {"point_grids": [[(0.5, 0.5)]], "crop_n_layers": 1},
        {"point_grids": [[(0.5, 1.5)]]},
        {"point_grids": [[0.5, 0.5]]},
        {
            "points_per_side": 3,
            "crop_n_layers": 2,
            "crop_n_points_downscale_factor": 2,
        },
        {"box_nms_thresh": 1.2},
        {"points_per_sid": 3},
        {"stability": "quick"},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(options):
    with pytest.raises(ValidationError):
        GridConfig(**options)


def test_defaults_are_those_of_the_released_generator():
    assert GridConfig().model_dump() == {
        "points_per_side": 32,
        "point_grids": None,
        "points_per_batch": 64,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.7,
        "crop_n_layers": 0,
        "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500,
        "crop_n_points_downscale_factor": 1,
        "min_mask_region_area": 0,
        "stability": "exact",
    }
    assert napari_sam.MaskRecord.__module__ == "napari_sam.ops.types"
