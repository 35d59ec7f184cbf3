"""Volumes block by block, by a stand-in for the model that finds bright discs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_predictor import IdealPredictor

import napari_sam
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume_blocks import plan_volume

PLAIN = {"smoothing": 0.5, "confidence_thresh": 0.0, "min_volume": 1}


def balls(shape, *given):
    """(Z, Y, X) uint8, 200 inside of balls of (z, y, x, radius)."""
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    volume = np.zeros(shape, np.uint8)
    for *centre, radius in given:
        off = sum((at - c) ** 2 for at, c in zip(axes, centre, strict=True))
        volume[off <= radius**2] = 200
    return volume


def config(**blocks):
    return napari_sam.VolumeConfig(
        fuse=PLAIN,
        blocks={"from_voxels": 1, **blocks},
        segment={"instances": {"scale": 2}},
    )


@pytest.fixture
def crowd():
    """Balls on and beside the borders of blocks of 16 x 24 x 24, two that touch."""
    return balls(
        (40, 60, 70),
        (15, 24, 24, 8),
        (8, 48, 20, 7),
        (30, 24, 23, 7),
        (16, 22, 47, 8),
        (32, 47, 48, 9),
        (32, 47, 63, 6),
        (3, 8, 63, 5),
    )


def test_blocks_find_what_the_whole_volume_shows(crowd):
    whole = napari_sam.segment_volume(
        crowd, model=IdealPredictor(), config=napari_sam.VolumeConfig(fuse=PLAIN)
    )
    asked = config(block=24, planes=16, halo=10)
    labels = napari_sam.segment_volume(crowd, model=IdealPredictor(), config=asked)
    assert whole.max() == 7 and labels.dtype == np.int32
    # The same numbers, in the order of their first planes; a few voxels of the surface
    # are seen otherwise where planes across the other axes are interpolated.
    assert labels.max() == 7 and (labels != whole).sum() < 20


@settings(max_examples=8)
@given(
    given=st.lists(
        st.tuples(
            st.integers(0, 24),
            st.integers(0, 40),
            st.integers(0, 40),
            st.integers(2, 5),
        ),
        max_size=6,
    ),
    block=st.integers(10, 30),
    planes=st.integers(6, 20),
)
def test_every_voxel_that_is_bright_is_in_one_object(given, block, planes):
    volume = balls((14, 28, 28), *given)
    labels = napari_sam.segment_large_volume(
        volume, model=IdealPredictor(), config=config(block=block, planes=planes)
    )
    assert labels.dtype == np.uint32
    assert ((labels > 0) == (volume > 0)).all()
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))


class Pages:
    """A volume on a disk, a plane at a time: tells the largest piece that was read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.largest = self.planes = 0

    def __getitem__(self, key):
        part = self.array[key]
        self.largest = max(self.largest, part.size)
        self.planes += part.shape[0] if part.ndim == 3 else 1
        return part


def test_no_more_than_a_window_is_read_and_each_page_a_few_times():
    deep = balls((200, 32, 32), *((z, 16, 16, 7) for z in range(10, 200, 20)))
    pages = Pages(deep)
    told = []
    out = np.zeros(deep.shape, np.uint16)
    asked = config(block=32, planes=50, halo=10)
    found = napari_sam.segment_large_volume(
        pages,
        model=IdealPredictor(),
        config=asked,
        out=out,
        progress=Progress(lambda *steps: told.append(steps)),
    )
    assert found is out and out.max() == 10
    assert pages.largest == 70 * 32 * 32
    assert pages.planes < 3 * 200
    assert told == [(n, 4) for n in range(5)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_may_be_the_one_across_the_planes(crowd, axis):
    asked = config(block=30, planes=20, halo=10)
    labels = napari_sam.segment_volume(
        Stack(crowd, axis=axis), model=IdealPredictor(), config=asked
    )
    assert labels.shape == crowd.shape and labels.max() == 7


def test_regions_and_channels_go_along(crowd):
    asked = config(block=24, planes=16, halo=10)
    left = np.arange(70) < np.full((60, 1), 35)
    labels = napari_sam.segment_volume(
        crowd, model=IdealPredictor(), config=asked, scope=napari_sam.Scope(roi=left)
    )
    assert labels.max() == 3 and not labels[:, ~left].any()
    taken = (crowd > 0) & (np.arange(40) > 20)[:, None, None]
    labels = napari_sam.segment_volume(
        crowd,
        model=IdealPredictor(),
        config=asked,
        scope=napari_sam.Scope(exclude=taken),
    )
    assert labels.max() == 4 and not labels[25:].any()
    with pytest.raises(ValueError, match=r"roi has shape \(60, 35\), wanted that of a"):
        napari_sam.segment_volume(
            crowd,
            model=IdealPredictor(),
            config=asked,
            scope=napari_sam.Scope(roi=left[:, :35]),
        )


@pytest.mark.parametrize("channel_axis", [None, 0, 2, -1])
def test_a_part_of_a_stack_has_the_same_planes(channel_axis):
    film = np.arange(2 * 5 * 6 * 7).reshape(2, 5, 6, 7).astype(np.uint8)
    at = (1, None, None, None)
    if channel_axis is not None:
        film = np.stack([film, film + 1, film + 2], axis=channel_axis)
    stack = Stack(film, axis=2, at=at, channel_axis=channel_axis)
    part = stack.part((slice(1, 5), slice(0, 3), slice(2, 7)))
    assert part.shape == (4, 3, 5) and part.place == 1 and len(part) == 3
    np.testing.assert_array_equal(part.plane(2), stack.plane(2)[1:5, 2:7])


def test_what_cannot_be_done_is_said_before_any_work(crowd):
    sam = IdealPredictor()
    with pytest.raises(ValueError, match=r"out must have shape \(40, 60, 70\)"):
        napari_sam.segment_large_volume(crowd, model=sam, out=np.zeros((4, 6), int))
    with pytest.raises(ValueError, match="out must be of whole numbers"):
        napari_sam.segment_large_volume(crowd, model=sam, out=np.zeros(crowd.shape))
    many = np.zeros((4, 130, 130), np.uint8)
    many[:, 3::10, 3::10] = many[:, 4::10, 3::10] = 200
    with pytest.raises(ValueError, match=r"169 objects, but labels of int8 end at 127"):
        napari_sam.segment_large_volume(
            many, model=sam, out=np.zeros(many.shape, np.int8), config=config()
        )
    sam.has_dense_head = False
    with pytest.raises(ValueError, match="no dense head"):
        napari_sam.segment_large_volume(crowd, model=sam)


def test_stopping_leaves_the_labels_as_they_were(crowd):
    out = np.full(crowd.shape, 7, np.int32)
    begun = []
    progress = Progress(lambda *steps: begun.append(steps), lambda: len(begun) > 2)
    with pytest.raises(Cancelled):
        napari_sam.segment_large_volume(
            crowd,
            model=IdealPredictor(),
            config=config(block=24, planes=16),
            out=out,
            progress=progress,
        )
    assert len(begun) == 3 and (out == 7).all()


def test_the_halo_is_as_wide_as_the_objects(crowd):
    asked = napari_sam.VolumeConfig(
        spacing=(2.0, 1.0, 1.0), blocks={"block": 24, "planes": 12}
    )
    plan = plan_volume(Stack(crowd), model=IdealPredictor(), config=asked)
    assert plan.sides == (10, 20, 24)
    assert plan.look.across == 20
    assert plan.halo == (10, 20, 20)
