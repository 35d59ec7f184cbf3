"""The objects of a project measured: planes, volumes and films in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.workflows.measure.measure import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.workflows.project.project import Project

__all__ = ["measure_image", "measure_images"]


def measure_images(
    project: Project,
    names: Iterable[str],
    *,
    spacing: float | Sequence[float] | None = None,
    properties: str | Sequence[str] | None = None,
) -> Iterator[tuple[str, pd.DataFrame | Exception]]:
    """Measure the objects of images of a project, one after another.

    Parameters
    ----------
    project
        The project.
    names
        Of its images.
    spacing, properties
        See `napari_sam.measure`; the size that the file of the image says, if it is
        left out.

    Yields
    ------
    The name of each image, and its table with the columns "image" before and what is
    known of each object behind; or what went wrong.
    """
    for name in names:
        try:
            yield (
                name,
                measure_image(
                    project,
                    name,
                    project.read_planes(name).dense(),
                    spacing,
                    properties,
                ),
            )
        except (OSError, ValueError) as error:
            yield name, error


def measure_image(
    project: Project,
    name: str,
    labels: NDArray[np.int32],
    spacing: float | Sequence[float] | None = None,
    properties: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Measure the objects of an image, with how each came to be.

    Parameters
    ----------
    project, name
        The image.
    labels
        Its labels.
    spacing, properties
        See `measure_images`.
    """
    layout = project.image_files.layout_or_none(name)
    axes = project.image_files.calibration(name, labels.ndim).axes
    if spacing is None and layout is not None:
        spacing = layout.spacing
    table = measure(
        labels,
        _image_or_none(project, name, labels.shape),
        spacing=spacing,
        time_axis=0 if axes[0] == "t" else None,
        properties=properties,
    )
    table.insert(0, "image", name)
    notes = project.notes(name)
    for column in ("class_name", "source", "clicks", "seconds"):
        table[column] = [
            getattr(notes[label], column) if label in notes else ""
            for label in table["label"].tolist()
        ]
    return table


def _image_or_none(project: Project, name: str, shape: tuple[int, ...]) -> Any:
    """Read an image, for its intensities; None if it is not what it was any more."""
    try:
        image = project.read_image(name)
    except (OSError, ValueError):
        return None
    return image if image.shape[: len(shape)] == shape else None
