"""What an annotator works on: a viewer, an image in it, and the plane that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.plugin.annotator.image_parts import size_if_too_large
from napari_sam.plugin.model.embedded_planes import PlaneKey
from napari_sam.plugin.viewer.image_identity import image_identity
from napari_sam.plugin.viewer.layers import display_range
from napari_sam.plugin.viewer.sample_data import preset_scale

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane

__all__ = ["Times", "Workspace"]


@dataclass(frozen=True)
class Times:
    """For how many milliseconds the parts of an annotator wait, each for its event.

    Attributes
    ----------
    dwell
        On a plane before it is embedded: who rolls through a stack stops nowhere.
    answer
        For an answer on its way before prompts are drawn.
    contrast
        For the slider of contrast to come to rest.
    seen
        After napari has drawn the image anew, before its pixels are compared.
    look
        After the last stroke, before the labels are looked at.
    keep
        After a change, before it is written to the journal on the disk.
    idle
        Without a prompt, before neighbouring planes are embedded.
    rest
        Without an answer, before the garbage collector may hold the window; after a
        layer has left it does so even if there are answers, but later.
    """

    dwell: int = 150
    answer: int = 150
    contrast: int = 400
    seen: int = 100
    look: int = 100
    keep: int = 200
    idle: int = 1500
    rest: int = 3000


@dataclass(eq=False)
class Workspace:
    """Shared by the parts of one annotator; each reads it, and it knows none of them.

    Attributes
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    image
        The image layer, or None.
    plane
        The plane of it that is shown, or None.
    is_active
        Whether the annotator works in the viewer now.
    is_at_hand
        Whether the prompt layers are shown and planes embedded. Where somebody does
        something else with the viewer, the keys work all the same.
    """

    viewer: Any
    image: Any = None
    plane: Plane | None = None
    is_active: bool = False
    is_at_hand: bool = True

    @property
    def key(self) -> PlaneKey | None:
        """What the embedding that is needed now is of."""
        if self.image is None or self.plane is None:
            return None
        return PlaneKey(
            image_identity(self.image),
            self.plane,
            display_range(self.image),
            preset_scale(self.image),
        )

    @property
    def size_if_too_large(self) -> tuple[int, int] | None:
        """(H, W) of planes that are worked on part by part; None for others."""
        if self.image is None:
            return None
        return size_if_too_large(self.viewer, self.image)
