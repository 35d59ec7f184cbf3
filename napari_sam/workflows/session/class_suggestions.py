"""Which class objects probably have, learned from those that the user has sorted.

The plane in view is looked at: each object on it is described by its embedding and what
is measured of it, and both are kept until the labels of the plane change. With each
class that is given only the linear classifier is learned anew. Objects of planes that
were looked at before count as well; of one that lies on several of them, the plane on
which it is largest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from napari_sam.ops.lru import BoundedCache
from napari_sam.workflows.queries.classes import ObjectClassifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["Suggesting", "Suggestion", "SuggestionAnswer", "SuggestionJob"]

_KEPT_BYTES = 256 * 2**20
"""Of features of planes that were looked at."""


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
        told = f"only examples of {kinds[0]!r}" if kinds else "no example"
        away = (
            " on the planes that were looked at" if len(class_of) > len(names) else ""
        )
        raise ValueError(
            f"two classes with an example each are needed; there is {told}{away}. "
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


@dataclass(eq=False)
class Suggesting:
    """The suggestions of a session, and the features of what was looked at.

    Attributes
    ----------
    state
        Of the session.
    classifier
        What was asked last; None for none.
    """

    state: SessionState
    classifier: ObjectClassifier | None = None
    _features: BoundedCache[Plane, PlaneFeatures] = field(
        default_factory=lambda: BoundedCache(max_bytes=_KEPT_BYTES)
    )
    _answer: SuggestionAnswer | None = None
    _shown: tuple[object, ...] = ()
    _current: dict[int, Suggestion] = field(default_factory=dict)

    def job(self, classifier: ObjectClassifier | None = None) -> SuggestionJob:
        """Return the work for suggestions of the plane in view."""
        state = self.state
        state.reconcile()
        labels = np.ascontiguousarray(state.canvas.read(state.plane))
        digest = xxhash.xxh3_64_intdigest(labels.data)
        planes = self._features.keys()
        for plane in planes:
            held = self._features.peek(plane)
            now = digest if plane == state.plane else state.index.digest(plane)
            if held is not None and held.digest != now:
                self._features.pop(plane)
        here = self._features.get(state.plane)
        planes = self._features.keys()  # that of the plane in view is the last
        held_ones = [self._features.peek(plane) for plane in planes]
        listed = state.listed()
        return SuggestionJob(
            state.plane,
            labels.copy() if here is None else None,
            digest,
            tuple(one for one in held_ones if one is not None),
            {k: r.class_name for k, r in listed.items() if r.class_name},
            classifier,
        )

    def deliver(self, answer: SuggestionAnswer) -> None:
        """Take what came of a job."""
        if answer.made is not None:
            self._features.put(answer.made.plane, answer.made)
        self.classifier = answer.classifier
        self._answer = answer

    def forget(self) -> None:
        """Drop suggestions and features, after the model or the image has changed."""
        self._features.clear()
        self._answer = None

    def drop(self) -> None:
        """Drop the suggestions alone."""
        self._answer = None

    @property
    def current(self) -> dict[int, Suggestion]:
        """Suggestions by label, of objects that are there and have no class."""
        state, answer = self.state, self._answer
        shown = (answer, state.snapshot.records, state.index.version)
        if (
            len(self._shown) != 3
            or any(a is not b for a, b in zip(shown[:2], self._shown[:2], strict=True))
            or shown[2] != self._shown[2]
        ):
            listed = state.listed()
            self._shown, self._current = shown, {}
            if answer is not None:
                self._current = {
                    label: said
                    for label, said in zip(
                        answer.labels, answer.suggestions, strict=True
                    )
                    if label in listed and not listed[label].class_name
                }
        return self._current

    def by_doubt(self) -> list[int]:
        """Return the labels that have a suggestion, the least sure ones first."""
        answer, current = self._answer, self.current
        if answer is None:
            return []
        order = np.argsort(answer.certainty, kind="stable")
        return [k for k in (answer.labels[i] for i in order) if k in current]

    def acceptable(
        self, labels: Collection[int] | None, min_probability: float
    ) -> dict[int, str]:
        """Return the classes that suggestions give objects, by label.

        Raises
        ------
        ValueError
            If the probability is not 0 to 1, or one of the labels has no suggestion.
        """
        if not 0 <= min_probability <= 1:
            raise ValueError(
                f"a probability is 0 to 1, got min_probability={min_probability}"
            )
        current = self.current
        if labels is None:
            chosen: Iterable[int] = current
        else:
            chosen = [int(label) for label in labels]
            missing = [label for label in chosen if label not in current]
            if missing:
                raise ValueError(
                    f"there is no suggestion for object {missing[0]}; it has a class, "
                    "or was not looked at yet"
                )
        return {
            label: current[label].class_name
            for label in chosen
            if current[label].probability >= min_probability
        }
