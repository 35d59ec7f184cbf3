"""The button that goes to the next thing that looks wrong, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.plugin.annotator.keybindings import with_key
from napari_sam.plugin.widgets.dock_layout import main_button

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from napari_sam.plugin.annotator.suspect_review import SuspectReview

__all__ = ["show_suspects", "suspect_button"]


def suspect_button(review: SuspectReview, name: str) -> QPushButton:
    """Return a button that goes to the next suspect; its name is for the style."""
    button = main_button(with_key("Next suspect", "next_suspect"), name)
    button.clicked.connect(review.next_suspect)
    return button


def show_suspects(
    button: QPushButton, review: SuspectReview, thing: str, obstacle: str = ""
) -> None:
    """Say on the button how many suspects are left, or what is in the way.

    Parameters
    ----------
    button
        Of `suspect_button`.
    review
        Goes from one to the next.
    thing
        What looks wrong, such as "an object".
    obstacle
        Why nothing can be looked for; "" if all is well.
    """
    left = None if obstacle else review.left
    button.setEnabled(not obstacle and left != [])
    if left is None and review.is_working and not obstacle:
        return  # what it says stays until it is known anew
    text, tip = "Next suspect", f"Go to {thing} that looks wrong."
    if left == []:
        tip = "You have seen all that was odd."
        button.setText("Nothing else looks wrong")
    else:
        text += f", {len(left):,} left" if left else ""
        button.setText(with_key(text, "next_suspect"))
    button.setToolTip(obstacle or tip)
