"""What the images of a project are, and their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.io.calibration import Calibration
from napari_sam.workflows.project.layout import (
    layout_or_none,
    read_layout,
    read_pixels,
)

if TYPE_CHECKING:
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.project.log import ProjectLog

__all__ = ["ProjectImages"]


class ProjectImages:
    """The images of a project, which are planes, volumes or films.

    Parameters
    ----------
    log
        The journal of the project.
    """

    def __init__(self, log: ProjectLog) -> None:
        self._log = log

    def layout(self, name: str) -> ImageLayout:
        """Return what an image is.

        Raises
        ------
        OSError, ValueError
            If it cannot be read, or is nothing that a project holds.
        """
        return read_layout(self._log.source_of(name))

    def layout_or_none(self, name: str) -> ImageLayout | None:
        """Return what an image is, None if it cannot be read."""
        return layout_or_none(self._log.source_of(name))

    def read(self, name: str) -> Any:
        """Read the pixels of an image; see `read_pixels`.

        Raises
        ------
        OSError, ValueError
            See `layout`.
        """
        return read_pixels(self._log.source_of(name))

    def calibration(self, name: str, ndim: int) -> Calibration:
        """Return what is known of the axes of labels of so many axes.

        Where the file of the image is gone, these are its axes alone.
        """
        layout = self.layout_or_none(name)
        if layout is not None and len(layout.axes) == ndim:
            return layout.calibration
        said = self._log.check(name).axes
        return Calibration(said if len(said) == ndim else "tzyx"[-ndim:])

    @property
    def unclear(self) -> list[str]:
        """Stacks whose axes are a guess; see `choose_axes`."""
        with self._log.state_lock:
            states = dict(self._log.states)
        return [name for name, state in states.items() if state.is_unclear]

    def choose_axes(self, name: str, axes: str) -> None:
        """Say whether a stack is a volume or a film.

        Proposals that were made for one of the other kind are gone then.

        Parameters
        ----------
        name
            The image.
        axes
            "zyx" or "tyx".

        Raises
        ------
        ValueError
            If it is no stack along one axis, or the axes are others.
        OSError
            If it cannot be written.
        """
        if len(self.layout(name).axes) != 3:
            raise ValueError(f"{name} is no stack along one axis")
        state = self._log.check(name)
        with self._log.write_lock:
            earlier = state.proposals
            self._log.write({"event": "axes", "image": name, "axes": axes})
            state.is_unclear = False
            if not state.proposals:
                self._log.forget_file(earlier)
