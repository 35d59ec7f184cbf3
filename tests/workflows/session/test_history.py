"""Undo and redo as properties: any steps, all undone, all done again."""

import numpy as np
from fake_predictor import FakePredictor
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.history import History
from napari_sam.workflows.session.label_canvas import ArrayCanvas, plan_edit

SHAPE = (2, 14, 16)

positions = st.tuples(st.integers(0, 13), st.integers(0, 15))
operations = st.one_of(
    st.tuples(st.just("point"), positions, st.booleans()),
    st.tuples(st.just("box"), positions, positions),
    st.tuples(st.just("mask"), positions, positions),
    st.tuples(st.just("move"), positions),
    st.tuples(st.just("cycle")),
    st.tuples(st.just("clear")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("reopen"), st.integers(0, 5)),
    st.tuples(st.just("class"), st.integers(0, 5), st.sampled_from("ab")),
    st.tuples(st.just("plane"), st.integers(0, 1)),
    st.tuples(st.just("overlap"), st.sampled_from(["keep", "overwrite"])),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


def apply(session, operation):
    """Do an operation; one that the session refuses must change nothing."""
    name, *rest = operation
    before = snapshot(session)
    try:
        _apply(session, name, rest)
    except ValueError:
        assert snapshot(session) == before


def _apply(session, name, rest):
    picked = sorted(session.objects)
    if name == "point":
        session.add_point(rest[0], rest[1])
    elif name == "box":
        session.set_box((*rest[0], *rest[1]))
    elif name == "mask":
        mask = np.zeros(SHAPE[1:], bool)
        (r0, c0), (r1, c1) = np.sort(np.array(rest), axis=0)
        mask[r0 : r1 + 1, c0 : c1 + 1] = True
        session.set_mask(mask)
    elif name == "move":
        points = session.draft.question.prompts.points.copy()
        if len(points):
            points[0] = rest[0]
            labels = session.draft.question.prompts.labels
            session.set_prompts(points, labels)
    elif name in ("delete", "reopen"):
        if picked:
            getattr(session, name)(picked[rest[0] % len(picked)])
    elif name == "class":
        if picked:
            session.set_class(picked[rest[0] % len(picked)], rest[1])
    elif name == "plane":
        session.go_to((rest[0], None, None))
    elif name == "overlap":
        session.overlap = rest[0]
    else:
        getattr(session, name)()


def snapshot(session):
    """Return everything that the user could see, on every plane."""
    here = session.plane
    drafts = []
    for z in range(SHAPE[0]):
        session.go_to((z, None, None))
        prompts, mask = session.draft.question.prompts, session.draft.question.mask
        drafts.append(
            (
                prompts.points.tolist(),
                prompts.labels.tolist(),
                None if prompts.box is None else prompts.box.tolist(),
                None if mask is None else mask.tobytes(),
                session.choice,
                session.draft.editing,
                None if session.mask is None else session.mask.tobytes(),
            )
        )
    session.go_to(here)
    table = session.table().to_dict("records")
    return drafts, sorted(map(str, table)), session.labels.tobytes()


@settings(max_examples=60)
@given(st.lists(operations, max_size=25))
def test_undo_all_returns_to_the_start_and_redo_all_to_the_end(steps):
    labels = np.zeros(SHAPE, np.int32)
    labels[0, 3:5, 3:5] = 4
    session = AnnotationSession(np.zeros(SHAPE), labels, model=FakePredictor())
    start = snapshot(session)
    for operation in steps:
        apply(session, operation)
    while session.redo():
        pass
    end = snapshot(session)
    while session.undo():
        pass
    assert snapshot(session) == start
    while session.redo():
        pass
    assert snapshot(session) == end


@settings(max_examples=40)
@given(st.lists(operations, min_size=1, max_size=15))
def test_every_single_step_can_be_undone_and_redone(steps):
    session = AnnotationSession(np.zeros(SHAPE), model=FakePredictor())
    for operation in steps:
        if operation[0] in ("undo", "redo"):
            continue
        before = snapshot(session)
        apply(session, operation)
        after = snapshot(session)
        if after != before:
            assert session.undo()
            assert snapshot(session) == before
            assert session.redo()
            assert snapshot(session) == after


@given(st.lists(st.one_of(st.integers(), st.sampled_from(["back", "forward"]))))
def test_a_history_is_a_list_with_a_place_in_it(moves):
    history, model, at = History(), [], 0
    for move in moves:
        if move == "back":
            wanted = model[at - 1] if at else None
            at = max(0, at - 1)
            assert history.back() == wanted
        elif move == "forward":
            wanted = model[at] if at < len(model) else None
            at = min(len(model), at + 1)
            assert history.forward() == wanted
        else:
            model, at = [*model[:at], move], at + 1
            history.push(move)
        assert history.can_undo == (at > 0)
        assert history.can_redo == (at < len(model))


def test_what_is_kept_for_undo_is_what_changed():
    plane = Plane.whole()
    before = np.zeros((200, 300), np.int32)
    after = before.copy()
    after[20:80, 30:90] = 7
    edit = plan_edit(plane, before, after)
    assert edit.pixels.tolist() == np.flatnonzero(after).tolist()
    assert edit.before.tolist() == [0] * 3600
    assert edit.after.tolist() == [7] * 3600
    assert edit.after.dtype == np.int32
    after[20, 30] = 8
    mixed = plan_edit(plane, before, after)
    assert mixed.after.tolist() == [8, *[7] * 3599]
    canvas = ArrayCanvas(before.copy())
    mixed.apply(canvas)
    np.testing.assert_array_equal(canvas.array, after)
    mixed.revert(canvas)
    np.testing.assert_array_equal(canvas.array, before)
    assert plan_edit(plane, before, before).pixels.size == 0
