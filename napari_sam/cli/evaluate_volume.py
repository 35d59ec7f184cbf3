"""What ``napari-sam evaluate --volume`` does; no command of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_sam.cli.progress_bar import StepBar
from napari_sam.configs import VOLUME_MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.configs import VolumeConfig
    from napari_sam.evaluation.volume_report import VolumeReport
    from napari_sam.io.labelled_folders import LabelledVolume
    from napari_sam.workflows.progress import Progress

__all__ = ["score_clicks", "score_found"]


def score_clicks(
    model: Any, volumes: Sequence[LabelledVolume], max_objects: int | None
) -> tuple[VolumeReport, int]:
    """Propagate one click on each object; return the report and the failures."""
    from napari_sam.evaluation.volume_clicks import score_volume_clicks
    from napari_sam.evaluation.volume_report import sum_up_volumes

    def score(item: LabelledVolume, image: Any, labels: Any, progress: Progress) -> Any:
        return score_volume_clicks(
            image,
            labels,
            model=model,
            max_objects=max_objects,
            progress=progress,
        )

    scores, failures = _score(volumes, score)
    return sum_up_volumes(scores), failures


def score_found(
    model: Any, volumes: Sequence[LabelledVolume], mode: str, config: VolumeConfig
) -> tuple[VolumeReport, int]:
    """Find the objects of each volume by themselves; see `score_clicks`.

    A `mode` that is one of planes is that of planes whose objects are linked.
    """
    from napari_sam.evaluation.volume_instances import score_volume
    from napari_sam.evaluation.volume_report import sum_up_found
    from napari_sam.workflows.objects.segment import choose_mode
    from napari_sam.workflows.stacks.volume import choose_volume_mode

    mode = mode if mode in VOLUME_MODES else "planes"
    if choose_volume_mode(mode, model, config) == "planes":
        choose_mode(config.plane_mode, model)

    def score(item: LabelledVolume, image: Any, labels: Any, progress: Progress) -> Any:
        here = config
        if config.spacing is None:
            here = config.model_copy(update={"spacing": item.spacing})
        return score_volume(
            image, labels, model=model, mode=mode, config=here, progress=progress
        )

    scores, failures = _score(volumes, score)
    return sum_up_found(scores), failures


def _score(
    volumes: Sequence[LabelledVolume],
    score: Callable[[LabelledVolume, Any, Any, Progress], Any],
) -> tuple[list[tuple[str, Any]], int]:
    """Score volumes behind a progress bar; say which could not be."""
    scores, failures = [], 0
    from napari_sam.workflows.progress import Progress

    with StepBar("plane") as bar:
        progress = Progress(bar.show)
        for item in volumes:
            bar.name(item.name)
            try:
                image, labels = item.read()
                scores.append((item.name, score(item, image, labels, progress)))
            except (ValueError, OSError) as error:
                print(f"{item.name} was left out: {error}", file=sys.stderr)
                failures += 1
    return scores, failures
