"""Labels and the files beside them are saved together, or not at all."""

import errno
import itertools
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from failing_disk import Changes

from napari_sam.io.edit_histories import StoredEdit, StoredHistory, StoredStep
from napari_sam.io.link_files import FilmLinks
from napari_sam.io.saved_objects import SavedObjects
from napari_sam.ops.object_classes import ObjectClass

NAMES = ["a.classes.json", "a.history.npz", "a.links.json", "a.objects.csv", "a.tif"]


def objects_of(folder, label, has_history=True):
    """Labels with one number, and all that is kept beside them."""
    pixels = np.array([0, 1])
    edit = StoredEdit((None, None), pixels, pixels * 0, pixels * 0 + label)
    step = StoredStep((None, None), (edit,), {label: None})
    history = StoredHistory((6, 6), {(None, None): str(label)}, (step,))
    return SavedObjects(
        folder / "a.tif",
        np.full((6, 6), label, np.uint16),
        pd.DataFrame({"index": [label], "class": ["round"]}),
        classes=(ObjectClass("round", (230, 159, label), label),),
        links=FilmLinks({label + 1: (label,)}),
        history=history if has_history else None,
    )


def save(objects):
    """Save them, without waiting for the disk."""
    with Changes(0, None):
        return objects.write()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def no_room(name):
    """Have no room; files can be removed and replaced."""
    if name in ("write", "fsync", "mkdir"):
        raise OSError(errno.ENOSPC, "No space left on device")


def in_use(name):
    raise PermissionError(errno.EACCES, "The process cannot access the file")


def test_everything_is_saved(tmp_path):
    assert save(objects_of(tmp_path, 1)) == "a.tif and a.objects.csv"
    assert sorted(contents(tmp_path)) == NAMES


def test_a_history_that_is_no_more_goes_with_the_labels_that_it_led_to(tmp_path):
    save(objects_of(tmp_path, 1))
    save(objects_of(tmp_path, 2, has_history=False))
    assert sorted(contents(tmp_path)) == [one for one in NAMES if "history" not in one]


@pytest.mark.parametrize("has_history", [True, False])
@pytest.mark.parametrize(("happen", "lasting"), [(no_room, True), (in_use, False)])
def test_what_fails_leaves_every_file_as_it_was(tmp_path, happen, lasting, has_history):
    former = tmp_path / "former"
    save(objects_of(former, 1))
    before = contents(former)
    said = "there is no room for a.tif" if lasting else "may not be written"
    kept = 0
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        shutil.copytree(former, folder)
        with Changes(at, happen, lasting) as changes:
            try:
                objects_of(folder, 2, has_history).write()
            except OSError as error:
                assert said in str(error)
        left = contents(folder)
        is_old = [left.get(name) == before[name] for name in NAMES]
        assert all(is_old) or not any(is_old)  # all new: once the names are exchanged
        assert len(left) <= len(before) + 1  # what could not be removed just then
        kept += all(is_old)
        if changes.count < at:
            break
    assert kept >= 4


def test_a_disk_without_second_names_keeps_copies_meanwhile(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    save(objects_of(tmp_path, 1))
    before = contents(tmp_path)
    real, replaced = os.replace, []

    def replace(source, target, **more):
        replaced.append(target)
        if len(replaced) == 3:
            in_use("replace")
        return real(source, target, **more)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="may not be written"):
        save(objects_of(tmp_path, 2))
    assert contents(tmp_path) == before
