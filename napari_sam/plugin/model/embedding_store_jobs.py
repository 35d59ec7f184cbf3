"""The embeddings on disk of one annotator: counted, cleared, and made ahead.

What is made ahead is made on the model's own thread, when nothing more urgent is to be
done there: first what the user is at, then the neighbouring planes, then, if the user
wants that, all planes of the image. Each gives way to the former between two parts of
an encoder's block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.inference.promptable import identity_of
from napari_sam.io.embedding_entry import Origin, view_of
from napari_sam.ops.planes import Plane
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.workers import LatestWins, Outcome, call_aside
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import full_data, plane_reader, shape_of
from napari_sam.plugin.viewer.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.embedded_planes import PlaneKey
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.plugin.model.model_host import ModelHost

__all__ = ["Count", "EmbeddingStoreJobs", "open_store", "planes_around", "planes_like"]

_REACH = 2
"""Planes to either side that are embedded before anybody goes there."""

_STORES: dict[tuple[str, int], EmbeddingStore] = {}


def open_store() -> EmbeddingStore | None:
    """Return the store of the preferences, the same for all windows; None if off."""
    from napari_sam.io.embedding_store import EmbeddingStore

    settings = read_settings()
    if settings.embeddings_limit < 1:
        return None
    limit = settings.embeddings_limit * 10**9
    store = EmbeddingStore(settings.embeddings_folder or None, limit, warn=False)
    return _STORES.setdefault((str(store.root), limit), store)


def planes_around(
    plane: Plane, shape: tuple[int, ...], axis: int | None
) -> list[Plane]:
    """List the neighbours of a plane along an axis, the next one first.

    The axis is the first one along which the plane can be moved if None.
    """
    movable = [a for a, i in enumerate(plane.index) if i is not None and shape[a] > 1]
    if not movable:
        return []
    axis = axis if axis in movable else movable[0]
    at = plane.index[axis] or 0
    steps = [sign * reach for reach in range(1, _REACH + 1) for sign in (1, -1)]
    return [
        Plane(tuple(at + step if a == axis else i for a, i in enumerate(plane.index)))
        for step in steps
        if 0 <= at + step < shape[axis]
    ]


def planes_like(plane: Plane, shape: tuple[int, ...]) -> list[Plane]:
    """List all planes of an array with the same running axes, the nearest first."""
    spans = [1 if i is None else n for i, n in zip(plane.index, shape, strict=True)]
    every = np.indices(spans).reshape(len(spans), -1).T
    here = [0 if i is None else i for i in plane.index]
    order = np.argsort(np.abs(every - here).sum(axis=1), kind="stable")
    return [
        Plane(
            tuple(
                None if i is None else int(at)
                for i, at in zip(plane.index, place, strict=True)
            )
        )
        for place in every[order]
    ]


@dataclass(frozen=True)
class Count:
    """How much lies on disk.

    Attributes
    ----------
    planes
        Planes of the image that are embedded, as they are shown now.
    image_nbytes, nbytes
        Bytes of the image's embeddings, and of all.
    problem
        Why nothing more is kept of the image, or at all; "" while all is well.
    """

    planes: int
    image_nbytes: int
    nbytes: int
    problem: str = ""


class EmbeddingStoreJobs(QObject):  # type: ignore[misc]
    """Embeddings on disk for what one model host works on; see `open_store`.

    Parameters
    ----------
    model_host
        The model at work, with the store that it uses.
    """

    counted = Signal(object)
    """Emitted with a `Count`."""

    progressed = Signal(int, int, float)
    """Planes done, planes in all, and the seconds left, negative where not known."""

    ended = Signal(str)
    """Embedding all planes has ended; emitted with what the user should read."""

    noticed = Signal(str)
    """Something that the user should read once."""

    def __init__(self, model_host: ModelHost, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model_host = model_host
        self._names: dict[tuple[int, int], str] = {}
        self._around: PlaneKey | None = None
        self._said: set[str] = set()
        self._ahead = LatestWins(model_host.thread, self, urgency=-1)
        # some planes are found, others made: only the last few tell how it goes
        self._all = LongTask(model_host.thread, self, urgency=-2, latest=6)
        self._files = LatestWins("napari-sam store", self)
        self._all.progressed.connect(self._on_progressed)
        self._all.done.connect(self._on_done)
        self._all.failed.connect(self._on_failed)
        self._all.cancelled.connect(self._on_cancelled)
        self._files.done.connect(self._on_counted)
        model_host.embedded.connect(self._watch)

    @property
    def store(self) -> EmbeddingStore | None:
        """The store, or None."""
        return self._model_host.store

    @property
    def is_working(self) -> bool:
        """Whether all planes are being embedded."""
        return self._all.is_working

    @property
    def is_ahead(self) -> bool:
        """Whether neighbours of a plane are being embedded."""
        return bool(self._ahead.is_busy)

    @property
    def is_busy(self) -> bool:
        """Whether anything is embedded, or done with files, or has not stopped yet."""
        return any(lane.is_busy for lane in (self._ahead, self._all, self._files))

    def close(self) -> None:
        """Stop for good."""
        for lane in (self._ahead, self._all, self._files):
            lane.close()

    # --- whose embeddings they are ------------------------------------------------

    def trace(self, image: Any, key: PlaneKey) -> Callable[[Any], Origin] | None:
        """Return what says where a plane comes from; None where nothing is kept."""
        if not self._can_keep(self._model_host.predictor):
            return None
        data, source, names = full_data(image), image.source.path, self._names

        def trace(predictor: Any) -> Origin:
            from napari_sam.io.fingerprint import fingerprint

            if key.image not in names:
                names[key.image] = fingerprint(data, source)
            plane = key.plane.index
            return Origin(names[key.image], plane, _view(predictor, key))

        return trace

    # --- ahead of the user ----------------------------------------------------------

    def look_around(self, image: Any, key: PlaneKey, axis: int | None) -> None:
        """Embed the neighbours of a plane that is ready, while nothing else is done."""
        predictor = self._model_host.predictor
        if not self._can_keep(predictor) or key == self._around or self.is_working:
            return
        self._around = key
        todo = [
            (plane_reader(image, plane), plane)
            for plane in planes_around(key.plane, shape_of(image), axis)
        ]
        trace, limits = self.trace(image, key), key.contrast_limits

        def work(is_cancelled: IsCancelled) -> None:
            from dataclasses import replace

            from napari_sam.inference.embedding_cache import made_from

            if trace is None or predictor is None:
                return
            origin = call_aside(lambda: trace(predictor), is_cancelled)
            for read, plane in todo:
                pixels = call_aside(read, is_cancelled)
                with made_from(replace(origin, plane=plane.index)):
                    predictor.embed(
                        pixels,
                        contrast_limits=limits,
                        is_cancelled=is_cancelled,
                    )

        self._ahead.cancel()
        self._ahead.submit(key, work)

    def pause(self) -> None:
        """Leave the neighbours for later."""
        if self._ahead.is_busy:
            self._ahead.cancel()
            self._around = None

    def _can_keep(self, predictor: Any) -> bool:
        store = self.store
        is_open = store is not None and not store.problem
        return is_open and getattr(predictor, "cache", None) is not None

    def embed_all(self, image: Any, key: PlaneKey, tiles: bool = False) -> None:
        """Embed all planes like the one that is shown, the nearest first."""
        predictor = self._model_host.predictor
        if self.is_working or not self._can_keep(predictor):
            return
        data, source = full_data(image), image.source.path
        planes = planes_like(key.plane, shape_of(image))
        limits, rgb = key.contrast_limits, bool(image.rgb)

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Any:
            from napari_sam.workflows.progress import Progress
            from napari_sam.workflows.stacks.precompute import embed_planes

            return embed_planes(
                predictor,  # type: ignore[arg-type]
                _Aside(data, is_cancelled),
                planes=planes,
                contrast_limits=limits,
                tiles=tiles,
                source=source,
                rgb=rgb,
                progress=Progress(progress, is_cancelled),
            )

        self._ahead.cancel()
        self._all.start(work, len(planes))

    def stop(self) -> None:
        """Stop embedding all planes; what is done is kept."""
        self._around = None
        self._ahead.cancel()
        if self._all.drop():
            self.ended.emit("Stopped. What is done is kept; press again to go on.")

    def _on_progressed(self, progress: Progress) -> None:
        total = progress.total or self._all.token
        self.progressed.emit(progress.done, total, progress.seconds_left)

    def _on_done(self, token: object, embedded: Any) -> None:
        self.ended.emit(f"All {embedded.planes} planes are embedded.")
        self._watch()

    def _on_failed(self, token: object, error: Exception) -> None:
        self.ended.emit(sentence(error))
        self._watch()

    def _on_cancelled(self, token: object) -> None:
        self.ended.emit("")
        self._watch()

    # --- files --------------------------------------------------------------------

    def count(self, key: PlaneKey | None) -> None:
        """Count what lies on disk, away from the window; see `counted`."""
        self._do_files("count", key)

    def clear(self, key: PlaneKey | None, everything: bool) -> None:
        """Remove the embeddings of the image, or of all images, and count anew."""
        self.stop()
        self._said.clear()
        self._do_files("clear all" if everything else "clear", key)

    def _do_files(
        self, what: Literal["count", "clear", "clear all"], key: PlaneKey | None
    ) -> None:
        store, predictor = self.store, self._model_host.predictor
        if store is None:
            return
        name = "" if key is None else self._names.get(key.image, "")

        def work(is_cancelled: IsCancelled) -> Count:
            if what == "clear all":
                store.clear()
            elif what == "clear" and name:
                store.clear(name)
            if not name or key is None:
                return Count(0, 0, store.nbytes, store.problem)
            planes = store.planes(name, _view(predictor, key))
            running = key.plane.axes
            alike = [p for p in planes if Plane(p).axes == running]
            held, problem = store.image_nbytes(name), store.problem_of(name)
            return Count(len(alike), held, store.nbytes, problem)

        self._files.submit(what, work)

    def _on_counted(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.counted.emit(outcome.result)

    def _watch(self, key: PlaneKey | None = None) -> None:
        """Say once where embeddings cannot be kept any more, of an image or at all."""
        name = "" if key is None else self._names.get(key.image, "")
        problem = "" if self.store is None else self.store.problem_of(name)
        if problem and problem not in self._said:
            self._said.add(problem)
            self.noticed.emit(
                f"Embeddings are not kept on disk: {problem}. All else goes on."
            )


class _Aside:
    """An array whose parts are read aside, while clicks are answered."""

    def __init__(self, data: Any, is_cancelled: IsCancelled) -> None:
        self._data = data
        self._is_cancelled = is_cancelled
        self.shape = tuple(data.shape)
        self.dtype = data.dtype
        self.chunks = getattr(data, "chunks", None)

    def __getitem__(self, index: Any) -> Any:
        data = self._data
        return call_aside(lambda: np.asarray(data[index]), self._is_cancelled)


def _view(predictor: Any, key: PlaneKey) -> str:
    """Say how the planes of an image are looked at."""
    return view_of(identity_of(predictor), key.contrast_limits)
