"""The folder of a project, its journal, and what follows from it but the labels."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_sam.io.atomic_write import PARTIAL_PREFIX
from napari_sam.io.journal import DamagedLine, Journal, Line
from napari_sam.ops.object_classes import classes_from_json
from napari_sam.workflows.project.events import (
    MAX_NUMBER,
    Added,
    AxesChosen,
    ClassesChanged,
    Event,
    LabelsChanged,
    Located,
    PlanesChanged,
    Proposed,
    Rejected,
    Settings,
    SnapshotTaken,
    StatusChanged,
    Trained,
    Written,
    parse_event,
)
from napari_sam.workflows.project.images import ImagePaths, is_name
from napari_sam.workflows.project.layout import AXES, ImageSource
from napari_sam.workflows.project.state import ImageState, ObjectNote

if TYPE_CHECKING:
    from napari_sam.ops.object_classes import ObjectClass

__all__ = ["FORMAT", "LabelStep", "ProjectLog"]

FORMAT = 1
JOURNAL = "journal.jsonl"


_Channel = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


class _ProjectFile(BaseModel):
    """What project.json holds."""

    model_config = ConfigDict(strict=True)

    format: int
    images: dict[str, str]
    model: str
    retrain_after: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    channels: Annotated[list[_Channel], Field(min_length=1)] | None = None
    folder: str = ""
    made_in: str = ""


@dataclass(frozen=True)
class LabelStep:
    """A line that changed the labels of an image, or wrote its label file."""

    kind: Literal["labels", "planes", "snapshot", "written"]
    line: Line
    file: str = ""
    digest: str = ""
    after: int = 0


@dataclass
class LabelHistory:
    """What the journal says of the labels of an image."""

    steps: list[LabelStep] = field(default_factory=list)
    shape: tuple[int, ...] | None = None
    changed_at: int = 0
    written_at: int = 0
    digests: set[str] = field(default_factory=set)

    @property
    def snapshot(self) -> str:
        """File of the latest snapshot, "" for none."""
        taken = (step.file for step in reversed(self.steps) if step.kind == "snapshot")
        return next(taken, "")


class ProjectLog:
    """The folder, the journal, and how far each image is; see `Project`.

    Parameters
    ----------
    folder, repair
        See `Project.open`.

    Attributes
    ----------
    images
        Names of the images, in order.
    states, label_histories
        How far each image is, and what the journal says of its labels, by its name.
    done
        The images that are done, in the order in which they were finished.
    trainings, trained_on
        How often a model was trained, and how many images were done the last time.
    channels
        Which of several channels the images are seen by; None for gray and colour.
    kept_model
        The model that proposes; one of the project's own by its place in it.
    image_paths, watched
        Where the images are, and the folder of which new ones belong to the project.
    classes
        What objects are sorted into.
    journal, lines_when_opened
        The journal, and its length when the project was opened.
    state_lock
        Held for short looks at, and changes of, what is known.
    write_lock
        Held for changes, which come one after the other.
    """

    def __init__(self, folder: Path, *, repair: bool = False) -> None:
        self.folder = folder
        for name in (".lock", JOURNAL, "project.json"):
            self.inside(name)
        self.state_lock = threading.RLock()
        self.write_lock = threading.RLock()
        self._lock = FileLock(folder / ".lock", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"{folder} is open in another window") from None
        except NotImplementedError as error:
            raise OSError(f"{folder} cannot be locked on this disk") from error
        try:
            self._sweep()
            while not self._load(repair):
                pass
        except BaseException:
            self._lock.release()
            raise

    @property
    def is_open(self) -> bool:
        """Whether the project is open here, and nowhere else."""
        return bool(self._lock.is_locked)

    def release(self) -> None:
        """Let others open the project."""
        if self.is_open:
            self._lock.release()

    def _sweep(self) -> None:
        """Remove what a killed program had not finished writing."""
        for kind in ("labels", "proposals", "snapshots"):
            with suppress(OSError, ValueError):
                for part in self.inside(kind).glob(f"{PARTIAL_PREFIX}*"):
                    part.unlink()

    # --- opening ------------------------------------------------------------------

    def _load(self, repair: bool) -> bool:
        """Read all that is known; False if the journal was cut and is to be read."""
        head = self._read_project_file()
        self.images = tuple(head.images)
        self.image_paths = ImagePaths(self.folder, head.images, head.made_in)
        self.watched = head.folder
        self.retrain_after = head.retrain_after
        self.channels = None if head.channels is None else tuple(head.channels)
        self._shorts: dict[str, str] = {}
        self.kept_model = self.short_model(head.model)
        self.classes: tuple[ObjectClass, ...] = ()
        self.trainings = 0
        self.trained_on = 0
        self.done: list[str] = []
        self.states = {name: ImageState() for name in self.images}
        self.label_histories = {name: LabelHistory() for name in self.images}
        try:
            path = self.folder / JOURNAL
            self.journal = Journal[Event](path, parse_event, self._apply)
        except DamagedLine as error:
            if not repair:
                raise
            Journal.cut(path, error.number)
            return False
        self.lines_when_opened = self.journal.lines
        self._number = -1  # of the latest file that was named
        return True

    def _read_project_file(self) -> _ProjectFile:
        path = self.folder / "project.json"
        try:
            head = _ProjectFile.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "line 1"
            raise ValueError(f"{path} is damaged: {where}: {first['msg']}") from None
        if head.format != FORMAT:
            raise ValueError(f"{self.folder} is of a format that is not known here")
        if not head.images:
            raise ValueError(f"{path} is damaged: it names no image")
        if odd := [name for name in head.images if not is_name(name)]:
            raise ValueError(f"{path} is damaged: {odd[0]!r} is no name of an image")
        return head

    def write(self, entry: dict[str, Any]) -> None:
        """Write an event down, then let it happen."""
        with self.write_lock:
            if not self.is_open:
                raise ValueError(f"the project {self.folder} is closed")
            self.journal.append(entry)

    def _apply(self, line: Line, event: Event) -> None:
        """Let an event happen; ValueError if it cannot, and then nothing does."""
        with self.state_lock:
            if isinstance(event, Trained):
                self.kept_model = self.short_model(event.model)
                self.trainings += 1
                self.trained_on = len(self.done)
            elif isinstance(event, Settings):
                self.retrain_after = event.retrain_after
            elif isinstance(event, Added):
                self._add(event.added)
            elif isinstance(event, Located):
                self.image_paths.look_in(event.folder)
            elif isinstance(event, ClassesChanged):
                self.classes = classes_from_json([vars(c) for c in event.classes])
            elif isinstance(event, LabelsChanged | PlanesChanged | SnapshotTaken):
                self._apply_labels(line, event)
            elif isinstance(event, Written):
                self._apply_written(line, event)
            else:
                self._apply_to_state(event)

    def _add(self, added: dict[str, str]) -> None:
        for name in added:
            if not is_name(name) or name in self.states:
                raise ValueError(f"{name!r} is no name of a new image")
        self.image_paths.add(added)
        self.states.update({name: ImageState() for name in added})
        self.label_histories.update({name: LabelHistory() for name in added})
        self.images = self.image_paths.names

    def _apply_labels(
        self, line: Line, event: LabelsChanged | PlanesChanged | SnapshotTaken
    ) -> None:
        name = event.image
        state, history = self.check(name), self.label_histories[name]
        if isinstance(event, SnapshotTaken):
            self.inside(event.file, "snapshots")
            history.steps.append(LabelStep("snapshot", line, event.file))
        else:
            history.steps.append(LabelStep(event.event, line))
        history.shape = event.shape or history.shape
        history.changed_at = line.number
        state.notes.update(event.notes)
        for label in event.gone:
            state.notes.pop(label, None)
        state.closed |= set(event.closed)
        if state.status == "new":
            state.status = "started"

    def _apply_written(self, line: Line, event: Written) -> None:
        self.check(event.image)
        history = self.label_histories[event.image]
        history.steps.append(LabelStep("written", line, "", event.digest, event.after))
        history.digests.add(event.digest)
        history.written_at = event.after

    def _apply_to_state(
        self, event: Proposed | Rejected | StatusChanged | AxesChosen
    ) -> None:
        state = self.check(event.image)
        if isinstance(event, AxesChosen):
            if event.axes not in AXES or len(event.axes) != 3:
                raise ValueError(f"no stack has the axes {event.axes!r}")
            if state.model and state.axes != event.axes:
                state.forget_proposals()  # they are of a stack of another kind
            state.axes = event.axes
        elif isinstance(event, Proposed):
            self.inside(event.file, "proposals")
            state.proposals, state.proposed = event.file, event.count
            state.uncertainty = event.uncertainty
            state.objects_uncertainty = dict(event.objects)
            state.planes_uncertainty = tuple(event.planes)
            state.model = self.short_model(event.model)
            state.closed = set()
        elif isinstance(event, Rejected):
            state.closed |= set(event.which)
        else:
            state.status = event.status
            self.done = [n for n in self.done if n != event.image]
            if state.status == "done":
                self.done.append(event.image)

    def short_model(self, model: str) -> str:
        """Return a model by its place in the project, where it is one of its own."""
        if model not in self._shorts:
            path = Path(model)
            own = self.folder / "models" / path.name
            is_own = path.parent == own.parent or (
                path.is_absolute()
                and path.parent.name == "models"
                and own.is_file()
                and not path.is_file()  # it was moved, with the project
            )
            self._shorts[model] = f"models/{path.name}" if is_own else model
        return self._shorts[model]

    @property
    def model(self) -> str:
        """Name or path of the model that proposes."""
        if self.kept_model.startswith("models/"):
            return str(self.folder / self.kept_model)
        return self.kept_model

    @property
    def models_folder(self) -> Path:
        """Where what is trained here goes.

        Raises
        ------
        ValueError
            If it is a link out of the project.
        """
        return self.inside("models")

    # --- files of the project ---------------------------------------------------------

    def inside(self, file: str, kind: str = "") -> Path:
        """Return the path of one of the project's own files.

        Raises
        ------
        ValueError
            If it lies, or leads, out of the project: somebody else may have made it.
        """
        parts = PurePosixPath(file).parts
        path = self.folder / file
        if kind and (len(parts) != 2 or parts[0] != kind or "\\" in file):
            raise ValueError(f"{file!r} is no file of {kind}")
        home = self.folder.resolve()
        try:
            real = path.resolve()
        except RuntimeError:  # links in a circle
            real = Path()
        if real.parent != home.joinpath(*parts[:-1]) or real.name != parts[-1]:
            raise ValueError(f"{path} is a link out of its folder; remove it")
        return path

    def new_file(self, kind: str, name: str) -> str:
        """Return a file name that nothing has, for something of an image."""
        stem = name.encode()[:150].decode(errors="ignore")
        with self.state_lock:
            number = max(self.journal.lines, self._number + 1)
            while self.inside(f"{kind}/{stem}-{number}.tif", kind).exists():
                number += 1
            self._number = number
        return f"{kind}/{stem}-{number}.tif"

    def forget_file(self, file: str) -> None:
        """Remove one of the project's own files that nothing names any more."""
        if file:
            with suppress(OSError, ValueError):  # it is in the way of nothing
                self.inside(file, file.split("/")[0]).unlink()

    # --- images and labels ------------------------------------------------------------

    def check(self, name: str) -> ImageState:
        """Return how far an image is.

        Raises
        ------
        ValueError
            If the project has no such image.
        """
        if name not in self.states:
            raise ValueError(f"the project has no image {name!r}")
        return self.states[name]

    def notes(self, name: str) -> dict[int, ObjectNote]:
        """Return what is known of the objects of an image, by label; a copy."""
        state = self.check(name)
        with self.state_lock:
            return dict(state.notes)

    def path_of(self, name: str) -> Path:
        """Return the file of an image; where it should be, if it is not there."""
        self.check(name)
        return self.image_paths.path_of(name)

    def source_of(self, name: str) -> ImageSource:
        """Return the file of an image, and what of it is looked at."""
        axes = self.check(name).axes
        return ImageSource(self.path_of(name), self.channels, axes)
