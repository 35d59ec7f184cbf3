"""From masks that were found to objects of the annotator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.annotator.layer_canvas import why_not_writable
from napari_sam.plugin.viewer.navigation import go_to_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskRecord
    from napari_sam.plugin.annotator.annotator import Annotator

__all__ = ["keep_found", "why_not_kept"]


def why_not_kept(output: Any, image: Any) -> str:
    """Say why objects of an image cannot be kept in a Labels layer; "" if they can."""
    if output is None or image is None:
        return ""
    return why_not_writable(output, image)


def keep_found(
    annotator: Annotator,
    image: Any,
    plane: Plane,
    records: Sequence[MaskRecord],
    *,
    output: Any = None,
    model_name: str = "",
    class_name: str = "",
    overlap: OverlapRule = "keep",
    query: str = "",
) -> list[int]:
    """Write masks as objects, in one step of the annotator's history.

    Parameters
    ----------
    annotator
        Works in the viewer that shows the image.
    image, plane
        Where the masks were found.
    records
        The masks; an earlier one has its pixels before a later one.
    output
        The Labels layer to write to; None for a new one.
    model_name, class_name
        For the table.
    overlap
        Who gets a pixel that has a label already.
    query
        What was looked for, for the record; "" for everything.

    Returns
    -------
    list of int
        The labels of the objects.

    Raises
    ------
    ValueError
        If they cannot be written; nothing is then.
    """
    annotator.set_image(image)
    annotator.sessions.set_output(output)
    opened, session = annotator.open_session, annotator.session
    if opened is None or session is None:
        raise ValueError(annotator.sessions.problem or "there is no image to work on")
    if opened.is_counting:
        raise ValueError("the labels are still being counted; try again in a moment")
    before = session.class_name, session.overlap, session.model_name
    session.go_to(plane)
    try:
        session.class_name, session.overlap = class_name, overlap
        session.model_name = model_name or session.model_name
        labels = session.commit_found(records, query=query)
    finally:
        session.class_name, session.overlap, session.model_name = before
    annotator.sessions.after_edit()
    if annotator.plane != plane:
        go_to_plane(annotator.viewer, image, plane)
    annotator.refresh()
    return labels
