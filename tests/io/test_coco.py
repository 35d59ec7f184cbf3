import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from napari_sam.io.coco import coco_to_records, read_coco, records_to_coco, write_coco
from napari_sam.ops.label_painting import records_to_labels
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


def test_classes_are_the_categories(records):
    content = records_to_coco(
        records, SHAPE, "a.png", classes=["mitosis", "", "mitosis"]
    )
    assert content["categories"] == [
        {"id": 1, "name": "mitosis"},
        {"id": 2, "name": "object"},
    ]
    assert [one["category_id"] for one in content["annotations"]] == [1, 2, 1]
    with pytest.raises(ValueError, match="3 masks have 1 classes"):
        records_to_coco(records, SHAPE, "a.png", classes=["a"])


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


def one(segmentation, **more):
    """A file of one image of 24 x 30 pixels and one annotation."""
    image = {"id": 1, "file_name": "a.png", "height": 24, "width": 30}
    annotation = {"id": 5, "image_id": 1, "segmentation": segmentation, **more}
    return {"images": [image], "annotations": [annotation]}


SQUARE = [3, 2, 12, 2, 12, 9, 3, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (one([[*SQUARE, far, 4]]), "annotation 5: .* far from its image of 24 x 30")
        for far in (float("nan"), float("inf"), 1e300, 1e9, 4.2e8, -1e9)
    ]
    + [
        (one([[*SQUARE, 10**40, 4]]), "annotation 5: a polygon is a list of numbers"),
        (one([SQUARE[:5]]), "even number of coordinates, 6 or more, got 5"),
        (one([SQUARE[:4]]), "even number of coordinates, 6 or more, got 4"),
        (one([SQUARE, []]), "a polygon is a list of numbers|6 or more, got 0"),
        (one([[SQUARE]]), "a polygon is a list of numbers"),
        (one([["3"] * 6]), "a polygon is a list of numbers"),
        (one(SQUARE), "a polygon is a list of numbers"),
        (one([[-50, -50, 200, 200] * 20_000]), "an outline of .* pixels; at most"),
        (one([], bbox=[1, 2, 3, 4]), "annotation 5: it holds only a box, and masks"),
        (one(None, bbox=[1, 2, 3, 4]), "annotation 5: it holds only a box, and masks"),
        (one([]), "annotation 5: it holds neither mask nor box"),
        (one({"size": [24, 30], "counts": [2**70]}), "whole numbers or a string"),
        (one({"size": [24, 30], "counts": [2**62] * 4}), "do not fill its 24 x 30"),
        (one({"size": [24, 30], "counts": "o" * 99}), "are no such string"),
        (one({"size": [24, -30], "counts": [720]}), "do not fill its 24 x -30"),
        (one([SQUARE], score=10**400), "wrong type or size"),
        (one([SQUARE], crop_box=[1, 2]), "annotation 5"),
        (one([SQUARE], crop_box=[1, 2, 3, float("inf")]), "wrong type or size"),
        (one([SQUARE], point_coords=[[1]]), "wrong type or size"),
        ({**one([SQUARE]), "images": {"id": 1}}, "wrong type"),
    ],
)
def test_what_would_break_or_be_guessed_is_refused(content, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_coco(path)


def test_polygons_may_reach_beyond_their_image_and_images_be_large():
    (found,) = coco_to_records(one([[-9, -9, 40, -9, 40, 12, -9, 12]]))["a.png"]
    assert found.bbox == (0, 0, 12, 30)
    content = one([SQUARE])
    content["images"][0].update(height=2**40, width=2**40)
    with pytest.raises(ValueError, match="polygons cannot be drawn in an image of"):
        coco_to_records(content)
    content = one({"size": [2**20, 2**20], "counts": [7, 2**39, 2**40 - 2**39 - 7]})
    content["images"][0].update(height=2**20, width=2**20)
    (found,) = coco_to_records(content)["a.png"]  # nothing so large is made
    assert found.area == 2**39
    assert found.bbox == (0, 0, 2**20, 2**19 + 1)
    row, col = found.point
    assert 7 <= col * 2**20 + row < 2**39 + 7


def test_a_file_of_brackets_is_no_coco_file(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json is no COCO file"):
        read_coco(tmp_path / "a.json")


ODD = [
    *(None, True, "", "junk", [], {}, [[]], 0, -1, 2.5, 1e9, -1e300, 2**31, 2**63),
    *(2**70, float("nan"), float("inf"), [1, 2], [[1, 2, 3]], {"size": [1], "a": 2}),
]


def places_of(value, at=()):
    """Yield the path to each value within a JSON value."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, part in inner:
        yield from places_of(part, (*at, key))


def test_no_damage_breaks_the_process_or_the_promise(records):
    rng = np.random.default_rng(0)
    whole = records_to_coco(records, SHAPE, "a.png")
    plain = Rle.encode(np.eye(*SHAPE, dtype=bool)).to_coco()
    whole["annotations"] += [one([SQUARE])["annotations"][0]]
    whole["annotations"] += [one(plain)["annotations"][0]]
    text = json.dumps(whole)
    places = [at for at in places_of(whole) if at]
    refused = 0
    for _ in range(3000):
        content = json.loads(text)
        for number in rng.integers(len(places), size=rng.integers(1, 4)):
            *way, last = places[number]
            inner = content
            try:
                for key in way:
                    inner = inner[key]
                if rng.random() < 0.15:
                    del inner[last]
                else:
                    inner[last] = ODD[rng.integers(len(ODD))]
            except (LookupError, TypeError):
                continue  # an earlier change took the place away
        try:
            for found in coco_to_records(content).values():
                assert all(each.rle.area == each.area for each in found)
        except ValueError:
            refused += 1
    assert 1000 < refused < 3000


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
