"""Objects that a scorer chooses, beside those of one watershed."""

import numpy as np
import pytest
from ideal_predictor import IdealPredictor, grid_of_discs
from tiny_network import tiny_predictor

import napari_sam
from napari_sam import InstanceConfig
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.instance_scorer_weights import (
    BUNDLED_INSTANCE_SCORER,
    load_instance_scorer,
    save_instance_scorer,
)
from napari_sam.inference.instance_scorers import scorer_for
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig
from napari_sam.ops.plane_measures import MEASURES
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.stacks.volume import segment_volume


@pytest.fixture(scope="module")
def cells():
    return napari_sam.load_model("cells")


@pytest.fixture(scope="module")
def nuclei():
    return napari_sam.load_sample("nuclei_2d")[:200, :200]


def found_with(image, model, **options):
    return find_instances(image, model=model, config=InstanceConfig(**options))


def test_the_scorer_that_ships_knows_these_measures_and_this_model(cells):
    scorer = load_instance_scorer()
    assert scorer.head.config.measures == len(MEASURES)
    assert scorer_for(cells) is not None
    assert BUNDLED_INSTANCE_SCORER.stat().st_size < 100_000


def test_other_models_part_planes_by_one_watershed():
    image = grid_of_discs(200, 40, 8).astype(np.uint8)
    sam = IdealPredictor(frame_size=128)
    assert scorer_for(sam) is None
    assert scorer_for(tiny_predictor()) is None
    np.testing.assert_array_equal(
        found_with(image, sam).labels,
        found_with(image, sam, parting="watershed").labels,
    )


def test_a_model_that_was_fine_tuned_knows_its_objects_by_itself():
    tuned = napari_sam.load_model("cells")
    known, tuned.object_size = tuned.object_size, 20.0
    try:
        assert scorer_for(tuned) is None
    finally:
        tuned.object_size = known


@pytest.mark.parametrize(
    "options",
    [
        {"seed_depth": 0.1},
        {"foreground_thresh": 0.6},
        {"smoothing": 1.0},
        {"kind": "membranes"},
        {"kind": "cells", "foreground_thresh": 0.52},
    ],
)
def test_who_says_how_to_part_is_obeyed(cells, nuclei, options):
    as_said = found_with(nuclei, cells, **options)
    by_hand = found_with(nuclei, cells, **options, parting="watershed")
    np.testing.assert_array_equal(as_said.labels, by_hand.labels)


def test_planes_of_a_volume_are_parted_by_one_watershed(cells, nuclei):
    plane = nuclei[:96, :96]
    limits = Scope(contrast_limits=(float(plane.min()), float(plane.max())))
    found = segment_volume(plane[None], model=cells, mode="planes", scope=limits)
    config = InstanceConfig(parting="watershed")
    by_hand = find_instances(plane, model=cells, config=config, scope=limits)
    assert len(by_hand) > 1
    np.testing.assert_array_equal(found[0] > 0, by_hand.labels > 0)


def test_nuclei_are_chosen_one_by_one(cells, nuclei):
    chosen = found_with(nuclei, cells)
    parted = found_with(nuclei, cells, parting="watershed")
    assert len(chosen) > 5
    assert abs(len(chosen) - len(parted)) <= 0.2 * len(parted)
    assert (chosen.areas >= 20).all()
    assert ((chosen.scores >= 0.65) & (chosen.scores <= 1)).all()
    rows, cols = chosen.points.T
    np.testing.assert_array_equal(
        chosen.labels[rows, cols], np.arange(1, len(chosen) + 1)
    )


def test_what_was_searched_further_down_holds_what_was_found_at_once(cells, nuclei):
    at_once = found_with(nuclei, cells, min_area=1)
    searched = found_with(nuclei, cells, min_area=1, confidence_thresh=0.3)
    kept = searched.keep(searched.scores >= 0.65)
    np.testing.assert_array_equal(kept.labels, at_once.labels)
    surer = found_with(nuclei, cells, min_area=1, confidence_thresh=0.8)
    np.testing.assert_array_equal(
        surer.labels, at_once.keep(at_once.scores >= 0.8).labels
    )


@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
def test_images_of_all_forms_are_taken(cells, nuclei, channels):
    part = nuclei[:96, :96]
    image = part if not channels else np.stack([part] * channels[0], axis=-1)
    assert len(found_with(image, cells)) > 0


def test_pixels_that_are_no_numbers_do_no_harm(cells, nuclei):
    image = nuclei[:96, :96].astype(np.float32)
    image[:10, :10] = np.nan
    assert len(found_with(image, cells)) > 0


def test_an_embedding_without_its_image_is_parted_by_one_watershed(cells, nuclei):
    embedding = cells.embed(nuclei, scale="whole")
    by_hand = found_with(embedding, cells, parting="watershed")
    np.testing.assert_array_equal(found_with(embedding, cells).labels, by_hand.labels)


def test_a_scorer_is_the_same_after_it_was_written(tmp_path):
    scorer = CandidateScorer(CandidateScorerConfig(6, 5, 2, 0.3))
    save_instance_scorer(tmp_path / "scorer.safetensors", scorer, "abc")
    read = load_instance_scorer(tmp_path / "scorer.safetensors")
    assert (read.encoder, read.head.config) == ("abc", scorer.config)
    for name, tensor in scorer.state_dict().items():
        np.testing.assert_array_equal(read.head.state_dict()[name], tensor)


def test_a_file_that_holds_no_scorer_is_named(tmp_path):
    path = tmp_path / "scorer.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(
        CheckpointError, match=r"scorer\.safetensors holds no instance scorer"
    ):
        load_instance_scorer(path)
