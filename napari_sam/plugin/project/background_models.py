"""What models do beside the user's work on a project: propose, and learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.checkpoints.user_models import free_path
from napari_sam.configs import TrainConfig
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.predictor_loading import shared_predictor
from napari_sam.plugin.model.training_runs import (
    TrainJob,
    left_out_in_words,
    run_training,
)
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.workflows.progress import Progress as WorkProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.training.training_job import TrainOutcome
    from napari_sam.workflows.objects.preannotate import Preannotation
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.project.project import Project

__all__ = ["ProjectModels", "propose"]

_MINUTES = 5.0


def propose(
    model: str,
    device: str,
    image: Any,
    layout: ImageLayout,
    progress: WorkProgress,
) -> Preannotation:
    """Let a model propose objects for a plane or a stack; away from the window.

    Parameters
    ----------
    model, device
        Its name or path, and where it runs.
    image, layout
        The pixels, and what they are.
    progress
        Steps are planes.
    """
    predictor: Any = shared_predictor(model, device)
    if not layout.is_stack:
        from napari_sam.workflows.objects.preannotate import preannotate

        return preannotate(image, model=predictor, progress=progress.quiet)
    from napari_sam.workflows.stacks.preannotate_stack import preannotate_stack

    return preannotate_stack(
        image,
        layout.axes,
        model=predictor,
        is_colour=layout.is_colour,
        spacing=layout.spacing,
        progress=progress,
    )


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
    """How far the training is, or else the proposals of a stack, 0 to 1."""

    changed = Signal()
    """Work began or ended."""

    def __init__(
        self,
        device: str,
        ask: Callable[..., Preannotation],
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
        self._asking.cancelled.connect(self._on_passed_over)
        self._asking.progressed.connect(self._on_looked)
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

    @property
    def proposing_for(self) -> str:
        """Name of the image that the model looks at, "" for none."""
        return self._asking.token[0] if self._asking.is_working else ""

    def pass_over(self, names: list[str]) -> None:
        """Make no use of what the model finds now, if it is at one of these images."""
        if self.proposing_for in names:
            self._asking.drop()

    def cancel(self) -> None:
        """Stop the training, whose best weights are kept; else the proposals."""
        if self._training.is_working:
            self._training.cancel()
        else:
            self._asking.cancel()

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
            layout, image = project.layout(name), project.read_image(name)
            steps = WorkProgress(progress, is_cancelled)
            found = ask(model, device, image, layout, steps)
            if not is_cancelled():
                project.propose(name, found, model)
                project.proposed.open_planes(name)  # so that it is at hand

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

    def _on_passed_over(self, token: tuple[str, str]) -> None:
        """Ask no more for an image for which the user stopped it."""
        name, model = token
        self._failed.add((model, name))
        self.noticed.emit(Hint(f"No proposals are made for {name}.", "info"))
        self.proposed.emit(name)

    def _on_looked(self, progress: Progress) -> None:
        if not self.is_training:
            self.advanced.emit(progress.fraction)

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
