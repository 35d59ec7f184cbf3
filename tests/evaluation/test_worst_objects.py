import imageio.v3 as iio
import numpy as np
import pytest
from ideal_predictor import IdealPredictor

from napari_sam.evaluation.click_protocol import ImageScores, ObjectScores
from napari_sam.evaluation.worst_objects import draw_gallery, find_worst
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.ops.outlines import FOUND, TRUTH


def scored(label, first, third=0.9):
    clicks = (first, third, third, third, third)
    return ObjectScores(label, clicks, 0.9, 0.9, (0.5,), (0.5,))


SCORES = [
    ImageScores("nuclei", "a", (scored(1, 0.7), scored(2, 0.1))),
    ImageScores("nuclei", "b", (scored(1, 0.2), scored(2, 0.9))),
    ImageScores("nuclei", "c", (scored(2, 0.05),)),
    ImageScores("cells", "d", (scored(1, 0.8),)),
    ImageScores("cells", "bad", error="cannot read"),
]


@pytest.fixture
def folder(tmp_path):
    """Pictures of two bright squares, labelled a little too large."""
    for item in SCORES:
        image = np.zeros((60, 80), np.uint8)
        labels = np.zeros((60, 80), np.uint8)
        for label, left in ((1, 10), (2, 45)):
            image[20:40, left : left + 20] = 200
            labels[18:42, left - 2 : left + 22] = label
        for part, pixels in (("images", image), ("labels", labels)):
            path = tmp_path / item.kind / part / f"{item.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            iio.imwrite(path, pixels)
    return tmp_path


def test_the_worst_of_each_image_are_sorted_within_their_kind():
    found = [(f.kind, f.name, f.scores.label) for f in find_worst(SCORES, 2)]
    assert found == [("cells", "d", 1), ("nuclei", "c", 2), ("nuclei", "a", 2)]


def test_the_picture_shows_both_outlines(folder):
    picture = draw_gallery(IdealPredictor(), list_labelled_images(folder), SCORES)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    for color in (TRUTH, FOUND):
        assert (picture == color).all(-1).sum() > 4 * 50
    one_kind = [item for item in SCORES if item.kind == "cells"]
    smaller = draw_gallery(IdealPredictor(), list_labelled_images(folder), one_kind)
    assert smaller.shape[0] < picture.shape[0]
    assert smaller.shape[1] < picture.shape[1]


def test_nothing_to_show_is_an_error(folder):
    with pytest.raises(ValueError, match="no labelled object"):
        draw_gallery(IdealPredictor(), list_labelled_images(folder), SCORES[-1:])
