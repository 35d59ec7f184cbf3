import numpy as np
import pytest

from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.objects.features import measure_objects


@pytest.fixture
def labels():
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:13] = 1
    labels[10:18, 20:24] = 2
    return labels


def test_lengths_are_in_micrometres(labels):
    pixels = measure_objects(labels)
    table = measure_objects(labels, pixel_size=(0.5, 0.5))
    assert table["area"].tolist() == [10, 8]
    assert table["centroid_0"].tolist() == [1.75, 6.75]
    np.testing.assert_allclose(table["perimeter"], pixels["perimeter"] / 2)
    assert table["bbox_2"].tolist() == [6, 18]
    assert (table["pixel_size_row"] == 0.5).all()
    assert "pixel_size_row" not in pixels


def test_pixels_need_not_be_square(labels):
    table = measure_objects(labels, pixel_size=(2, 0.5))
    assert table["area"].tolist() == [40, 32]
    assert table["centroid_1"].tolist() == [3.75, 10.75]
    assert "perimeter" not in table


def test_intensities_of_each_channel(labels):
    image = np.dstack([labels * 10, labels * 0 + 7])
    table = measure_objects(labels, image)
    assert table["intensity_mean_0"].tolist() == [10, 20]
    assert table["intensity_max_1"].tolist() == [7, 7]
    assert measure_objects(labels, image[..., 0])["intensity_min"].tolist() == [10, 20]


def test_scores_go_with_their_labels(labels):
    labels[labels == 1] = 0
    records = [
        MaskRecord(Rle.encode(labels > 0), 1, (0, 0, 1, 1), iou, 0.5, (0, 0), (0,) * 4)
        for iou in (0.3, 0.8)
    ]
    table = measure_objects(labels, records=records)
    assert table["label"].tolist() == [2]
    assert table["predicted_iou"].tolist() == [0.8]
    assert table["stability_score"].tolist() == [0.5]


def test_no_object_is_a_table_without_rows():
    table = measure_objects(np.zeros((5, 6), np.int32), np.zeros((5, 6)), (1, 1), [])
    assert len(table) == 0
    assert {"label", "area", "intensity_mean", "predicted_iou"} <= set(table)


def test_wrong_input_is_refused(labels):
    with pytest.raises(ValueError, match="height and width"):
        measure_objects(labels, np.zeros((20, 29)))
    with pytest.raises(ValueError, match="two numbers above 0"):
        measure_objects(labels, pixel_size=(0, 1))
