"""The model at work behind a window: loading, embedding, answering.

Heavy work is to load models and embed planes, quick work to answer prompts. Both are
done on one thread, but quick work also between two blocks of an encoder, so that a
click on a plane that is ready never waits for another plane. While nothing else is to
be done, the tiles of the plane are embedded. Results carry the generation that asked
for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, Signal

from napari_sam.inference.embedding_cache import made_from
from napari_sam.inference.loaded_models import find_loaded, remember_loaded
from napari_sam.inference.plane_views import PlaneView
from napari_sam.io.embedding_entry import Origin
from napari_sam.ops.remote_device import RemoteDeviceError
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.embedded_planes import EmbeddedPlane, EmbeddedPlanes
from napari_sam.plugin.model.predictor_loading import load_predictor
from napari_sam.plugin.model.prompt_answering import PromptAnswering
from napari_sam.plugin.model.remote_state import (
    news_of_workers,
    remote_state,
    told_of_loss,
)
from napari_sam.plugin.model.thumbnails import plane_picture
from napari_sam.plugin.model.workers import LatestWins, Outcome, WorkThread, call_aside
from napari_sam.plugin.viewer.hint import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.embedded_planes import PlaneKey

    Trace = Callable[[Any], Origin]

__all__ = ["ModelHost"]

ModelState = Literal["ready", "loading", "missing", "failed"]

_TILES_AHEAD = 36
"""Tiles of a plane that are embedded before they are asked about."""

_KEPT_BYTES = 64 * 2**20
"""Bytes of planes that are kept; fewer planes than wanted where they are large."""


@dataclass(frozen=True, eq=False)
class _Token:
    kind: Literal["load", "embed", "tiles"]
    generation: int
    key: PlaneKey | None = None
    detail: Any = None


class ModelHost(QObject):  # type: ignore[misc]
    """Loads a model, embeds planes, and has prompts on them answered.

    Parameters
    ----------
    load
        Makes a predictor from (source, device); called away from the window.
    planes_kept
        How many embeddings are kept, the least recently used going first.
    store
        Where the model keeps embeddings on disk, if it can; None for nowhere.
    kept_bytes
        How many bytes they may take up in memory; the latest is kept all the same.
    patience
        Seconds for which a click may hold the window until the answer comes.
    hopeless
        Seconds from which the usual answer is not worth holding the window at all.

    Attributes
    ----------
    planes
        The planes that are ready, and how it stands with others.
    answering
        What answers prompts on them.
    predictor
        The model, or None while there is none.
    """

    changed = Signal()
    """What `model_state` or the state of a plane tells has changed."""

    embedded = Signal(object)
    """A plane is ready; emitted with its `PlaneKey`."""

    advanced = Signal(float)
    """How far an embedding is, 0 to 1; negative where that is not known."""

    noticed = Signal(str)
    """Something about the machine that embeds planes, to be read once."""

    def __init__(
        self,
        load: Callable[[str, str], PromptableModel] = load_predictor,
        planes_kept: int = 32,
        parent: QObject | None = None,
        store: EmbeddingStore | None = None,
        *,
        kept_bytes: int = _KEPT_BYTES,
        patience: float = 0.06,
        hopeless: float = 0.2,
    ) -> None:
        super().__init__(parent)
        self._load = load
        self.store = store
        self._generation = 0
        self.planes = EmbeddedPlanes(planes_kept, kept_bytes)
        self._tiled: PlaneKey | None = None
        self._steps = 0
        self._asked = 0
        self._told = self._setback = ""
        self.predictor: PromptableModel | None = None
        self.model_state: ModelState = "loading"
        self.model_error = ""
        thread = self.thread = WorkThread("napari-sam model")
        self._heavy = LatestWins(thread, self, urgency=0)
        self.answering = PromptAnswering(
            thread, self.planes, self, patience=patience, hopeless=hopeless
        )
        self._heavy.done.connect(self._on_heavy)
        self._heavy.reported.connect(self._on_reported)

    # --- the model ------------------------------------------------------------

    def load(self, source: str, device: str) -> None:
        """Load a model in place of the present one."""
        self._new_generation()
        self.model_state = "loading"
        shared = find_loaded(source, device)
        if shared is not None and self._load is load_predictor:
            self._take(shared)
            return
        load, generation = self._load, self._generation

        def work(is_cancelled: IsCancelled) -> PromptableModel:
            return load(source, device)

        token = _Token("load", generation, detail=(source, device))
        self._heavy.submit(token, work)
        self.changed.emit()

    @property
    def device(self) -> str:
        """Where planes are embedded now, "" without a model.

        Type of a device of this computer; or the address of a scheduler, and how many
        workers it has.
        """
        told = remote_state(self.predictor)
        if told:
            return told
        device = getattr(self.predictor, "device", None)
        return str(getattr(device, "type", ""))

    def unload(self) -> None:
        """Have no model: the one that is chosen is not on this machine."""
        self._new_generation()
        self.model_state = "missing"
        self.changed.emit()

    def _new_generation(self) -> None:
        self._generation += 1
        self._setback = ""
        self._heavy.cancel()
        self.answering.use(None)
        self.predictor = None
        self.model_error = ""
        self.planes.wanted = None
        self.forget()

    def _take(self, predictor: PromptableModel) -> None:
        cache = getattr(predictor, "cache", None)
        if cache is not None and self.store is not None:
            cache.store = self.store
        self.predictor = predictor
        self.answering.use(predictor)
        self.model_state = "ready"
        self._steps = 0
        self._told = ""
        self.changed.emit()

    # --- planes ---------------------------------------------------------------

    def forget(self) -> None:
        """Drop every embedding."""
        self.planes.forget()
        self._tiled = None

    def want(
        self,
        key: PlaneKey,
        read: Callable[[], NDArray[Any]],
        trace: Trace | None = None,
    ) -> None:
        """Embed a plane unless that is done, under way, stopped or has failed.

        Parameters
        ----------
        key
            The plane.
        read
            Reads its pixels; called away from the window.
        trace
            Says where it comes from, given the model; called away from the window.
        """
        if self.predictor is None or self.planes.state(key) != "none":
            if self.planes.use(key) is not None:
                self._embed_tiles(key)
            return
        self._heavy.cancel()
        self._tiled = None
        self.planes.wanted = key
        self._asked = 0
        self._heavy.submit(*self._embedding(self.predictor, key, read, trace))
        self.advanced.emit(-1.0)
        self.changed.emit()

    def _embedding(
        self,
        predictor: PromptableModel,
        key: PlaneKey,
        read: Callable[[], NDArray[Any]],
        trace: Trace | None,
    ) -> tuple[_Token, Callable[[IsCancelled], EmbeddedPlane]]:
        """Return the work that embeds a plane, and tells how far it is."""
        token, heavy = _Token("embed", self._generation, key), self._heavy

        def work(is_cancelled: IsCancelled) -> EmbeddedPlane:
            image = call_aside(read, is_cancelled)
            origin = Origin()
            if trace is not None:
                origin = call_aside(lambda: trace(predictor), is_cancelled)
            asked = 0

            def ask() -> bool:
                nonlocal asked
                asked += 1
                heavy.report(token, asked)
                return is_cancelled()

            limits = key.contrast_limits
            with made_from(origin):
                embedding = predictor.embed(
                    image,
                    scale="auto" if key.scale is None else key.scale,
                    contrast_limits=limits,
                    is_cancelled=ask,
                )
            return EmbeddedPlane(embedding, plane_picture(image, limits), origin)

        return token, work

    def _embed_tiles(self, key: PlaneKey) -> None:
        """Embed the tiles of a plane that is ready; prompts and other planes go first.

        The tiles go to the model's cache; nobody waits for them.
        """
        ready, predictor = self.planes.ready(key), self.predictor
        if ready is None or predictor is None:
            return
        if self.planes.wanted is not None or self._tiled == key:
            return
        self._tiled = key
        embedding = ready.embedding
        if not isinstance(embedding, PlaneView):
            return

        def work(is_cancelled: IsCancelled) -> None:
            with made_from(ready.origin):
                for tile in embedding.tiles_from_centre()[:_TILES_AHEAD]:
                    embedding.embed(predictor, tile, is_cancelled)

        self._heavy.cancel()
        self._heavy.submit(_Token("tiles", self._generation, key), work)

    def stop(self) -> None:
        """Stop the embedding under way; the plane stays stopped until `retry`."""
        self.planes.stop()
        self._heavy.cancel()
        self.changed.emit()

    @property
    def is_looking(self) -> bool:
        """Whether a model is loaded, or a plane or its tiles are embedded."""
        return self._heavy.is_busy

    def close(self) -> None:
        """Stop for good, and all else that its thread does."""
        self.thread.close()

    # --- results --------------------------------------------------------------

    def _on_heavy(self, outcome: Outcome) -> None:
        token: _Token = outcome.token
        if token.generation != self._generation:
            return
        if token.kind == "load":
            self._on_loaded(outcome)
        elif token.kind == "embed" and token.key is not None:
            self._on_embedded(token.key, outcome)

    def _on_loaded(self, outcome: Outcome) -> None:
        source, device = outcome.token.detail
        if isinstance(outcome.error, RemoteDeviceError):
            self.load(source, "auto")
            self._setback = told_of_loss(outcome.error)
            return
        if outcome.error is not None:
            self.model_state = "failed"
            self.model_error = reason(outcome.error)
            self.changed.emit()
            return
        if self._load is load_predictor:
            remember_loaded(source, device, outcome.result)
        self._take(outcome.result)

    def _on_embedded(self, key: PlaneKey, outcome: Outcome) -> None:
        if key == self.planes.wanted:
            self.planes.wanted = None
        if outcome.error is None:
            self._steps = self._asked
            self.planes.keep(key, outcome.result)
            self.embedded.emit(key)
            if key in self.planes:
                self._embed_tiles(key)
        elif not isinstance(outcome.error, Cancelled):
            self.planes.fail(key, reason(outcome.error))
        self.changed.emit()

    def hear_of_workers(self) -> None:
        """Say once that the workers are lost, or far away; not while more is to come.

        What is said goes from the window when something changes there.
        """
        if self.planes.wanted is not None or self.answering.is_busy:
            return
        told = self._setback or news_of_workers(self.predictor)
        if told and told != self._told:
            self.noticed.emit(told)
        self._told, self._setback = told or self._told, ""

    def _on_reported(self, token: _Token, asked: int) -> None:
        if token.generation == self._generation and token.key == self.planes.wanted:
            self._asked = asked
            known = self._steps > 0
            self.advanced.emit(min(1.0, asked / self._steps) if known else -1.0)
