import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from napari_sam.io.coco import coco_to_records, read_coco, records_to_coco, write_coco
from napari_sam.ops.painting import records_to_labels
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord

SHAPE = (24, 30)


def record(mask, iou=0.75, stability=0.5, point=(3.5, 4.25)):
    rle = Rle.encode(mask)
    return MaskRecord(
        rle, rle.area, rle.bbox, iou, stability, point, (0, 0, *mask.shape)
    )


@pytest.fixture
def labels():
    labels = np.zeros(SHAPE, np.int32)
    labels[2:9, 3:12] = 1
    labels[5:8, 5:7] = 0  # a hole
    labels[12:24, 20:30] = 2
    labels[12:14, 2:4] = labels[20:22, 10:12] = 3  # two parts
    return labels


@pytest.fixture
def records(labels):
    return [record(labels == i, 0.9 - i / 10) for i in (1, 2, 3)]


def test_a_file_gives_the_records_and_the_labels_back(records, labels, tmp_path):
    path = tmp_path / "deep" / "a.json"
    assert write_coco(path, records_to_coco(records, SHAPE, "a.png")) == path
    found = read_coco(path)
    assert found == {"a.png": records}
    np.testing.assert_array_equal(records_to_labels(found["a.png"], SHAPE), labels)
    assert [item.name for item in path.parent.iterdir()] == ["a.json"]


def test_fields_are_those_of_coco_and_sa1b(records):
    content = records_to_coco(records, SHAPE, "a.png", 7, scores=[3, 2, 1])
    image = {"id": 7, "file_name": "a.png", "height": 24, "width": 30}
    assert content["images"] == [image]
    one = content["annotations"][0]
    assert (one["id"], one["image_id"], one["category_id"]) == (1, 7, 1)
    assert one["bbox"] == [3, 2, 9, 7]
    assert one["area"] == 57
    assert one["score"] == 3
    assert (one["predicted_iou"], one["stability_score"]) == (0.8, 0.5)
    assert one["point_coords"] == [[4.25, 3.5]]
    assert one["crop_box"] == [0, 0, 30, 24]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_file(records, labels, tmp_path, capsys):
    path = write_coco(tmp_path / "a.json", records_to_coco(records, SHAPE, "a.png"))
    coco = COCO(str(path))
    for i, annotation in coco.anns.items():
        np.testing.assert_array_equal(coco.annToMask(annotation), labels == i)
        box = coco_masks.toBbox(annotation["segmentation"]).tolist()
        assert box == annotation["bbox"]
    capsys.readouterr()


def test_foreign_files_are_read(labels):
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "height": 24, "width": 30},
            {"id": 2, "file_name": "empty.png", "height": 5, "width": 5},
        ],
        "annotations": [
            {"image_id": 1, "segmentation": [[3, 2, 12, 2, 12, 9, 3, 9]], "score": 0.4},
            {"image_id": 1, "segmentation": Rle.encode(labels == 3).to_coco()},
        ],
    }
    found = coco_to_records(json.loads(json.dumps(content)))
    assert found["empty.png"] == []
    polygon, runs = found["a.png"]
    assert polygon.bbox == (2, 3, 9, 12)
    assert polygon.area == 63
    assert (polygon.predicted_iou, runs.predicted_iou) == (0.4, 1)
    np.testing.assert_array_equal(runs.rle.decode(), labels == 3)
    row, col = (int(x) for x in runs.point)
    assert labels[row, col] == 3
    assert runs.crop_box == (0, 0, *SHAPE)


def test_masks_may_overlap_and_be_none(tmp_path):
    whole, part = np.ones(SHAPE, bool), np.eye(*SHAPE, dtype=bool)
    content = records_to_coco([record(whole), record(part)], SHAPE, "a")
    assert [one.area for one in coco_to_records(content)["a"]] == [720, 24]
    assert coco_to_records(records_to_coco([], SHAPE, "a")) == {"a": []}


def test_wrong_input_is_refused(records, tmp_path):
    with pytest.raises(ValueError, match="mask 1 has shape"):
        records_to_coco(records, (24, 31), "a")
    with pytest.raises(ValueError, match="shorter"):
        records_to_coco(records, SHAPE, "a", scores=[1])
    path = tmp_path / "a.json"
    for text in ("no json", "[]", "{}", '{"images": [], "annotations": [{}]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"a\.json is no COCO file"):
            read_coco(path)
    content = records_to_coco(records, SHAPE, "a")
    content["images"][0]["height"] = 23
    with pytest.raises(ValueError, match="lies in an image"):
        coco_to_records(content)
    with pytest.raises(FileNotFoundError):
        read_coco(tmp_path / "missing.json")
