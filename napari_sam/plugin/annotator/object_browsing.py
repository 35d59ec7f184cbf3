"""Going from one kept object to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.plugin.annotator.object_view import show_object

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.edit_choice import EditChoice
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace

__all__ = ["ObjectBrowser"]


class ObjectBrowser:
    """Shows the objects one after another, by their numbers.

    Parameters
    ----------
    workspace, sessions
        Parts of the annotator.
    choice
        With the selection.
    """

    def __init__(
        self, workspace: Workspace, sessions: Sessions, choice: EditChoice
    ) -> None:
        self._at, self._sessions, self._choice = workspace, sessions, choice

    def step(self, by: int) -> str:
        """Select an object so many after the selected one, and show it.

        Parameters
        ----------
        by
            1 for the next one, -1 for the one before; the last is followed by the
            first.

        Returns
        -------
        str
            Which one it is, for the user.

        Raises
        ------
        ValueError
            If there is none, or it cannot be shown; the text says why.
        """
        session, choice = self._sessions.session, self._choice
        obstacle = choice.obstacle()
        if obstacle or session is None:
            raise ValueError(obstacle or "There are no objects.")
        choice.follow()
        order, selected = sorted(session.index.labels), choice.selected()
        if selected:
            at = int(np.searchsorted(order, selected[-1])) + by
        else:
            at = 0 if by > 0 else -1
        label = order[at % len(order)]
        show_object(self._at.viewer, self._at.image, session, label, self._at.plane)
        choice.selection.select([label])
        return f"Object {label}, {at % len(order) + 1} of {len(order)}."
