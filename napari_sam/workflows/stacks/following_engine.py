"""What takes objects from plane to plane: prompts made of masks, or SAM 2's memory.

Both are asked in the same way. The one makes the mask of the last plane the prompt of
the next. The other remembers the planes where an object was given and the last ones
where it was found, whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from napari_sam.inference.plane_views import whole_embedding
from napari_sam.inference.sam2_following import FollowedObject, has_memory
from napari_sam.workflows.growing.plane_following import advance, read_patch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import PropagationConfig
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.mask_patches import Patch
    from napari_sam.ops.types import ImageEmbedding
    from napari_sam.workflows.growing.plane_following import Track

__all__ = ["FollowingEngine", "MemoryEngine", "PromptEngine", "choose_engine"]

_MOST_SEEDS = 4
"""Planes with a given mask that are remembered of an object: the nearest ones. Each
costs as much as a plane where it was found."""


class FollowingEngine(Protocol):
    """What takes tracks one plane further."""

    def advance(
        self,
        embedding: PlaneEmbedding,
        image: NDArray[Any],
        tracks: Sequence[Track],
    ) -> None:
        """Take tracks, none of which is lost, one plane further.

        Parameters
        ----------
        embedding, image
            Of that plane, which is the next one of all of them.
        tracks
            They change.
        """
        ...


def choose_engine(
    sam: PromptableModel, config: PropagationConfig
) -> Literal["prompts", "memory"]:
    """Return which engine follows objects with a model.

    Raises
    ------
    ValueError
        If a memory is asked for, and the model has none.
    """
    if config.engine == "prompts":
        return "prompts"
    if has_memory(sam):
        return "memory"
    if config.engine == "memory":
        raise ValueError(
            f"engine 'memory' needs a model that has one, such as 'sam2.1_tiny', and "
            f"{sam.name} has none; use engine 'prompts'"
        )
    return "prompts"


@dataclass(frozen=True)
class PromptEngine:
    """The last mask is the next plane's prompt; see `plane_following`.

    Attributes
    ----------
    sam
        The model.
    config
        See `PropagationConfig`.
    """

    sam: PromptableModel
    config: PropagationConfig

    def advance(
        self, embedding: PlaneEmbedding, image: NDArray[Any], tracks: Sequence[Track]
    ) -> None:
        """Take tracks one plane further; see `FollowingEngine`."""
        advance(self.sam, embedding, image, tracks, self.config)


@dataclass(frozen=True, eq=False)
class MemoryEngine:
    """SAM 2's memory: an object is found anew in each plane by what is remembered.

    An object may move and change more from plane to plane than with prompts. It is lost
    where the model says that it is not there, or its mask is too small or too unsure.

    Attributes
    ----------
    sam
        A model with a memory.
    config
        See `PropagationConfig`; `min_area`, `min_score` and `memory_planes` count.
    planes
        How many the stack has.
    seeds
        By label and plane, the masks that are given.
    embed
        Embeds a plane by its number, as a whole.
    """

    sam: PromptableModel
    config: PropagationConfig
    planes: int
    seeds: Mapping[int, Mapping[int, Patch]]
    embed: Callable[[int], ImageEmbedding]
    _objects: dict[tuple[int, int, int], FollowedObject] = field(
        default_factory=dict, repr=False
    )

    def advance(
        self, embedding: PlaneEmbedding, image: NDArray[Any], tracks: Sequence[Track]
    ) -> None:
        """Take tracks one plane further; see `FollowingEngine`."""
        whole = whole_embedding(embedding)
        for track in tracks:
            followed = self._object_of(track)
            last = track.last
            track.reach += track.step
            answer = followed.find(track.reach, whole, backward=track.step < 0)
            patch = read_patch(answer, 0, last, whole.geometry)
            score = float(answer.scores[0])
            track.is_lost = (
                patch.area < self.config.min_area or score < self.config.min_score
            )
            if not track.is_lost:
                track.patches[track.reach] = patch
                track.scores[track.reach] = min(max(score, 0.0), 1.0)

    def _object_of(self, track: Track) -> FollowedObject:
        """Return what remembers the object of a track, from its seeds at first."""
        key = track.label, track.start, track.step
        if key not in self._objects:
            made = FollowedObject(self.sam, self.planes, self.config.memory_planes)
            own = self.seeds[track.label]
            near = sorted(own, key=lambda plane: abs(plane - track.start))
            for plane in sorted(near[:_MOST_SEEDS]):
                embedding = self.embed(plane)
                mask = own[plane].decode(embedding.geometry.image_shape)
                made.remember(plane, embedding, mask)
            self._objects[key] = made
        return self._objects[key]
