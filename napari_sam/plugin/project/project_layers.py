"""The layers that show one image of a project."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning

from napari_sam.plugin.annotator.object_features import table_of
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layer_classes import classes_of, keep_classes
from napari_sam.plugin.viewer.layer_links import keep_links, links_of
from napari_sam.plugin.viewer.layers import is_helper
from napari_sam.workflows.project.state import ObjectNote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.io.link_files import FilmLinks
    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.plugin.project.image_content import ImageContent
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.project.project import Project

__all__ = ["ProjectLayers"]

_EDITS = ("labels_update", "paint", "set_data", "data", "features", "metadata")

_MAX_COLORS = 2**16 - 1
"""As many as napari takes, beside the one of the ground."""


class ProjectLayers:
    """An image, the labels that the user makes, and outlines of what is proposed.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_edit
        Called after each change of the labels.

    Attributes
    ----------
    name
        Of the project's image that is shown, whatever its layers are called; "" for
        none.
    layout
        What that image is, or None.
    image, labels, proposals
        The layers, or None.
    """

    def __init__(self, viewer: Any, on_edit: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_edit = on_edit
        self._events = Connections()
        self.name = ""
        self.layout: ImageLayout | None = None
        self.image: Any = None
        self.labels: Any = None
        self.proposals: Any = None
        self._chosen = self._pointed = 0
        self._open: LabelPlanes | None = None
        self._numbers: set[int] = set()
        self._plain: Any = None

    def take_down(self) -> None:
        """Remove the layers."""
        shown = (self.proposals, self.labels, self.image)
        self.let_go()
        for layer in shown:
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def leave_up(self) -> None:
        """Leave the layers to the user: what is in them is nowhere else."""
        if self.labels is not None:
            show_warning(
                f"The labels of {self.name} could not be saved in the project. They "
                f"stay in the layer “{self.labels.name}”: select it, and save it with "
                "File > Save Selected Layers."
            )
        self.let_go()

    def let_go(self) -> None:
        """Leave the viewer and its layers to themselves; touches no Qt."""
        self._events.clear()
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self.name = ""
        self.layout = self._open = None
        self.image = self.labels = self.proposals = None
        self._chosen = self._pointed = 0
        self._numbers = set()

    def put_up(self, content: ImageContent, project: Project | None = None) -> None:
        """Add the layers of an image; of its project the classes of objects."""
        from napari.layers import Image, Labels

        name, place = content.name, content.place
        self.name, self.layout = name, content.layout
        self.image = Image(
            content.image,
            name=name,
            rgb=content.layout.is_colour,
            contrast_limits=content.limits,
            **place,
        )
        self.labels = Labels(content.labels, name=f"{name} objects", **place)
        if project is not None:
            self._show_classes(project)
            keep_links(self.labels, project.files.links(name))
        self._open, self._numbers = content.proposals, content.proposals.objects()
        self.proposals = Labels(
            content.proposals.dense(), name="proposals", opacity=0.9, **place
        )
        self._agree_on_units(tuple(map(str, self.image.units)))
        self.proposals.contour = 2
        self.proposals.editable = False
        self._plain = self.proposals.colormap
        for layer in (self.image, self.proposals, self.labels):
            self._viewer.layers.append(layer)
        for emitter in _EDITS:
            if hasattr(self.labels.events, emitter):
                self._events.add(getattr(self.labels.events, emitter), self._edited)
        self._events.add(self._viewer.cursor.events.position, self._on_moved)
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        with suppress(ValueError):  # no canvas yet
            self._viewer.reset_view()

    def _agree_on_units(self, units: tuple[str, ...]) -> None:
        """Give hidden layers of the annotator the units of the image to come.

        Where one layer has others, napari uses none, and says so to the user.
        """
        for layer in self._viewer.layers:
            if is_helper(layer):
                more = ("pixel",) * (layer.ndim - len(units))
                layer.units = (*more, *units[-layer.ndim :])

    def _show_classes(self, project: Project) -> None:
        """Tell the labels layer the classes of the project, and of its objects."""
        import pandas as pd

        keep_classes(self.labels, project.classes)
        notes = project.notes(self.name)
        sorted_ones = {k: note.class_name for k, note in notes.items()}
        named = {k: name for k, name in sorted(sorted_ones.items()) if name}
        if named:
            columns = {"index": list(named), "class": list(named.values())}
            self.labels.features = pd.DataFrame(columns)

    def classes(self) -> tuple[ObjectClass, ...]:
        """Return the classes that are kept with the labels."""
        return classes_of(self.labels)

    def links(self) -> FilmLinks:
        """Return what is known of the links of a film."""
        return links_of(self.labels)

    def hand_over(self) -> None:
        """Let the annotator of the viewer, if there is one, work on the image."""
        annotator = active_in(self._viewer)
        if annotator is not None and self.image is not None:
            annotator.journals.leave_out(self.image)  # the project keeps its own
            annotator.set_image(self.image)
            annotator.sessions.set_output(self.labels)

    def show_proposals(self, proposals: LabelPlanes) -> None:
        """Show other proposals."""
        before, self._open = self._open, proposals
        self._numbers = proposals.objects()
        if before is None or before.shape != proposals.shape:
            return
        for at, values in before.differing_from(proposals).items():
            self.proposals.data[at] = values
        if self._chosen not in self._numbers:
            self.choose(0)
        self.proposals.refresh()

    def show_labels(self, planes: Mapping[tuple[int, ...], NDArray[Any]]) -> None:
        """Show other labels of some planes, by their indices."""
        if not planes:
            return
        if () in planes:
            self.labels.data = planes[()].copy()
            return
        for at, values in planes.items():
            self.labels.data[at] = values
        self.labels.refresh()

    @property
    def has_proposals(self) -> bool:
        """Whether proposals are shown."""
        return bool(self._numbers)

    def _edited(self, event: Any = None) -> None:
        self._on_edit()

    def notes(self) -> dict[int, ObjectNote]:
        """Read from the features of the labels what the annotator wrote there."""
        table = table_of(self.labels)
        if not {"index", "prompts"} <= set(table):
            return {}
        notes = {}
        for row in table.to_dict("records"):
            if isinstance(row.get("prompts"), str):
                name = row.get("class", "")
                notes[int(row["index"])] = ObjectNote(
                    clicks=max(1, int(row.get("points", 1) or 1)),
                    class_name=name if isinstance(name, str) else "",
                    prompts=row["prompts"],
                )
        return notes

    # --- which proposal is meant --------------------------------------------------

    def _proposal_at_cursor(self) -> int:
        if self.proposals is None:
            return 0
        value = self.proposals.get_value(self._viewer.cursor.position, world=True)
        return int(value or 0)

    def _on_moved(self, event: Any = None) -> None:
        self._pointed = self._proposal_at_cursor() or self._pointed

    def _on_press(self, viewer: Any, event: Any) -> None:
        self.choose(self._proposal_at_cursor())

    def choose(self, number: int) -> None:
        """Choose a proposal, which is white then; 0 for none."""
        if number == self._chosen or self.proposals is None:
            return
        self._chosen = number
        if not number:
            self.proposals.colormap = self._plain
            return
        from napari.utils.colormaps import CyclicLabelColormap

        # a `DirectLabelColormap` would have numba compile for half a second
        top = min(max(self._numbers, default=0), _MAX_COLORS)
        colors = self._plain.map(np.arange(top + 1))
        colors[(number - 1) % top + 1] = 1  # white
        self.proposals.colormap = CyclicLabelColormap(colors=colors)

    def _is_open(self, number: int) -> bool:
        return number in self._numbers

    def meant_by_key(self) -> int:
        """Return the proposal under the cursor, else the chosen one, else 0."""
        return self._proposal_at_cursor() or self._chosen

    def meant_by_button(self) -> int:
        """Return the proposal that a button acts on, 0 for none.

        The chosen one, else the last one that was under the cursor: which is on the
        button when it is pressed.
        """
        for number in (self._chosen, self._pointed):
            if self._is_open(number):
                return number
        return 0
