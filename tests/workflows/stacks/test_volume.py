"""Volumes and films by a stand-in for the model that finds bright discs."""

import numpy as np
import pytest
from ideal_predictor import IdealPredictor

import napari_sam
from napari_sam.evaluation.volume_instances import score_volume
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks import volume as module
from napari_sam.workflows.stacks.stack import Stack


@pytest.fixture
def asked(monkeypatch):
    """Label what is bright on a plane, under numbers that change."""
    calls = []

    def segment(plane, *, model, mode, config, scope, progress):
        from skimage.measure import label

        calls.append({"shape": plane.shape, "scope": scope})
        bright = plane if plane.ndim == 2 else plane[..., 0]
        found = label(bright > 100).astype(np.int32)
        return np.where(found, found.max() + 1 - found, 0) if len(calls) % 2 else found

    monkeypatch.setattr(module, "segment", segment)
    return calls


class Lazy:
    """An array that tells how much of it was read at a time."""

    def __init__(self, data):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.largest = self.read = 0

    def __getitem__(self, key):
        part = self.data[key]
        self.read += part.size
        self.largest = max(self.largest, part.size)
        return part

    def __len__(self):
        return len(self.data)


@pytest.fixture
def balls():
    volume = np.zeros((8, 30, 40), np.uint8)
    volume[1:6, 4:12, 5:15], volume[2:8, 16:28, 20:36] = 200, 180
    return volume


def test_objects_of_planes_become_objects_of_the_volume(asked, balls):
    lazy = Lazy(balls)
    told = []
    labels = napari_sam.segment_volume(
        lazy,
        model=IdealPredictor(),
        mode="planes",
        progress=Progress(lambda *steps: told.append(steps)),
    )
    assert labels.shape == balls.shape and labels.dtype == np.int32
    assert np.array_equal(labels > 0, balls > 0)
    assert np.unique(labels[balls == 200]).tolist() == [1]
    assert np.unique(labels[balls == 180]).tolist() == [2]
    assert lazy.largest == 30 * 40  # never more than a plane
    assert len({call["scope"].contrast_limits for call in asked}) == 1
    assert told[0] == (0, 8) and told[-1] == (8, 8)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_planes_may_lie_across_any_axis(asked, balls, axis):
    labels = napari_sam.segment_volume(
        Stack(balls, axis=axis), model=IdealPredictor(), mode="planes"
    )
    assert np.array_equal(labels > 0, balls > 0) and labels.max() == 2
    assert asked[0]["shape"] == tuple(np.delete(balls.shape, axis))


def test_colour_one_plane_and_wrong_shapes(asked, balls):
    colour = np.stack([balls, balls // 2, balls // 3], axis=-1)
    labels = napari_sam.segment_volume(
        Stack(colour, channel_axis=-1), model=IdealPredictor(), mode="planes"
    )
    assert labels.shape == balls.shape and labels.max() == 2
    one = napari_sam.segment_volume(balls[3:4], model=IdealPredictor(), mode="planes")
    assert one.max() == 2
    with pytest.raises(ValueError, match=r"three running axes .* \(30, 40\) has 2$"):
        napari_sam.segment_volume(balls[0], model=IdealPredictor())


def test_cancelling(asked, balls):
    with pytest.raises(Cancelled):
        napari_sam.segment_volume(
            balls,
            model=IdealPredictor(),
            mode="planes",
            progress=Progress(is_cancelled=lambda: len(asked) == 2),
        )
    assert len(asked) == 2


def test_films_are_segmented_frame_by_frame(asked, balls):
    flat = np.stack([np.roll(balls[4], t, axis=1) for t in range(4)])
    found = napari_sam.track(flat, model=IdealPredictor())
    assert len(found) == 2 and found.tracks.shape == (8, 4)
    solid = np.stack([np.roll(balls, t, axis=2) for t in range(3)])
    told = []
    found = napari_sam.track(
        solid,
        model=IdealPredictor(),
        progress=Progress(lambda *steps: told.append(steps)),
    )
    assert len(found) == 2 and found.tracks.shape == (6, 5)
    assert told[-1] == (24, 24) and told == sorted(told)


def test_a_volume_is_scored_beside_its_planes(asked, balls):
    truth = np.where(balls == 200, 4, np.where(balls == 180, 9, 0))
    scores = score_volume(balls, truth, model=IdealPredictor(), mode="planes")
    assert scores.plane_precision() == 1 and scores.volume.precision(0) == 1
    assert scores.volume.truths == 2 and len(scores.planes) == 8
    wrong = np.where(truth == 4, 20 + truth + np.arange(8)[:, None, None], truth)
    scores = score_volume(balls, wrong, model=IdealPredictor(), mode="planes")
    assert scores.plane_precision() == 1 and scores.volume.matches[0] == 1
    with pytest.raises(ValueError, match="true labels have shape"):
        score_volume(balls, truth[:3], model=IdealPredictor())


def test_a_region_may_be_of_a_plane_or_of_the_volume(asked, balls):
    low = np.arange(30)[:, None] < np.full(40, 15)
    sam = IdealPredictor()
    napari_sam.segment_volume(
        balls, model=sam, mode="planes", scope=napari_sam.Scope(roi=low)
    )
    assert len(asked) == 8 and all((c["scope"].roi == low).all() for c in asked)
    inside = np.zeros(balls.shape, bool)
    inside[3:5] = low
    asked.clear()
    labels = napari_sam.segment_volume(
        balls,
        model=sam,
        mode="planes",
        scope=napari_sam.Scope(roi=inside, exclude=balls),
    )
    assert len(asked) == 2 and not labels[:3].any() and not labels[5:].any()
    assert (asked[0]["scope"].exclude == balls[3]).all()
    with pytest.raises(ValueError, match="roi have shape"):
        napari_sam.segment_volume(
            balls, model=sam, scope=napari_sam.Scope(roi=inside[:2])
        )


# --- parted in 3D -----------------------------------------------------------------


@pytest.fixture
def spheres():
    """Two balls that touch, and one apart, as bright as each other."""
    z, y, x = np.ogrid[:24, :40, :60]
    volume = np.zeros((24, 40, 60), np.uint8)
    for centre, radius in (((12, 20, 14), 9), ((12, 20, 30), 9), ((12, 20, 50), 6)):
        off = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        volume[off <= radius**2] = 200
    return volume


@pytest.mark.parametrize("axes", ["across", "all"])
def test_touching_balls_are_parted_in_3d(spheres, axes):
    config = napari_sam.VolumeConfig(fuse={"axes": axes})
    labels = napari_sam.segment_volume(spheres, model=IdealPredictor(), config=config)
    assert labels.dtype == np.int32 and np.array_equal(labels > 0, spheres > 0)
    assert labels.max() == 3
    assert len({labels[12, 20, x] for x in (14, 30, 50)}) == 3
    assert labels[12, 20, 50] == 3  # begins on a later plane than the others


def test_auto_is_fused_for_models_with_maps_only(spheres):
    sam = IdealPredictor()
    fused = napari_sam.segment_volume(spheres, model=sam)
    np.testing.assert_array_equal(
        napari_sam.segment_volume(spheres, model=sam, mode="fused"), fused
    )
    sam.has_dense_head = False
    with pytest.raises(ValueError, match=r"no dense head.*; use mode 'planes'"):
        napari_sam.segment_volume(spheres, model=sam, mode="fused")
    with pytest.raises(ValueError, match="mode must be one of"):
        napari_sam.segment_volume(spheres, model=sam, mode="grid")


def test_planes_that_are_embedded_together_give_the_same_objects(spheres):
    class InThrees(IdealPredictor):
        batch_size = 3

    np.testing.assert_array_equal(
        napari_sam.segment_volume(spheres, model=InThrees(), mode="fused"),
        napari_sam.segment_volume(spheres, model=IdealPredictor(), mode="fused"),
    )


def test_flat_voxels_are_seen_across_the_planes_alone(spheres):
    seen = []

    class Watched(IdealPredictor):
        def embed(self, image, **options):
            seen.append(image.shape)
            return super().embed(image, **options)

    flat = napari_sam.VolumeConfig(spacing=(20.0, 2.0, 2.0))
    napari_sam.segment_volume(spheres, model=Watched(), config=flat)
    assert set(seen) == {(40, 60)}
    seen.clear()
    deep = napari_sam.VolumeConfig(spacing=(4.0, 2.0, 2.0))
    labels = napari_sam.segment_volume(spheres, model=Watched(), config=deep)
    assert set(seen) == {(40, 60), (48, 60), (48, 40)}  # with square pixels
    assert labels.shape == spheres.shape and labels.max() == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_may_be_the_one_across_the_planes(spheres, axis):
    labels = napari_sam.segment_volume(
        Stack(spheres, axis=axis), model=IdealPredictor()
    )
    assert labels.shape == spheres.shape and labels.max() == 3
    firsts = [
        np.flatnonzero((np.moveaxis(labels, axis, 0) == n).any((1, 2)))[0]
        for n in (1, 2, 3)
    ]
    assert firsts == sorted(firsts)


def test_what_lies_outside_a_region_is_not_found(spheres):
    left = np.arange(60) < np.full((40, 1), 22)
    inside = napari_sam.Scope(roi=left)
    labels = napari_sam.segment_volume(spheres, model=IdealPredictor(), scope=inside)
    assert labels.max() == 1 and not labels[:, ~left].any()
    taken = (spheres > 0) & (np.arange(60) > 42)
    labels = napari_sam.segment_volume(
        spheres, model=IdealPredictor(), scope=napari_sam.Scope(exclude=taken)
    )
    assert labels.max() == 2 and not labels[taken].any()


def test_fused_tells_of_each_plane_and_can_be_stopped(spheres):
    told = []
    napari_sam.segment_volume(
        spheres,
        model=IdealPredictor(),
        progress=Progress(lambda *steps: told.append(steps)),
    )
    count = told[-1][1]  # 24 planes, and some across the other axes
    assert told[0] == (0, count) and told[-1] == (count, count) and 48 < count < 96
    with pytest.raises(Cancelled):
        napari_sam.segment_volume(
            spheres,
            model=IdealPredictor(),
            progress=Progress(is_cancelled=lambda: True),
        )


def test_nothing_and_thin_volumes(spheres):
    nothing = napari_sam.segment_volume(spheres * 0, model=IdealPredictor())
    assert nothing.shape == spheres.shape and not nothing.any()
    thin = napari_sam.segment_volume(spheres[11:13], model=IdealPredictor())
    assert thin.max() == 3


def test_a_fused_volume_is_scored_beside_its_planes(spheres):
    truth = napari_sam.segment_volume(spheres, model=IdealPredictor())
    scores = score_volume(spheres, truth, model=IdealPredictor())
    assert scores.volume.precision(0) == 1 and scores.plane_precision() == 1


# --- unusual volumes --------------------------------------------------------------


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_size_of_voxels_that_cannot_be_is_refused(size):
    with pytest.raises(ValueError, match="wanted three sizes above 0, or None"):
        napari_sam.VolumeConfig(spacing=(size, 1.0, 1.0))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("mode", ["auto", "fused"])
def test_one_and_two_planes_are_a_volume_too(spheres, count, mode):
    thin = spheres[11 : 11 + count]
    labels = napari_sam.segment_volume(thin, model=IdealPredictor(), mode=mode)
    assert labels.shape == thin.shape and labels.max() == 3
    assert np.array_equal(labels > 0, thin > 0)


@pytest.mark.parametrize("spacing", [(20.0, 1.0, 1.0), (1.0, 20.0, 20.0)])
def test_voxels_of_twenty_to_one_are_seen_across_one_axis_alone(spheres, spacing):
    seen = []

    class Watched(IdealPredictor):
        def embed(self, image, **options):
            seen.append(image.shape)
            return super().embed(image, **options)

    config = napari_sam.VolumeConfig(spacing=spacing)
    labels = napari_sam.segment_volume(spheres, model=Watched(), config=config)
    assert set(seen) == {(40, 60)} and labels.shape == spheres.shape
    assert np.array_equal(labels > 0, spheres > 0)


def test_a_lazy_volume_in_single_planes_is_read_once(spheres):
    lazy = Lazy(spheres)
    labels = napari_sam.segment_volume(lazy, model=IdealPredictor())
    assert labels.max() == 3
    assert lazy.read < 2 * spheres.size  # and some planes for the contrast


def test_a_film_of_volumes_says_what_is_wanted(spheres):
    with pytest.raises(ValueError, match=r"shape \(3, 24, 40, 60\) has 4; .*at="):
        napari_sam.segment_volume(np.stack([spheres] * 3), model=IdealPredictor())
