"""All that is shown of one image of a project, read away from the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.project.project import Project

__all__ = ["ImageContent", "read_content"]

_SAMPLED = 5
"""Planes of a stack whose intensities decide how it is shown at first."""


@dataclass(frozen=True, eq=False)
class ImageContent:
    """An image of a project with what is known of it.

    Attributes
    ----------
    name
        Of the image.
    image
        Its pixels; of a large stack as Dask.
    layout
        Whether it is a plane, a volume or a film.
    labels
        Its labels, which may be written to.
    proposals
        What is proposed, plane by plane.
    limits
        Intensities that are black and white; None: napari finds them.
    problem
        Why label files of other images could not be written, "" if they could.
    """

    name: str
    image: Any
    layout: ImageLayout
    labels: NDArray[np.int32]
    proposals: LabelPlanes
    limits: tuple[float, float] | None = None
    problem: str = ""

    @property
    def place(self) -> dict[str, Any]:
        """The size of the voxels of a stack, as napari's layers take it."""
        if not self.layout.is_stack:
            return {}
        found: dict[str, Any] = {"scale": self.layout.scale}
        if self.layout.spacing is not None:
            time = ("pixel",) * self.layout.is_film
            found["units"] = (*time, *("micrometer",) * len(self.layout.spacing))
        return found


def read_content(project: Project, name: str) -> ImageContent:
    """Write the label files of images that were left, and read another image.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not what it was when it was annotated.
    """
    problem = ""
    try:
        project.files.write_label_files(but=name)
    except (OSError, ValueError) as error:
        problem = sentence(error)
    layout, image = project.layout(name), project.read_image(name)
    labels = project.labels(name)
    if layout.shape != labels.shape:
        raise ValueError(
            f"{project.path_of(name)} has shape {layout.shape}, but the labels that "
            f"were made of it have {labels.shape}; put the image back of which they are"
        )
    limits = _limits(image, layout) if layout.is_stack else None
    proposals = project.proposed.open_planes(name)
    return ImageContent(name, image, layout, labels, proposals, limits, problem)


def _limits(image: Any, layout: ImageLayout) -> tuple[float, float] | None:
    """Return the range of the intensities of some planes, gray ones."""
    if layout.is_colour:
        return None
    places = list(np.ndindex(layout.shape[:-2]))
    numbers = np.linspace(0, len(places) - 1, min(len(places), _SAMPLED)).round()
    planes = [np.asarray(image[places[int(n)]]) for n in np.unique(numbers)]
    least = float(min(np.nanmin(plane) for plane in planes))
    most = float(max(np.nanmax(plane) for plane in planes))
    return (least, most) if least < most else None
