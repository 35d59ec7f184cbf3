"""Objects followed through a stack by SAM 2's memory."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sam
from napari_sam.inference.sam2_following import FollowedObject
from napari_sam.workflows.stacks.following_engine import choose_engine
from napari_sam.workflows.stacks.propagation import propagate

pytest.importorskip("transformers")

from tiny_network import tiny_predictor
from tiny_sam2 import (
    SIDE,
    tiny_sam2_predictor,
)

PLANES = 8
FILM = np.random.default_rng(0).integers(0, 255, (PLANES, SIDE, SIDE), np.uint8)
LIMITS = napari_sam.Scope(contrast_limits=(0, 255))
KEEP_ALL = napari_sam.PropagationConfig(min_score=0.0, min_area=1, min_share=0.0)


def box_mask(top, left, bottom, right):
    mask = np.zeros((SIDE, SIDE), np.int32)
    mask[top:bottom, left:right] = 1
    return mask


@pytest.fixture(scope="module")
def sam():
    return tiny_sam2_predictor()


@pytest.mark.parametrize("step", [1, -1])
def test_an_object_is_followed_forward_and_backward_by_the_memory(sam, step):
    start = 0 if step == 1 else PLANES - 1
    seed = box_mask(20, 30, 60, 80)
    followed = FollowedObject(sam, PLANES)
    embedded = [sam.embed(p, scale="whole", contrast_limits=(0, 255)) for p in FILM]
    followed.remember(start, embedded[start], seed > 0)
    planes = range(start + step, PLANES if step == 1 else -1, step)
    wanted = {
        plane: followed.find(plane, embedded[plane], backward=step < 0)
        for plane in planes
    }
    found = propagate(FILM, {start: seed}, model=sam, config=KEEP_ALL, scope=LIMITS)
    (track,) = found.tracks.values()
    assert track.step == step
    assert list(track.patches) == list(planes)
    for plane, patch in track.patches.items():
        mine = patch.decode((SIDE, SIDE))
        # only the parts that touch the mask before are the object's
        assert mine.any()
        assert not (mine & ~wanted[plane].masks[0]).any()
        assert track.scores[plane] == pytest.approx(float(wanted[plane].scores[0]))


def test_prompts_of_several_planes_are_remembered_together(sam):
    seeds = {1: box_mask(20, 30, 60, 80), 5: box_mask(30, 30, 70, 80)}
    alone = propagate(FILM, {5: seeds[5]}, model=sam, config=KEEP_ALL, scope=LIMITS)
    both = propagate(FILM, seeds, model=sam, config=KEEP_ALL, scope=LIMITS)
    after = (1, 5, 1)
    assert not alone.tracks[after].remembers(seeds_of(both))
    assert both.tracks[after].remembers(seeds_of(both))
    assert both.planes[1][1].is_seed
    assert both.planes[5][1].is_seed


def seeds_of(found):
    track = next(iter(found.tracks.values()))
    return dict(track.remembered)


def test_several_objects_are_followed_and_no_pixel_has_two(sam):
    seed = box_mask(10, 10, 40, 60) + 2 * box_mask(70, 60, 110, 120)
    found = propagate(FILM, {3: seed}, model=sam, config=KEEP_ALL, scope=LIMITS)
    assert {label for label, _, _ in found.tracks} == {1, 2}
    assert {step for _, _, step in found.tracks} == {1, -1}
    assert np.array_equal(found.labels[3], seed)


def test_a_second_run_with_the_same_seeds_follows_nothing_anew(sam):
    seed = {2: box_mask(20, 30, 60, 80)}
    first = propagate(FILM, seed, model=sam, config=KEEP_ALL, scope=LIMITS)
    steps = []
    again = propagate(
        FILM,
        napari_sam.Seeds(seed, previous=first),
        model=sam,
        config=KEEP_ALL,
        scope=LIMITS,
        progress=napari_sam.Progress(report=lambda done, total: steps.append(total)),
    )
    assert np.array_equal(first.labels, again.labels)
    assert max(steps, default=0) <= 1


def test_a_seed_more_changes_what_all_tracks_of_the_object_remember(sam):
    seeds = {2: box_mask(20, 30, 60, 80)}
    first = propagate(FILM, seeds, model=sam, config=KEEP_ALL, scope=LIMITS)
    seeds[5] = box_mask(30, 30, 70, 80)
    more = napari_sam.Seeds(seeds, previous=first)
    again = propagate(FILM, more, model=sam, config=KEEP_ALL, scope=LIMITS)
    anew = propagate(FILM, seeds, model=sam, config=KEEP_ALL, scope=LIMITS)
    assert np.array_equal(again.labels, anew.labels)


def test_an_object_that_the_model_says_is_gone_is_lost():
    sam = tiny_sam2_predictor()
    decoder = sam.model.network.mask_decoder
    decoder.pred_obj_score_head.proj_out.bias.data.fill_(-50.0)
    seed = {0: box_mask(20, 30, 60, 80)}
    found = propagate(FILM, seed, model=sam, scope=LIMITS)
    (track,) = found.tracks.values()
    assert track.is_lost
    assert list(found.planes) == [0]


def test_the_engine_is_chosen_by_what_the_model_has(sam):
    def chosen(model, engine):
        return choose_engine(model, napari_sam.PropagationConfig(engine=engine))

    assert chosen(sam, "auto") == "memory"
    assert chosen(sam, "prompts") == "prompts"
    assert chosen(tiny_predictor(), "auto") == "prompts"
    with pytest.raises(ValueError, match=r"needs a model that has one.*tiny has none"):
        chosen(tiny_predictor(), "memory")
