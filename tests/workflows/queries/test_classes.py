"""Classes learned from a few objects, and the files that hold them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam.workflows.queries.classes import ClassifierFileError, ObjectClassifier

COLUMNS = ("size", "brightness", "nothing")


def objects(count, seed=0):
    """Return features of small dark and large bright objects, and their classes."""
    rng = np.random.default_rng(seed)
    names = [("small", "large")[i % 2] for i in range(count)]
    centre = np.array([[0, 0, 0] if name == "small" else [5, 5, 0] for name in names])
    return centre + rng.normal(size=(count, 3)), names


def test_an_example_of_each_of_two_classes_sorts_the_rest():
    classifier = ObjectClassifier.fit(
        [[0, 0, 0], [5, 5, 0]], ["small", "large"], COLUMNS
    )
    features, names = objects(200)
    said = classifier.suggest(features)
    assert said.classes == ("large", "small")
    assert np.mean([a == b for a, b in zip(said.names, names, strict=True)]) > 0.98
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)


def test_three_classes():
    features, names = objects(30)
    more = np.array([[0.0, 9, 9]] * 5)
    classifier = ObjectClassifier.fit(
        np.concatenate([features, more]), [*names, *["odd"] * 5], COLUMNS
    )
    assert classifier.suggest([[0, 9, 9]]).names == ("odd",)
    assert classifier.suggest([[5, 5, 0]]).names == ("large",)


def test_the_most_unsure_object_lies_between_the_classes():
    features, names = objects(40)
    classifier = ObjectClassifier.fit(features, names, COLUMNS)
    said = classifier.suggest([[5, 5, 0], [2.5, 2.5, 0], [0, 0, 0]])
    assert said.most_unsure()[0] == 1


def test_what_could_not_be_measured_says_nothing():
    features, names = objects(20)
    features[:, 2] = np.nan
    features[0, 1] = np.nan
    classifier = ObjectClassifier.fit(features, names, COLUMNS)
    assert classifier.suggest([[5, 5, np.nan]]).names == ("large",)


def test_one_class_is_too_few():
    with pytest.raises(ValueError, match=r"two classes .* there is only 'a'"):
        ObjectClassifier.fit([[1, 2, 3]], ["a"], COLUMNS)


def test_other_features_are_refused():
    classifier = ObjectClassifier.fit(*objects(10), COLUMNS)
    with pytest.raises(ValueError, match=r"features must be \(N, 3\), got \(1, 2\)"):
        classifier.suggest([[1, 2]])


def test_a_classifier_comes_back_from_its_file(tmp_path):
    classifier = ObjectClassifier.fit(*objects(40), COLUMNS, "cells")
    classifier.save(tmp_path / "my.classes")
    again = ObjectClassifier.load(tmp_path / "my.classes")
    features, _ = objects(50, seed=1)
    np.testing.assert_array_equal(
        again.suggest(features).probabilities,
        classifier.suggest(features).probabilities,
    )
    assert (again.classes, again.columns, again.model) == (
        ("large", "small"),
        COLUMNS,
        "cells",
    )


class Runs:
    """What runs something when it is unpickled."""

    def __reduce__(self):
        return (print, ("it ran",))


def test_a_file_with_code_in_it_is_refused_and_nothing_runs(tmp_path, capsys):
    path = tmp_path / "evil.classes"
    with path.open("wb") as file:
        np.savez(file, format=np.array([Runs()], object))
    with pytest.raises(ClassifierFileError, match="holds no classifier"):
        ObjectClassifier.load(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense" * 100])
def test_another_file_is_named_for_what_it_is(tmp_path, content):
    path = tmp_path / "other.classes"
    path.write_bytes(content)
    with pytest.raises(ClassifierFileError, match="holds no classifier"):
        ObjectClassifier.load(path)


def test_a_file_of_another_version_is_told(tmp_path):
    path = tmp_path / "new.classes"
    with path.open("wb") as file:
        np.savez(file, format=np.array("napari-sam classes 9"))
    with pytest.raises(ClassifierFileError, match="'napari-sam classes 9'"):
        ObjectClassifier.load(path)


def test_parts_that_do_not_fit_together_are_damage(tmp_path):
    path = tmp_path / "cut.classes"
    ObjectClassifier.fit(*objects(10), COLUMNS).save(path)
    with np.load(path) as held:
        parts = dict(held)
    parts["weights"] = parts["weights"][:, :1]
    with path.open("wb") as file:
        np.savez(file, **parts)
    with pytest.raises(ClassifierFileError, match="is damaged: weights must be"):
        ObjectClassifier.load(path)
