"""What models do beside the user's work on a project: propose, and learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.checkpoints.user_models import free_path
from napari_sam.configs import TrainConfig
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.model_host import shared_predictor
from napari_sam.plugin.model.training_runs import (
    TrainJob,
    left_out_in_words,
    run_training,
)
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.workflows.progress import Progress as WorkProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.training.training_job import TrainOutcome
    from napari_sam.workflows.project.project import Project

__all__ = ["ProjectModels", "propose"]

_MINUTES = 5.0


def propose(
    model: str, device: str, image: NDArray[Any], is_cancelled: IsCancelled
) -> tuple[NDArray[np.int32], float]:
    """Let a model propose objects; away from the window."""
    predictor = shared_predictor(model, device)
    from napari_sam.workflows.objects.preannotate import preannotate

    found: tuple[NDArray[np.int32], float] = preannotate(
        image,
        model=predictor,  # type: ignore[arg-type]
        progress=WorkProgress(is_cancelled=is_cancelled),
    )
    return found


class ProjectModels(QObject):  # type: ignore[misc]
    """Lets the model of a project look at its images, and trains it.

    Parameters
    ----------
    device
        Where models run.
    ask
        Proposes objects; see `propose`.
    train
        Does a training; see `napari_sam.training.training_job.train`.
    """

    proposed = Signal(str)
    """There are proposals for an image; emitted with its name."""

    noticed = Signal(object)
    """Something that the user should read once: a `Hint`."""

    trained = Signal(object)
    """A model was trained; emitted with its path."""

    advanced = Signal(float)
    """How far the training is, 0 to 1."""

    changed = Signal()
    """Work began or ended."""

    def __init__(
        self,
        device: str,
        ask: Callable[..., tuple[NDArray[np.int32], float]],
        train: Callable[..., Any] | None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.device = device
        self.minutes = _MINUTES
        self.project: Project | None = None
        self._ask = ask
        self._train = train
        self._asking = LongTask("napari-sam proposing", self)
        self._asking.done.connect(self._on_proposed)
        self._asking.failed.connect(self._on_not_proposed)
        self._training = LongTask("napari-sam training", self)
        self._training.progressed.connect(self._on_progressed)
        self._training.done.connect(self._on_trained)
        self._training.failed.connect(self._on_not_trained)
        self._training.cancelled.connect(self.changed)
        self._failed: set[tuple[str, str]] = set()

    @property
    def is_training(self) -> bool:
        """Whether a training runs."""
        return self._training.is_working or self._training.is_busy

    @property
    def is_proposing(self) -> bool:
        """Whether the model looks at an image, or what came of it is still to come."""
        return self._asking.is_working or self._asking.is_busy

    def use(self, project: Project | None) -> None:
        """Work for a project, or for none."""
        self._asking.drop()
        self._training.drop()
        self.project = project

    def cancel_training(self) -> None:
        """Stop the training; the best weights so far are kept."""
        self._training.cancel()

    def close(self) -> None:
        """Stop all work for good."""
        self._asking.close()
        self._training.close()

    # --- proposals ----------------------------------------------------------------

    def propose_next(self, first: str = "") -> None:
        """Let the model look at an image that is new to it; `first` comes first."""
        project = self.project
        if project is None or self._asking.is_working:
            return
        model, device, ask = project.model, self.device, self._ask
        left = [
            name
            for name in project.waiting_for_proposals()
            if (model, name) not in self._failed
        ]
        if not left:
            return
        name = first if first in left else left[0]

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> None:
            image = project.read_image(name)
            labels, uncertainty = ask(model, device, image, is_cancelled)
            if not is_cancelled():
                project.propose(name, labels, uncertainty, model)

        self._asking.start(work, (name, model))
        self.changed.emit()

    def _on_proposed(self, token: tuple[str, str], nothing: None) -> None:
        self.proposed.emit(token[0])

    def _on_not_proposed(self, token: tuple[str, str], error: Exception) -> None:
        name, model = token
        self._failed.add((model, name))
        text = f"No proposals for {name}: {sentence(error)}"
        self.noticed.emit(Hint(text, "problem"))
        self.proposed.emit(name)

    # --- training -----------------------------------------------------------------

    def train(self) -> None:
        """Train on what is annotated, beside the user's work."""
        project = self.project
        if project is None or self.is_training:
            return
        if not project.counts().objects:
            self.noticed.emit(Hint("There is no object yet to learn from.", "problem"))
            return
        doing = self._train or run_training
        minutes, device = self.minutes, self.device

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> TrainOutcome:
            out = free_path(project.folder.resolve().parent.name, project.models_folder)
            config = TrainConfig(minutes=minutes)
            job = TrainJob(project.sources(), out, project.model, device, config)

            result: TrainOutcome = doing(
                job, progress=WorkProgress(progress, is_cancelled)
            )
            return result

        self._training.start(work, project)
        self.changed.emit()

    def _on_progressed(self, progress: Progress) -> None:
        self.advanced.emit(max(0.0, progress.fraction))

    def _on_trained(self, project: Project, result: TrainOutcome) -> None:
        self._keep(project, result)
        if left_out := left_out_in_words(result.left_out):
            self.noticed.emit(Hint(left_out, "problem"))
        self.changed.emit()

    def _on_not_trained(self, project: Project, error: Exception) -> None:
        text = f"The training failed: {sentence(error)}"
        self.noticed.emit(Hint(text, "problem"))
        self.changed.emit()

    def _keep(self, project: Project, result: TrainOutcome) -> None:
        """Make what was trained the project's model, if it is in its place."""
        path, reason = result.path, result.reason
        if reason == "diverged":
            text = "The training went wrong; the model stays as it was."
            self.noticed.emit(Hint(text, "problem"))
            return
        if reason == "elsewhere":
            text = (
                f"{sentence(result.problem)} So the trained model is in {path}, among "
                "the temporary files, and is not used. Mend that and train again, or "
                "move that file to a safe place."
            )
            self.noticed.emit(Hint(text, "problem"))
            return
        try:
            project.note_training(path)
        except OSError as error:
            self.noticed.emit(Hint(sentence(error), "problem"))
            return
        self.trained.emit(path)
