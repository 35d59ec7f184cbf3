"""Classes of objects, learned from a few that the user has sorted.

A linear classifier (logistic regression, scikit-learn) on standardised embeddings and
measurements. Its file holds numbers and names only, and nothing in it is ever run.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ClassifierFileError", "ObjectClassifier", "Suggestions"]

_FORMAT = "napari-sam classes 1"
_STRENGTH = 1.0
"""Inverse strength of the regularisation of the logistic regression."""


_NO_ARRAYS = (
    *(OSError, ValueError, TypeError, AttributeError, EOFError, BadZipFile),
    *(zlib.error, NotImplementedError, RuntimeError, MemoryError),
)
"""What NumPy raises of files that hold something else."""


class ClassifierFileError(ValueError):
    """A file holds no classifier that can be used here."""


@dataclass(frozen=True, eq=False)
class Suggestions:
    """What a classifier says of objects.

    Attributes
    ----------
    names
        (N,) the likeliest class of each.
    probabilities
        (N, K) float64, of each class; rows add up to 1.
    classes
        Names of the K classes, sorted.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def certainty(self) -> NDArray[np.float64]:
        """(N,) by how much the likeliest class is ahead of the next one, 0 to 1."""
        if len(self.classes) < 2:
            return np.ones(len(self.names))
        ranked = np.sort(self.probabilities, axis=1)
        ahead: NDArray[np.float64] = ranked[:, -1] - ranked[:, -2]
        return ahead

    def most_unsure(self) -> NDArray[np.intp]:
        """Return the places of the objects, those first whose class is least sure."""
        return np.argsort(self.certainty, kind="stable")


@dataclass(frozen=True, eq=False)
class ObjectClassifier:
    """Says which class objects have.

    Attributes
    ----------
    classes
        Names of the K classes, sorted.
    columns
        Names of the D features, in their order.
    mean, scale
        (D,) by which features are standardised.
    weights, offsets
        (K, D) and (K,) of the linear scores, of which the softmax is taken.
    model
        Name of the model whose embeddings are among the features; "" for none.
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    model: str = ""

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        names: Sequence[str],
        columns: Sequence[str],
        model: str = "",
    ) -> ObjectClassifier:
        """Learn from objects that were sorted.

        Parameters
        ----------
        features
            (N, D) numbers of each object; NaN counts as the mean.
        names
            (N,) the class of each.
        columns
            Names of the D features.
        model
            Name of the model that made the embeddings among them.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or the shapes do not agree.
        """
        from sklearn.linear_model import LogisticRegression

        values = np.asarray(features, np.float64)
        if values.shape != (len(names), len(columns)):
            raise ValueError(
                f"features of {len(names)} objects in {len(columns)} columns are "
                f"wanted; got {values.shape}"
            )
        classes = tuple(sorted(set(names)))
        if len(classes) < 2:
            told = f"only {classes[0]!r}" if classes else "none"
            raise ValueError(
                f"two classes with an example each are needed; there is {told}"
            )
        mean, scale = _standard(values)
        learner = LogisticRegression(C=_STRENGTH, max_iter=500, class_weight="balanced")
        learner.fit(_standardised(values, mean, scale), np.array([*names]))
        weights, offsets = learner.coef_, learner.intercept_
        if len(classes) == 2:  # one score, of the second class against the first
            weights = np.concatenate([-weights / 2, weights / 2])
            offsets = np.concatenate([-offsets / 2, offsets / 2])
        return cls(classes, tuple(columns), mean, scale, weights, offsets, model)

    def suggest(self, features: ArrayLike) -> Suggestions:
        """Say which class objects have.

        Parameters
        ----------
        features
            (N, D), in the order of `columns`.

        Raises
        ------
        ValueError
            If there are other features than were learned from.
        """
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.columns):
            raise ValueError(
                f"features must be (N, {len(self.columns)}), got {values.shape}"
            )
        seen = _standardised(values, self.mean, self.scale)
        scores = seen @ self.weights.T + self.offsets
        scores -= scores.max(axis=1, keepdims=True) if len(scores) else 0
        chances = np.exp(scores)
        chances /= chances.sum(axis=1, keepdims=True)
        best = chances.argmax(axis=1)
        return Suggestions(tuple(self.classes[i] for i in best), chances, self.classes)

    def save(self, path: str | Path) -> None:
        """Write the classifier to a file (NumPy's npz, without pickled objects)."""

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    format=np.array(_FORMAT),
                    classes=np.array(self.classes),
                    columns=np.array(self.columns),
                    model=np.array(self.model),
                    mean=self.mean,
                    scale=self.scale,
                    weights=self.weights,
                    offsets=self.offsets,
                )

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: str | Path) -> ObjectClassifier:
        """Read a classifier from a file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ClassifierFileError
            If it holds no classifier, one of another version, or anything that would
            have to be run.
        """
        try:
            with Path(path).open("rb") as file, np.load(file) as held:
                told = {name: held[name] for name in held.files}
        except FileNotFoundError:
            raise
        except _NO_ARRAYS as error:
            why = "it holds code" if "pickle" in str(error) else str(error)
            raise ClassifierFileError(
                f"{path} holds no classifier, and nothing in it was run: {why}"
            ) from error
        made = str(told.get("format", ""))
        if made != _FORMAT:
            raise ClassifierFileError(
                f"{path} holds no classifier of this version: its format is {made!r}, "
                f"not {_FORMAT!r}; learn the classes again"
            )
        try:
            return cls(**_checked(told))
        except (KeyError, ValueError, TypeError) as error:
            raise ClassifierFileError(f"{path} is damaged: {error}") from error

    def check_columns(self, columns: Sequence[str], model: str) -> None:
        """Refuse features that are others than were learned from.

        Parameters
        ----------
        columns
            Their names, from `classification_features`.
        model
            Name of the model that made them.

        Raises
        ------
        ValueError
            If they have other names.
        """
        if tuple(columns) == self.columns:
            return
        learned = f"the model {self.model!r}" if self.model else "other features"
        raise ValueError(
            f"the classifier was learned with {learned}, {_source(self.columns)}, and "
            f"the model {model!r} gives {_source(columns)}: take the model that it was "
            "learned with, or learn the classes again"
        )


def _source(columns: Sequence[str]) -> str:
    """Name what features come from: by the first of them, without its number."""
    return columns[0].rpartition(" ")[0] or columns[0] if columns else "nothing"


def _checked(told: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the parts of a file if they fit together."""
    classes = tuple(str(name) for name in told["classes"])
    columns = tuple(str(name) for name in told["columns"])
    wanted = {
        "mean": (len(columns),),
        "scale": (len(columns),),
        "weights": (len(classes), len(columns)),
        "offsets": (len(classes),),
    }
    numbers = {name: np.asarray(told[name], np.float64) for name in wanted}
    for name, shape in wanted.items():
        if numbers[name].shape != shape or not np.isfinite(numbers[name]).all():
            raise ValueError(f"{name} must be {shape} finite numbers")
    if len(set(classes)) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"two or more classes are wanted, got {classes}")
    if not (numbers["scale"] > 0).all():
        raise ValueError("scale must be above 0")
    return {
        "classes": classes,
        "columns": columns,
        "model": str(told["model"]),
        **numbers,
    }


def _standard(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.where(np.isfinite(values), values, np.nan)
    has_any = np.isfinite(known).any(axis=0)
    filled = np.where(has_any, known, 0.0)
    mean = np.nanmean(filled, axis=0)
    scale = np.nanstd(filled, axis=0)
    return mean, np.where(scale > 0, scale, 1.0)


def _standardised(
    values: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), (values - mean) / scale, 0.0)
