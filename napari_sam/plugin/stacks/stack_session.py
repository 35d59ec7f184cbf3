"""A stack of an image, the labels made on it, and what is said about a run there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.layer_canvas import LayerCanvas, why_not_writable
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import shape_of

if TYPE_CHECKING:
    from napari_sam.workflows.stacks.propagation_runs import (
        PropagationRun,
        PropagationRuns,
    )

__all__ = ["StackSession", "said", "summary", "why_not_followed"]


@dataclass(eq=False)
class StackSession:
    """A stack of an image, the labels made on it, and the runs so far."""

    image: Any
    output: Any
    data: tuple[Any, Any]
    axis: int
    at: tuple[int | None, ...]
    runs: PropagationRuns
    seen: list[int] = field(default_factory=list)
    is_corrected: bool = False

    def is_for(self, image: Any, output: Any, axis: int, at: Any) -> bool:
        """Whether it is that of these layers, as their data are now."""
        same = self.image is image and self.output is output
        return same and self.is_current and (self.axis, self.at) == (axis, at)

    @property
    def is_current(self) -> bool:
        """Whether the layers hold the data that they held."""
        return self.data[0] is self.image.data and self.data[1] is self.output.data

    @property
    def canvas(self) -> LayerCanvas:
        """Where the labels are."""
        return LayerCanvas(self.output, tuple(self.output.data.shape))

    def last(self) -> PropagationRun | None:
        """Return the last run that was not undone."""
        return self.runs.last(self.canvas)

    def next_uncertain(self, run: PropagationRun) -> int | None:
        """Return the least sure plane that was not returned yet, then all anew."""
        planes = run.result.least_confident(self.seen)
        if not planes:
            self.seen.clear()
            planes = run.result.least_confident()
        if not planes:
            return None
        self.seen.append(planes[0])
        return planes[0]


def said(error: Exception) -> str:
    """Return what the user reads of an error."""
    if "no object in the seeds" in str(error):
        return "There is no object to follow yet. Annotate one on some plane."
    return sentence(error)


def summary(run: PropagationRun, undo: str) -> str:
    """Say what came of a run."""
    objects = len(run.result.confidence)
    found = sum(
        not one.is_seed for here in run.result.planes.values() for one in here.values()
    )
    least = run.result.least_confident()
    text = f"{counted(objects, 'object')}, {counted(found, 'outline')} found"
    if least:
        here = run.result.planes[least[0]].values()
        sure = min(one.confidence for one in here)
        text += f"; the least sure is on plane {least[0]} ({sure:.2f})"
    return f"{text}. {undo} takes it back."


def why_not_followed(viewer: Any, image: Any, along: int | None, output: Any) -> str:
    """Say why objects cannot be followed; "" if they can.

    Parameters
    ----------
    viewer, image
        The napari viewer, and the image layer or None.
    along
        The axis along which they would be followed, None where there is none.
    output
        The Labels layer with the objects, or None.
    """
    if image is None:
        return "Open a volume or a film."
    if len(shape_of(image)) < 3:
        return f"“{image.name}” is a single plane. Choose an image with several planes."
    if viewer.dims.ndisplay == 3:
        return "Leave the 3D view: objects are followed from the displayed plane."
    if along is None:
        return "Move the sliders to a plane of the image."
    if output is None:
        return (
            "Annotate an object on some plane first, on the page “Annotate” or with a "
            "brush; then choose its labels above."
        )
    return why_not_writable(output, image)
