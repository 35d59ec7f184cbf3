"""Objects of a session drawn anew where the model is surer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.workflows.progress import Progress
from napari_sam.workflows.session.edit_targets import find_targets
from napari_sam.workflows.session.label_canvas import plan_edit

if TYPE_CHECKING:
    from napari_sam.configs import RefineLabelsConfig
    from napari_sam.workflows.objects.refine_labels import RefinedObject
    from napari_sam.workflows.session.edit_targets import EditScope, Labels
    from napari_sam.workflows.session.label_canvas import LabelEdit
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["plan_refinement"]


def plan_refinement(
    state: SessionState,
    prompting: Prompting,
    labels: Labels,
    scope: EditScope,
    config: RefineLabelsConfig | None,
    progress: Progress | None,
) -> tuple[list[LabelEdit], tuple[RefinedObject, ...]]:
    """Draw objects anew, plane by plane; see `ObjectEditing.refine`."""
    sam = prompting.predictor
    if sam is None or prompting.image is None:
        raise ValueError(
            "this session has no image and no model to refine with; make it with an "
            "image, or refine the labels with napari_sam.refine_labels"
        )
    # it asks models, and a window opens a session before it has one
    from napari_sam.workflows.objects.refine_labels import refine_plane

    targets = find_targets(state, labels, scope)
    edits: list[LabelEdit] = []
    report: list[RefinedObject] = []
    for number, (plane, chosen) in enumerate(targets.planes.items()):
        now = np.array(state.canvas.read(plane))
        after, rows = refine_plane(
            np.asarray(plane.take(prompting.image)),
            now,
            model=sam,
            chosen=chosen,
            config=config,
            contrast_limits=prompting.contrast_limits,
            progress=(progress or Progress()).part(number, len(targets.planes)),
            at=tuple(i for i in plane.index if i is not None),
        )
        edits.append(plan_edit(plane, now, after))
        report += rows
    return edits, tuple(report)
