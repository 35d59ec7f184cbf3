"""Which class objects probably have, learned from those that the user has sorted.

The plane in view is looked at: each object on it is described by its embedding and what
is measured of it, and both are kept until the labels of the plane change. With each
class that is given only the linear classifier is learned anew. Objects of planes that
were looked at before count as well; of one that lies on several of them, the plane on
which it is largest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.ops.lru import BoundedCache
from napari_sam.workflows.session.class_edits import give_classes
from napari_sam.workflows.session.suggestion_job import Suggestion, SuggestionJob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.queries.classes import ObjectClassifier
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState
    from napari_sam.workflows.session.suggestion_job import (
        PlaneFeatures,
        SuggestionAnswer,
    )

__all__ = ["ClassSuggestions"]

_KEPT_BYTES = 256 * 2**20
"""Of features of planes that were looked at."""


class ClassSuggestions(Mapping[int, Suggestion]):
    """Classes that objects without one probably have, by label.

    Each is a class and its probability. They are no classes: no table and no export
    has them, before they are accepted.

    Parameters
    ----------
    state, prompting
        Of the session.
    """

    def __init__(self, state: SessionState, prompting: Prompting) -> None:
        self._state, self._prompting = state, prompting
        self._features: BoundedCache[Plane, PlaneFeatures] = BoundedCache(
            max_bytes=_KEPT_BYTES
        )
        self._answer: SuggestionAnswer | None = None
        self._is_asked = False
        self._shown: tuple[object, ...] = ()
        self._current: dict[int, Suggestion] = {}

    def __getitem__(self, label: int) -> Suggestion:
        return self.current[label]

    def __iter__(self) -> Iterator[int]:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)

    def __repr__(self) -> str:
        return f"ClassSuggestions({self.current})"

    def make(self, classifier: ObjectClassifier | None = None) -> ClassSuggestions:
        """Suggest a class for each object that has none; return them all.

        The objects of the plane in view are looked at; those of planes that were looked
        at before count as well. An object on several of them is described where it is
        largest. This is not a step of the history.

        Parameters
        ----------
        classifier
            Learned from other objects, see `learn`; None: it is learned from the
            objects that have a class.

        Raises
        ------
        ValueError
            If there are fewer than two classes with an example each, the classifier
            was learned with another model, or the session has no image.
        """
        self.deliver(self.job(classifier).run(*self._looked_at()))
        return self

    def learn(self, model_name: str = "") -> ObjectClassifier:
        """Return what is learned from the objects that have a class.

        It can be saved, and asked about other images: see `make`.

        Parameters
        ----------
        model_name
            Of the model that has described them, where the session has no image.

        Raises
        ------
        ValueError
            If there are fewer than two classes with an example each.
        """
        job = self.job()
        if self._prompting.image is None:  # of what was looked at elsewhere
            answer = replace(job, labels=None).run(None, model_name)
        else:
            answer = job.run(*self._looked_at())
        self.deliver(answer)
        return answer.classifier

    def _looked_at(self) -> tuple[Any, PromptableModel]:
        """Return the plane in view, and the model."""
        image, predictor = self._prompting.image, self._prompting.predictor
        if image is None or predictor is None:
            raise ValueError(
                "the session has no image to look at; make it with one, or do the "
                "work of suggestions.job elsewhere"
            )
        return np.asarray(self._state.plane.take(image)), predictor

    def next_unsure(self, after: int | None = None) -> int | None:
        """Return the object of which the class is least sure; None for none.

        Parameters
        ----------
        after
            An object with a suggestion: the next one after it, and after the last the
            first.

        Raises
        ------
        ValueError
            If no class was suggested yet.
        """
        doubted = self._by_doubt()
        if not doubted:
            if not self._is_asked:
                raise ValueError(
                    "no class was suggested yet; give an object of each of two "
                    "classes its class first"
                )
            return None
        at = doubted.index(after) + 1 if after in doubted else 0
        return doubted[at % len(doubted)]

    def accept(
        self, labels: Iterable[int] | None = None, min_probability: float = 0.0
    ) -> list[int]:
        """Make suggestions classes, in one step.

        Parameters
        ----------
        labels
            Of these objects; None: of all that have one.
        min_probability
            Only of those whose class is at least so probable, 0 to 1.

        Returns
        -------
        list of int
            The objects that got a class.

        Raises
        ------
        ValueError
            If an object has no suggestion, or the probability is not 0 to 1.
        """
        wanted = None if labels is None else list(labels)
        names = self._acceptable(wanted, min_probability)
        if names:
            give_classes(self._state, names)
        return list(names)

    def job(self, classifier: ObjectClassifier | None = None) -> SuggestionJob:
        """Return the work of `make`, to be done elsewhere."""
        state = self._state
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
        """Take what came of a `job`."""
        if answer.made is not None:
            self._features.put(answer.made.plane, answer.made)
        self._is_asked = True
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
        state, answer = self._state, self._answer
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

    def _by_doubt(self) -> list[int]:
        """Return the labels that have a suggestion, the least sure ones first."""
        answer, current = self._answer, self.current
        if answer is None:
            return []
        order = np.argsort(answer.certainty, kind="stable")
        return [k for k in (answer.labels[i] for i in order) if k in current]

    def _acceptable(
        self, labels: Collection[int] | None, min_probability: float
    ) -> dict[int, str]:
        """Return the classes that suggestions give objects, by label."""
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
