"""The model at work behind a window: loading, embedding, answering.

Heavy work is to load models and embed planes, quick work to answer prompts. Both are
done on one thread, but quick work also between two blocks of an encoder, so that a
click on a plane that is ready never waits for another plane. While nothing else is to
be done, the tiles of the plane are embedded. Results carry the generation that asked
for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, Signal

from napari_sam.inference.embedding_cache import made_from
from napari_sam.inference.loaded_models import find_loaded, remember_loaded
from napari_sam.inference.views import PlaneView
from napari_sam.io.embedding_entry import Origin
from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.gc_pauses import collector_paused
from napari_sam.plugin.model.thumbnails import PlanePicture, plane_picture
from napari_sam.plugin.model.torch_loading import load_torch_library
from napari_sam.plugin.model.workers import LatestWins, Outcome, WorkThread, call_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.session.answering import Job

__all__ = ["ModelHost", "PlaneKey", "load_predictor", "shared_predictor"]

EmbeddingState = Literal["none", "ready", "working", "stopped", "failed"]
ModelState = Literal["ready", "loading", "missing", "failed"]

_PATIENCE = 0.06
"""Seconds for which a click may hold the window."""

_HOPELESS = 0.2
"""Seconds from which the usual answer is not worth holding the window at all."""

_TILES_AHEAD = 36
"""Tiles of a plane that are embedded before they are asked about."""

_KEPT_BYTES = 64 * 2**20
"""Bytes of planes that are kept; fewer planes than wanted where they are large."""


def load_predictor(source: str, device: str) -> PromptableModel:
    """Load a model; the import of torch happens here, away from the window."""
    load_torch_library()
    with collector_paused():  # there is no garbage among torch's many new objects
        from napari_sam.inference.model_loading import load_model

        predictor: PromptableModel = load_model(source, device=device)
    return predictor


def shared_predictor(source: str, device: str) -> PromptableModel:
    """Return a model that is in use already, or load it; away from the window."""
    predictor: PromptableModel | None = find_loaded(source, device)
    if predictor is None:
        predictor = load_predictor(source, device)
        remember_loaded(source, device, predictor)
    return predictor


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
class _Ready:
    embedding: PlaneEmbedding
    picture: PlanePicture
    origin: Origin = field(default_factory=Origin)

    @property
    def nbytes(self) -> int:
        embedding = self.embedding
        return embedding.nbytes + int(self.picture.pixels.nbytes)


@dataclass(frozen=True, eq=False)
class _Token:
    kind: Literal["load", "embed", "tiles", "answer", "hover"]
    generation: int
    key: PlaneKey | None = None
    detail: Any = None


class ModelHost(QObject):  # type: ignore[misc]
    """Loads a model, keeps embedded planes, answers jobs.

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
    """

    changed = Signal()
    """Something that `model_state` or `embedding_state` tells has changed."""

    embedded = Signal(object)
    """A plane is ready; emitted with its `PlaneKey`."""

    answered = Signal(object, object)
    """Emitted with (PlaneKey, answers) for the model now in use."""

    hovered = Signal(object, object)
    """Emitted with (detail, prediction) for a preview under the cursor."""

    failed = Signal(str)
    """A prompt could not be answered; emitted with what went wrong."""

    advanced = Signal(float)
    """How far an embedding is, 0 to 1; negative where that is not known."""

    def __init__(
        self,
        load: Callable[[str, str], PromptableModel] = load_predictor,
        planes_kept: int = 32,
        parent: QObject | None = None,
        store: EmbeddingStore | None = None,
        *,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        super().__init__(parent)
        self._load = load
        self.store = store
        self._generation = 0
        self._kept: BoundedCache[PlaneKey, _Ready] = BoundedCache(
            max_items=planes_kept, max_bytes=kept_bytes
        )
        self._errors: dict[PlaneKey, str] = {}
        self._stopped: PlaneKey | None = None
        self._wanted: PlaneKey | None = None
        self._tiled: PlaneKey | None = None
        self._steps = 0
        self._asked = 0
        self._asking: _Token | None = None
        self._taken: Outcome | None = None
        self._usual_seconds = 0.0
        self.predictor: PromptableModel | None = None
        self.model_state: ModelState = "loading"
        self.model_error = ""
        thread = self.thread = WorkThread("napari-sam model")
        self._heavy = LatestWins(thread, self, urgency=0)
        self._quick = LatestWins(thread, self, urgency=1)
        self._heavy.done.connect(self._on_heavy)
        self._heavy.reported.connect(self._on_reported)
        self._quick.done.connect(self._on_quick)

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
        """Type of the device that the model is on now, "" without a model."""
        device = getattr(self.predictor, "device", None)
        return str(getattr(device, "type", ""))

    def unload(self) -> None:
        """Have no model: the one that is chosen is not on this machine."""
        self._new_generation()
        self.model_state = "missing"
        self.changed.emit()

    def _new_generation(self) -> None:
        self._generation += 1
        self._heavy.cancel()
        self._quick.cancel()
        self.predictor = None
        self.model_error = ""
        self._wanted = None
        self.forget()

    def _take(self, predictor: PromptableModel) -> None:
        cache = getattr(predictor, "cache", None)
        if cache is not None and self.store is not None:
            cache.store = self.store
        self.predictor = predictor
        self.model_state = "ready"
        self._steps = 0
        self.changed.emit()

    # --- planes ---------------------------------------------------------------

    def forget(self) -> None:
        """Drop every embedding."""
        self._kept.clear()
        self._errors.clear()
        self._stopped = self._tiled = None

    def embedding_state(self, key: PlaneKey | None) -> EmbeddingState:
        """Say how it stands with a plane."""
        if key is None:
            return "none"
        if key in self._kept:
            return "ready"
        if key in self._errors:
            return "failed"
        if key == self._stopped:
            return "stopped"
        return "working" if key == self._wanted else "none"

    def embedding_error(self, key: PlaneKey | None) -> str:
        """Say why a plane could not be embedded."""
        return "" if key is None else self._errors.get(key, "")

    def picture(self, key: PlaneKey | None) -> PlanePicture | None:
        """Return a plane that is ready as a picture."""
        ready = None if key is None else self._kept.peek(key)
        return None if ready is None else ready.picture

    def embedding(self, key: PlaneKey | None) -> PlaneEmbedding | None:
        """Return what the model has seen of a plane that is ready."""
        ready = None if key is None else self._kept.peek(key)
        return None if ready is None else ready.embedding

    def want(
        self,
        key: PlaneKey,
        read: Callable[[], NDArray[Any]],
        trace: Callable[[Any], Origin] | None = None,
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
        if self.predictor is None or self.embedding_state(key) != "none":
            if self._kept.get(key) is not None:
                self._embed_tiles(key)
            return
        predictor, heavy = self.predictor, self._heavy
        token = _Token("embed", self._generation, key)

        def work(is_cancelled: IsCancelled) -> _Ready:
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
            return _Ready(embedding, plane_picture(image, limits), origin)

        heavy.cancel()
        self._tiled = None
        self._wanted = key
        self._asked = 0
        heavy.submit(token, work)
        self.advanced.emit(-1.0)
        self.changed.emit()

    def _embed_tiles(self, key: PlaneKey) -> None:
        """Embed the tiles of a plane that is ready; prompts and other planes go first.

        The tiles go to the model's cache; nobody waits for them.
        """
        ready, predictor = self._kept.peek(key), self.predictor
        if ready is None or predictor is None:
            return
        if self._wanted is not None or self._tiled == key:
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
        self._stopped, self._wanted = self._wanted, None
        self._heavy.cancel()
        self.changed.emit()

    def retry(self, key: PlaneKey) -> None:
        """Forget that a plane was stopped or has failed."""
        self._errors.pop(key, None)
        if self._stopped == key:
            self._stopped = None

    # --- prompts --------------------------------------------------------------

    def ask(self, key: PlaneKey, job: Job, hold: bool = True) -> bool:
        """Answer a job, in place of one that waits.

        Parameters
        ----------
        key
            The plane that it is about.
        job
            What is asked.
        hold
            Whether the window may be held for a moment until the answer comes.

        Returns
        -------
        bool
            False if the plane is not ready.
        """
        ready, predictor = self._kept.peek(key), self.predictor
        if ready is None or predictor is None:
            return False
        embedding = ready.embedding

        def work(is_cancelled: IsCancelled) -> Any:
            start = perf_counter()
            with made_from(ready.origin):
                answers = job.run(predictor, embedding)
            self._usual_seconds = (perf_counter() - start) / len(answers)
            return answers

        is_next = not self._quick.is_busy
        token = self._asking
        if (
            token is not None
            and (token.key, token.generation) == (key, self._generation)
            and token.detail is job.question
        ):
            is_next = not self._quick.is_waiting
        else:
            token = self._asking = _Token("answer", self._generation, key, job.question)
            self._quick.submit(token, work)
        if hold and is_next and self._usual_seconds < _HOPELESS:
            self._wait_for(token)
        return True

    def _wait_for(self, token: _Token) -> None:
        """Hold the window for a moment: most answers come within it.

        A frame takes as long to draw as an answer takes to compute, and while one
        is drawn the model's thread hardly gets Python's lock. So the answer is
        awaited first, and one frame shows prompt and answer together. A model that
        was far slower the last time is not awaited.
        """
        outcome = self._quick.wait(token, _PATIENCE)
        if outcome is not None:
            self._on_quick(outcome)
            self._taken = outcome

    def ask_hover(self, key: PlaneKey, job: Job, detail: Any) -> None:
        """Answer a job for the preview under the cursor; clicks go first."""
        ready, predictor = self._kept.peek(key), self.predictor
        if ready is None or predictor is None:
            return
        embedding = ready.embedding

        def work(is_cancelled: IsCancelled) -> Any:
            with made_from(ready.origin):
                return job.run(predictor, embedding)[-1][1]

        token = _Token("hover", self._generation, key, detail)
        self._quick.submit(token, work, weak=True)

    @property
    def is_looking(self) -> bool:
        """Whether a model is loaded, or a plane or its tiles are embedded."""
        return self._heavy.is_busy

    @property
    def is_answering(self) -> bool:
        """Whether a prompt is being answered."""
        return self._quick.is_busy

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
        if outcome.error is not None:
            self.model_state = "failed"
            self.model_error = _sentence(outcome.error)
            self.changed.emit()
            return
        if self._load is load_predictor:
            source, device = outcome.token.detail
            remember_loaded(source, device, outcome.result)
        self._take(outcome.result)

    def _on_embedded(self, key: PlaneKey, outcome: Outcome) -> None:
        if key == self._wanted:
            self._wanted = None
        if outcome.error is None:
            self._steps = self._asked
            self._kept.put(key, outcome.result)
            self.embedded.emit(key)
            if key in self._kept:
                self._embed_tiles(key)
        elif not isinstance(outcome.error, Cancelled):
            self._errors[key] = _sentence(outcome.error)
        self.changed.emit()

    def _on_reported(self, token: _Token, asked: int) -> None:
        if token.generation == self._generation and token.key == self._wanted:
            self._asked = asked
            known = self._steps > 0
            self.advanced.emit(min(1.0, asked / self._steps) if known else -1.0)

    def _on_quick(self, outcome: Outcome) -> None:
        if outcome is self._taken:
            self._taken = None
            return
        token: _Token = outcome.token
        if token is self._asking:
            self._asking = None
        if token.generation != self._generation:
            return
        if outcome.error is not None:
            if token.kind == "answer":
                self.failed.emit(_sentence(outcome.error))
        elif token.kind == "hover":
            self.hovered.emit(token.detail, outcome.result)
        else:
            self.answered.emit(token.key, outcome.result)


def _sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
