"""How the user wants a plane to be searched, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.search import model_modes
from napari_sam.plugin.search.drawn_shapes import region_to_search
from napari_sam.plugin.search.search import Search
from napari_sam.plugin.viewer.layers import display_range, plane_reader, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.plugin.search.object_query import ObjectQuery
    from napari_sam.plugin.search.search import Found

__all__ = ["SearchChoices", "why_not_searched"]


def why_not_searched(image: Any, plane: Plane | None, model_host: ModelHost) -> str:
    """Say why a plane cannot be searched now; "" if it can.

    Parameters
    ----------
    image, plane
        The image layer, and which plane of it is shown; None where there is none.
    model_host
        Holds the model.
    """
    if image is None:
        return "Open an image first."
    if plane is None:
        return "This view does not show a plane of the image."
    if model_host.predictor is not None:
        return ""
    if model_host.model_state == "loading":
        return "The model is not loaded yet; try again in a moment."
    return "There is no model to search with. Choose one at the top."


@dataclass(eq=False)
class SearchChoices:
    """What is chosen for the next search.

    Attributes
    ----------
    mode
        How; see `Search.mode`.
    where
        "plane", "view" or "region": what the shapes of the layer `region` enclose.
    region
        A Shapes layer, or None.
    options
        Parameters of each mode, by its name; see `Search.options`.
    skip_labelled
        Whether nothing is looked for where there are labels already.
    """

    mode: str = "auto"
    where: str = "plane"
    region: Any = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skip_labelled: bool = False

    def found_mode(self, query: ObjectQuery, predictor: Any) -> str:
        """Return how a model searches: never "auto" where there is a model."""
        options = model_modes.query_options(self.options, query, predictor)
        return model_modes.resolve_mode(self.mode, predictor, options)

    def may_hold(self, found: Found | None, query: ObjectQuery, predictor: Any) -> bool:
        """Whether what is looked for may be among what was found.

        Nuclei are not where whole cells were outlined.
        """
        if found is None:
            return False
        if found.mode not in model_modes.LEVEL_MODES or found.kind == "nuclei":
            return found.total > 0
        wanted = model_modes.query_options(self.options, query, predictor)
        level = wanted.get(found.mode, {}).get("level")
        had = found.search.options.get(found.mode, {}).get("level")
        return found.total > 0 and level in (None, had)

    def search(
        self,
        viewer: Any,
        image: Any,
        plane: Plane,
        labels: Any,
        query: ObjectQuery,
        predictor: Any,
    ) -> Search:
        """Return the search of a plane.

        Parameters
        ----------
        viewer, image, plane
            The napari viewer, the image layer, and which plane of it.
        labels
            The Labels layer with what is labelled already, or None.
        query
            What is looked for.
        predictor
            The model that searches.

        Raises
        ------
        ValueError
            If nothing of the plane is shown, or enclosed by the region.
        """
        taken = _labels_on(labels, image, plane) if self.skip_labelled else None
        return Search(
            image=image,
            data=image.data,
            plane=plane,
            read=plane_reader(image, plane),
            shape=plane.shape_in(shape_of(image)),
            contrast_limits=display_range(image),
            mode=self.mode,
            options=model_modes.query_options(self.options, query, predictor),
            roi=region_to_search(self.where, self.region, viewer, image, plane),
            exclude=taken,
        )


def _labels_on(labels: Any, image: Any, plane: Plane) -> NDArray[Any] | None:
    """Return a copy of the labels on a plane; None where there are none for it."""
    if labels is None or tuple(labels.data.shape) != shape_of(image):
        return None
    return np.array(plane.take(labels.data))
