"""The work behind suggested classes: describe objects, learn from some, ask of others.

A `SuggestionJob` holds all that it needs, so that it can be done on another thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam.workflows.queries.classes import ObjectClassifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane

__all__ = ["PlaneFeatures", "Suggestion", "SuggestionAnswer", "SuggestionJob", "merged"]


class Suggestion(NamedTuple):
    """What a classifier says of an object.

    Attributes
    ----------
    class_name
        The likeliest class.
    probability
        0 to 1.
    """

    class_name: str
    probability: float


@dataclass(frozen=True, eq=False)
class PlaneFeatures:
    """The objects of a plane, described.

    Attributes
    ----------
    plane
        Where they lie.
    digest
        Of its labels.
    labels, areas
        (N,) int64, in rising order of the labels; pixels on the plane.
    values
        (N, D) float32.
    columns
        Names of the D features.
    """

    plane: Plane
    digest: int
    labels: NDArray[np.int64]
    areas: NDArray[np.int64]
    values: NDArray[np.float32]
    columns: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(self.values.nbytes + self.labels.nbytes + self.areas.nbytes)


@dataclass(frozen=True, eq=False)
class SuggestionAnswer:
    """What came of a `SuggestionJob`.

    Attributes
    ----------
    made
        The features of the plane, where they were not known.
    classifier
        What was asked.
    labels
        (N,) of the objects that had no class.
    suggestions
        Of each of them.
    certainty
        (N,) by how much the likeliest class is ahead of the next one.
    """

    made: PlaneFeatures | None
    classifier: ObjectClassifier
    labels: tuple[int, ...]
    suggestions: tuple[Suggestion, ...]
    certainty: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SuggestionJob:
    """What is to be done for suggestions; fit for another thread.

    Attributes
    ----------
    plane
        In view.
    labels
        (H, W) of it; None where its features are known.
    digest
        Of the labels.
    known
        Features of planes that were looked at.
    class_of
        Names of the classes that objects have, by label.
    classifier
        Learned elsewhere; None: to be learned from the objects that have a class.
    """

    plane: Plane
    labels: NDArray[Any] | None
    digest: int
    known: tuple[PlaneFeatures, ...]
    class_of: Mapping[int, str]
    classifier: ObjectClassifier | None = None

    def run(self, image: Any, model: str | Path | PromptableModel) -> SuggestionAnswer:
        """Describe the objects if need be, learn from those that are sorted, and ask.

        Parameters
        ----------
        image
            (H, W) or (H, W, C), the plane; of no use where features are known.
        model
            What describes them; see `embed_objects`.

        Raises
        ------
        ValueError
            If there are fewer than two classes with an example each, or a classifier
            was learned from other features.
        """
        if self.labels is not None and not (self.labels.any() or self.known):
            raise ValueError(
                "there is no object on this plane yet; find or draw some first"
            )
        made = self._describe(image, model)
        labels, values, columns = merged(
            (*self.known, made) if made is not None else self.known
        )
        is_sorted = np.array([int(label) in self.class_of for label in labels], bool)
        classifier = self.classifier
        if classifier is None:
            name = getattr(model, "name", str(model or ""))
            classifier = _learned(
                labels[is_sorted], values[is_sorted], columns, self.class_of, name
            )
        else:
            _check_fits(classifier, columns)
        rest = labels[~is_sorted]
        said = classifier.suggest(values[~is_sorted])
        chances = said.probabilities.max(axis=1, initial=0.0)
        pairs = zip(said.names, chances.tolist(), strict=True)
        return SuggestionAnswer(
            made,
            classifier,
            tuple(rest.tolist()),
            tuple(Suggestion(name, chance) for name, chance in pairs),
            said.certainty,
        )

    def _describe(self, image: Any, model: Any) -> PlaneFeatures | None:
        if self.labels is None or not self.labels.any():
            return None
        # It needs torch, which a window must not wait for.
        from napari_sam.workflows.queries import classification_features as described

        values, columns = described.classification_features(
            image, self.labels, model=model
        )
        labels, areas = np.unique(self.labels[self.labels > 0], return_counts=True)
        return PlaneFeatures(
            self.plane,
            self.digest,
            labels.astype(np.int64),
            areas.astype(np.int64),
            values,
            columns,
        )


def merged(
    planes: Iterable[PlaneFeatures],
) -> tuple[NDArray[np.int64], NDArray[np.float32], tuple[str, ...]]:
    """Put the features of planes together: each object once, where it is largest.

    Returns
    -------
    labels : (N,) int64
        In rising order.
    values : (N, D) float32
        Their features.
    columns : tuple of str
        Those of the last plane; what was described otherwise is left out.
    """
    listed = tuple(planes)
    if not listed:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32), ()
    columns = listed[-1].columns
    alike = [one for one in listed if one.columns == columns]
    labels = np.concatenate([one.labels for one in alike])
    areas = np.concatenate([one.areas for one in alike])
    order = np.lexsort((-areas, labels))
    first = order[np.unique(labels[order], return_index=True)[1]]
    values = np.concatenate([one.values for one in alike])
    return labels[first], values[first], columns


def _learned(
    labels: NDArray[np.int64],
    values: NDArray[np.float32],
    columns: tuple[str, ...],
    class_of: Mapping[int, str],
    model: str,
) -> ObjectClassifier:
    names = [class_of[int(label)] for label in labels]
    kinds = sorted(set(names))
    if len(kinds) < 2:
        told = f"are only examples of {kinds[0]!r}" if kinds else "is no example"
        away = (
            " on the planes that were looked at" if len(class_of) > len(names) else ""
        )
        raise ValueError(
            f"two classes with an example each are needed; there {told}{away}. "
            "Give an object of each of two classes its class first"
        )
    return ObjectClassifier.fit(values, names, columns, model)


def _check_fits(classifier: ObjectClassifier, columns: tuple[str, ...]) -> None:
    if columns and classifier.columns != columns:
        of = f" with the model {classifier.model!r}" if classifier.model else ""
        raise ValueError(
            f"this classifier was learned{of} from other features than those of the "
            "model that is chosen now; choose that model, or sort a few objects anew"
        )
