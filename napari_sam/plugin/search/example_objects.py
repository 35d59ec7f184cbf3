"""Objects of the annotator as examples of what is to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.search.object_query import ExampleObjects
from napari_sam.plugin.viewer.layers import display_range, plane_reader

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.annotator import Annotator

__all__ = ["examples_in"]


def examples_in(
    annotator: Annotator, labels: tuple[int, ...], predictor: Any
) -> ExampleObjects:
    """Return objects of the session as examples.

    Objects that lie on the plane that is shown are taken there, and others on the plane
    where the first of them lies.

    Parameters
    ----------
    annotator
        Whose session knows them.
    labels
        Which objects.
    predictor
        The model that is to look at them.

    Raises
    ------
    ValueError
        If one of them is not there any more, or they lie on several planes.
    """
    session, image, plane = annotator.session, annotator.image, annotator.plane
    if session is None or image is None or plane is None:
        raise ValueError("open an image with objects first")
    here = np.array(session.canvas.read(plane))
    missing = [label for label in labels if not (here == label).any()]
    if missing:
        record = session.objects.get(missing[0])
        if record is None or record.plane is None:
            raise ValueError(f"object {missing[0]} is not there any more")
        plane = record.plane
        here = np.array(session.canvas.read(plane))
        if not all((here == label).any() for label in labels):
            raise ValueError(
                "the selected objects lie on several planes; choose those of one plane "
                "first, and add the others with “… and like this”"
            )
    return ExampleObjects(
        plane_reader(image, plane),
        display_range(image),
        here,
        labels,
        predictor,
    )
