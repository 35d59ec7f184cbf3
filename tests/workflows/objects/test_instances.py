import numpy as np
import pytest
from ideal_predictor import IdealPredictor, grid_of_discs, near_sighted
from tiny_network import tiny_predictor

from napari_sam.configs import InstanceConfig
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.progress import Progress

EXACT = InstanceConfig(smoothing=0, min_area=5)


def test_small_objects_of_a_large_image_are_seen_in_tiles():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    sam = IdealPredictor(frame_size=128)  # 16 pixels across are 5 in the frame
    found = find_instances(image, model=sam, config=EXACT)
    assert found.scale == 1.0
    assert sam.shapes[0] == (400, 400)
    assert len(sam.shapes) > 9
    assert {max(shape) for shape in sam.shapes[1:]} == {128}
    assert len(found) == 100
    assert ((found.labels > 0) == (image > 0)).all()


def test_a_crowd_that_looks_like_one_object_is_looked_into():
    crowd = np.zeros((400, 400), np.uint8)
    crowd[120:280, 120:280] = grid_of_discs(160, 20, 6)
    sam = IdealPredictor(sight=near_sighted)
    assert (
        len(
            find_instances(
                crowd, model=sam, config=EXACT.model_copy(update={"scale": 0.1})
            )
        )
        == 1
    )
    found = find_instances(crowd, model=sam, config=EXACT)
    assert len(found) == 64
    assert ((found.labels > 0) == (crowd > 0)).all()


def test_one_large_object_is_seen_as_a_whole():
    image = np.zeros((400, 400), np.uint8)
    image[80:320, 80:320] = 1
    sam = IdealPredictor()
    found = find_instances(image, model=sam, config=EXACT)
    assert len(found) == 1
    assert found.scale == pytest.approx(128 / 400)
    assert sam.shapes[0] == (400, 400)
    assert len(sam.shapes) == 2  # and a tile of it


def test_tiles_aim_at_the_size_that_objects_should_have():
    image = grid_of_discs(320, 80, 25).astype(np.uint8)
    found = find_instances(image, model=IdealPredictor(), config=EXACT)
    across = 2 * np.sqrt(found.areas.mean() / np.pi)
    assert found.scale * across == pytest.approx(36, rel=0.02)
    assert len(found) == 16
    assert (np.sort(found.areas) == found.areas[0]).all()


def test_large_objects_are_seen_as_a_whole():
    sam = IdealPredictor()
    found = find_instances(
        grid_of_discs(320, 160, 60).astype(np.uint8), model=sam, config=EXACT
    )
    assert sam.shapes == [(320, 320)]
    assert found.scale == pytest.approx(128 / 320)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("side", "config"),
    [
        (120, EXACT),
        (400, EXACT.model_copy(update={"small_object": 0})),
        (400, EXACT.model_copy(update={"scale": 0.1})),
    ],
)
def test_an_image_near_the_frame_or_on_request_is_seen_once(side, config):
    sam = IdealPredictor()
    found = find_instances(
        grid_of_discs(side, 40, 8).astype(np.uint8), model=sam, config=config
    )
    assert len(found) == (side // 40) ** 2
    assert sam.shapes == [(side, side)]


def test_the_scale_can_be_given():
    sam = IdealPredictor()
    image = grid_of_discs(120, 40, 8).astype(np.uint8)
    found = find_instances(
        image, model=sam, config=EXACT.model_copy(update={"scale": 2.0})
    )
    assert found.scale == 2.0
    assert len(found) == 9
    assert {max(shape) for shape in sam.shapes} == {64}


def test_an_embedding_is_never_tiled():
    sam = IdealPredictor()
    embedding = sam.embed(grid_of_discs(400, 40, 8).astype(np.uint8), scale="whole")
    assert len(find_instances(embedding, model=sam, config=EXACT)) == 100
    assert len(sam.shapes) == 1


def test_an_empty_image_gives_no_object():
    found = find_instances(
        np.zeros((300, 200), np.uint8), model=IdealPredictor(), config=EXACT
    )
    assert len(found) == 0
    assert found.labels.shape == (300, 200)
    assert not found.labels.any()


def test_only_objects_in_the_region_are_kept_and_only_its_tiles_seen():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    roi = np.zeros((400, 400), bool)
    roi[:80, :120] = True
    sam = IdealPredictor()
    found = find_instances(image, model=sam, config=EXACT, scope=Scope(roi=roi))
    assert len(found) == 6
    assert roi[tuple(found.points.T)].all()
    assert len(sam.shapes) <= 9  # of 37


def test_objects_on_labelled_ground_are_left_out():
    image = grid_of_discs(120, 40, 8).astype(np.uint8)
    there = np.zeros((120, 120), np.int32)
    there[:40] = 7  # the first row of discs
    there[55:58] = 8  # less than half of the second
    found = find_instances(
        image, model=IdealPredictor(), config=EXACT, scope=Scope(exclude=there)
    )
    assert len(found) == 6
    assert found.labels.max() == 6
    assert found.points[:, 0].min() > 40


def test_progress_counts_up_to_the_end():
    told = []
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    sam = IdealPredictor()
    find_instances(
        image, model=sam, config=EXACT, progress=Progress(lambda *n: told.append(n))
    )
    done = [n for n, _ in told]
    assert done == list(range(len(sam.shapes) + 1))
    assert told[-1] == (len(sam.shapes), len(sam.shapes))


def test_cancelling_stops_before_the_next_tile():
    sam = IdealPredictor()
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    with pytest.raises(Cancelled, match="the search for instances was cancelled"):
        find_instances(
            image,
            model=sam,
            progress=Progress(is_cancelled=lambda: len(sam.shapes) >= 3),
        )
    assert len(sam.shapes) == 3


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((4, 5, 6)), {}, "image has shape"),
        (np.zeros((0, 5)), {}, "image is empty"),
        (np.zeros((9, 9)), {"roi": np.ones((9, 8), bool)}, "roi must be a bool array"),
        (np.zeros((9, 9)), {"roi": np.zeros((9, 9), bool)}, "roi has no pixel"),
        (np.zeros((9, 9)), {"exclude": np.ones((8, 9), int)}, "exclude must hold"),
        (np.zeros((9, 9)), {"exclude": np.ones((9, 9))}, "exclude must hold"),
    ],
)
def test_wrong_input_is_refused_before_work(image, options, message):
    sam = IdealPredictor()
    with pytest.raises(ValueError, match=message):
        find_instances(image, model=sam, scope=Scope(**options))
    assert sam.shapes == []


def test_a_model_without_a_dense_head_says_so():
    sam = tiny_predictor()
    assert not sam.has_dense_head
    with pytest.raises(ValueError, match="tiny has no dense head"):
        find_instances(np.zeros((20, 20)), model=sam)
    with pytest.raises(ValueError, match="tiny has no dense head"):
        sam.dense_maps(sam.embed(np.zeros((20, 20)), scale="whole"))


class _Lopsided(IdealPredictor):
    """Is not sure of what lies in the upper rows."""

    def dense_maps(self, embedding, level="auto"):
        maps = super().dense_maps(embedding).copy()
        maps[0, :40] *= 0.45
        return maps


def test_a_second_look_is_turned_and_finds_what_one_look_missed():
    image = grid_of_discs(120, 40, 12).astype(np.uint8)
    twice = EXACT.model_copy(update={"looks": 2})
    sam = IdealPredictor()
    found = find_instances(image, model=sam, config=twice)
    assert set(sam.shapes) == {image.shape}
    assert np.array_equal(
        found.labels, find_instances(image, model=sam, config=EXACT).labels
    )
    lopsided = _Lopsided()
    assert len(find_instances(image, model=lopsided, config=EXACT)) == 6
    assert np.array_equal(
        find_instances(image, model=lopsided, config=twice).labels, found.labels
    )


def test_tiles_are_looked_at_twice_too():
    image = grid_of_discs(400, 40, 8).astype(np.uint8)
    sam = IdealPredictor(frame_size=128)
    once = find_instances(image, model=sam, config=EXACT)
    number = len(sam.shapes)
    twice = find_instances(
        image, model=sam, config=EXACT.model_copy(update={"looks": 2})
    )
    assert len(sam.shapes) - number == 1 + 2 * (number - 1)  # the whole, once
    assert np.array_equal(once.labels, twice.labels)


def test_an_embedding_can_not_be_looked_at_twice():
    sam = IdealPredictor()
    embedding = sam.embed(grid_of_discs(120, 40, 12).astype(np.uint8), scale="whole")
    with pytest.raises(ValueError, match="give the image"):
        find_instances(
            embedding, model=sam, config=EXACT.model_copy(update={"looks": 2})
        )


def test_empty_ground_is_not_looked_at_twice():
    image = np.zeros((800, 800), np.uint8)
    image[40:140, 40:140] = grid_of_discs(100, 25, 8) * 200
    sam = IdealPredictor()
    found = find_instances(image, model=sam, config=EXACT)
    assert len(found) == 16
    assert ((found.labels > 0) == (image > 0)).all()
    assert len(sam.shapes) < 20
    all_of_it = EXACT.model_copy(update={"scale": found.scale})
    other = IdealPredictor()
    assert np.array_equal(
        find_instances(image, model=other, config=all_of_it).labels, found.labels
    )
    assert len(other.shapes) > 2 * len(sam.shapes)
