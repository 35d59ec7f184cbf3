"""The files of a project that others read, change and move: images and labels."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.images import list_images
from napari_sam.io.link_files import FilmLinks, read_links, write_links
from napari_sam.workflows.project.export_list import exported_files
from napari_sam.workflows.project.file_scan import FileScan
from napari_sam.workflows.project.images import name_images
from napari_sam.workflows.project.label_file import read_label_file, write_label_file
from napari_sam.workflows.project.layout import (
    ImageSource,
    image_problem,
    layout_or_none,
    read_layout,
)
from napari_sam.workflows.project.store import file_digest

if TYPE_CHECKING:
    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.workflows.project.log import ProjectLog
    from napari_sam.workflows.project.store import LabelStore

__all__ = ["PROJECT_FOLDER", "ProjectFiles"]

PROJECT_FOLDER = "napari-sam-project"
"""Where the project of a folder of images is, in that folder."""


class ProjectFiles:
    """The images of a project, and ``labels/ID.tif`` of each.

    The journal knows the digest of each file that was written. A file with another one
    was changed by another program, and is replaced only when the user says so.

    Parameters
    ----------
    log
        The journal of the project.
    store
        Its labels.
    """

    def __init__(self, log: ProjectLog, store: LabelStore) -> None:
        self._log = log
        self._store = store
        self._changed_elsewhere: set[str] = set()

    def label_file(self, name: str) -> Path:
        """Return where the label file of an image is, or goes."""
        self._log.check(name)
        return self._log.inside(f"labels/{name}.tif", "labels")

    def links(self, name: str) -> FilmLinks:
        """Return what was decided on the tracks of a film; see `keep_links`."""
        with suppress(ValueError, OSError):
            return read_links(self.label_file(name))
        return FilmLinks()

    def keep_links(self, name: str, links: FilmLinks) -> None:
        """Keep what was decided on the tracks of a film, beside its label file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if links.to_json() != self.links(name).to_json():
            write_links(self.label_file(name), links)

    def _is_stale(self, name: str) -> bool:
        history = self._log.label_histories[name]
        return history.changed_at > history.written_at

    def write_label_files(self, but: str = "") -> None:
        """Write each label file that is out of date, except that of one image.

        Raises
        ------
        OSError, ValueError
            If some that changed since it was opened cannot be written; the others are.
        """
        problems: list[Exception] = []
        for name in sorted(self._log.images):
            if name == but or not self._is_stale(name):
                continue
            try:
                if self._is_ours_to_write(name):
                    self.write_label_file(name)
            except (OSError, ValueError) as error:
                # Of earlier changes `scan_files` tells, and they are in the journal.
                if (
                    self._log.label_histories[name].changed_at
                    > self._log.lines_when_opened
                ):
                    problems.append(error)
        if problems:
            raise problems[0]

    def _is_ours_to_write(self, name: str) -> bool:
        """Say whether a stale file can be written without a look at all pixels.

        Journals of older versions do not know their files; `look` compares those.
        """
        history = self._log.label_histories[name]
        is_known = (
            bool(history.digests) or history.changed_at > self._log.lines_when_opened
        )
        return is_known or not self.label_file(name).exists()

    def write_label_file(self, name: str) -> bool:
        """Write the label file of an image, unless another program has changed it.

        Returns
        -------
        Whether it is up to date now.
        """
        if self._is_foreign(name):
            self._changed_elsewhere.add(name)
            return False
        if self._is_stale(name):
            self._replace_label_file(name)
        return True

    def _replace_label_file(self, name: str) -> None:
        labels, line = self._store.labels_at(name, keep=False)

        def write(part: Path) -> None:
            layout = layout_or_none(self._log.source_of(name))
            known = None if layout is None else layout.calibration
            write_label_file(part, labels, known)
            # Known before it is there: a crash in between leaves a file that is known.
            self._note_written(name, file_digest(part), line)

        write_atomically(self.label_file(name), write)

    def _note_written(self, name: str, digest: str, line: int) -> None:
        self._log.write(
            {"event": "written", "image": name, "digest": digest, "after": line}
        )

    def close_image(self, name: str) -> None:
        """Write an image's label file, and forget its pixels.

        Raises
        ------
        OSError, ValueError
            If it cannot be written.
        """
        self._log.check(name)
        self._store.forget(name)
        if self._is_stale(name):
            self.write_label_file(name)

    # --- what another program did -------------------------------------------------

    def _is_foreign(self, name: str) -> bool:
        """Say whether there is a label file that this project did not write."""
        path = self.label_file(name)
        try:
            digest = file_digest(path)
        except FileNotFoundError:
            return False
        if digest in self._log.label_histories[name].digests:
            return False
        try:
            there = self._read_label_file(name)
        except (OSError, ValueError):
            return True
        labels, line = self._store.labels_at(name, keep=False)
        if there.shape != labels.shape or labels.differing_from(there):
            return True
        self._note_written(name, digest, line)
        return False

    def check_label_file(self, name: str) -> bool:
        """Look whether another program has changed an image's label file.

        One that is gone, or that a killed program left out of date, is written.
        """
        history = self._log.label_histories[name]
        if self._is_foreign(name):
            self._changed_elsewhere.add(name)
            return True
        self._changed_elsewhere.discard(name)
        if history.changed_at and not self.label_file(name).exists():
            history.written_at = 0
        if self._is_stale(name):
            self._replace_label_file(name)
        return False

    @property
    def changed_elsewhere(self) -> list[str]:
        """Images of which another program has changed the label file.

        It is left alone until `take_over` or `replace_label_file` is called.
        """
        return sorted(self._changed_elsewhere)

    def take_over(self, name: str) -> int:
        """Make the labels of the file, as another program left it, the project's.

        Returns
        -------
        How many objects changed.

        Raises
        ------
        OSError
            If it cannot be read.
        ValueError
            If it holds no labels of the image.
        """
        digest = file_digest(self.label_file(name))
        there = self._read_label_file(name)
        changed = self._store.save_planes(
            name, self._store.planes(name).differing_from(there)
        )
        self._note_written(name, digest, self._log.label_histories[name].changed_at)
        self._changed_elsewhere.discard(name)
        return changed

    def replace_label_file(self, name: str) -> None:
        """Write the project's labels in place of what another program wrote.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._replace_label_file(name)
        self._changed_elsewhere.discard(name)

    def _read_label_file(self, name: str) -> LabelPlanes:
        path = self.label_file(name)
        try:
            return read_label_file(path)
        except ValueError as error:
            raise ValueError(f"{path} holds no labels: {error}") from error

    # --- its images -------------------------------------------------------------------

    def scan_files(self) -> FileScan:
        """Look at the files: what came, what is gone, what cannot be annotated.

        Images that came into the folder of the project belong to it afterwards.

        Raises
        ------
        OSError
            If the project cannot be written.
        """
        missing = self._log.image_paths.missing()
        added, unfit = self._add_new_images()
        changed: list[str] = []
        for name in self._log.images:
            state = self._log.states[name]
            if name in missing:
                state.problem = f"{self._log.path_of(name)} is not there"
            else:
                state.problem = self._problem_of(name)
                if state.problem:
                    unfit.append(state.problem)
            try:
                if self._has_labels(name) and self.check_label_file(name):
                    changed.append(name)
            except (OSError, ValueError) as error:
                unfit.append(f"the labels of {name} cannot be checked: {error}")
        return FileScan(added, missing, unfit, changed)

    def _has_labels(self, name: str) -> bool:
        return bool(
            self._log.label_histories[name].changed_at or self.label_file(name).exists()
        )

    def _problem_of(self, name: str) -> str:
        source, history = self._log.source_of(name), self._log.label_histories[name]
        try:
            layout = read_layout(source)
        except (OSError, ValueError) as error:
            return str(error)
        state = self._log.states[name]
        state.is_stack = layout.is_stack
        state.is_unclear = layout.is_assumed and not state.axes
        known = history.shape
        if known is None and history.changed_at and layout.is_stack:
            return (
                f"{source.path.name} is a stack of {layout.planes} planes now, but was "
                "annotated as a plane; put that image back"
            )
        if known is not None and layout.shape != known:
            return (
                f"{source.path.name} is {_by(layout.shape)} pixels now, but was "
                f"annotated when it was {_by(known)}; put that image back"
            )
        return ""

    def _watched_folders(self) -> list[Path]:
        """List the folders of which new images belong to the project."""
        watched = self._log.watched
        if not watched and self._log.folder.name == PROJECT_FOLDER:
            watched = ".."  # older projects do not say so
        if not watched:
            return []
        home = Path(os.path.realpath(self._log.folder))
        paths = [self._log.path_of(name) for name in self._log.images]
        own = {os.path.realpath(path.parent) for path in paths if path.exists()}
        named = [
            Path(os.path.normpath(home / watched)),
            *self._log.image_paths.searched,
        ]
        # Where none of its images is, the project was moved without them.
        return [where for where in named if os.path.realpath(where) in own]

    def _add_new_images(self) -> tuple[list[str], list[str]]:
        """Add what came into the folder; return its names, and what is unfit."""
        known = {os.path.realpath(self._log.path_of(name)) for name in self._log.images}
        files = [
            path
            for where in self._watched_folders()
            if where.is_dir()
            for path in list_images(where).paths
            if path.name not in exported_files(where)
        ]
        new = {os.path.realpath(p): p for p in files}
        problems = {
            p: image_problem(ImageSource(p, self._log.channels))
            for real, p in new.items()
            if real not in known
        }
        good = [path for path, why in problems.items() if not why]
        named = name_images(good, self._log.images)
        if named:
            added = {
                name: self._log.image_paths.written(path)
                for name, path in named.items()
            }
            self._log.write({"event": "images", "added": added})
        return list(named), [why for why in problems.values() if why]

    def locate(self, folder: str | Path) -> list[str]:
        """Say where the images are now; the project remembers it.

        Returns
        -------
        Names of those that are missing still.

        Raises
        ------
        ValueError
            If none of the missing images is there.
        """
        where, before = Path(folder), self._log.image_paths.missing()
        trial = self._log.image_paths.copy()
        trial.look_in(os.path.realpath(where))
        left = trial.missing()
        if before and len(left) == len(before):
            raise ValueError(
                f"{folder} has none of the missing images, {before[0]} for one"
            )
        if before:
            self._log.write(
                {"event": "located", "folder": self._log.image_paths.written(where)}
            )
            for name in set(before) - set(left):
                self._log.states[name].problem = ""
        return left


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
