import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from napari_sam.configs import InstanceConfig
from napari_sam.ops.extended_minima import extended_minima
from napari_sam.ops.watershed import maps_to_instances

EXACT = InstanceConfig(smoothing=0)


def maps_of(shape, discs):
    """Dense maps of discs (row, col, radius), as a perfect model would draw them."""
    rows, cols = np.indices(shape)
    maps = np.ones((3, *shape), np.float32)
    maps[0] = 0
    for row, col, radius in discs:
        away = np.hypot(rows - row, cols - col) / radius
        nearer = (away <= 1) & (away < maps[1])
        maps[0][nearer] = 1
        maps[1:, nearer] = away[nearer]
    return maps


def test_apart_objects_are_found_whole():
    discs = [(20, 20, 9), (20, 60, 12), (50, 40, 7)]
    maps = maps_of((70, 80), discs)
    found = maps_to_instances(maps, EXACT)
    assert len(found) == 3
    assert (found.labels > 0).sum() == (maps[0] > 0).sum()
    assert sorted(found.points.tolist()) == [[20, 20], [20, 60], [50, 40]]
    assert (found.scores == 1).all()
    assert (found.stability == 1).all()
    assert found.labels.dtype == np.int32


def test_touching_objects_are_parted_between_them():
    found = maps_to_instances(maps_of((40, 60), [(20, 20, 11), (20, 40, 11)]), EXACT)
    assert len(found) == 2
    assert found.labels[20, 28] == found.labels[20, 20]
    assert found.labels[20, 32] == found.labels[20, 40]
    assert found.labels[20, 20] != found.labels[20, 40]


def test_what_an_instance_says_of_itself_is_true():
    found = maps_to_instances(maps_of((60, 90), [(20, 20, 9), (30, 60, 15)]))
    for i, (box, area, point) in enumerate(
        zip(found.boxes, found.areas, found.points, strict=True)
    ):
        rows, cols = np.nonzero(found.labels == i + 1)
        assert box.tolist() == [rows.min(), cols.min(), rows.max() + 1, cols.max() + 1]
        assert area == len(rows) == found.mask(i).sum()
        assert found.labels[tuple(point)] == i + 1
    for i, record in enumerate(found.records()):
        assert (record.rle.decode() == (found.labels == i + 1)).all()
        assert record.area == found.areas[i]
        assert record.bbox == tuple(found.boxes[i])
        assert record.crop_box == (0, 0, 60, 90)
        assert record.predicted_iou == found.scores[i]


def test_a_shallow_saddle_parts_only_where_it_is_asked_to():
    maps = maps_of((40, 60), [(20, 24, 11), (20, 36, 11)])
    saddle = maps[1, 20, 30]
    assert 0.4 < saddle < 0.7
    assert len(maps_to_instances(maps, EXACT)) == 2
    deep = InstanceConfig(smoothing=0, seed_depth=0.9)
    assert len(maps_to_instances(maps, deep)) == 1


def test_holes_are_not_filled():
    maps = maps_of((40, 40), [(20, 20, 15)])
    maps[0, 12:15, 12:15] = 0
    found = maps_to_instances(maps, EXACT)
    assert not found.labels[12:15, 12:15].any()
    assert len(found) == 1


@pytest.mark.parametrize(
    "config",
    [
        InstanceConfig(min_area=10_000),
        InstanceConfig(confidence_thresh=1.0, smoothing=2),
        InstanceConfig(foreground_thresh=1.0),
    ],
)
def test_thresholds_that_reject_everything_leave_nothing(config):
    maps = 0.01 + 0.98 * maps_of((40, 40), [(20, 20, 9)])
    found = maps_to_instances(maps, config)
    assert len(found) == 0
    assert not found.labels.any()
    assert found.records() == []


def test_faint_objects_are_left_out_by_confidence():
    maps = maps_of((40, 80), [(20, 20, 9), (20, 60, 9)])
    maps[0, :, 40:] *= 0.6
    maps[1:, :, 40:] = 0.5 + 0.5 * maps[1:, :, 40:]
    assert len(maps_to_instances(maps, InstanceConfig(confidence_thresh=0))) == 2
    (record,) = maps_to_instances(maps).records()
    assert record.point == (20, 20)


def test_one_object_may_fill_the_image():
    maps = np.zeros((3, 50, 60), np.float32)
    maps[0] = 1
    found = maps_to_instances(maps)
    assert found.boxes.tolist() == [[0, 0, 50, 60]]


def test_more_objects_than_16_bits_do_not_wrap():
    side = 5 * 260
    rows, cols = np.indices((side, side))
    inside = (rows % 5 < 3) & (cols % 5 < 3)
    middle = (rows % 5 == 1) & (cols % 5 == 1)
    maps = np.ones((3, side, side), np.float32)
    maps[0] = inside
    maps[1:, inside] = 0.8
    maps[1:, middle] = 0.0
    found = maps_to_instances(maps, InstanceConfig(smoothing=0, min_area=1))
    assert len(found) == 260**2 > 65_535
    assert (np.bincount(found.labels.ravel())[1:] == 9).all()


def test_order_and_numbers_survive_a_choice():
    discs = [(20, 20, 9), (20, 60, 12), (50, 40, 7)]
    found = maps_to_instances(maps_of((70, 80), discs), EXACT)
    kept = found.keep(np.array([True, False, True]))
    assert kept.points.tolist() == found.points[[0, 2]].tolist()
    for i in range(2):
        assert kept.labels[tuple(kept.points[i])] == i + 1
    assert kept.labels.max() == 2


@pytest.mark.parametrize("shape", [(2, 5, 5), (5, 5)])
def test_maps_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"dense maps must be \(3, H, W\)"):
        maps_to_instances(np.zeros(shape, np.float32))


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match="Extra inputs"):
        InstanceConfig(threshold=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_parts_with_one_seed_are_as_a_flood_of_all_would_leave_them(seed):
    rng = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(rng.normal(size=(90, 120)), 3) for _ in range(3)]
    maps = np.stack([1 / (1 + np.exp(-12 * s / s.std())) for s in smooth])
    maps = maps.astype(np.float32)
    config = InstanceConfig(min_area=0, confidence_thresh=0, smoothing=0)
    relief, inside = (maps[1] + maps[2]) / 2, maps[0] > config.foreground_thresh
    seeds = label(extended_minima(relief, config.seed_depth, inside))
    expected = watershed(relief, seeds, mask=inside)
    np.testing.assert_array_equal(maps_to_instances(maps, config).labels, expected)
    parts, _ = ndimage.label(inside)
    assert any(len(np.unique(seeds[parts == p])) > 2 for p in range(1, parts.max()))
