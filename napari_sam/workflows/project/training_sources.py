"""What training learns from the images of a project: planes, those of stacks too."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.preprocess import sample_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.project.project import Project

__all__ = ["ProjectSource", "training_sources"]

_PLANES_TO_LEARN = 16
"""Planes of a stack that are learned from: neighbours are much alike."""


@dataclass(frozen=True, eq=False)
class _StackPixels:
    """The pixels of a stack, opened when they are first asked for."""

    project: Project
    name: str

    @cached_property
    def array(self) -> Any:
        return self.project.read_image(self.name)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """One range of contrast for all planes, as where models look at stacks."""
        layout, array = self.project.layout(self.name), self.array
        places = list(np.ndindex(layout.shape[:-2]))

        def plane(number: int) -> NDArray[Any]:
            return np.asarray(array[places[number]])

        return sample_limits(len(places), plane, layout.is_colour)


@dataclass(frozen=True)
class ProjectSource:
    """An image of a project, or a plane of a stack, as training reads it.

    Attributes
    ----------
    kind, name
        What it is called.
    complete
        Whether the user said that every object is labelled.
    project, image
        Where it is from.
    at
        Indices of the plane in a stack, () of an image of one plane.
    """

    kind: str
    name: str
    complete: bool
    project: Project
    image: str
    at: tuple[int, ...] = ()
    pixels: _StackPixels | None = field(default=None, repr=False)

    @property
    def contrast_limits(self) -> tuple[float, float] | None:
        """Intensities that are black and white; None: those of the plane itself."""
        return None if self.pixels is None else self.pixels.limits

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels."""
        planes = self.project.read_planes(self.image)
        if self.pixels is None:
            return self.project.read_image(self.image), planes.dense()
        return np.asarray(self.pixels.array[self.at]), planes.plane(self.at)


def training_sources(project: Project) -> list[ProjectSource]:
    """List what training can learn from: done images, and begun ones in part.

    Of stacks these are planes that have objects, 16 of them at most, evenly chosen.
    Images that cannot be read are left out. It reads the proposals of those that are
    done: with undecided ones they are begun.
    """
    found = []
    for name in project.images:
        state = project.state(name)
        is_there = project.path_of(name).exists()
        if not state.notes or state.problem or not is_there:
            continue
        is_whole = state.status == "done" and not project.proposed.undecided(name)
        planes = project.read_planes(name)
        if len(planes.shape) == 2:
            found.append(ProjectSource("project", name, is_whole, project, name))
            continue
        places = sorted(planes.planes)
        chosen = np.linspace(
            0, len(places) - 1, min(len(places), _PLANES_TO_LEARN)
        ).round()
        pixels = _StackPixels(project, name)
        for at in [places[int(number)] for number in np.unique(chosen)]:
            title = f"{name}-{'-'.join(f'{i:03}' for i in at)}"
            found.append(
                ProjectSource("project", title, is_whole, project, name, at, pixels)
            )
    return found
