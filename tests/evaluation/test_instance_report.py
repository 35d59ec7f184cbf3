import json
import math

import pytest

from napari_sam.evaluation.instance_report import INSTANCE_METRICS, sum_up_instances
from napari_sam.evaluation.instances import InstanceScores


def scored(kind, name, truths, founds, hits, iou=0.8, recalled=None):
    matches = (hits,) * 6 + (0,) * 4
    return InstanceScores(kind, name, truths, founds, matches, hits * iou, recalled)


@pytest.fixture
def images():
    return [
        scored("nuclei", "a", 10, 8, 8, 0.9, (4.0, 8.0, 8.0)),
        scored("nuclei", "b", 2, 4, 0, 0.0, (0.0, 0.0, 0.0)),
        scored("nuclei", "empty", 0, 0, 0, 0.0, (0.0, 0.0, 0.0)),
        scored("cells", "c", 4, 4, 4),
        InstanceScores("cells", "bad", error="cannot read"),
    ]


def test_precision_is_the_mean_of_images_and_the_rest_is_of_all_objects(images):
    nuclei = sum_up_instances(images).kinds["nuclei"]
    assert (nuclei.images, nuclei.tp, nuclei.fp, nuclei.fn) == (3, 8, 4, 4)
    assert nuclei.values["ap50"] == pytest.approx((0.8 + 0) / 2)
    assert nuclei.values["ap75"] == pytest.approx((0.8 + 0) / 2)
    assert nuclei.values["ap"] == pytest.approx(0.6 * 0.8 / 2)
    assert nuclei.values["sq"] == pytest.approx(0.9)
    assert nuclei.values["rq"] == pytest.approx(8 / (8 + 2 + 2))
    assert nuclei.values["pq"] == pytest.approx(0.9 * 8 / 12)
    assert nuclei.values["ar10"] == pytest.approx(4 / 12)
    assert nuclei.values["ar100"] == pytest.approx(8 / 12)


def test_kinds_weigh_the_same_and_counts_add_up(images):
    report = sum_up_instances(images)
    mean = report.mean_of_kinds
    assert (mean.images, mean.tp, mean.fp, mean.fn) == (4, 12, 4, 4)
    assert mean.values["ap50"] == pytest.approx((0.4 + 1) / 2)
    assert math.isnan(report.kinds["cells"].values["ar10"])
    assert mean.values["ar10"] == pytest.approx(4 / 12)


def test_of_proposals_only_recall_is_told():
    image = InstanceScores("cells", "a", 4, 900, None, 0.0, (1.0, 2.0, 3.0))
    report = sum_up_instances([image])
    row = report.kinds["cells"]
    assert math.isnan(row.values["ap50"])
    assert math.isnan(row.values["pq"])
    assert row.values["ar1000"] == pytest.approx(3 / 4)
    assert row.counts() == ["1", "-", "-", "-"]
    assert "900" not in report.to_markdown()


def test_intervals_hold_the_value_and_one_image_has_none(images):
    report = sum_up_instances(images)
    low, high = report.kinds["nuclei"].intervals["ap50"]
    assert low <= 0.4 <= high
    assert low < high
    assert report.kinds["cells"].intervals["ap50"] is None
    assert report.mean_of_kinds.intervals["ap50"] is None


def test_json_holds_all_and_no_nan(images):
    report = sum_up_instances(images)
    content = json.loads(report.to_json())
    assert set(content) == {"kinds", "mean_of_kinds"}
    for row in [*content["kinds"].values(), content["mean_of_kinds"]]:
        assert set(row) == {"images", "tp", "fp", "fn", "ci", *INSTANCE_METRICS}
        assert set(row["ci"]) == set(INSTANCE_METRICS)
    assert content["kinds"]["cells"]["ar10"] is None
    assert report.to_json() == sum_up_instances(images[::-1]).to_json()


def test_tables_have_a_row_for_each_kind(images):
    report = sum_up_instances(images)
    head, *rows = report.to_table().splitlines()
    assert head.split()[:5] == ["kind", "images", "TP", "FP", "FN"]
    assert rows[0].split()[:6] == ["cells", "1", "4", "0", "0", "1.000"]
    assert rows[-2].split()[:6] == ["mean", "of", "kinds", "4", "12", "4"]
    markdown = report.to_markdown().splitlines()
    assert len({line.count("|") for line in markdown}) == 1
    assert markdown[2].startswith("| cells | 1 | 4 | 0 | 0 | 1.000 |")


def test_nothing_scored_is_refused():
    with pytest.raises(ValueError, match="no labelled image to score"):
        sum_up_instances([InstanceScores("cells", "bad", error="cannot read")])
