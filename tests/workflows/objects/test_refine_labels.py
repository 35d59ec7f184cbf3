import numpy as np
import pytest
from ideal_predictor import IdealPredictor, grid_of_discs
from scipy import ndimage

import napari_sam
from napari_sam import Cancelled, Progress, RefineLabelsConfig


def discs():
    image = grid_of_discs(96, 32, 10).astype(np.uint8)
    return image, ndimage.label(image)[0].astype(np.uint16)


def refine(image, labels, score=0.9, **options):
    model = IdealPredictor(frame_size=128, score=score)
    return napari_sam.refine_labels(image, labels, model=model, **options)


def test_objects_are_drawn_anew_and_keep_their_numbers():
    image, truth = discs()
    rough = np.where(ndimage.binary_erosion(truth > 0, iterations=2), truth, 0)
    rough = rough.astype(np.uint16) * 7
    before = rough.copy()
    labels, report = refine(image, rough)
    assert labels.dtype == np.uint16 and np.array_equal(labels, truth * 7)
    assert np.array_equal(rough, before)
    assert report["label"].tolist() == [7 * n for n in range(1, 10)]
    assert report["changed"].all() and (report["iou"] < 0.8).all()
    assert report["pixels_after"].sum() == np.count_nonzero(truth)


@pytest.mark.parametrize(
    ("config", "score"),
    [
        ({}, 0.5),  # the model thinks little of its answer
        ({"pred_iou_thresh": 0.95}, 0.9),
        ({"min_gain": 0.9}, 0.9),
        ({"agreement_thresh": 0.99}, 0.9),
    ],
)
def test_an_answer_that_is_not_surer_changes_nothing(config, score):
    image, truth = discs()
    rough = np.where(ndimage.binary_erosion(truth > 0, iterations=2), truth, 0)
    labels, report = refine(image, rough, score, config=RefineLabelsConfig(**config))
    assert np.array_equal(labels, rough) and not report["changed"].any()
    assert (report["iou"] == 1).all()


def test_what_is_good_already_stays():
    image, truth = discs()
    labels, report = refine(image, truth)
    assert np.array_equal(labels, truth) and not report["changed"].any()


def test_pixels_of_others_are_never_taken():
    image = np.zeros((64, 64), np.uint8)
    image[10:40, 10:40] = 1
    labels = np.zeros((64, 64), np.int32)
    labels[10:40, 10:34], labels[10:40, 34:37] = 1, 2
    after, report = refine(image, labels, config=RefineLabelsConfig(min_gain=0.01))
    assert np.array_equal(after == 2, labels == 2)
    assert report["changed"].tolist() == [True, False]
    assert np.array_equal(after == 1, (image > 0) & (labels != 2))


def test_a_stack_is_refined_plane_by_plane_with_progress():
    image, truth = discs()
    rough = np.where(ndimage.binary_erosion(truth > 0, iterations=2), truth, 0)
    told = []
    labels, report = refine(
        np.stack([image, image]),
        np.stack([rough, truth]).astype(np.float32),
        progress=Progress(lambda done, total: told.append((done, total))),
    )
    assert labels.dtype == np.int32 and np.array_equal(labels, [truth, truth])
    assert report[report["changed"]]["plane"].unique().tolist() == [(0,)]
    assert told == [(0, 2), (1, 2), (1, 2), (2, 2)]
    with pytest.raises(Cancelled):
        refine(image, rough, progress=Progress(None, lambda: True))


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        (np.zeros((8, 8)), np.zeros((9, 8), int), r"\(9, 8\) do not fit an image of"),
        (np.zeros((8, 8)), np.zeros(8, int), "two axes or more"),
        (np.zeros((8, 8)), np.full((8, 8), 0.5), "no labels; wanted whole numbers"),
        (np.zeros((8, 8)), np.zeros((8, 8), complex), "must be whole numbers"),
        (np.zeros((8, 8, 5)), np.zeros((8, 8), int), "up to 4 channels"),
    ],
)
def test_what_cannot_be_refined_is_said(image, labels, said):
    with pytest.raises(ValueError, match=said):
        refine(image, labels)


def test_labels_without_objects_come_back():
    labels, report = refine(np.zeros((8, 8)), np.zeros((8, 8), np.int8))
    assert labels.dtype == np.int8 and not labels.any() and len(report) == 0
