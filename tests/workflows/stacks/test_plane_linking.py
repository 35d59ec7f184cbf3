"""Linking planes: what holds for any volume, and the corners."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_sam
from napari_sam.configs import LinkConfig
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks.plane_linking import link_planes


def same_partition(one, other):
    """Whether two label arrays differ by a renaming only."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T
    zeros = (one == 0) == (other == 0)
    return zeros.all() and all(len(set(pairs[:, k])) == len(pairs) for k in (0, 1))


@st.composite
def columns(draw):
    """A volume of upright boxes that touch no other one in their plane."""
    depth = draw(st.integers(1, 7))
    volume = np.zeros((depth, 20, 20), np.int64)
    for place in range(4):
        if not draw(st.booleans()):
            continue
        first = draw(st.integers(0, depth - 1))
        last = draw(st.integers(first, depth - 1))
        height, width = draw(st.integers(2, 8)), draw(st.integers(2, 8))
        row, col = 10 * (place // 2), 10 * (place % 2)
        volume[first : last + 1, row : row + height, col : col + width] = place + 1
    return volume


@st.composite
def renamings(draw):
    return np.random.default_rng(draw(st.integers(0, 999)))


def renamed(volume, rng):
    planes = np.zeros_like(volume)
    for z, plane in enumerate(volume):
        names = np.concatenate([[0], rng.permutation(90)[: volume.max()] + 1])
        planes[z] = names[plane]
    return planes


@settings(max_examples=60)
@given(columns(), renamings(), st.integers(0, 2))
def test_consistent_labels_stay_whatever_their_names(volume, rng, gap):
    config = LinkConfig(min_length=1, max_gap=gap)
    linked = link_planes(renamed(volume, rng), config)
    assert linked.dtype == np.int32 and same_partition(linked, volume)
    present = np.unique(linked[linked > 0])
    assert np.array_equal(present, np.arange(1, len(present) + 1))


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(0, 2))
def test_any_planes_keep_their_objects_apart(seed, gap):
    planes = np.random.default_rng(seed).integers(0, 4, (4, 6, 6))
    linked = link_planes(planes, LinkConfig(min_length=1, max_gap=gap, fill=False))
    for before, after in zip(planes, linked, strict=True):
        assert same_partition(before, after)


def test_one_plane_and_short_objects():
    plane = np.zeros((1, 6, 6), int)
    plane[0, :3, :3] = 5
    assert link_planes(plane)[0, 0, 0] == 1  # min_length 3 of one plane
    two = np.zeros((4, 6, 6), int)
    two[:2, :3, :3] = 5
    assert not link_planes(two).any()
    assert link_planes(two, LinkConfig(min_length=2)).any()


def test_a_missed_plane_is_bridged_and_filled_on_free_ground():
    volume = np.zeros((5, 12, 12), int)
    volume[:, 2:10, 2:10] = 3
    volume[2] = 0
    volume[2, 2:4, 2:10] = 8
    bridged = link_planes(volume, LinkConfig(max_gap=1, min_length=1))
    (label,) = set(np.unique(bridged[0])) - {0}
    assert (bridged[4] == label).sum() == 64
    assert (bridged[2] == label).sum() == 48 and bridged[2, 2, 2] not in (0, label)
    apart = link_planes(volume, LinkConfig(min_length=1))
    assert len(np.unique(apart[[0, 4], 5, 5])) == 2


def test_what_flows_together_in_one_plane_stays_two_objects():
    volume = np.zeros((5, 8, 20), int)
    volume[:, 1:7, 1:9], volume[:, 1:7, 9:19] = 1, 2
    volume[2][volume[2] > 0] = 1
    linked = link_planes(volume, LinkConfig(max_gap=1, gap_overlap=0.5))
    assert linked[0, 3, 3] == linked[4, 3, 3] != linked[0, 3, 14] == linked[4, 3, 14]


def test_wrong_planes_and_cancelling():
    for planes in (np.zeros((3, 4)), np.zeros((2, 3, 3)), np.zeros((0, 3, 3), int)):
        with pytest.raises(ValueError, match="wanted"):
            link_planes(planes)
    with pytest.raises(ValueError, match="0 or more"):
        link_planes(np.full((2, 3, 3), -1))
    with pytest.raises(Cancelled):
        link_planes(
            np.zeros((3, 2, 2), int), progress=Progress(is_cancelled=lambda: True)
        )


def test_the_doors_are_at_the_top():
    assert {"segment_volume", "track", "LinkConfig", "TrackConfig"} <= set(
        dir(napari_sam)
    )
