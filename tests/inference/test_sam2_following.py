"""SAM 2's memory of an object, plane by plane: as transformers has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam.inference.preprocess import to_frame
from napari_sam.inference.sam2_following import FollowedObject, has_memory

pytest.importorskip("transformers")

from tiny_network import tiny_predictor
from tiny_sam2 import SIDE, tiny_sam2_network, tiny_sam2_predictor

PLANES = 10
FILM = np.random.default_rng(0).integers(0, 255, (PLANES, 60, 100), np.uint8)


def box_mask(top, left, bottom, right):
    mask = np.zeros((60, 100), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def in_frame(mask):
    given = torch.from_numpy(mask).float()[None, None]
    return torch.nn.functional.interpolate(
        given, (SIDE, SIDE), mode="bilinear", antialias=True
    ).ge(0.5)


@pytest.fixture(scope="module")
def sam():
    return tiny_sam2_predictor()


def follow_by_transformers(given, start, backward):
    """Follow one object by the loop of transformers over all frames."""
    from transformers.models.sam2_video.modeling_sam2_video import (
        Sam2VideoInferenceSession,
    )

    network = tiny_sam2_network()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    frames = [to_frame(plane, SIDE, (0, 255), keeps_aspect=False)[0] for plane in FILM]
    video = (torch.cat(frames) / 255 - mean) / std
    session = Sam2VideoInferenceSession(video=video, dtype=torch.float32)
    number = session.obj_id_to_idx(1)
    for plane, mask in given.items():
        session.add_mask_inputs(number, plane, in_frame(mask).float())
        session.obj_with_new_inputs = [1]
        network(session, frame_idx=plane)
    found = network.propagate_in_video_iterator(
        session, start_frame_idx=start, reverse=backward
    )
    return {one.frame_idx: one.pred_masks[0, 0].numpy() for one in found}


@pytest.mark.parametrize(
    ("planes", "backward"), [([0], False), ([PLANES - 1], True), ([1, 6], False)]
)
def test_masks_are_those_of_transformers(sam, planes, backward):
    given = {plane: box_mask(5 + plane, 20, 40, 70) for plane in planes}
    start = planes[0]
    theirs = follow_by_transformers(given, start, backward)
    followed = FollowedObject(sam, PLANES)
    embedded = [sam.embed(p, scale="whole", contrast_limits=(0, 255)) for p in FILM]
    for plane, mask in given.items():
        followed.remember(plane, embedded[plane], mask)
    for plane in range(start - 1, -1, -1) if backward else range(start + 1, PLANES):
        if plane in given:
            continue
        mine = followed.find(plane, embedded[plane], backward=backward)
        # what is remembered is rounded to bfloat16, which enlarges the last digits
        largest = np.abs(theirs[plane]).max()
        assert np.abs(mine.logits[0] - theirs[plane]).max() <= 1e-4 * largest
        assert mine.masks.shape == (1, 60, 100)
        assert mine.masks.any()


def test_what_is_far_back_is_forgotten(sam):
    film = [FILM[i % PLANES] for i in range(24)]
    embedded = [sam.embed(p, scale="whole") for p in film]
    followed = FollowedObject(sam, len(film))
    followed.remember(0, embedded[0], box_mask(5, 20, 40, 70))
    for plane in range(1, len(film)):
        followed.find(plane, embedded[plane])
    memory = followed._memory
    assert sorted(memory.certain) == [0]
    assert min(memory.recently) >= len(film) - 16
    whole = [p for p, kept in memory.recently.items() if "maskmem_features" in kept]
    assert sorted(whole) == list(range(len(film) - 6, len(film)))


def test_fewer_planes_are_remembered_where_that_is_asked(sam):
    embedded = [sam.embed(plane, scale="whole") for plane in FILM]
    followed = FollowedObject(sam, PLANES, recent=2)
    followed.remember(0, embedded[0], box_mask(5, 20, 40, 70))
    for plane in range(1, PLANES):
        followed.find(plane, embedded[plane])
    assert sorted(followed._memory.recently) == [PLANES - 2, PLANES - 1]


def test_an_object_thinner_than_a_pixel_of_the_frame_is_remembered(sam):
    plane = np.random.default_rng(1).integers(0, 255, (900, 900), np.uint8)
    mask = np.zeros((900, 900), np.bool_)
    mask[400, 300:303] = True
    embedding = sam.embed(plane, scale="whole")
    followed = FollowedObject(sam, 2)
    followed.remember(0, embedding, mask)
    assert followed.find(1, embedding).scores[0] > 0


def test_a_model_without_memory_says_so():
    assert not has_memory(tiny_predictor())
    with pytest.raises(ValueError, match="tiny has no memory to follow objects by"):
        FollowedObject(tiny_predictor(), 3)
