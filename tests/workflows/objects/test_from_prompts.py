import numpy as np
import pytest
from ideal_predictor import IdealPredictor, grid_of_discs

from napari_sam.configs import PromptConfig
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.objects.from_prompts import segment_boxes, segment_points
from napari_sam.workflows.progress import Progress

DISCS = grid_of_discs(120, 40, 8).astype(np.uint8)
CENTRES = [(r, c) for r in (20, 60, 100) for c in (20, 60, 100)]


def box_at(row, col, radius=10):
    return (row - radius, col - radius, row + radius, col + radius)


def test_each_box_gets_its_object_under_its_number():
    labels = segment_boxes(
        DISCS, [box_at(60, 20), box_at(20, 100)], model=IdealPredictor()
    )
    assert labels.dtype == np.int32
    assert labels[60, 20] == 1
    assert labels[20, 100] == 2
    assert ((labels > 0).sum()) == 2 * DISCS[:40, :40].sum()


def test_each_point_gets_its_object_under_its_number():
    labels = segment_points(DISCS, CENTRES, model=IdealPredictor())
    assert [labels[at] for at in CENTRES] == list(range(1, 10))
    assert ((labels > 0) == (DISCS > 0)).all()


def test_masks_are_fed_back_once_with_their_prompt():
    sam = IdealPredictor()
    segment_boxes(DISCS, [box_at(60, 20)], model=sam)
    first, second = sam.asked
    assert first.mask_logits is None
    assert (second.mask_logits == 4).all()
    assert (first.box == second.box).all()
    sam = IdealPredictor()
    segment_boxes(DISCS, [box_at(60, 20)], model=sam, config=PromptConfig(refine=False))
    assert len(sam.asked) == 1


@pytest.mark.parametrize("segment", [segment_boxes, segment_points])
@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0, 2))])
def test_nothing_asked_nothing_labelled(segment, empty):
    sam = IdealPredictor()
    labels = segment(DISCS, empty, model=sam)
    assert labels.shape == DISCS.shape
    assert not labels.any()
    assert sam.shapes == []


def test_a_box_without_an_object_leaves_its_number_free():
    labels = segment_boxes(
        DISCS, [(0, 0, 5, 5), box_at(60, 60)], model=IdealPredictor()
    )
    assert np.unique(labels).tolist() == [0, 2]


def test_overlap_goes_to_the_earlier_of_equals():
    boxes = [box_at(60, 60), box_at(61, 60), box_at(20, 20)]
    labels = segment_boxes(DISCS, boxes, model=IdealPredictor())
    assert np.unique(labels).tolist() == [0, 1, 3]


def test_small_boxes_of_a_large_image_are_prompted_in_tiles():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    boxes = [box_at(20, 20), box_at(180, 220), box_at(380, 380)]
    sam = IdealPredictor()
    labels = segment_boxes(image, boxes, model=sam)
    assert sam.shapes[0] == (400, 400)
    assert {max(shape) for shape in sam.shapes[1:]} == {75}
    assert [labels[20, 20], labels[180, 220], labels[380, 380]] == [1, 2, 3]
    assert (labels > 0).sum() == 3 * image[:40, :40].sum()


def test_the_dense_head_says_how_large_the_objects_at_points_are():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    points = [(r, c) for r in range(20, 400, 40) for c in range(20, 400, 40)]
    sam = IdealPredictor()
    labels = segment_points(image, points, model=sam)
    assert sam.shapes[0] == (400, 400)
    assert {max(shape) for shape in sam.shapes[1:]} == {75}
    assert ((labels > 0) == (image > 0)).all()
    assert [labels[at] for at in points] == list(range(1, 101))


def test_an_object_larger_than_tiles_is_seen_as_a_whole():
    image = np.ones((400, 400), np.uint8)
    sam = IdealPredictor()
    labels = segment_boxes(
        image, [(0, 0, 400, 400)], model=sam, config=PromptConfig(scale=1.0)
    )
    assert sam.shapes == [(400, 400)]
    assert (labels == 1).all()


def test_corners_may_come_in_any_order_and_reach_beyond():
    labels = segment_boxes(DISCS, [(30, 30, -5, -5)], model=IdealPredictor())
    assert labels[20, 20] == 1


def test_embedding_instead_of_the_image():
    sam = IdealPredictor()
    embedding = sam.embed(grid_of_discs(400, 40, 8).astype(np.uint8), scale="whole")
    assert segment_points(embedding, [(20, 20)], model=sam)[20, 20] == 1
    assert len(sam.shapes) == 1


@pytest.mark.parametrize(
    ("segment", "given", "message"),
    [
        (segment_boxes, [(1, 2, 3)], r"boxes must be \(N, 4\)"),
        (segment_boxes, [1, 2, 3, 4], r"boxes must be \(N, 4\)"),
        (segment_boxes, [(1, 2, 3, np.nan)], "boxes must be finite"),
        (segment_boxes, [(0, 0, 9, 9), (200, 0, 220, 9)], "box 1, .* lies outside"),
        (segment_points, [(1, 2, 3)], r"points must be \(N, 2\)"),
        (segment_points, [(1, 1), (-9, 4)], "point 1, .* lies outside"),
        (segment_points, [(np.nan, 4)], "point 0, .* lies outside"),
    ],
)
def test_wrong_prompts_are_refused_before_work(segment, given, message):
    sam = IdealPredictor()
    with pytest.raises(ValueError, match=message):
        segment(DISCS, given, model=sam)
    assert sam.shapes == []


def test_wrong_order_is_refused_before_work():
    sam = IdealPredictor()
    with pytest.raises(ValueError, match=r"(?s)order.*'score' or 'area'"):
        segment_boxes(
            DISCS, [box_at(60, 60)], model=sam, config=PromptConfig(order="age")
        )
    assert sam.shapes == []


def test_progress_and_cancelling():
    told = []
    points = CENTRES * 8
    segment_points(
        DISCS,
        points,
        model=IdealPredictor(),
        config=PromptConfig(scale=1.0),
        progress=Progress(lambda *n: told.append(n)),
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        segment_points(
            DISCS,
            points,
            model=IdealPredictor(),
            progress=Progress(is_cancelled=lambda: True),
        )
