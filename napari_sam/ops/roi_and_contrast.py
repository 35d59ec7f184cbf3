"""What of an image counts: where objects are looked for, and its black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Scope", "require_limits_only"]


@dataclass(frozen=True, eq=False)
class Scope:
    """What of an image counts.

    Attributes
    ----------
    roi
        (H, W) bool: only there are objects looked for; everywhere if None. Masks may
        reach beyond.
    exclude
        (H, W) labels: objects that lie mostly where these are not 0 are left out.
    contrast_limits
        Intensities that become black and white; robust percentiles if None, see
        `Predictor.embed`.

    Examples
    --------
    >>> from napari_sam import Scope
    >>> Scope(contrast_limits=(0, 255)).roi is None
    True
    """

    roi: NDArray[np.bool_] | None = None
    exclude: NDArray[np.integer] | None = None
    contrast_limits: tuple[float, float] | None = None


def require_limits_only(scope: Scope | None, task: str) -> tuple[float, float] | None:
    """Return the contrast limits for a task that looks everywhere.

    Raises
    ------
    ValueError
        If the scope has a `roi` or an `exclude`.
    """
    if scope is None:
        return None
    for name in ("roi", "exclude"):
        if getattr(scope, name) is not None:
            raise ValueError(
                f"{task} looks at the whole image, but the scope has {name}; give a "
                "scope of contrast_limits alone"
            )
    return scope.contrast_limits
