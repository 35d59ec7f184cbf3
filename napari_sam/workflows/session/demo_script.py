"""A short demonstration: which image, which clicks, what comes of them.

The clicks are data, so that ``napari-sam demo`` can make them in a session without
a window, and in the real window, and end with the same labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["DEMO_OBJECTS", "DEMO_SAMPLE", "DemoAnswer", "DemoObject", "replay"]


@dataclass(frozen=True)
class DemoObject:
    """What a user says about one object.

    Attributes
    ----------
    points
        (row, col) of left clicks, which lie on the object.
    background
        (row, col) of right clicks, which do not.
    box
        (row0, col0, row1, col1), half open, or None.
    is_kept
        Whether the user then presses N. The last object is left in hand, so that
        its candidates are seen.
    """

    points: tuple[tuple[int, int], ...] = ()
    background: tuple[tuple[int, int], ...] = ()
    box: tuple[int, int, int, int] | None = None
    is_kept: bool = True


DEMO_SAMPLE = "nuclei_2d"
"""The sample that the demonstration annotates."""

DEMO_OBJECTS: tuple[DemoObject, ...] = (
    DemoObject(points=((421, 242),)),
    DemoObject(points=((311, 465),)),
    DemoObject(points=((354, 215),)),
    DemoObject(points=((337, 166),)),
    DemoObject(points=((448, 374),)),
    DemoObject(points=((273, 231),), background=((256, 252),)),
    DemoObject(points=((256, 252),)),
    DemoObject(box=(381, 300, 410, 335)),
    DemoObject(points=((214, 393),), is_kept=False),
)
"""The objects of the demonstration, in the order of the clicks."""


@dataclass(frozen=True)
class DemoAnswer:
    """What the model said about one object of the demonstration.

    Attributes
    ----------
    label
        The object's label, or None where it was not kept.
    scores
        Predicted IoU of each candidate, best first.
    area
        Pixels of the chosen candidate.
    """

    label: int | None
    scores: tuple[float, ...]
    area: int


def replay(
    session: AnnotationSession, objects: Sequence[DemoObject] = DEMO_OBJECTS
) -> Iterator[DemoAnswer]:
    """Say to a session what the objects hold, one `DemoAnswer` after another.

    Raises
    ------
    ValueError
        If the model finds nothing where an object is to be kept.
    """
    for item in objects:
        if item.box is not None:
            session.set_box(item.box)
        for point in item.points:
            session.add_point(point)
        for point in item.background:
            session.add_point(point, positive=False)
        candidates, mask = session.candidates, session.mask
        scores = () if candidates is None else candidates.scores.tolist()
        area = 0 if mask is None else int(mask.sum())
        label = session.commit() if item.is_kept else None
        yield DemoAnswer(label, tuple(scores), area)
