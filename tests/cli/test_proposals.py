import json

import pytest

from napari_sam import cli
from napari_sam.io.coco import read_coco
from napari_sam.io.images import read_image
from napari_sam.workflows.objects.proposals import PROPOSALS, propose


@pytest.fixture
def proposals(model, plate, tmp_path):
    def run(*options):
        out = tmp_path / "out"
        given = [str(plate / "a.png"), "--out", str(out), *map(str, options)]
        return cli.main(["proposals", *given])

    return run


def test_the_file_holds_the_ranked_masks(proposals, model, plate, tmp_path):
    assert proposals("--points-per-side", 3, "--count", 7) == 0
    found = read_coco(tmp_path / "out" / "a.json")
    config = PROPOSALS.model_copy(update={"points_per_side": 3})
    expected = propose(read_image(plate / "a.png"), 7, model=model, config=config)
    assert found == {"a.png": expected}
    assert len(expected) == 7
    content = json.loads((tmp_path / "out" / "a.json").read_text())
    scores = [one["score"] for one in content["annotations"]]
    assert scores == sorted(scores, reverse=True)
    first = expected[0]
    mean = (first.predicted_iou + first.stability_score) / 2
    assert scores[0] == pytest.approx(mean)


def test_no_object_is_an_empty_list(proposals, model, tmp_path):
    model.radii = (0, 0, 0)
    assert proposals("--points-per-side", 1) == 0
    assert read_coco(tmp_path / "out" / "a.json") == {"a.png": []}
