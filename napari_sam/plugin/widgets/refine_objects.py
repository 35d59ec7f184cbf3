"""What the button Refine does: objects drawn anew where the model is surer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.message_text import counted
from napari_sam.plugin.viewer.layers import display_range, plane_reader
from napari_sam.plugin.widgets.tool_runs import ToolJob
from napari_sam.workflows.session.label_canvas import StackEdit, plan_edit

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.workflows.objects.refine_labels import RefinedObject
    from napari_sam.workflows.progress import Progress

__all__ = ["refine_objects"]

_CHANGED = "The labels have changed meanwhile, and were left alone. Try again."

_Refined = tuple[list[tuple["Plane", Any, Any]], list["RefinedObject"]]
"""The labels of each plane before and after, and what became of each object."""


def refine_objects(annotator: Annotator) -> ToolJob:
    """Return the work on the objects that edits are about; see `refine_labels`.

    Raises
    ------
    ValueError
        If there is no object to refine; says what is wanted.
    """
    edits, session, image = annotator.edits, annotator.session, annotator.image
    why = edits.why_not("refine")
    if why or session is None or annotator.plane is None:
        raise ValueError(why or "open an image first")
    chosen = edits.choice.chosen()
    is_here = not edits.selected() and edits.choice.scope == "plane"
    planes = session.index.by_plane(chosen)
    if is_here:
        planes = {annotator.plane: [*chosen]}
    canvas, limits = session.canvas, display_range(image)
    seen = [
        (plane, labels, np.array(canvas.read(plane)), plane_reader(image, plane))
        for plane, labels in planes.items()
    ]

    def work(predictor: Any, progress: Progress) -> _Refined:
        from napari_sam.workflows.objects.refine_labels import refine_plane

        done, report = [], []
        for number, (plane, labels, now, read) in enumerate(seen):
            after, rows = refine_plane(
                read(),
                now,
                model=predictor,
                chosen=labels,
                contrast_limits=limits,
                progress=progress.part(number, len(seen)),
            )
            done.append((plane, now, after))
            report += rows
        return done, report

    def finish(result: _Refined) -> str:
        if annotator.session is not session:
            return _CHANGED
        return _write(annotator, result, counted(len(chosen), "object"))

    return ToolJob("Refining objects", work, finish)


def _write(annotator: Annotator, result: _Refined, of: str) -> str:
    """Write objects that were drawn anew to the labels, and say how many there are."""
    (done, report), session = result, annotator.session
    if session is None or any(
        not np.array_equal(session.canvas.read(plane), now) for plane, now, _ in done
    ):
        return _CHANGED
    redrawn = {row.label for row in report if row.changed}
    if not redrawn:
        return f"None of {of} was drawn anew: the model is not surer of any."
    parts = [plan_edit(*plane) for plane in done]
    edit = StackEdit(tuple(one for one in parts if len(one.pixels)))
    if not annotator.edits.write(edit):
        return ""
    return f"{len(redrawn):,} of {of} drawn anew. U takes it back."
