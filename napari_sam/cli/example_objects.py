"""Objects that a command is given as examples: LABELS[:IDS] or IMAGE=LABELS[:IDS]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli.label_files import refuse_image
from napari_sam.cli.run_record import file_digest
from napari_sam.ops.message_text import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor

__all__ = ["FORM", "ExampleObjects", "read_examples"]

FORM = "LABELS[:IDS] or IMAGE=LABELS[:IDS]"
"""How examples are given."""

_WITH_NUMBERS = re.compile(r"(.+):(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)", re.DOTALL)


@dataclass(frozen=True)
class ExampleObjects:
    """Objects of a label image.

    Attributes
    ----------
    option
        How they were asked for, such as "--like".
    labels
        The label image.
    numbers
        (first, last) label of each part of IDS; none: all objects.
    image
        What the labels are of; None: the image that is looked at.
    """

    option: str
    labels: Path
    numbers: tuple[tuple[int, int], ...] = ()
    image: Path | None = None

    def __str__(self) -> str:
        """Return it as it is given, without folders."""
        parts = [str(a) if a == b else f"{a}-{b}" for a, b in self.numbers]
        image = "" if self.image is None else f"{self.image.name}="
        return f"{image}{self.labels.name}{':' * bool(parts)}{','.join(parts)}"

    def settings(self) -> dict[str, str]:
        """Return what a result depends on."""
        digests = {"labels": file_digest(self.labels)}
        if self.image is not None:
            digests["image"] = file_digest(self.image)
        return {"examples": str(self), **digests}

    def read(self) -> NDArray[np.int32]:
        """Read the labels, (H, W) int32, of these objects alone.

        Raises
        ------
        OSError, ValueError
            If they cannot be read, or an object is not there.
        """
        import numpy as np

        labels, present, chosen = self._read()
        return np.where(np.isin(labels, present[chosen]), labels, 0)

    def _read(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Read the labels; return also which there are, and which are examples."""
        import numpy as np

        from napari_sam.io.images import read_labels

        try:
            refuse_image(self.labels, f"Wanted is {FORM}")
            labels = read_labels(self.labels)
        except ValueError as error:
            name = "" if str(self.labels) in str(error) else f"{self.labels}: "
            raise ValueError(f"{self.option}: {name}{error}") from error
        present = np.unique(labels[labels > 0])
        if not len(present):
            raise ValueError(f"{self.option}: {self.labels} holds no object")
        chosen = np.full(len(present), not self.numbers)
        missing = []
        for first, last in self.numbers:
            inside = (present >= first) & (present <= last)
            chosen |= inside
            if not inside.any():
                missing.append(str(first) if first == last else f"{first}-{last}")
        if missing:
            raise ValueError(
                f"{self.option}: {self.labels} has no object {listed(missing)}; it has "
                f"{len(present)}, from {present[0]} to {present[-1]}"
            )
        return labels, present, chosen

    def vectors(
        self, model: Predictor, read: Callable[[Path], NDArray[Any]]
    ) -> NDArray[np.float32]:
        """Return (N, D), the vectors of these objects on their image.

        Parameters
        ----------
        model
            Embeds them.
        read
            Reads a plane of the image; where none is named, it returns that one.
        """
        from napari_sam.workflows.queries.object_embeddings import (
            describe_objects,
            head_of,
            standardised,
        )

        plane = read(self.image or self.labels)
        labels, _, chosen = self._read()
        name = "the image" if self.image is None else str(self.image)
        self.check_shape(labels.shape, plane.shape[:2], name)
        every = describe_objects(plane, labels, model=model).vectors
        return (every if head_of(model) is not None else standardised(every))[chosen]

    def check_shape(
        self, shape: tuple[int, ...], wanted: tuple[int, ...], image: str
    ) -> None:
        """Refuse labels of another image."""
        if shape != wanted:
            raise ValueError(
                f"{self.option}: {self.labels} is {shape}, but {image} is {wanted}; "
                "objects of another image are given as IMAGE=LABELS"
            )


def read_examples(option: str, text: str) -> ExampleObjects:
    """Read what was given as examples.

    Parameters
    ----------
    option
        Such as "--like".
    text
        LABELS[:IDS] or IMAGE=LABELS[:IDS], with IDS such as 3,7 or 3-9.

    Raises
    ------
    ValueError
        If it is not that, or there is no such file.

    Examples
    --------
    >>> read_examples("--like", __file__ + ":3,7-9").numbers
    ((3, 3), (7, 9))
    """
    place, numbers = text, ""
    match = _WITH_NUMBERS.fullmatch(text)
    if match is not None and not Path(text).exists():
        place, numbers = match.groups()
    image, equals, labels = place.partition("=")
    if not equals or Path(place).exists():
        image, labels = "", place
    for path in filter(None, (image, labels)):
        if not Path(path).exists():
            raise ValueError(
                f"{option} {text}: there is no file {path}; wanted {FORM}, such as "
                "labels.tif:3,7-9"
            )
    if not labels:
        raise ValueError(f"{option} {text} names no labels; wanted {FORM}")
    return ExampleObjects(
        option, Path(labels), _spans(option, numbers), Path(image) if image else None
    )


def _spans(option: str, numbers: str) -> tuple[tuple[int, int], ...]:
    spans = []
    for part in filter(None, numbers.split(",")):
        first, _, last = part.partition("-")
        span = int(first), int(last or first)
        if not 0 < span[0] <= span[1]:
            raise ValueError(
                f"{option}: objects are numbered from 1 up, and spans go upward; got "
                f"{part}"
            )
        spans.append(span)
    return tuple(spans)
