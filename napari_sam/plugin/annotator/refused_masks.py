"""What a click means after a mask could not be kept, as it lies on other objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["starts_another"]


def starts_another(
    session: AnnotationSession, points: NDArray[Any], labels: NDArray[Any]
) -> bool:
    """Tell whether the last click is about another object: it lies beside the mask.

    Parameters
    ----------
    session
        With the mask that was refused.
    points, labels
        (N, 2) rows and columns of the clicks in hand, the last one new, and (N,)
        whether each says that the object is there.
    """
    mask = session.mask
    if mask is None or not len(points):
        return False
    known = session.draft.question.prompts.points
    if len(points) != len(known) + 1 or not labels[-1]:
        return False
    row, col = np.clip(np.rint(points[-1]), 0, np.subtract(mask.shape, 1))
    return not mask[int(row), int(col)]
