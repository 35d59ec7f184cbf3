import numpy as np
import pytest
from disc_predictor import DiscPredictor
from ideal_predictor import IdealPredictor, blind, grid_of_discs, near_sighted
from tiny_network import tiny_predictor

import napari_sam
from napari_sam.configs import InstanceConfig
from napari_sam.inference.image_scale import DENSE_SCALE_RULE, PROMPT_SCALE_RULE
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops.types import ImageEmbedding
from napari_sam.workflows.objects.instances import find_instances


def test_small_objects_are_looked_at_closer():
    image = grid_of_discs(256, 32, 10).astype(np.uint8)  # 10 frame pixels across
    embedding = IdealPredictor(128).embed(image)
    assert isinstance(embedding, PlaneView)
    side = embedding.tiles[0][2]
    assert 20 * 128 / side == pytest.approx(48, rel=0.1)


def test_large_objects_are_seen_in_the_whole():
    image = grid_of_discs(256, 128, 40).astype(np.uint8)
    embedding = IdealPredictor(128).embed(image)
    assert isinstance(embedding, ImageEmbedding)


def test_where_hardly_anything_is_seen_no_pixel_is_given_away():
    embedding = IdealPredictor(128).embed(np.zeros((256, 256)))
    assert embedding.tiles[0] == (0, 0, 128, 128)
    embedding = IdealPredictor(128).embed(np.zeros((90, 100)))
    assert isinstance(embedding, ImageEmbedding)


def crowd_of_discs():
    crowd = np.zeros((400, 400), np.uint8)
    crowd[120:280, 120:280] = grid_of_discs(160, 20, 8)
    return crowd


def test_a_crowd_is_measured_at_its_own_pixels():
    embedding = IdealPredictor(sight=near_sighted).embed(crowd_of_discs())
    top, _, bottom, _ = embedding.tiles[0]
    assert 128 / (bottom - top) * 16 == pytest.approx(48, rel=0.1)


def test_objects_too_small_to_be_seen_as_a_whole_are_measured():
    sam = IdealPredictor(sight=blind)
    embedding = sam.embed(crowd_of_discs())
    top, _, bottom, _ = embedding.tiles[0]
    assert 128 / (bottom - top) * 16 == pytest.approx(48, rel=0.1)
    assert sam.shapes == [(400, 400), (128, 128)]


def crowds_of_discs():
    """Five crowds, each of which looks like one object from afar."""
    image = np.zeros((700, 700), np.uint8)
    for top, left in ((20, 20), (20, 460), (290, 240), (540, 20), (540, 460)):
        image[top : top + 120, left : left + 120] = grid_of_discs(120, 20, 8)
    return image


class Doubting(IdealPredictor):
    """Is never sure of what it sees."""

    def dense_maps(self, embedding, level="auto"):
        maps = super().dense_maps(embedding, level)
        maps[0] *= 0.56
        return maps


def test_many_doubtful_objects_are_looked_at_as_crowds():
    sam = Doubting(sight=near_sighted)
    embedding = sam.embed(crowds_of_discs())
    top, _, bottom, _ = embedding.tiles[0]
    assert 128 / (bottom - top) * 16 == pytest.approx(48, rel=0.1)
    assert sam.shapes == [(700, 700), (128, 128), (64, 64)]


def test_many_objects_that_are_sure_are_what_they_look_like():
    sam = IdealPredictor(sight=near_sighted)
    sam.embed(crowds_of_discs())
    assert sam.shapes == [(700, 700)]


def test_doubtful_objects_that_a_closer_look_confirms_keep_their_size():
    image = np.zeros((700, 700), np.uint8)
    image[:640, :640] = grid_of_discs(640, 160, 70)
    sam = Doubting()
    sam.embed(image)
    assert sam.shapes == [(700, 700), (128, 128)]


def tolerant(image):
    """Take what is not finite for darkness."""
    return near_sighted(np.nan_to_num(image, posinf=0))


def test_what_is_not_finite_does_not_choose_where_a_crowd_is_looked_for():
    image = crowd_of_discs().astype(np.float32)
    image[:100, :100] = np.nan
    image[0, 0] = np.inf
    found = IdealPredictor(sight=tolerant).embed(image, contrast_limits=(0, 1))
    clean = IdealPredictor(sight=near_sighted).embed(
        crowd_of_discs(), contrast_limits=(0, 1)
    )
    assert found.tiles == clean.tiles


def test_a_model_without_a_dense_head_sees_the_whole_unless_told():
    sam = DiscPredictor()
    assert isinstance(sam.embed(np.eye(300)), ImageEmbedding)
    embedding = sam.embed(np.eye(300), scale=1)
    assert isinstance(embedding, PlaneView)
    assert isinstance(sam.embed(np.eye(300), scale=0.1), type(embedding.whole))


def test_the_tiles_have_the_contrast_of_the_plane():
    sam = DiscPredictor()
    image = np.linspace(0, 1000, 300 * 300).reshape(300, 300)
    embedding = sam.embed(image, scale=1)
    embedding.embed(sam, embedding.tiles[0])
    assert sam.contrast[0] == sam.contrast[1] == embedding.contrast_limits


def test_what_is_no_scale_is_refused():
    sam = tiny_predictor()
    for scale in (-1, 0, float("nan"), float("inf"), "closer", None):
        with pytest.raises(
            ValueError, match=f"'auto', 'whole' or above 0, got .?{scale}"
        ):
            sam.embed(np.eye(30), scale=scale)


def test_a_bundled_model_refines_within_a_tile(cells):
    sam = cells
    image = np.zeros((640, 640), np.uint8)
    rows, cols = np.ogrid[:640, :640]
    for row in range(40, 640, 80):
        for col in range(40, 640, 80):
            image[(rows - row) ** 2 + (cols - col) ** 2 < 15**2] = 180
    embedding = sam.embed(image, scale=2)
    first = sam.predict(embedding, points=[(360, 280)])
    assert first.view in embedding.tiles
    disc = (rows - 360) ** 2 + (cols - 280) ** 2 < 15**2
    assert iou(first.masks[0], disc) > 0.85
    again = sam.predict(
        embedding,
        points=[(360, 280), (360, 320)],
        labels=[1, 0],
        previous=first,
    )
    assert again.view == first.view
    assert iou(again.masks[0], disc) > 0.85
    drawn = sam.predict(embedding, mask=disc, box=(345, 265, 375, 295))
    assert drawn.view in embedding.tiles
    assert iou(drawn.masks[0], disc) > 0.85


def test_a_tiled_embedding_goes_wherever_an_image_goes(cells):
    sam = cells
    image = np.zeros((96, 120), np.uint8)
    image[30:60, 40:80] = 200
    tiled = sam.embed(image, scale=8)
    assert isinstance(tiled, PlaneView)
    assert (sam.dense_maps(tiled) == sam.dense_maps(tiled.whole)).all()
    assert sam.point_decoder(tiled).geometry == tiled.geometry
    by_image = find_instances(image, model=sam)
    assert (find_instances(tiled, model=sam).labels == by_image.labels).all()
    assert (napari_sam.segment_boxes(tiled, [(28, 38, 62, 82)], model=sam) > 0).any()


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_a_tuned_model_does_not_take_a_crowd_for_an_object():
    image = np.zeros((512, 512))
    for left in (5, 175, 345):  # three blobs, 160 pixels across
        image[150:310, left : left + 160] = 1
    plain = IdealPredictor(frame_size=128)
    blobs = plain.embed(image)
    tuned = IdealPredictor(frame_size=128)
    tuned.object_size = 40.0
    closer = tuned.embed(image)
    assert not isinstance(blobs, PlaneView)
    top, _, bottom, _ = closer.tiles[0]
    assert 128 / (bottom - top) == pytest.approx(48 / 40, rel=0.05)
    tuned.object_size = 100.0  # what it sees is like that
    assert not isinstance(tuned.embed(image), PlaneView)


DISC = np.pi / 4


@pytest.mark.parametrize(
    ("rule", "across", "seen_at", "scale"),
    [
        (PROMPT_SCALE_RULE, [40], 1.0, 1.0),  # large enough
        (PROMPT_SCALE_RULE, [24], 1.0, 2.0),
        (PROMPT_SCALE_RULE, [10, 24, 500], 1.0, 2.0),  # the median
        (PROMPT_SCALE_RULE, [48], 0.5, 1.0),
        (PROMPT_SCALE_RULE, [2], 1.0, 4.0),  # as close as there is something to see
        (PROMPT_SCALE_RULE, [], 0.5, 0.5),
        (DENSE_SCALE_RULE, [30], 0.9, 0.9),  # hardly shrunk
        (DENSE_SCALE_RULE, [60], 0.5, 0.5),
        (DENSE_SCALE_RULE, [40], 0.5, 0.9),
        (DENSE_SCALE_RULE, [24], 0.5, 1.5),
        (DENSE_SCALE_RULE, [60], 0.25, 1.0),  # 15 pixels: measured too large
        (DENSE_SCALE_RULE, [], 0.5, 1.0),
        (DENSE_SCALE_RULE, [], 0.95, 0.95),
        (DENSE_SCALE_RULE.with_sizes(0, 36), [], 0.5, 0.5),
        (DENSE_SCALE_RULE.with_sizes(0, 36), [10], 0.5, 0.5),
    ],
)
def test_a_rule_says_how_closely_objects_are_seen(rule, across, seen_at, scale):
    areas = DISC * np.square(np.array(across, float))
    assert rule.scale(areas, seen_at) == pytest.approx(scale)


def test_the_scale_of_dense_maps_is_as_the_configuration_says():
    config = InstanceConfig()
    assert (
        DENSE_SCALE_RULE.with_sizes(config.small_object, config.wanted_object)
        == DENSE_SCALE_RULE
    )
