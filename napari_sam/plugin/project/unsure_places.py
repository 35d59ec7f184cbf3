"""Where the model is least sure in the image of a project, one place after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.planes import Plane
from napari_sam.plugin.viewer.navigation import go_to_plane, go_to_point

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from napari_sam.plugin.project.project_layers import ProjectLayers
    from napari_sam.workflows.project.project import Project

__all__ = ["UnsurePlaces"]


class UnsurePlaces:
    """Goes to proposals and planes by how unsure the model is of them.

    Parameters
    ----------
    viewer
        The napari viewer.
    layers
        The layers of the project's image.
    """

    def __init__(self, viewer: Any, layers: ProjectLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self._seen: set[Hashable] = set()

    def forget(self) -> None:
        """Begin anew, with another image."""
        self._seen.clear()

    def show_object(self, project: Project) -> str:
        """Show and choose the least sure proposal that was not shown yet.

        Returns
        -------
        What the user reads.
        """
        name = self._layers.name
        left = project.proposed.unsure(name)
        if not left:
            return "There is no open proposal on this image."
        number = self._next(left)
        at = project.proposed.best_plane(name, number)
        if at is None:
            return "This proposal cannot be found any more."
        held = project.proposed.open_planes(name).plane(at)
        middle = np.argwhere(held == number).mean(axis=0)
        if self._is_seen(middle):  # then the view stays
            go_to_plane(self._viewer, self._layers.proposals, Plane((*at, None, None)))
        else:
            go_to_point(self._viewer, self._layers.proposals, (*at, *middle))
        self._layers.choose(number)
        unsure = project.state(name).objects_uncertainty.get(number)
        told = "" if unsure is None else f" (unsure: {unsure:.2f})"
        many = f"1 of {len(left)} open" if len(left) > 1 else "The last open one"
        return f"{many}{told}, shown in white. Accept it (J) or reject it (W)."

    def show_plane(self, project: Project) -> str:
        """Show the plane of a stack of which the model is least sure, then the next.

        Returns
        -------
        What the user reads.
        """
        layout, name = self._layers.layout, self._layers.name
        if layout is None or not layout.is_stack:
            return "This image is a single plane."
        left = project.proposed.unsure_planes(name)
        if not left:
            return "The model has not judged the planes of this stack."
        at = self._next(left)
        go_to_plane(self._viewer, self._layers.image, Plane((*at, None, None)))
        said = ", ".join(map(str, at))
        return f"Plane {said}. Correct what is wrong, and draw what is missing."

    def _is_seen(self, position: NDArray[np.float64]) -> bool:
        """Whether a (row, col) of the planes lies in the part that is displayed."""
        low, high = np.asarray(self._layers.proposals.corner_pixels)[:, -2:]
        return bool((position >= low).all() and (position <= high).all())

    def _next(self, places: Sequence[Any]) -> Any:
        """Return the first place that was not shown, and take note of it."""
        fresh = [place for place in places if place not in self._seen]
        if not fresh:
            self._seen.difference_update(places)
            fresh = list(places)
        self._seen.add(fresh[0])
        return fresh[0]
