"""Classes of a session: named, coloured, keyed, given, suggested, undone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fake_predictor import FakePredictor
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.io.class_lists import (
    class_list_path,
    read_class_list,
    write_class_list,
)
from napari_sam.ops.object_classes import (
    ObjectClass,
    classes_from_json,
    classes_to_json,
)
from napari_sam.workflows.queries import classification_features as module
from napari_sam.workflows.queries.classes import ObjectClassifier
from napari_sam.workflows.session.annotation_session import AnnotationSession

COLUMNS = ("area", "brightness")
SIDE = 12


def describe(image, labels, *, model):
    """Describe objects by two numbers, in place of the encoder."""
    numbers = np.unique(labels[labels > 0])
    rows = [
        [(labels == n).sum(), np.asarray(image)[labels == n].mean()] for n in numbers
    ]
    return np.array(rows, np.float32).reshape(len(numbers), 2), COLUMNS


@pytest.fixture(autouse=True)
def described(monkeypatch):
    """Count how often objects are looked at."""
    looks = []

    def look(image, labels, *, model):
        looks.append(np.unique(labels[labels > 0]).tolist())
        return describe(image, labels, model=model)

    monkeypatch.setattr(module, "classification_features", look)
    return looks


def scene(count=8):
    """Return an image and labels: odd ones are small and dark, even ones the rest."""
    labels = np.zeros((SIDE * 2, SIDE * count), np.int32)
    image = np.zeros(labels.shape, np.uint8)
    for number in range(1, count + 1):
        size = 3 if number % 2 else 9
        part = (slice(1, 1 + size), slice(SIDE * (number - 1), SIDE * number - 3))
        labels[part], image[part] = number, 40 if number % 2 else 200
    return image, labels


def open_session(count=8):
    image, labels = scene(count)
    return AnnotationSession(image, labels, model=FakePredictor())


def classes_of(session):
    return {k: r.class_name for k, r in session.objects.items() if r.class_name}


def state(session):
    return tuple(session.classes), sorted(session.objects), classes_of(session)


# --- the list of classes ----------------------------------------------------------


def test_classes_get_colours_and_keys_in_their_order():
    session = open_session()
    for number in range(11):
        session.classes.add(f"class {number}")
    assert [one.key for one in session.classes] == [*range(1, 10), None, None]
    assert len({one.colour for one in session.classes[:9]}) == 9
    assert session.classes[0] == ObjectClass("class 0", (0, 114, 178), 1)
    assert session.classes.of_key(3).name == "class 2"
    assert session.classes["class 10"].key is None
    assert "class 4" in session.classes and "cell" not in session.classes


def test_a_class_that_an_object_is_given_is_added():
    session = open_session()
    session.set_class([1, 3], " small  ones ")
    assert session.classes.names == ("small ones",)
    assert session.classes.counts == {"small ones": 2}
    session.class_name = "other"
    session.add_point((20, 90))
    session.commit()
    assert session.classes.names == ("small ones", "other")


def test_renaming_and_removing_concern_the_objects_and_are_one_step_each():
    session = open_session()
    session.set_class([1, 3], "small")
    session.set_class([2], "large")
    before = state(session)
    session.classes.rename("small", "dark")
    assert classes_of(session) == {1: "dark", 2: "large", 3: "dark"}
    assert session.classes["dark"].key == 1
    session.classes.recolour("dark", (1, 2, 3))
    assert session.classes.remove("dark") == 2
    assert classes_of(session) == {2: "large"}
    assert session.classes.names == ("large",)
    for _ in range(3):
        session.undo()
    assert state(session) == before
    assert session.classes.remove("small", into="large") == 2
    assert classes_of(session) == {1: "large", 2: "large", 3: "large"}
    session.undo()
    assert state(session) == before


def test_a_key_is_taken_over_in_exchange():
    session = open_session()
    for name in "ab":
        session.classes.add(name)
    session.classes.set_key("b", 1)
    assert [one.key for one in session.classes] == [2, 1]
    session.classes.set_key("b", None)
    assert [one.key for one in session.classes] == [2, None]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda c: c.add(""), "a class needs a name"),
        (lambda c: c.add(" \n"), "a class needs a name"),
        (lambda c: c.add("x" * 201), "at most 200 letters, got 201"),
        (lambda c: c.add(7), "is a text, got 7"),
        (lambda c: c.add("a"), "there is a class 'a' already"),
        (lambda c: c.add("c", colour=(1, 2)), r"\(red, green, blue\), got \(1, 2\)"),
        (lambda c: c.add("c", colour=(1, 2, 256)), "from 0 to 255"),
        (lambda c: c.add("c", colour=(1, 2, 0.5)), "whole numbers from 0 to 255"),
        (lambda c: c.add("c", key=1), "key 1 is that of 'a'"),
        (lambda c: c.add("c", key=10), "1 to 9, got 10"),
        (lambda c: c.rename("a", "b"), "to join them, remove 'a'"),
        (lambda c: c.rename("z", "y"), "no class 'z'; the classes are 'a', 'b'"),
        (lambda c: c.remove("a", into="z"), "cannot become 'z'"),
        (lambda c: c.set_key("a", 0), "1 to 9, got 0"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_lost(wrong, told):
    session = open_session()
    session.set_class(1, "a")
    session.set_class(2, "b")
    before = state(session)
    with pytest.raises(ValueError, match=told):
        wrong(session.classes)
    assert state(session) == before
    session.undo()
    assert classes_of(session) == {1: "a"}


def test_objects_that_are_not_there_get_no_class_and_no_other_does():
    session = open_session()
    with pytest.raises(ValueError, match="there is no object 99"):
        session.set_class([1, 99], "a")
    assert not session.can_undo and not len(session.classes)


def test_many_objects_get_a_class_in_one_step():
    labels = np.arange(1, 20_001, dtype=np.int32).reshape(100, 200)
    session = AnnotationSession(labels=labels)
    session.set_class(range(1, 20_001), "pixel")
    assert session.classes.counts == {"pixel": 20_000}
    session.undo()
    assert session.classes.names == ()


# --- kept ---------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda text: text.strip()
)
byte = st.integers(0, 255)


@given(st.lists(st.tuples(names, st.tuples(byte, byte, byte)), max_size=12))
def test_classes_come_back_from_their_json(given_ones):
    session = AnnotationSession(labels=np.zeros((2, 2), int))
    for name, colour in given_ones:
        if " ".join(name.split()) not in session.classes:
            session.classes.add(name, colour)
    entries = classes_to_json(session.classes)
    assert classes_from_json(entries) == tuple(session.classes)


def test_classes_are_kept_beside_the_labels(tmp_path):
    session = open_session()
    session.classes.add("mitosis", (230, 0, 0), 7)
    session.classes.add("Zelle ü")
    path = tmp_path / "cells.tif"
    assert read_class_list(path) == ()
    write_class_list(path, tuple(session.classes))
    assert class_list_path(path).name == "cells.classes.json"
    again = open_session()
    again.set_class(1, "odd")
    again.classes.adopt(read_class_list(path))
    assert again.classes.names == ("mitosis", "Zelle ü", "odd")
    assert [one.key for one in again.classes] == [7, 1, None]
    path.with_suffix(".classes.json").write_text('{"version": 2, "classes": []}')
    with pytest.raises(ValueError, match="its version is 2, not 1"):
        read_class_list(path)


def test_a_table_brings_its_classes():
    session = open_session()
    session.set_class([2, 4], "large")
    session.set_class(1, "small")
    again = open_session()
    again.adopt(session.table())
    assert classes_of(again) == {1: "small", 2: "large", 4: "large"}
    assert set(again.classes.names) == {"small", "large"}
    again.adopt(pd.DataFrame({"index": [3], "class": [""]}))
    assert again.classes.counts == {"small": 1, "large": 2}


# --- suggestions ----------------------------------------------------------------------


def test_an_example_of_each_of_two_classes_suggests_the_rest(described):
    session = open_session()
    session.set_class(1, "small")
    session.set_class(2, "large")
    said = session.suggest_classes()
    assert {k: one.class_name for k, one in said.items()} == {
        3: "small",
        4: "large",
        5: "small",
        6: "large",
        7: "small",
        8: "large",
    }
    assert all(0.5 < one.probability <= 1 for one in said.values())
    assert classes_of(session) == {1: "small", 2: "large"}
    assert set(session.table()["class"]) == {"small", "large", ""}
    session.set_class(3, "small")
    assert 3 not in session.suggestions
    session.suggest_classes()
    assert described == [list(range(1, 9))]


def test_objects_are_looked_at_anew_once_they_have_changed(described):
    session = open_session()
    session.set_class(1, "small")
    session.set_class(2, "large")
    session.suggest_classes()
    session.delete(8)
    assert 8 not in session.suggestions
    session.suggest_classes()
    assert described == [list(range(1, 9)), list(range(1, 8))]


def test_accepting_is_one_step_and_suggestions_come_back_with_undo():
    session = open_session()
    session.set_class(1, "small")
    session.set_class(2, "large")
    session.suggest_classes()
    before = dict(session.suggestions)
    assert session.suggestions.accept([3, 4]) == [3, 4]
    assert session.suggestions.accept(min_probability=1.0) == []
    assert session.suggestions.accept() == [5, 6, 7, 8]
    assert session.classes.counts == {"small": 4, "large": 4}
    assert session.suggestions == {} and session.suggestions.next_unsure() is None
    session.undo()
    session.undo()
    assert session.suggestions == before
    with pytest.raises(ValueError, match="no suggestion for object 1"):
        session.suggestions.accept([3, 1])
    with pytest.raises(ValueError, match="a probability is 0 to 1"):
        session.suggestions.accept(min_probability=float("nan"))
    assert session.suggestions == before


def test_the_next_unsure_object_is_the_one_between_the_classes():
    image, labels = scene()
    image[labels == 5] = 120
    session = AnnotationSession(image, labels, model=FakePredictor())
    with pytest.raises(ValueError, match="no class was suggested yet"):
        session.suggestions.next_unsure()
    session.set_class([1], "small")
    session.set_class([2], "large")
    session.suggest_classes()
    first = session.suggestions.next_unsure()
    assert first == 5
    seen = [first]
    while (following := session.suggestions.next_unsure(seen[-1])) != first:
        seen.append(following)
    assert sorted(seen) == [3, 4, 5, 6, 7, 8]


def test_too_few_examples_are_told():
    session = open_session()
    with pytest.raises(ValueError, match="there is no example"):
        session.suggest_classes()
    session.set_class([1, 3], "small")
    with pytest.raises(ValueError, match="only examples of 'small'"):
        session.suggestions.learn()
    session.set_class(2, "large")
    session.suggest_classes()
    session.delete(2)
    with pytest.raises(ValueError, match="only examples of 'small'"):
        session.suggest_classes()
    empty = AnnotationSession(np.zeros((9, 9)), model=FakePredictor())
    with pytest.raises(ValueError, match="no object on this plane"):
        empty.suggest_classes()
    labels_only = AnnotationSession(labels=scene()[1])
    with pytest.raises(ValueError, match="no image to look at"):
        labels_only.suggest_classes()


def test_a_classifier_is_of_use_on_another_image(tmp_path):
    session = open_session()
    session.set_class([1, 3], "small")
    session.set_class([2], "large")
    classifier = session.suggestions.learn()
    assert classifier.model == "fake" and classifier.columns == COLUMNS
    classifier.save(tmp_path / "mine.npz")
    other = open_session(4)
    said = other.suggest_classes(ObjectClassifier.load(tmp_path / "mine.npz"))
    assert [said[k].class_name for k in (1, 2, 3, 4)] == ["small", "large"] * 2
    other.suggestions.accept()
    assert other.classes.counts == {"small": 2, "large": 2}


def test_a_classifier_of_another_model_is_refused_and_nothing_is_lost():
    session = open_session()
    session.set_class(1, "small")
    session.set_class(2, "large")
    said = dict(session.suggest_classes())
    other = ObjectClassifier.fit([[0.0], [1.0]], ["a", "b"], ["embedding 0"], "other")
    with pytest.raises(ValueError, match="with the model 'other'"):
        session.suggest_classes(other)
    assert session.suggestions == said


def test_examples_of_planes_that_were_looked_at_count():
    image, labels = scene(4)
    labels = np.stack([labels, np.where(labels, labels + 4, 0)])
    labels[1][labels[1] == 8] = 4  # it lies on both planes
    session = AnnotationSession(np.stack([image] * 2), labels, model=FakePredictor())
    session.set_class(1, "small")
    session.set_class(2, "large")
    session.suggest_classes()
    session.go_to((1, None, None))
    said = session.suggest_classes()
    assert {k: one.class_name for k, one in said.items()} == {
        3: "small",
        4: "large",
        5: "small",
        6: "large",
        7: "small",
    }
    session.forget_answers()
    with pytest.raises(ValueError, match="on the planes that were looked at"):
        session.suggest_classes()


# --- any steps in any order -----------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("give"),
            st.sets(st.integers(1, 4), min_size=1),
            st.sampled_from(["", "a", "b", "c"]),
        ),
        st.tuples(st.just("add"), st.sampled_from(["a", "b", "c", "d"])),
        st.tuples(
            st.just("rename"), st.sampled_from(["a", "b"]), st.sampled_from(["c", "d"])
        ),
        st.tuples(
            st.just("recolour"),
            st.sampled_from(["a", "b"]),
            st.tuples(byte, byte, byte),
        ),
        st.tuples(
            st.just("key"), st.sampled_from(["a", "b"]), st.sampled_from([None, 1, 5])
        ),
        st.tuples(
            st.just("remove"),
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["", "a"]),
        ),
        st.tuples(st.just("delete"), st.integers(1, 4)),
        st.tuples(st.just("accept")),
    ),
    max_size=12,
)


def do(session, step):
    name, *rest = step
    classes = session.classes
    actions = {
        "give": lambda labels, name: session.set_class(labels, name),
        "add": classes.add,
        "rename": classes.rename,
        "recolour": classes.recolour,
        "key": classes.set_key,
        "remove": lambda name, into: classes.remove(name, into=into),
        "delete": session.delete,
        "accept": lambda: session.suggest_classes() and session.suggestions.accept(),
    }
    try:
        actions[name](*rest)
    except ValueError as error:
        assert len(str(error)) > 10
        return False
    return True


@given(steps)
def test_undo_and_redo_bring_back_every_state(given_steps):
    session = open_session(4)
    states = [state(session)]
    for step in given_steps:
        before = state(session)
        if not do(session, step):
            assert state(session) == before
        if state(session) != before:
            states.append(state(session))
        held = tuple(session.classes)
        assert len({one.name for one in held}) == len(held)
        keys = [one.key for one in held if one.key]
        assert len(set(keys)) == len(keys)
        assert set(classes_of(session).values()) <= set(session.classes.names)
    for expected in reversed(states[:-1]):
        assert session.undo()
        assert state(session) == expected
    assert not session.can_undo
    for expected in states[1:]:
        assert session.redo()
        assert state(session) == expected
    assert not session.can_redo
