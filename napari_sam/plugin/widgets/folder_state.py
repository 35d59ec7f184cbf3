"""How a project stands, in words and in the list of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.plugin.viewer.hint import Hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QListWidget

    from napari_sam.plugin.project.project_loop import ProjectLoop
    from napari_sam.workflows.project.project import Project
    from napari_sam.workflows.project.state import Counts

__all__ = ["STAGES", "counts_in_words", "named_count", "next_step", "show_images"]

STAGES = {
    "assisted": "Stage 1 of 3, assisted: the model has learned nothing from you yet. "
    "Prompt each object, or accept what it proposes.",
    "semi-automatic": "Stage 2 of 3, semi-automatic: the model has learned from you. "
    "Accept and correct what it proposes, and add what is missing.",
    "automatic": "Stage 3 of 3, automatic: nine in ten proposals were right lately, so "
    "they become objects by themselves. Look them over.",
}
_MARKS = {"new": "  ", "started": "◐ ", "done": "● "}


def named_count(names: Sequence[str], what: str = "image") -> str:
    """Say how many there are, and which.

    Examples
    --------
    >>> named_count(["a"]), named_count(["a", "b", "c", "d"], "file")
    ('1 image (a) is', '4 files (a, b, c, …) are')
    """
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    plural, verb = ("", "is") if len(names) == 1 else ("s", "are")
    return f"{len(names)} {what}{plural} ({shown}) {verb}"


def show_images(images: QListWidget, project: Project, shown: str) -> None:
    """Show how far each image of a project is, in a list."""
    names = project.images
    if images.count() != len(names):
        images.clear()
        images.addItems(list(names))
    for row, name in enumerate(names):
        state = project.state(name)
        text = f"{_MARKS[state.status]}{name}"
        if state.problem:
            text = f"✗ {name}"
        elif state.is_unclear:
            text += "   (volume or film?)"
        elif state.uncertainty is not None and state.status == "new":
            text += f"   (unsure: {state.uncertainty:.2f})"
        item = images.item(row)
        if item.text() != text:
            item.setText(text)
            item.setToolTip(state.problem)
    if shown in names:
        images.setCurrentRow(names.index(shown))


def counts_in_words(counts: Counts) -> str:
    """Say how many objects there are, and how they came to be."""
    return (
        f"{counts.objects} objects: {counts.accepted} as proposed, "
        f"{counts.corrected} corrected, {counts.drawn} drawn. "
        f"{counts.clicks_per_object:.1f} clicks and "
        f"{counts.seconds_per_object:.1f} s an object."
    )


def next_step(loop: ProjectLoop, is_done: bool) -> Hint:
    """Say the next step.

    Parameters
    ----------
    loop
        The project in its viewer.
    is_done
        Whether the user said that the image that is shown is done.
    """
    project = loop.project
    if loop.is_opening:
        return Hint("Opening the folder.", "wait")
    if project is None:
        return Hint("Open a folder of images, or a project that you began.", "do")
    if loop.image is None:
        if loop.is_reading:
            return Hint("Reading the image.", "wait")
        return Hint("Choose another image: this one cannot be shown.", "problem")
    if is_done:
        return Hint("This image is done. Change it if you like, or go on.", "do")
    if project.state(loop.layers.name).is_unclear:
        return Hint("Is this stack a volume or a film? Say so below.", "do")
    if loop.layers.has_proposals:
        return Hint(
            "Accept what is right, reject what is wrong, then draw what is missing.",
            "do",
        )
    if loop.models.is_proposing and project.state(loop.layers.name).status == "new":
        return Hint("The model looks for objects. You can draw meanwhile.", "wait")
    return Hint(
        "Draw each object that is missing; when none is, the image is done.", "do"
    )
