"""The planes that a model has embedded, and how it stands with each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from napari_sam.io.embedding_entry import Origin
from napari_sam.ops.lru import BoundedCache

if TYPE_CHECKING:
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.model.thumbnails import PlanePicture

__all__ = ["EmbeddedPlane", "EmbeddedPlanes", "EmbeddingState", "PlaneKey"]

EmbeddingState = Literal["none", "ready", "working", "stopped", "failed"]


@dataclass(frozen=True)
class PlaneKey:
    """What an embedding is of.

    Attributes
    ----------
    image
        Identity of the image layer and of its content.
    plane
        Which plane of it.
    contrast_limits
        How its intensities were converted.
    scale
        By how much it is enlarged for the model; None: as the model sees fit.
    """

    image: tuple[int, int]
    plane: Plane
    contrast_limits: tuple[float, float]
    scale: float | None = None


@dataclass(frozen=True, eq=False)
class EmbeddedPlane:
    """A plane that is ready for prompts.

    Attributes
    ----------
    embedding
        What the model has seen of it.
    picture
        What is shown of it where it is small.
    origin
        Where its pixels come from.
    """

    embedding: PlaneEmbedding
    picture: PlanePicture
    origin: Origin = field(default_factory=Origin)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes up in memory."""
        embedding = self.embedding
        return embedding.nbytes + int(self.picture.pixels.nbytes)


class EmbeddedPlanes:
    """Keeps the planes used last, and remembers which were stopped or have failed.

    Parameters
    ----------
    max_planes
        How many are kept, the least recently used going first.
    max_bytes
        How many bytes they may take up in memory; the latest is kept all the same.

    Attributes
    ----------
    wanted
        The plane that is being embedded, or None.
    """

    def __init__(self, max_planes: int, max_bytes: int) -> None:
        self._kept: BoundedCache[PlaneKey, EmbeddedPlane] = BoundedCache(
            max_items=max_planes, max_bytes=max_bytes
        )
        self._errors: dict[PlaneKey, str] = {}
        self._stopped: PlaneKey | None = None
        self.wanted: PlaneKey | None = None

    def __contains__(self, key: PlaneKey) -> bool:
        """Tell whether a plane is ready."""
        return key in self._kept

    def forget(self) -> None:
        """Drop every embedding, and what was stopped or has failed."""
        self._kept.clear()
        self._errors.clear()
        self._stopped = None

    # --- how it stands ----------------------------------------------------------

    def state(self, key: PlaneKey | None) -> EmbeddingState:
        """Say how it stands with a plane."""
        if key is None:
            return "none"
        if key in self._kept:
            return "ready"
        if key in self._errors:
            return "failed"
        if key == self._stopped:
            return "stopped"
        return "working" if key == self.wanted else "none"

    def error(self, key: PlaneKey | None) -> str:
        """Say why a plane could not be embedded."""
        return "" if key is None else self._errors.get(key, "")

    def ready(self, key: PlaneKey | None) -> EmbeddedPlane | None:
        """Return a plane that is ready, or None."""
        return None if key is None else self._kept.peek(key)

    def picture(self, key: PlaneKey | None) -> PlanePicture | None:
        """Return a plane that is ready as a picture."""
        ready = self.ready(key)
        return None if ready is None else ready.picture

    def embedding(self, key: PlaneKey | None) -> PlaneEmbedding | None:
        """Return what the model has seen of a plane that is ready."""
        ready = self.ready(key)
        return None if ready is None else ready.embedding

    # --- what happens to a plane --------------------------------------------------

    def use(self, key: PlaneKey) -> EmbeddedPlane | None:
        """Return a plane that is ready, which is the one used last then."""
        return self._kept.get(key)

    def keep(self, key: PlaneKey, plane: EmbeddedPlane) -> None:
        """Keep a plane that was embedded; others may go for it."""
        self._kept.put(key, plane)

    def fail(self, key: PlaneKey, why: str) -> None:
        """Remember that a plane could not be embedded."""
        self._errors[key] = why

    def stop(self) -> None:
        """Remember that the wanted plane was stopped; it is wanted no more."""
        self._stopped, self.wanted = self.wanted, None

    def retry(self, key: PlaneKey) -> None:
        """Forget that a plane was stopped or has failed."""
        self._errors.pop(key, None)
        if self._stopped == key:
            self._stopped = None
