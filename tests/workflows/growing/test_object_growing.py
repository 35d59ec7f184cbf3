"""Objects of a volume from a click, in a session without a window."""

import numpy as np
import pytest
from balls import BallPredictor, draw_balls

from napari_sam import AnnotationSession, GrowConfig
from napari_sam.workflows.session.committing import OverlapError

SHAPE = (15, 40, 60)
TRUTH = draw_balls(SHAPE, [(7, 16, 16, 6), (7, 20, 44, 5)])
BRIGHT = np.where(TRUTH > 0, 200, 20).astype(np.uint8)


@pytest.fixture
def model():
    return BallPredictor(64)


def session_on(volume, model, axis=0, **options):
    return AnnotationSession(
        volume, model=model, axis=axis, contrast_limits=(0, 255), **options
    )


def click(session, plane, position, positive=True):
    session.go_to((plane, None, None))
    session.add_point(position, positive)


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def test_one_click_makes_a_whole_object(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    assert session.commit() == 1
    assert iou(session.labels == 1, TRUTH == 1) > 0.9
    assert session.draft.is_empty and session.grown is None


def test_every_plane_has_a_confidence_and_the_clicked_one_is_certain(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    grown = session.grown
    assert grown.given == (7,) and grown.confidence[7] == 1
    assert set(grown.planes) <= set(grown.confidence)
    assert all(0 <= sure <= 1 for sure in grown.confidence.values())
    assert grown.least_sure() != 7


def test_a_kept_object_is_one_step(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    session.commit()
    before = session.labels.copy()
    assert session.undo()
    assert not session.labels.any()
    assert session.grown.is_whole
    assert session.redo()
    assert np.array_equal(session.labels, before)


def test_a_click_on_another_plane_corrects_the_object_there(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    assert session.grown.given == (7,)
    click(session, 9, (16, 16))
    grown = session.grown
    assert grown.given == (7, 9)
    assert session.commit() == 1
    assert np.array_equal(session.labels[9] == 1, TRUTH[9] == 1)


def test_after_a_correction_only_the_span_that_depends_on_it_is_done_again(model):
    volume = BRIGHT.copy()
    volume[:, 0, 0] = np.arange(SHAPE[0])  # so that planes are told apart
    session = session_on(volume, model)
    click(session, 7, (16, 16))
    session.grown  # noqa: B018 - it grows when it is asked for
    model.embedded.clear()
    click(session, 10, (16, 16))
    session.grown  # noqa: B018
    assert {int(image[0, 0]) for image in model.embedded} == {8, 9, 10, 11, 12, 13}


def test_an_object_ends_where_it_is_said_not_to_be(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    assert 11 in session.grown.planes
    session.go_to((10, None, None))
    session.paint(np.ones(SHAPE[1:], bool), erase=True)
    assert max(session.grown.planes) == 9


def test_no_object_takes_a_voxel_of_another(model):
    labels = np.zeros(SHAPE, np.int32)
    labels[8:, 10:20] = 9
    session = session_on(BRIGHT, model, labels=labels)
    click(session, 7, (16, 16))
    taken = labels == 9
    label = session.commit()
    assert np.array_equal(session.labels == 9, taken)
    assert not (session.labels == label)[taken].any()


def test_an_object_on_another_is_refused_and_its_prompts_stay(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    session.commit()
    click(session, 7, (16, 16))
    with pytest.raises(OverlapError, match="object 1"):
        session.commit()
    assert len(session.draft.question.prompts.points) == 1


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_objects_grow_along_any_axis(axis, model):
    turned = np.moveaxis(BRIGHT, 0, axis)
    session = session_on(turned, model, axis)
    index = [None, None, None]
    index[axis] = 7
    session.go_to(index)
    session.add_point((16, 16))
    session.commit()
    found = np.moveaxis(session.labels, axis, 0)
    assert iou(found == 1, TRUTH == 1) > 0.9


def test_deep_voxels_make_an_object_span_fewer_planes(model):
    def planes(spacing):
        session = session_on(BRIGHT, model, grow=GrowConfig(spacing=spacing))
        click(session, 7, (16, 16))
        return len(session.grown.planes)

    assert planes((4, 1, 1)) <= planes((1, 1, 1)) <= 13


def test_boxes_and_painted_outlines_grow_too(model):
    session = session_on(BRIGHT, model)
    session.go_to((7, None, None))
    session.set_box((9, 9, 24, 24))
    assert iou((session.commit() == session.labels), TRUTH == 1) > 0.9
    session.go_to((7, None, None))
    session.paint(TRUTH[7] == 2)
    assert iou((session.commit() == session.labels), TRUTH == 2) > 0.9


def test_a_noisy_volume_is_looked_at_without_its_noise(model):
    noise = np.random.default_rng(0).normal(0, 55, SHAPE)
    session = session_on(np.clip(BRIGHT + noise, 0, 255).astype(np.uint8), model)
    click(session, 7, (16, 16))
    session.commit()
    assert iou(session.labels == 1, TRUTH == 1) > 0.7


def test_two_planes_are_enough(model):
    session = session_on(BRIGHT[6:8], model)
    click(session, 0, (16, 16))
    session.commit()
    assert (session.labels == 1).any(axis=(1, 2)).tolist() == [True, True]


@pytest.mark.parametrize(
    ("shape", "axis", "said"),
    [
        ((40, 60), 0, "a single plane"),
        ((1, 40, 60), 0, "two planes at least"),
        ((5, 40, 60), 3, "axis 3 is none"),
    ],
)
def test_what_is_no_stack_is_refused_in_a_sentence(shape, axis, said, model):
    with pytest.raises(ValueError, match=said):
        session_on(np.zeros(shape, np.uint8), model, axis)


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan"))])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be three sizes above 0"):
        GrowConfig(spacing=spacing)


def test_one_that_is_put_aside_is_kept_as_soon_as_it_is_whole(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    session.put_aside()
    click(session, 7, (20, 44))
    assert not session.labels.any()
    session.grown  # noqa: B018 - both grow when one is asked for
    assert iou(session.labels == 1, TRUTH == 1) > 0.9
    assert session.commit() == 2
    assert iou(session.labels == 2, TRUTH == 2) > 0.9
    assert iou(session.labels == 1, TRUTH == 1) > 0.9


def test_one_that_is_put_aside_while_it_grows_is_not_in_its_own_way(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    job = session.growing.job(BRIGHT, False)
    parts = []

    def take(grown):
        session.growing.deliver(job, grown)
        if not parts:
            session.put_aside()
        parts.append(grown)

    session.growing.deliver(job, job.run(model, take))
    assert parts
    assert iou(session.labels == 1, TRUTH == 1) > 0.9


def test_undo_brings_back_what_was_put_aside(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    session.put_aside()
    session.undo()
    assert session.grown.given == (7,)
    assert not session.labels.any()
    assert session.commit() == 1


def test_clear_drops_what_was_said_on_all_planes(model):
    session = session_on(BRIGHT, model)
    click(session, 7, (16, 16))
    session.grown  # noqa: B018
    click(session, 9, (16, 16))
    session.go_to((3, None, None))
    session.clear()
    assert session.grown is None and not session.prompting.drafts
    session.undo()
    assert session.grown.given == (7, 9)
