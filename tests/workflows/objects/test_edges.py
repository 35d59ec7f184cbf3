import numpy as np
import pytest
from disc_predictor import DiscPredictor
from scipy import ndimage
from scipy.special import expit
from tiny_network import tiny_predictor

from napari_sam.configs import EdgeConfig
from napari_sam.inference.mask_upscaling import upscale_logits
from napari_sam.ops.nms import box_nms
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.objects.edges import detect_edges
from napari_sam.workflows.objects.point_grids import even_grid
from napari_sam.workflows.progress import Progress


def literal_edges(sam, image, side, threshold):
    """Draw the outlines mask by mask on whole planes, as the paper tells it."""
    embedding = sam.embed(image, scale="whole")
    probabilities, boxes, scores = [], [], []
    for found in sam.point_decoder(embedding).decode(even_grid(side) * image.shape):
        for low, score in zip(found.logits, found.scores, strict=True):
            logits = upscale_logits(low, embedding.geometry).numpy()
            if not (logits > 0).any():
                continue
            at = np.argwhere(logits > 0)
            probabilities.append(expit(logits))
            boxes.append([*at.min(0), *at.max(0)])
            scores.append(score)
    edges = np.zeros(image.shape)
    for i in box_nms(boxes, scores, threshold):
        p = probabilities[i]
        slope = np.hypot(ndimage.sobel(p, 0), ndimage.sobel(p, 1))
        mask = p > 0.5
        outside = ndimage.binary_dilation(mask) & ~mask
        edges = np.maximum(edges, np.where(outside, slope, 0))
    return edges / edges.max()


@pytest.mark.parametrize("shape", [(64, 64), (50, 90), (300, 40)])
@pytest.mark.parametrize("steepness", [0.3, 4])
def test_the_outlines_are_those_of_the_literal_form(shape, steepness):
    sam = DiscPredictor(radii=(3, 9, 20), steepness=steepness)
    image = np.zeros(shape)
    drawn = detect_edges(
        image, model=sam, config=EdgeConfig(points_per_side=3, thin=False)
    )
    expected = literal_edges(sam, image, 3, 0.7)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_a_real_network_draws_the_literal_form():
    sam = tiny_predictor()
    image = np.random.default_rng(0).random((60, 80))
    drawn = detect_edges(
        image,
        model=sam,
        config=EdgeConfig(points_per_side=4, box_nms_thresh=0.9, thin=False),
    )
    expected = literal_edges(sam, image, 4, 0.9)
    np.testing.assert_allclose(drawn, expected, atol=1e-4)


def test_thin_edges_run_around_a_disc():
    sam = DiscPredictor(radii=(20, 0, 0), steepness=2)
    edges = detect_edges(
        np.zeros((64, 64)), model=sam, config=EdgeConfig(points_per_side=1)
    )
    assert edges.max() == 1
    rows, cols = np.nonzero(edges > 0.5)
    radius = np.hypot(rows - 31.5, cols - 31.5)
    assert np.abs(radius - 20).max() < 2
    assert len(rows) < 1.2 * 2 * np.pi * 21


def test_doubles_are_dropped_before_they_are_drawn():
    sam = DiscPredictor(radii=(20, 18.5, 0))
    only = DiscPredictor(radii=(20, 0, 0))
    image = np.zeros((64, 64))
    one, two = (
        detect_edges(
            image,
            model=sam,
            config=EdgeConfig(points_per_side=1, box_nms_thresh=thresh, thin=False),
        )
        for thresh in (0.7, 1)
    )
    alone = detect_edges(
        image, model=only, config=EdgeConfig(points_per_side=1, thin=False)
    )
    np.testing.assert_array_equal(one, alone)
    assert np.count_nonzero(two) > np.count_nonzero(one)


def test_no_mask_is_no_edge():
    sam = DiscPredictor(radii=(0, 0, -3))
    edges = detect_edges(
        np.zeros((40, 50)), model=sam, config=EdgeConfig(points_per_side=2)
    )
    assert edges.shape == (40, 50)
    assert not edges.any()


def test_a_mask_of_the_whole_image_has_no_edge():
    sam = DiscPredictor(radii=(500, 500, 500))
    assert not detect_edges(
        np.zeros((40, 50)), model=sam, config=EdgeConfig(points_per_side=1)
    ).any()


def test_an_embedding_gives_the_same_as_its_image():
    sam = tiny_predictor()
    image = np.random.default_rng(1).random((48, 64, 3))
    first = detect_edges(image, model=sam, config=EdgeConfig(points_per_side=2))
    second = detect_edges(
        sam.embed(image, scale="whole"), model=sam, config=EdgeConfig(points_per_side=2)
    )
    np.testing.assert_array_equal(first, second)


def test_progress_and_contrast_are_passed_on():
    sam = DiscPredictor()
    told = []
    detect_edges(
        np.zeros((40, 40)),
        model=sam,
        config=EdgeConfig(points_per_side=5, points_per_batch=10),
        scope=Scope(contrast_limits=(0, 7)),
        progress=Progress(lambda *step: told.append(step)),
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sam.contrast == [(0, 7)]
    assert len(sam.asked) == 25


def test_cancelling_stops_before_the_next_batch():
    sam = DiscPredictor()
    with pytest.raises(Cancelled, match="edges was cancelled"):
        detect_edges(
            np.zeros((40, 40)),
            model=sam,
            config=EdgeConfig(points_per_side=4, points_per_batch=4),
            progress=Progress(is_cancelled=lambda: len(sam.asked) >= 8),
        )
    assert len(sam.asked) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points_per_side": 0}, "(?s)points_per_side.*greater than or equal to 1"),
        ({"points_per_batch": 0}, "(?s)points_per_batch.*greater than or equal to 1"),
        ({"box_nms_thresh": 1.5}, "(?s)box_nms_thresh.*less than or equal to 1"),
    ],
)
def test_wrong_input_is_refused_before_the_work(arguments, message):
    sam = DiscPredictor()
    with pytest.raises(ValueError, match=message):
        config = EdgeConfig(**arguments)
        detect_edges(np.zeros((40, 40)), model=sam, config=config)
    with pytest.raises(ValueError, match="image"):
        detect_edges(np.zeros((2, 3, 4, 5)), model=sam)
    assert sam.embedded == []
