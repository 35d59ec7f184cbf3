"""What is measured of objects, beside scikit-image and literal numbers."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import euler_number, regionprops_table
from skimage.measure._regionprops import RegionProperties

import napari_sam
from napari_sam.workflows.measure.measure_folder import join_objects
from napari_sam.workflows.measure.properties import PROPERTIES

MIXED = napari_sam.Calibration("yx", (500, 0.5), ("nanometer", "micrometer"))


@pytest.fixture
def labels():
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:13] = 1
    labels[10:18, 20:24] = 2
    return labels


def test_the_unit_is_in_the_names_of_the_columns(labels):
    pixels = napari_sam.measure(labels)
    table = napari_sam.measure(labels, spacing=(0.5, 0.5))
    assert pixels["area [px²]"].tolist() == [40, 32]
    assert table["area [µm²]"].tolist() == [10, 8]
    assert table["centroid_y [µm]"].tolist() == [1.75, 6.75]
    assert table["bbox_y1 [px]"].tolist() == [6, 18]
    assert table["bbox_x0 [px]"].tolist() == [3, 20]
    np.testing.assert_allclose(table["perimeter [µm]"], pixels["perimeter [px]"] / 2)
    assert table["solidity"].tolist() == [1, 1]
    np.testing.assert_allclose(table["feret_diameter [µm]"], [29**0.5, 20**0.5])
    np.testing.assert_allclose(table["feret_width [µm]"], [2, 2])
    known = napari_sam.Calibration("yx", (500, 500), ("nanometer", "nanometer"))
    nanometres = napari_sam.measure(labels, spacing=known)
    assert nanometres["area [nm²]"].tolist() == [10_000_000, 8_000_000]


def test_pixels_need_not_be_square(labels):
    table = napari_sam.measure(labels, spacing=(2, 0.5))
    assert table["area [µm²]"].tolist() == [40, 32]
    assert table["centroid_x [µm]"].tolist() == [3.75, 10.75]
    assert table["feret_width [µm]"].tolist() == [5, 2]
    assert table["perimeter [µm]"].isna().all()


def test_intensities_of_each_channel_wherever_the_channels_lie(labels):
    image = np.dstack([labels * 10, labels * 0 + 7])
    table = napari_sam.measure(labels, image)
    assert table["intensity_mean_0"].tolist() == [10, 20]
    assert table["intensity_max_1"].tolist() == [7, 7]
    assert table["intensity_std_1"].tolist() == [0, 0]
    assert table["intensity_sum_0"].tolist() == [400, 640]
    first = napari_sam.measure(labels, np.moveaxis(image, -1, 0), channel_axis=0)
    pd.testing.assert_frame_equal(first, table)
    single = napari_sam.measure(labels, image[..., 0])
    assert single["intensity_min"].tolist() == [10, 20]


def test_pieces_holes_and_the_border():
    labels = np.zeros((20, 20), np.uint8)
    labels[0:5, 0:5] = 3
    labels[2, 2] = 0
    labels[8:10, 8:10] = 7
    labels[12:14, 8:10] = 7
    table = napari_sam.measure(labels, properties="all")
    assert table["label"].tolist() == [3, 7]
    assert table["pieces"].tolist() == [1, 2]
    assert table["holes"].tolist() == [1, 0]
    assert table["euler_number"].tolist() == [0, 2]
    assert table["touches_border"].tolist() == [True, False]


SAME = {
    "area": "area [µm²]",
    "axis_major_length": "major_axis [µm]",
    "axis_minor_length": "minor_axis [µm]",
    "equivalent_diameter_area": "equivalent_diameter [µm]",
    "eccentricity": "eccentricity",
    "perimeter": "perimeter [µm]",
    "extent": "extent",
    "centroid-0": "centroid_y [µm]",
    "bbox-3": "bbox_x1 [px]",
    "intensity_mean": "intensity_mean",
    "intensity_std": "intensity_std",
}
if hasattr(RegionProperties, "intensity_median"):  # not of the oldest
    SAME["intensity_median"] = "intensity_median"


@given(
    arrays(np.uint8, (12, 15), elements=st.integers(0, 3)),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
)
@settings(max_examples=60, deadline=None)
def test_it_agrees_with_scikit_image(labels, dtype):
    image = (np.arange(180).reshape(12, 15) * 37 % 251).astype(dtype)
    names = {one.partition("-")[0] for one in SAME}
    wanted = regionprops_table(
        labels.astype(int), image, properties=tuple(names), spacing=(0.5, 0.5)
    )
    table = napari_sam.measure(labels, image, spacing=0.5, properties="all")
    for theirs, ours in SAME.items():
        np.testing.assert_allclose(
            table[ours], wanted[theirs], rtol=1e-5, atol=1e-5, err_msg=ours
        )
    for label, euler, pieces in zip(
        table["label"], table["euler_number"], table["pieces"], strict=True
    ):
        mask = labels == label
        assert euler == euler_number(mask, 2)
        assert pieces == ndimage.label(mask, np.ones((3, 3)))[1]


@given(arrays(np.uint8, (9, 11), elements=st.integers(0, 2)))
@settings(max_examples=60, deadline=None)
def test_the_hull_is_that_of_qhull(labels):
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    table = napari_sam.measure(labels)
    for _, row in table.iterrows():
        at = np.argwhere(labels == row["label"])
        corners = np.concatenate(
            [at + step for step in ((0, 0), (0, 1), (1, 0), (1, 1))]
        )
        hull = ConvexHull(corners)
        assert row["solidity"] == pytest.approx(len(at) / hull.volume)
        longest = pdist(corners).max()
        assert row["feret_diameter [px]"] == pytest.approx(longest)
        across = (corners @ hull.equations[:, :2].T + hull.equations[:, 2]).min(axis=0)
        assert row["feret_width [px]"] == pytest.approx(-across.max())


@given(arrays(np.uint8, (5, 6, 7), elements=st.integers(0, 2)))
@settings(max_examples=40, deadline=None)
def test_volumes_agree_with_scikit_image(labels):
    names = ("label", "area", "centroid", "equivalent_diameter_area", "euler_number")
    spacing = (2.0, 0.5, 0.5)
    wanted = regionprops_table(labels.astype(int), properties=names, spacing=spacing)
    table = napari_sam.measure(
        labels,
        spacing=spacing,
        properties=[
            "volume",
            "centroid",
            "equivalent_diameter",
            "euler_number",
            "pieces",
        ],
    )
    assert table["volume [µm³]"].tolist() == wanted["area"].tolist()
    np.testing.assert_allclose(table["centroid_z [µm]"], wanted["centroid-0"])
    np.testing.assert_allclose(
        table["equivalent_diameter [µm]"], wanted["equivalent_diameter_area"]
    )
    assert table["euler_number"].tolist() == wanted["euler_number"].tolist()
    for label, pieces in zip(table["label"], table["pieces"], strict=True):
        assert pieces == ndimage.label(labels == label, np.ones((3, 3, 3)))[1]


def ball(radius, spacing):
    half = [int(np.ceil(radius / step)) + 1 for step in spacing]
    grid = np.meshgrid(
        *(np.arange(-n, n + 1) * s for n, s in zip(half, spacing, strict=True)),
        indexing="ij",
    )
    return sum(axis**2 for axis in grid) <= radius**2


def test_a_ball_is_a_ball_whatever_the_spacing():
    for spacing in ((1, 1, 1), (2.0, 0.8, 0.8)):
        mask = ball(12, spacing)
        table = napari_sam.measure(mask, spacing=spacing, properties="all").iloc[0]
        assert table["volume [µm³]"] == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.03)
        for name in ("major_axis [µm]", "middle_axis [µm]", "minor_axis [µm]"):
            assert table[name] == pytest.approx(24, rel=0.03)
        assert table["surface [µm²]"] == pytest.approx(4 * np.pi * 144, rel=0.15)
        assert table["feret_diameter [µm]"] == pytest.approx(24, rel=0.1)
        assert 0.85 < table["sphericity"] <= 1
        assert 0.8 < table["solidity"] <= 1
        assert table["pieces"] == 1 and table["euler_number"] == 1


def test_a_film_has_a_row_for_each_object_and_frame(labels):
    film = np.stack([labels, labels * 0, np.where(labels == 2, 2, 0)])
    image = np.stack([film * 1.0, film * 2.0], axis=1)
    table = napari_sam.measure(film, image, channel_axis=1, time_axis=0, spacing=2)
    assert table["frame"].tolist() == [0, 0, 2]
    assert table["label"].tolist() == [1, 2, 2]
    assert table["area [µm²]"].tolist() == [160, 128, 128]
    assert table["intensity_mean_1"].tolist() == [2, 4, 4]
    last = napari_sam.measure(np.moveaxis(film, 0, -1), time_axis=-1, spacing=2)
    assert last["area [µm²]"].tolist() == [160, 128, 128]


class Watched:
    """An array that notes the largest part that was read at once."""

    def __init__(self, array):
        self.array, self.largest = array, 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        part = self.array[index]
        self.largest = max(self.largest, part.size)
        return part


def test_a_volume_is_read_plane_by_plane():
    labels = np.zeros((6, 20, 20), np.uint16)
    labels[1:4, 5:9, 5:9] = 4
    watched, image = Watched(labels), Watched(labels * 3.0)
    table = napari_sam.measure(watched, image)
    assert (watched.largest, image.largest) == (400, 400)
    assert table["volume [px³]"].tolist() == [48]
    assert table["intensity_mean"].tolist() == [12]
    lazy = da.from_array(labels, chunks=(1, 20, 20))
    pd.testing.assert_frame_equal(napari_sam.measure(lazy, lazy * 3.0), table)


def test_no_object_is_a_table_without_rows():
    for shape in ((5, 6), (4, 5, 6), (0, 6)):
        table = napari_sam.measure(
            np.zeros(shape, np.int32), np.zeros(shape), properties="all"
        )
        assert len(table) == 0 and "intensity_median" in table
        assert table.columns[0] == "label"
    film = napari_sam.measure(np.zeros((3, 5, 6), int), time_axis=0)
    assert len(film) == 0 and list(film.columns[:2]) == ["frame", "label"]


def test_every_property_has_a_column_and_nothing_is_measured_unasked(labels):
    for ndim, shape in ((2, (9, 9)), (3, (9, 9, 9))):
        cube = np.zeros(shape, int)
        cube[(slice(2, 6),) * ndim] = 1
        table = napari_sam.measure(cube, cube, properties="all")
        for one in PROPERTIES:
            if ndim in one.ndim:
                name = one.name.removesuffix("_3d")
                assert any(column.startswith(name) for column in table)
    few = napari_sam.measure(labels, labels, properties=("area", "intensity_mean"))
    assert list(few) == ["label", "area [px²]", "intensity_mean"]
    assert list(napari_sam.measure(labels, properties="pieces")) == ["label", "pieces"]


def test_classes_go_with_their_labels(labels):
    objects = pd.DataFrame(
        {"index": [0, 2], "class": ["", "mitosis"], "score": [np.nan, 0.9], "digest": 1}
    )
    table = join_objects(napari_sam.measure(labels), objects)
    assert table["class"].tolist() == ["", "mitosis"]
    assert table["score"].isna().tolist() == [True, False]
    assert "digest" not in table and "index" not in table


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda a: napari_sam.measure(a / 2), "whole numbers, got float64"),
        (lambda a: napari_sam.measure(-a), "0 or greater, got -"),
        (lambda a: napari_sam.measure(a, a[:, 1:]), r"shape of the labels, \(20, 30\)"),
        (lambda a: napari_sam.measure(a[0]), "two or three axes"),
        (lambda a: napari_sam.measure(a[None, None]), "time_axis says"),
        (lambda a: napari_sam.measure(a, spacing=(1, 1, 1)), r"one for each of \(Y, X"),
        (lambda a: napari_sam.measure(a, spacing=(0, 1)), "one number above 0"),
        (lambda a: napari_sam.measure(a, spacing=MIXED), "wanted one unit of length"),
        (lambda a: napari_sam.measure(a, properties="size"), "no property 'size'"),
        (lambda a: napari_sam.measure(a, properties="volume"), "objects in 3D"),
        (lambda a: napari_sam.measure(a, properties="intensity_sum"), "needs an image"),
        (lambda a: napari_sam.measure(a, time_axis=4), "time_axis is 4"),
        (lambda a: napari_sam.measure(a, a, channel_axis=3), "channel_axis is 3"),
        (lambda a: napari_sam.measure(a, channel_axis=0), "there is no image"),
        (lambda a: napari_sam.measure(a, a * 1j), "real numbers"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(labels, wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong(labels)


def test_it_can_be_stopped_and_tells_each_plane(labels):
    told = []
    stack = np.stack([labels] * 3)
    progress = napari_sam.Progress(lambda done, total: told.append((done, total)))
    napari_sam.measure(stack, progress=progress)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(napari_sam.Cancelled):
        napari_sam.measure(stack, progress=napari_sam.Progress(None, lambda: True))
