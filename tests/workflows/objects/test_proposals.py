import numpy as np
import pytest
from disc_predictor import DiscPredictor
from tiny_network import tiny_predictor

from napari_sam import GridConfig
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.grid_masks import generate_masks
from napari_sam.workflows.objects.proposals import PROPOSALS, propose

SMALL = PROPOSALS.model_copy(update={"points_per_side": 3})


def test_the_grid_is_that_of_the_paper():
    assert PROPOSALS.points_per_side == 64
    assert PROPOSALS.box_nms_thresh == 0.9
    assert (PROPOSALS.pred_iou_thresh, PROPOSALS.stability_score_thresh) == (0, 0)
    assert (PROPOSALS.crop_n_layers, PROPOSALS.min_mask_region_area) == (0, 0)


def test_all_masks_are_ranked_by_the_mean_of_both_scores():
    sam = tiny_predictor()
    image = np.random.default_rng(0).random((40, 56))
    found = propose(image, model=sam, config=SMALL)
    means = [(one.predicted_iou + one.stability_score) / 2 for one in found]
    assert means == sorted(means, reverse=True)
    generated = generate_masks(image, model=sam, config=SMALL)
    assert {id_of(one) for one in found} == {
        id_of(one) for one in generated if one.area
    }


def id_of(record):
    return record.rle, record.point, record.predicted_iou


def test_stability_can_outweigh_predicted_iou():
    # The larger a soft disc, the more stable.
    sam = DiscPredictor(radii=(4, 8, 20), scores=(0.8, 0.79, 0.78))
    found = propose(np.zeros((64, 64)), model=sam, config=SMALL)
    first = [one for one in found if one.point == found[0].point]
    assert [one.predicted_iou for one in first] == pytest.approx([0.78, 0.79, 0.8])


def test_count_keeps_the_best():
    sam = DiscPredictor()
    image = np.zeros((64, 64))
    everything = propose(image, model=sam, config=SMALL)
    assert len(everything) > 5
    assert propose(image, 5, model=sam, config=SMALL) == everything[:5]


def test_empty_masks_are_no_proposals():
    sam = DiscPredictor(radii=(0, 0, 0))
    assert propose(np.zeros((32, 32)), model=sam, config=SMALL) == []


def test_a_region_limits_the_points():
    sam = DiscPredictor()
    roi = np.zeros((60, 60), bool)
    roi[:30, :30] = True
    propose(
        np.zeros((60, 60)),
        model=sam,
        config=GridConfig(points_per_side=2),
        scope=Scope(roi=roi),
    )
    assert sam.asked == [(15, 15)]


def test_a_count_below_1_is_refused():
    with pytest.raises(ValueError, match="count must be 1 or greater, got 0"):
        propose(np.zeros((32, 32)), 0, model=DiscPredictor())
