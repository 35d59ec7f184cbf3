"""Crowds of small objects, of which a shrunken image shows a few large ones or none.

How large the objects of an image are is measured on the image as a whole. Where it is
much larger than the model's frame, a crowd of small objects looks like one object, and
scattered ones are not seen. There a part of the image is measured at its own pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.workflows.objects.watershed import InstanceConfig, maps_to_instances

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.workflows.objects.views import Views
    from napari_sam.workflows.progress import Steps

__all__ = ["crowd_areas"]

_FEW = 4
"""Of fewer objects, each may be a crowd."""

_DEFAULT = InstanceConfig()


def crowd_areas(
    views: Views, seen: int, steps: Steps, config: InstanceConfig = _DEFAULT
) -> NDArray[np.int64] | None:
    """Measure what a few objects turn out to be made of.

    One tile is looked at, the one in which the intensities differ most. There is a
    crowd if more than a few objects are found in it, and twice as many as were seen.

    Parameters
    ----------
    views
        The plane; its model has a dense head.
    seen
        How many objects the plane as a whole shows.
    steps
        What to tell and to ask before the tile is embedded.
    config
        How objects are found.

    Returns
    -------
    (N,) int64 or None
        Areas in pixels; None where enough is seen, the frame does not shrink the
        plane, or there is no crowd.

    Raises
    ------
    Cancelled
        If the work is to stop.
    """
    if seen >= _FEW or not views.is_shrunk:
        return None
    steps.before(1)
    embedding = views.embed(views.busiest(1.0), steps.is_cancelled)
    areas = maps_to_instances(views.sam.dense_maps(embedding), config).areas
    return areas if len(areas) >= max(_FEW, 2 * seen) else None
