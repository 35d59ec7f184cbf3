"""A project on disk: nothing is lost, whatever happens to the program."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.io.journal import Journal
from napari_sam.ops.label_changes import apply_changes, changed_labels, describe_objects
from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.export import WouldReplaceError, export_project
from napari_sam.workflows.project.project import Project
from napari_sam.workflows.project.state import ObjectNote

SHAPE = (40, 50)


def squares(count: int, size: int = 6) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for number in range(count):
        row, col = divmod(number, 5)
        labels[row * 9 + 1 : row * 9 + 1 + size, col * 9 + 1 : col * 9 + 1 + size] = (
            number + 1
        )
    return labels


@pytest.fixture
def files(tmp_path):
    paths = []
    for name in "abcd":
        path = tmp_path / "raw" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        iio.imwrite(path, np.full(SHAPE, 90, np.uint8))
        paths.append(path)
    return paths


@pytest.fixture
def project(tmp_path, files):
    made = Project.create(tmp_path / "mine", files, retrain_after=2)
    yield made
    made.close()


def reopened(project):
    """What another program would see after a crash: the files as they are now."""
    project.abandon()
    return Project.open(project.folder)


@settings(max_examples=40)
@given(seed=st.integers(0, 9999))
def test_what_changed_describes_the_change(seed):
    rng = np.random.default_rng(seed)
    old, new = rng.integers(0, 5, (2, 7, 9))
    changed = changed_labels(old, new)
    objects = describe_objects(new, changed)
    gone = [n for n in changed if str(n) not in objects]
    json.dumps(objects)
    apply_changes(old, objects, gone)
    assert np.array_equal(old, new)


def test_what_is_saved_is_there_after_a_crash(project):
    note = ObjectNote(clicks=3, class_name="nucleus", prompts='{"points": []}')
    assert project.save("a", squares(3), notes={2: note}, seconds=6) == 3
    changed = squares(3)
    changed[changed == 1] = 0
    changed[30:33, 30:33] = 7
    assert project.save("a", changed) == 2
    assert project.save("a", changed) == 0
    again = reopened(project)
    assert np.array_equal(again.labels("a"), changed)
    notes = again.state("a").notes
    assert sorted(notes) == [2, 3, 7]
    assert notes[2].clicks == 3 and notes[2].class_name == "nucleus"
    assert notes[2].seconds == pytest.approx(2)
    assert again.state("a").status == "started"
    again.close()


def test_a_torn_line_is_dropped_and_nothing_else(project):
    project.save("a", squares(2))
    project.abandon()
    with (project.folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"event":"labels","image":"a","obj')
    again = Project.open(project.folder)
    assert np.array_equal(again.labels("a"), squares(2))
    again.save("a", squares(4))
    again.abandon()
    last = Project.open(project.folder)
    assert np.array_equal(last.labels("a"), squares(4))
    last.close()


def test_a_full_disk_leaves_the_project_as_it_was(project, monkeypatch):
    project.save("a", squares(2))
    real = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        project.save("a", squares(5))
    assert np.array_equal(project.labels("a"), squares(2))
    monkeypatch.setattr("os.fsync", real)
    assert project.save("a", squares(5)) == 3
    again = reopened(project)
    assert np.array_equal(again.labels("a"), squares(5))
    again.close()


def test_many_objects_at_once_become_a_snapshot(tmp_path):
    iio.imwrite(tmp_path / "big.png", np.zeros((300, 300), np.uint8))
    project = Project.create(tmp_path / "p", [tmp_path / "big.png"])
    rows, cols = np.indices((300, 300)) // 5
    labels = (rows * 60 + cols + 1).astype(np.int32)
    assert project.save("big", labels) == 3600
    labels[labels == 7] = 0
    assert project.save("big", labels) == 1
    assert (project.folder / "journal.jsonl").stat().st_size < 400_000
    again = reopened(project)
    assert np.array_equal(again.labels("big"), labels)
    assert len(again.state("big").notes) == 3599
    again.close()


def test_proposals_are_accepted_corrected_and_rejected(project):
    project.save("a", np.where(squares(10) == 1, 1, 0))
    project.propose("a", Preannotation(squares(6), 0.3), "cells")
    # The first square is taken already.
    assert sorted(np.unique(project.proposals("a"))) == [0, 2, 3, 4, 5, 6]
    project.reject("a", [2])
    assert project.accept("a", [3, 4], seconds=4) == 2
    labels = project.labels("a")
    assert sorted(np.unique(labels)) == [0, 1, 2, 3]
    assert sorted(np.unique(project.proposals("a"))) == [0, 5, 6]
    assert project.accept("a") == 2
    labels = project.labels("a")
    labels[squares(6) == 3] = 0
    labels[1:4, 19:22] = 2
    project.save("a", labels)
    again = reopened(project)
    notes = again.state("a").notes
    assert [notes[n].source for n in sorted(notes)] == [
        "drawn",
        "corrected",
        "accepted",
        "accepted",
        "accepted",
    ]
    counts = again.counts()
    assert (counts.accepted, counts.corrected, counts.drawn) == (3, 1, 1)
    assert counts.clicks_per_object == pytest.approx(2 / 5)
    assert not again.proposals("a").any()
    again.close()


def test_the_stage_follows_from_what_was_done(project):
    assert project.stage == "assisted"
    project.save("a", squares(2))
    project.finish("a")
    assert not project.wants_training
    project.save("b", squares(2))
    project.finish("b")
    assert project.wants_training
    project.note_training(project.folder / "models" / "one.safetensors")
    assert project.stage == "semi-automatic"
    assert not project.wants_training
    assert project.model.endswith("one.safetensors")
    for name in "bcd":
        project.save(name, np.zeros(SHAPE, int))
        project.propose(name, Preannotation(squares(9), 0.1), "one")
        project.accept(name)
        project.finish(name)
    assert project.stage == "automatic"
    project.set_retrain_after(7)
    again = reopened(project)
    assert again.retrain_after == 7
    assert again.stage == "automatic"
    assert again.counts().done == 4
    again.close()


def test_the_next_image_may_be_the_most_uncertain(project):
    assert project.neighbour("d", 1) == "a" and project.neighbour("a", -1) == "d"
    assert project.most_uncertain() == "a"
    project.propose("b", Preannotation(squares(1), 0.2), "cells")
    project.propose("c", Preannotation(squares(1), 0.6), "cells")
    assert project.most_uncertain() == "c"
    assert project.most_uncertain(but="c") == "b"
    assert project.waiting_for_proposals() == ["a", "d"]
    for name in "abcd":
        project.finish(name)
    assert project.most_uncertain() is None


def test_training_reads_done_images_as_complete(project):
    project.save("a", squares(2))
    project.save("b", squares(3))
    project.finish("b")
    sources = {source.name: source for source in project.sources()}
    assert {n: s.complete for n, s in sources.items()} == {"a": False, "b": True}
    image, labels = sources["b"].read()
    assert image.shape == SHAPE and labels.max() == 3


def test_labels_that_do_not_fit_are_refused(project):
    with pytest.raises(ValueError, match="wanted"):
        project.save("a", np.zeros((3, 3), int))
    with pytest.raises(ValueError, match="no image 'z'"):
        project.labels("z")


def test_it_is_open_once(project, files):
    with pytest.raises(ValueError, match="another window"):
        Project.open(project.folder)
    with pytest.raises(ValueError, match="already"):
        Project.create(project.folder, files)
    with pytest.raises(ValueError, match="no project"):
        Project.open(project.folder / "labels")


def test_a_damaged_journal_is_not_overwritten(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"event":1}\nrubbish\n{"event":2}\n')
    with pytest.raises(ValueError, match="line 2"):
        Journal(path, json.loads, lambda line, event: None)
    assert path.read_bytes().endswith(b'{"event":2}\n')


def test_objects_are_exported_for_imagej_and_qupath(project, tmp_path):
    from napari_sam import read_objects

    project.save("a", squares(3), notes={1: ObjectNote(class_name="nucleus")})
    written = export_project(project, tmp_path, ("roi", "geojson"))
    assert sorted(path.name for path in written) == ["a.geojson", "a.zip"]
    for path in written:
        found = read_objects(path, shape=squares(3).shape)
        np.testing.assert_array_equal(found.labels, squares(3))
        assert found.fact(1, "class") == "nucleus"


def test_all_is_exported(project, tmp_path):
    pytest.importorskip("zarr")
    project.save("a", squares(3), notes={1: ObjectNote(class_name="nucleus")})
    project.save("c", squares(1))
    out = tmp_path / "out"
    written = export_project(project, out, ("tiff", "coco", "csv", "zarr"))
    assert all(path.exists() for path in written)
    assert np.array_equal(tifffile.imread(out / "labels" / "a.tif"), squares(3))
    coco = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "c.png"]
    assert len(coco["annotations"]) == 4
    assert {c["name"] for c in coco["categories"]} == {"nucleus", "object"}
    from napari_sam.io.coco import read_coco
    from napari_sam.io.labelled_arrays import read_zarr_pairs

    masks = read_coco(out / "annotations.json")["a.png"]
    assert np.array_equal(masks[1].rle.decode(), squares(3) == 2)
    lines = (out / "objects.csv").read_text().splitlines()
    assert len(lines) == 5 and lines[0].startswith("image,label,area")
    (pair,) = read_zarr_pairs(out / "a.ome.zarr")
    assert np.array_equal(pair.read()[1], squares(3))
    with pytest.raises(ValueError, match="formats are"):
        export_project(project, out, ("png",))


_CHILD = """
import sys, numpy as np
from napari_sam.workflows.project.project import Project
project = Project.open(sys.argv[1])
labels = project.labels("a")
for number in range(1, 100000):
    row, col = divmod(number % 600, 30)
    labels[row * 2, col] = number
    project.save("a", labels)
    print(number, flush=True)
"""


def test_a_killed_program_loses_nothing_that_was_saved(project):
    project.abandon()
    command = [sys.executable, "-c", _CHILD, str(project.folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last = 0
    deadline = time.monotonic() + 60
    while last < 40 and time.monotonic() < deadline:
        last = int(child.stdout.readline())
    child.kill()
    rest = child.communicate()[0].split()
    last = int(rest[-1]) if rest else last
    again = Project.open(project.folder)
    assert last - 1 <= again.labels("a").max() <= last + 1
    assert again.labels("a").max() >= last
    again.close()
    assert Path(again.folder / "labels" / "a.tif").exists()


def test_an_export_replaces_what_an_export_wrote_and_nothing_else(project, tmp_path):
    zarr = pytest.importorskip("zarr")
    out = tmp_path / "out"
    own = zarr.open_group(str(out / "a.ome.zarr"), mode="w")
    own.create_array("raw", data=np.ones((2, 2)))
    (out / "labels").mkdir()
    (out / "labels" / "other.tif").write_bytes(b"ground truth")
    project.save("a", squares(3))
    formats = ("tiff", "coco", "csv", "zarr")
    with pytest.raises(WouldReplaceError, match=r"a\.ome\.zarr, which no export"):
        export_project(project, out, formats)
    assert not (out / "annotations.json").exists() and own["raw"][:].all()
    export_project(project, out, ("tiff", "coco", "csv"))
    export_project(project, out, formats, overwrite=True)
    assert "raw" not in zarr.open_group(str(out / "a.ome.zarr"), mode="r")
    project.save("a", squares(5))
    export_project(project, out, formats)  # all of it is of an export now
    for edited in (out / "labels" / "a.tif", out / "a.ome.zarr" / "zarr.json"):
        content = edited.read_bytes()
        edited.write_bytes(content + b" ")
        with pytest.raises(WouldReplaceError) as caught:
            export_project(project, out, formats)
        assert caught.value.paths[0] in (edited, edited.parent)
        edited.write_bytes(content)
    assert (out / "labels" / "other.tif").read_bytes() == b"ground truth"
    names = {p.name for p in out.iterdir()}
    assert not {n for n in names if n.startswith(".")}


def test_a_label_of_two_thousand_million_is_exported(project, tmp_path):
    labels = squares(2)
    labels[labels == 2] = 2_000_000_000
    project.save("a", labels)
    export_project(project, tmp_path / "out", ("tiff", "coco", "csv"))
    assert tifffile.imread(tmp_path / "out" / "labels" / "a.tif").max() == 2_000_000_000
    lines = (tmp_path / "out" / "objects.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["label", "1", "2000000000"]
    coco = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [entry["area"] for entry in coco["annotations"]] == [36, 36]


def test_an_image_done_with_undecided_proposals_is_learned_from_in_part(project):
    project.save("a", np.where(squares(1) > 0, 1, 0))
    project.propose("a", Preannotation(squares(3), 0.2), "cells")
    project.finish("a")
    assert project.proposed.undecided("a") == 2
    assert [source.complete for source in project.sources()] == [False]
    project.reject("a", [3])
    project.accept("a")
    assert [source.complete for source in project.sources()] == [True]
    project.reopen("a")
    assert [source.complete for source in project.sources()] == [False]


def test_a_project_may_look_at_some_of_several_channels(tmp_path):
    channels = np.random.default_rng(0).integers(0, 900, (3, 20, 30)).astype(np.uint16)
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "ab":
        tifffile.imwrite(
            folder / f"{name}.tif", channels, metadata={"axes": "CYX"}, ome=True
        )
    with pytest.raises(ValueError, match=r"a\.tif has 3 channels; wanted one, or RGB"):
        Project.create_of_folder(folder)
    project, found = Project.create_of_folder(folder, channels=(0, 2))
    assert not found.unfit
    assert project.read_image("a").shape == (20, 30, 3)
    project.close()
    again = Project.open(project.folder)
    assert again.channels == (0, 2)
    np.testing.assert_array_equal(again.read_image("b")[..., 2], 0)
    again.close()
