import json
import math
import re

import numpy as np
import pytest

from napari_sam.evaluation.click_protocol import ImageScores, ObjectScores
from napari_sam.evaluation.click_report import METRICS, summarise

COLUMNS = {
    "click1",
    "click2",
    "click3",
    "click5",
    "box",
    "best_of_3",
    "clicks_to_90",
    "reach_90",
    "iou_correlation",
}


def scored(label, clicks, box=0.8, best=0.9, predicted=(0.5, 0.6), actual=(0.4, 0.7)):
    return ObjectScores(label, clicks, box, best, predicted, actual)


@pytest.fixture
def images():
    low, high = (0.2, 0.3, 0.4, 0.5, 0.6), (0.6, 0.7, 0.8, 0.9, 1.0)
    return [
        ImageScores("nuclei", "b", (scored(1, low), scored(2, low), scored(3, high))),
        ImageScores("nuclei", "a", (scored(1, high, predicted=(0.1, 0.9)),)),
        ImageScores("nuclei", "empty"),
        ImageScores("cells", "c", (scored(1, high, box=0.4),)),
        ImageScores("cells", "bad", error="cannot read"),
    ]


def test_json_has_exactly_the_agreed_keys(images):
    content = json.loads(summarise(images).to_json())
    assert set(content) == {"kinds", "mean_of_kinds"}
    assert list(content["kinds"]) == ["cells", "nuclei"]
    for row in [*content["kinds"].values(), content["mean_of_kinds"]]:
        assert set(row) == {"n", "ci"} | COLUMNS
        assert set(row["ci"]) == COLUMNS == set(METRICS)


def test_means_are_over_objects_and_then_over_kinds(images):
    report = summarise(images)
    nuclei, cells = report.kinds["nuclei"], report.kinds["cells"]
    assert (nuclei.n, cells.n, report.mean_of_kinds.n) == (4, 1, 5)
    assert nuclei.values["click1"] == pytest.approx(0.4)
    assert nuclei.values["click2"] == pytest.approx(0.5)
    assert nuclei.values["click3"] == pytest.approx(0.6)
    assert nuclei.values["click5"] == pytest.approx(0.8)
    assert report.mean_of_kinds.values["click1"] == pytest.approx(0.5)
    assert report.mean_of_kinds.values["box"] == pytest.approx(0.6)


def test_clicks_to_a_good_mask_count_those_that_never_get_there(images):
    report = summarise(images)
    # Two of four reach 0.9 with the fourth click, the others never: five.
    assert report.kinds["nuclei"].values["clicks_to_90"] == pytest.approx(4.5)
    assert report.kinds["nuclei"].values["reach_90"] == pytest.approx(0.5)
    assert report.kinds["cells"].values["clicks_to_90"] == 4
    assert report.mean_of_kinds.values["reach_90"] == pytest.approx(0.75)


def test_correlation_is_over_all_candidates(images):
    predicted = [0.5, 0.6] * 3 + [0.1, 0.9]
    actual = [0.4, 0.7] * 4
    expected = np.corrcoef(predicted, actual)[0, 1]
    row = summarise(images).kinds["nuclei"]
    assert row.values["iou_correlation"] == pytest.approx(expected)


def test_intervals_hold_the_value_and_do_not_depend_on_the_order(images):
    report = summarise(images)
    row = report.kinds["nuclei"]
    for name in ("click1", "click3", "iou_correlation"):
        low, high = row.intervals[name]
        assert low <= row.values[name] <= high
    # Two images with means of 1/3 and 0.6: a replicate lies between.
    assert row.intervals["click1"] == pytest.approx((1 / 3, 0.6))
    assert summarise(images[::-1]).to_json() == report.to_json()


def test_a_kind_does_not_change_the_interval_of_another(images):
    alone = summarise([item for item in images if item.kind == "nuclei"])
    assert alone.kinds["nuclei"] == summarise(images).kinds["nuclei"]


def test_one_image_has_no_interval(images):
    report = summarise(images)
    assert report.kinds["cells"].intervals["click1"] is None
    assert report.mean_of_kinds.intervals["click1"] is None


def test_mean_of_kinds_interval_is_narrower_than_that_of_a_kind():
    rng = np.random.default_rng(0)
    images = [
        ImageScores(kind, str(i), (scored(1, (float(rng.random()),) * 5),))
        for kind in "abcd"
        for i in range(12)
    ]
    report = summarise(images)
    low, high = report.mean_of_kinds.intervals["click1"]
    assert low < report.mean_of_kinds.values["click1"] < high
    for row in report.kinds.values():
        assert high - low < row.intervals["click1"][1] - row.intervals["click1"][0]


def test_what_is_not_defined_is_null_in_json():
    flat = scored(1, (1.0,) * 5, predicted=(0.5, 0.5), actual=(0.5, 0.5))
    report = summarise([ImageScores("k", name, (flat,)) for name in "ab"])
    assert math.isnan(report.kinds["k"].values["iou_correlation"])
    content = json.loads(report.to_json())
    assert content["kinds"]["k"]["iou_correlation"] is None
    assert content["kinds"]["k"]["ci"]["iou_correlation"] is None
    assert content["mean_of_kinds"]["iou_correlation"] is None
    assert content["kinds"]["k"]["ci"]["click1"] == [1, 1]


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="no labelled object"):
        summarise([ImageScores("k", "a"), ImageScores("k", "b", error="bad")])


def test_table_shows_every_kind_and_number(images):
    lines = summarise(images).to_table().splitlines()
    titles = ["1 click", "2 clicks", "3 clicks", "5 clicks"]
    titles += ["box", "best of 3", "clicks to .9", "reach .9", "IoU corr."]
    assert re.split(r"\s{2,}", lines[0]) == ["kind", "objects", *titles]
    nuclei = next(line for line in lines if line.startswith("nuclei"))
    assert nuclei.split()[1:6] == ["4", "0.400", "0.500", "0.600", "0.800"]
    interval = lines[lines.index(nuclei) + 1]
    assert interval.split()[0] == "0.333-0.600"
    assert interval.index("0.333-0.600") + 11 == nuclei.index("0.400") + 5
    assert lines[-1].startswith("mean of kinds")
    assert all(line == line.rstrip() for line in lines)


def test_markdown_is_a_table(images):
    lines = summarise(images).to_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[1].startswith("| --- | ---: |")
    assert "| nuclei | 4 | 0.400 (0.333 to 0.600) |" in lines[3]
    assert "| cells | 1 | 0.600 |" in lines[2]
