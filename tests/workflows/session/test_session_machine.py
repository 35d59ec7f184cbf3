"""Anything a user may do to a session, and others to its labels, in any order.

What must hold after every step: table, objects and index are what the canvas shows;
what a step does not concern stays; undo and redo are exact; what was saved reads back.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from fake_predictor import FakePredictor
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scipy import ndimage
from thoroughness import tries

from napari_sam.io.label_images import write_labels
from napari_sam.io.object_tables import read_object_table, write_object_table
from napari_sam.ops.planes import Plane
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.label_canvas import StackEdit, plan_edit

SHAPES = ((24, 30), (3, 20, 24), (2, 2, 12, 16))
CLASSES = ("", "cell", 'a, "b"', "NA", "007", "Zelle ü")
shares = st.floats(0, 1, width=16)
spots = st.tuples(shares, shares)
numbers = st.integers(0, 2**16)


class SessionMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.session = None

    def teardown(self):
        if self.session is not None:
            self.rewind()
        self.folder.cleanup()

    @initialize(
        shape=st.sampled_from(SHAPES),
        dtype=st.sampled_from([np.int32, np.uint16, np.uint8]),
        overlap=st.sampled_from(["keep", "overwrite"]),
        feedback=st.booleans(),
    )
    def begin(self, shape, dtype, overlap, feedback):
        self.feedback = feedback
        self.open(np.zeros(shape, dtype), overlap)

    def open(self, labels, overlap):
        self.session = AnnotationSession(
            np.zeros(labels.shape, np.uint8),
            labels,
            model=FakePredictor(),
            overlap=overlap,
            feedback=self.feedback,
        )
        self.at_start = labels.copy()
        self.by_others = np.zeros(labels.shape, bool)
        self.earlier = [labels.copy()]
        self.is_looked_at = True

    # --- what helps ---------------------------------------------------------------

    @property
    def labels(self):
        return self.session.labels

    @property
    def plane(self):
        """The (H, W) labels of the plane that is worked on."""
        return self.session.plane.take(self.labels)

    def on_plane(self, spot):
        return tuple(s * (n - 1) for s, n in zip(spot, self.plane.shape, strict=True))

    def rectangle(self, one, other):
        corners = np.array([self.on_plane(one), self.on_plane(other)])
        (top, left), (bottom, right) = corners.min(0), corners.max(0)
        mask = np.zeros(self.plane.shape, bool)
        mask[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = True
        return mask

    def some_label(self, number, here=False):
        values = np.unique(self.plane if here else self.labels)
        values = values[values > 0].tolist()
        return values[number % len(values)] if values else None

    def another_number(self, number):
        """A number that somebody else paints with: one that is there, a free one, 0."""
        there = self.some_label(number)
        if number % 3 == 0 and there is not None:
            return there
        return number % 7 if number % 3 == 1 else 0

    def act(self, action):
        """Do something; what is refused is said, and changes nothing."""
        before = self.labels.copy()
        try:
            done = action()
        except ValueError as error:
            assert len(str(error)) > 10
            assert np.array_equal(self.labels, before)
            return None
        self.is_looked_at = True
        return done

    def others_write(self, after):
        self.earlier.append(self.labels.copy())
        self.by_others |= self.labels != after
        self.labels[...] = after
        self.is_looked_at = False

    def unchanged(self, before, where):
        assert np.array_equal(self.labels[where], before[where])

    # --- prompts --------------------------------------------------------------------

    @rule(spot=spots, positive=st.booleans())
    def click(self, spot, positive):
        before = self.labels.copy()
        self.act(lambda: self.session.add_point(self.on_plane(spot), positive))
        self.unchanged(before, ...)

    @rule(one=spots, other=spots)
    def draw_box(self, one, other):
        corners = np.array([self.on_plane(one), self.on_plane(other)])
        box = np.concatenate([corners.min(0), corners.max(0)])
        self.act(lambda: self.session.set_box(box))

    @rule(one=spots, other=spots)
    def draw_mask(self, one, other):
        self.act(lambda: self.session.set_mask(self.rectangle(one, other)))

    @rule(one=spots, other=spots, erase=st.booleans())
    def paint_mask(self, one, other, erase):
        stroke = self.rectangle(one, other)
        if self.act(lambda: self.session.paint(stroke, erase)):
            mask = self.session.mask
            assert mask is None or (mask[stroke] != erase).all()

    @rule(number=st.integers(0, 3))
    def choose(self, number):
        self.act(lambda: self.session.choose(number))

    @rule()
    def cycle(self):
        self.act(self.session.cycle)

    @rule()
    def clear(self):
        self.act(self.session.clear)

    @rule(index=st.lists(st.integers(0, 4), min_size=4, max_size=4), axes=numbers)
    def go_to(self, index, axes):
        shape = self.labels.shape
        at = [i % n for i, n in zip(index, shape, strict=False)]
        pairs = [(r, c) for c in range(len(shape)) for r in range(c)]
        for axis in pairs[-1] if axes % 2 else pairs[axes % len(pairs)]:
            at[axis] = None
        self.session.go_to(at)

    # --- objects --------------------------------------------------------------------

    @rule(name=st.sampled_from(CLASSES), overlap=st.sampled_from(["keep", "overwrite"]))
    def change_options(self, name, overlap):
        self.session.class_name, self.session.overlap = name, overlap

    @rule(spot=spots)
    def click_and_commit(self, spot):
        self.act(lambda: self.session.add_point(self.on_plane(spot)))
        self.commit()

    @rule()
    def commit(self):
        session, before = self.session, self.labels.copy()
        mask, editing = session.mask, session.draft.editing
        label = self.act(session.commit)
        if label is None:
            return
        if editing is None:
            assert label not in before
        else:
            assert label == editing
        assert session.draft.is_empty
        was, now = session.plane.take(before), self.plane
        own = was == label
        changed = was != now
        self.unchanged(before, self.elsewhere())
        if session.overlap == "keep":
            others = (was > 0) & ~own
            assert not (changed & others).any()
            assert (now[changed] == label)[~own[changed]].all()
            assert not (changed & ~own & ~mask).any()
        else:
            assert (now[mask] == label).all()
            rim = changed & ~own & ~mask
            assert (now[rim] == label).all()
            self.check_rim(was, mask, own, rim)
        assert not ((now == label) & ~changed & ~own).any()

    def check_rim(self, was, mask, own, rim):
        """What goes over beside the mask is near it, or the last of an object."""
        near = ndimage.binary_dilation(mask, np.ones((3, 3)), 3)
        far = set(np.unique(was[rim & ~near]).tolist())
        assert set(np.unique(was[rim]).tolist()) <= set(np.unique(was[mask & ~own]))
        assert not any((self.plane == label).any() for label in far)

    def elsewhere(self):
        """Where the plane that is worked on is not."""
        where = np.ones(self.labels.shape, bool)
        where[self.session.plane.slicer] = False
        return where

    @rule(pairs=st.lists(st.tuples(spots, spots), min_size=1, max_size=3))
    def commit_found(self, pairs):
        found = []
        for one, other in pairs:
            rle = Rle.encode(self.rectangle(one, other))
            bbox, shape = rle.bbox, self.plane.shape
            point = (bbox[0], bbox[1])
            found.append(
                MaskRecord(rle, rle.area, bbox, 0.9, 0.9, point, (0, 0, *shape))
            )
        before = self.labels.copy()
        labels = self.act(lambda: self.session.commit_found(found))
        if labels is None:
            return
        assert labels == sorted(set(labels))
        assert not np.isin(before, labels).any()
        self.unchanged(before, self.elsewhere())
        was = self.session.plane.take(before)
        changed = was != self.plane
        assert np.isin(self.plane[changed], labels).all()
        wanted = np.any([record.rle.decode() for record in found], axis=0)
        assert not (changed & ~wanted).any()
        if self.session.overlap == "keep":
            assert not was[changed].any()

    @rule(number=numbers)
    def reopen(self, number):
        label, before = self.some_label(number), self.labels.copy()
        if label is None:
            return
        shown = (self.plane == label).any()
        plane = self.session.plane
        self.session.reopen(label)
        self.is_looked_at = True
        session = self.session
        assert session.draft.editing == label
        assert session.plane == plane or not shown
        assert (self.plane == label).any()
        if session.draft.question.outline is not None:
            assert np.array_equal(session.mask, self.plane == label)
        self.unchanged(before, ...)

    @rule(number=numbers)
    def edit_by_hand_and_keep(self, number):
        """What was corrected by hand is kept as it is."""
        label = self.some_label(number)
        if label is None:
            return
        self.reopen(number)
        if self.session.draft.question.outline is not None:
            before = self.labels.copy()
            assert self.session.commit() == label
            self.unchanged(before, ...)

    @rule(number=numbers, here=st.booleans())
    def delete(self, number, here):
        label = self.some_label(number, here)
        if label is None:
            return
        before = self.labels.copy()
        self.session.delete(label, here)
        self.is_looked_at = True
        changed = before != self.labels
        assert (before[changed] == label).all()
        back = np.unique(self.labels[changed])
        assert label not in back
        if here:
            self.unchanged(before, self.elsewhere())
            assert not (self.plane == label).any()
        else:
            assert label not in self.labels

    @rule(number=numbers, name=st.sampled_from(CLASSES))
    def set_class(self, number, name):
        label, before = self.some_label(number), self.labels.copy()
        if label is None:
            return
        self.session.set_class(label, name)
        self.is_looked_at = True
        assert self.session.objects[label].class_name == name
        self.unchanged(before, ...)

    @rule(number=st.integers(300, 400))
    def miss(self, number):
        """Ask for what is not there."""
        for action in (self.session.reopen, self.session.delete):
            with pytest.raises(ValueError, match=f"no object {number}"):
                action(number)
        with pytest.raises(ValueError, match="no object"):
            self.session.set_class(number, "cell")

    @rule(
        number=numbers,
        one=spots,
        other=spots,
        planes=st.sets(st.integers(0, 3), min_size=1),
    )
    def write_planes(self, number, one, other, planes):
        shape = self.labels.shape
        every = [Plane((*i, None, None)) for i in np.ndindex(*shape[:-2])]
        label = self.another_number(number)
        edits = []
        for plane in [every[i] for i in sorted(planes) if i < len(every)]:
            self.session.go_to(plane)
            after = self.plane.copy()
            after[self.rectangle(one, other)] = label
            edits.append(plan_edit(plane, self.plane, after))
        if edits:
            self.session.state.write_planes(StackEdit(tuple(edits)))
            self.is_looked_at = True

    # --- history --------------------------------------------------------------------

    @rule()
    def undo(self):
        could = self.session.can_undo
        assert self.session.undo() == could

    @rule()
    def redo(self):
        could = self.session.can_redo
        assert self.session.redo() == could

    @rule()
    def rewind(self):
        """Undo to the start and redo to the end: exact where nobody else wrote."""
        session, end = self.session, self.labels.copy()
        mine = ~self.by_others
        steps, done = [], 0
        while session.can_redo:
            session.redo()
            done += 1
        for _ in range(done):
            session.undo()
        assert np.array_equal(self.labels[mine], end[mine])
        while session.can_undo:
            steps.append(self.labels.copy())
            session.undo()
        assert np.array_equal(self.labels[mine], self.at_start[mine])
        for wanted in reversed(steps):
            session.redo()
            assert np.array_equal(self.labels[mine], wanted[mine])
        assert np.array_equal(self.labels[mine], end[mine])

    # --- what others do -------------------------------------------------------------

    @rule(one=spots, other=spots, number=numbers, elsewhere=st.booleans())
    def brush(self, one, other, number, elsewhere):
        after = self.labels.copy()
        plane = self.session.plane
        if elsewhere:
            index = zip(plane.index, after.shape, strict=True)
            at = [None if i is None else (i + number) % n for i, n in index]
            plane = Plane(tuple(at))
        plane.take(after)[self.rectangle(one, other)] = self.another_number(number)
        self.others_write(after)

    @rule(number=numbers, other=numbers)
    def fill(self, number, other):
        """Fill a whole object with another number, or with none."""
        label = self.some_label(number)
        if label is not None:
            wanted = self.another_number(other)
            self.others_write(np.where(self.labels == label, wanted, self.labels))

    @precondition(lambda self: self.session is not None)
    @rule(number=numbers)
    def restore(self, number):
        """Bring an earlier array back, as an undo of another program does."""
        self.others_write(self.earlier[number % len(self.earlier)].copy())

    # --- files ----------------------------------------------------------------------

    @rule(number=numbers)
    def save_and_reopen(self, number):
        table = self.session.table()
        path = write_labels(Path(self.folder.name) / "cells.tif", self.labels)
        write_object_table(path, table)
        labels = tifffile.imread(path).reshape(self.labels.shape)
        known = read_object_table(path)
        assert np.array_equal(labels, self.labels)
        pd.testing.assert_frame_equal(known, table, check_dtype=False)
        before = labels.copy()
        self.open(labels, self.session.overlap)
        self.session.adopt(known)
        assert np.array_equal(labels, before)
        assert_same_rows(self.session.table(), table, labels)
        for label in np.unique(before[before > 0])[:3].tolist():
            self.keep_again(label)
        while self.session.can_undo:
            self.session.undo()
        assert np.array_equal(labels, before)

    def keep_again(self, label):
        self.session.reopen(label)
        before, mask = self.labels.copy(), self.session.mask
        if mask is None or not np.array_equal(mask, self.plane == label):
            return  # its neighbours were others when it was kept
        assert self.session.commit() == label
        self.unchanged(before, ...)

    # --- what always holds ----------------------------------------------------------

    @rule()
    def look(self):
        self.session.state.reconcile()
        self.is_looked_at = True

    @invariant()
    def the_canvas_is_the_truth(self):
        if self.session is None or not self.is_looked_at:
            return
        session = self.session
        values, counts = np.unique(self.labels, return_counts=True)
        there = dict(zip(values.tolist(), counts.tolist(), strict=True))
        there.pop(0, None)
        objects = session.objects
        table = session.table()
        assert sorted(objects) == sorted(there)
        assert sorted(table["index"].tolist()) == sorted(there)
        assert session.index.labels == set(there)
        for label, count in there.items():
            assert objects[label].label == label
            assert session.index.area(label) == count
            for plane in session.index.planes_of(label):
                assert (plane.take(self.labels) == label).any()
            if not objects[label].outlines:
                assert (objects[label].plane.take(self.labels) == label).any()


def assert_same_rows(read, written, labels):
    """Assert that tables agree, but for outlines that the labels show no more."""
    read = read.sort_values("index").to_dict("records")
    written = written.sort_values("index").to_dict("records")
    assert [row["index"] for row in read] == [row["index"] for row in written]
    for mine, theirs in zip(read, written, strict=True):
        assert mine["class"] == theirs["class"]
        plane = Plane(tuple(json.loads(theirs["plane"])))
        if (plane.take(labels) == theirs["index"]).any():
            for name in ("score", "candidate", "points", "model", "time", "plane"):
                assert mine[name] == theirs[name] or mine[name] != mine[name], name
            assert mine["prompts"] == theirs["prompts"]
            assert mine["digest"] == theirs["digest"]


QUICK = settings(
    max_examples=30,
    stateful_step_count=25,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def test_anything_in_any_order():
    run_state_machine_as_test(SessionMachine, settings=QUICK)


@pytest.mark.slow
def test_anything_in_any_order_for_long():
    run_state_machine_as_test(
        SessionMachine,
        settings=settings(
            QUICK, max_examples=tries(200), derandomize=False, database=None
        ),
    )
