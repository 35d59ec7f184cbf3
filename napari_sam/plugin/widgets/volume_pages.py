"""The pages for whole volumes and films: segment, track, export the tracks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Tracks
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sam.ops.message_text import counted
from napari_sam.plugin.stacks.tracked_layers import tracks_of, why_no_film
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layer_links import links_of
from napari_sam.plugin.viewer.layers import is_labels_of_user, shape_of
from napari_sam.plugin.widgets.dock_layout import data_choice, form
from napari_sam.plugin.widgets.layer_choice import TracksChoice
from napari_sam.plugin.widgets.tool_page import ToolPage, count_box, number_box, tick
from napari_sam.plugin.widgets.volume_tools import (
    export_tracks,
    segment_volume,
    track,
    track_again,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.plugin.widgets.tool_runs import ToolJob

__all__ = ["ExportPage", "TrackPage", "VolumePage"]

_OVERLAP_TIP = (
    "IoU from which objects of neighbouring planes are one; lower it where planes lie "
    "far apart (min_overlap)."
)
_GAP_TIP = (
    "Planes in a row in which an object may be missed; they are filled (max_gap)."
)


_VOLUME_MODES = (
    ("What suits the model", "auto"),
    ("Parted in 3D", "fused"),
    ("Planes, then linked", "planes"),
)
_MODE_TIP = (
    "Parted in 3D: what the model says of planes is brought together, and objects are "
    "parted in the volume; for models such as Cells. Planes, then linked: the objects "
    "of each plane are found first; for all models."
)


class VolumePage(ToolPage):
    """Segment the whole volume."""

    text = (
        "Every object of the volume along the slider, with one number on all its "
        "planes."
    )
    press = "Segment the volume"

    def make_controls(self) -> None:
        """Make the choices."""
        super().make_controls()
        self.mode = data_choice(_VOLUME_MODES, _MODE_TIP)
        self.mode.activated.connect(self._show_choices)
        self.min_overlap = number_box(0.05, 0.95, 0.5, _OVERLAP_TIP, 0.05)
        self.min_length = count_box(
            1, 10_000, 3, "Objects in fewer planes are left out (min_length)."
        )
        self.max_gap = count_box(0, 10, 0, _GAP_TIP)

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices."""
        layout.addLayout(form(("How", self.mode)))
        self._of_planes = QWidget()
        rows = form(
            ("Least overlap", self.min_overlap),
            ("Least planes", self.min_length),
            ("Missed planes", self.max_gap),
        )
        rows.setContentsMargins(0, 0, 0, 0)
        self._of_planes.setLayout(rows)
        layout.addWidget(self._of_planes)
        self._show_choices()

    def _show_choices(self, index: int = 0) -> None:
        """Show the choices that count."""
        self._of_planes.setVisible(self.mode.currentData() == "planes")

    def lacking(self) -> Hint | None:
        """Say what is missing: planes along a slider, or the model."""
        image = self.shared.image
        if image is not None and sum(size > 1 for size in shape_of(image)) < 3:
            return Hint(
                f"“{image.name}” is a single plane. Choose an image with several "
                "planes, or find the objects of this one under Find."
            )
        return self.obstacle()

    def job(self) -> ToolJob:
        """Return the work on the displayed volume."""
        return segment_volume(
            self.viewer,
            self.shared.image,
            self.mode.currentData(),
            self.min_overlap.value(),
            self.min_length.value(),
            self.max_gap.value(),
        )


_WHAT = (("The labels", "labels"), ("What the model finds", "image"))


class TrackPage(ToolPage):
    """Track objects through a film."""

    text = (
        "One number for each object through time, and which divided. Tracks the labels "
        "of each frame, or an image, whose objects the model finds first."
    )
    press = "Track"

    def make_controls(self) -> None:
        """Make the choices."""
        super().make_controls()
        self._by_hand = False
        self.what = data_choice(_WHAT, "Labels are tracked as they are.")
        self.max_move = number_box(
            0.1,
            10,
            1.0,
            "From a frame to the next, in diameters of the object (max_move).",
            0.1,
        )
        self.max_gap = count_box(
            0, 20, 2, "Frames in a row in which an object may be missed (max_gap)."
        )
        self.min_length = count_box(
            1, 10_000, 1, "Objects in fewer frames are left out (min_length)."
        )
        self.divisions = tick("Objects may divide", "Whether an object may become two.")
        self.drift = tick(
            "The field may drift",
            "Whether the field may move as a whole, as a stage does.",
        )

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices."""
        layout.addLayout(
            form(
                ("Track", self.what),
                ("Farthest move", self.max_move),
                ("Missed frames", self.max_gap),
                ("Least frames", self.min_length),
            )
        )
        layout.addWidget(self.divisions)
        layout.addWidget(self.drift)

    def connect_controls(self) -> None:
        """Connect the choice of what is tracked."""
        super().connect_controls()
        self.what.activated.connect(self._on_what)

    def _on_what(self, index: int) -> None:
        self.what.clearFocus()
        self._by_hand = True
        self.changed.emit()

    @property
    def film(self) -> Any:
        """The layer that is tracked, or None."""
        if self.what.currentData() == "image":
            return self.shared.image
        return self._labels()

    def _labels(self) -> Any:
        """Return the chosen labels; else the topmost ones that are a film."""
        if self.shared.labels is not None:
            return self.shared.labels
        there = [one for one in self.viewer.layers if is_labels_of_user(one)]
        return next((one for one in reversed(there) if not why_no_film(one)), None)

    def lacking(self) -> Hint | None:
        """Say what is missing: a film, or a model where one is needed."""
        film = self.film
        problem = why_no_film(film)
        if problem:
            return Hint(f"{sentence(ValueError(problem))}")
        if isinstance(film, Image):
            return self.model_obstacle()
        return None

    def next_step(self) -> Hint:
        """Say the next step, and which layer is tracked."""
        hint = super().next_step()
        if self.run.is_working or self.lacking() is not None:
            return hint
        fixed = len(links_of(self.film).fixed)
        if fixed:
            links = counted(fixed, "link")
            return Hint(
                f"Press Track: “{self.film.name}” is linked again, except for {links} "
                "that you have decided on."
            )
        return Hint(f"Press Track: the objects of “{self.film.name}” are followed.")

    def show_state(self) -> None:
        """Show what is tracked, as long as the user has not chosen."""
        if not self._by_hand:
            self.what.setCurrentIndex(0 if self._labels() is not None else 1)
        super().show_state()

    def job(self) -> ToolJob:
        """Return the work on the film; what was corrected in it stays."""
        make = track_again if links_of(self.film).fixed else track
        return make(
            self.viewer,
            self.film,
            self.max_move.value(),
            self.max_gap.value(),
            self.min_length.value(),
            self.divisions.isChecked(),
            self.drift.isChecked(),
        )


_KINDS = (
    ("Cell Tracking Challenge", "ctc"),
    ("GEFF", "geff"),
    ("TrackMate", "trackmate"),
    ("Table of a Tracks layer", "tracks-csv"),
)
_ENDINGS = {"ctc": "", "geff": ".geff", "trackmate": ".xml", "tracks-csv": ".csv"}
_KIND_TIP = (
    "Cell Tracking Challenge: a folder with maskTTT.tif of each frame and "
    "res_track.txt. GEFF: a graph, with its labels beside it as OME-Zarr. TrackMate: "
    "an .xml for Fiji. Table: the rows of a Tracks layer as .csv, without labels."
)


class ExportPage(ToolPage):
    """Write tracked labels to files."""

    text = (
        "Writes tracked labels, with the divisions of the Tracks layer, in the form of "
        "another program."
    )
    press = "Export…"

    def make_controls(self) -> None:
        """Make the choice of the tracks."""
        super().make_controls()
        self._seen: list[Any] = []
        self._with_tracks: list[Any] = []
        self.kind = data_choice(_KINDS, _KIND_TIP)
        self.tracks = TracksChoice(
            self.viewer, lambda layer: isinstance(layer, Tracks), "none"
        )
        self.tracks.setToolTip("The Tracks layer with the divisions.")

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choice."""
        layout.addLayout(form(("As", self.kind), ("Tracks", self.tracks)))

    def connect_controls(self) -> None:
        """Connect the choice."""
        super().connect_controls()
        self.tracks.chosen.connect(self._on_tracks)

    def _on_tracks(self, layer: Any) -> None:
        self.changed.emit()

    def enter(self) -> None:
        """Follow the layers with tracks."""
        self.tracks.start()

    def leave(self) -> None:
        """Let go of them."""
        self.tracks.stop()

    @property
    def film(self) -> Any:
        """The labels that are written: those chosen, else those with tracks."""
        chosen, by_hand = self.shared.labels, self.shared.header.labels.is_by_hand
        tracked = self._tracked()
        if by_hand or not tracked or any(one is chosen for one in tracked):
            return chosen
        return tracked[-1]

    def _tracked(self) -> Sequence[Any]:
        """Return the labels that have tracks; looked at once for each set of layers."""
        layers = list(self.viewer.layers)
        if layers != self._seen:
            tracks = [one for one in layers if isinstance(one, Tracks)]
            labels = [one for one in layers if is_labels_of_user(one)]
            self._seen = layers
            self._with_tracks = [x for x in labels if tracks_of(x, tracks) is not None]
        return self._with_tracks

    def lacking(self) -> Hint | None:
        """Say that there are no labels of a film, if so."""
        film = self.film
        if film is None or film.ndim not in (3, 4):
            return Hint("Track a film first, or choose its labels above.")
        return None

    def next_step(self) -> Hint:
        """Say the next step, and what is written."""
        hint = super().next_step()
        if self.run.is_working or self.lacking() is not None:
            return hint
        tracks = self.tracks.layer
        beside = "without divisions" if tracks is None else f"with “{tracks.name}”"
        return Hint(f"Press Export: “{self.film.name}” is written, {beside}.")

    def show_state(self) -> None:
        """Show the tracks that belong to the labels."""
        self.tracks.follow(self.film)
        super().show_state()

    def choose_place(self) -> Path | None:
        """Ask where the files go; None for nowhere."""
        ending = _ENDINGS[self.kind.currentData()]
        title = "Where the tracks go"
        if not ending:
            folder = QFileDialog.getExistingDirectory(self, title)
            return Path(folder) if folder else None
        shown = f"{self.kind.currentText()} (*{ending})"
        chosen, _ = QFileDialog.getSaveFileName(self, title, f"tracks{ending}", shown)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix.lower() == ending else Path(f"{chosen}{ending}")

    def _on_start(self) -> None:
        if not self.run.is_working:
            place = self.choose_place()
            if place is not None:
                self.export_to(place)

    def export_to(self, place: Path) -> None:
        """Write the files to a folder, or one file."""
        kind = self.kind.currentData()
        self.begin(lambda: export_tracks(self.film, self.tracks.layer, place, kind))
