"""A project and the files around it: moved, added, damaged, changed, or hostile."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_sam.io.journal import DamagedLine
from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import PROJECT_FOLDER, Project
from napari_sam.workflows.project.state import ObjectNote

SHAPE = (20, 30)


def plane(value=90):
    return np.full(SHAPE, value, np.uint8)


def square(number, at=2):
    labels = np.zeros(SHAPE, np.int32)
    labels[at : at + 5, at : at + 5] = number
    return labels


@pytest.fixture
def images(tmp_path):
    where = tmp_path / "cells"
    where.mkdir()
    for name in "abc":
        iio.imwrite(where / f"{name}.png", plane())
    return where


@pytest.fixture
def made(images):
    """A project that was worked on and closed."""
    project, _ = Project.create_of_folder(images)
    project.save("a", square(1))
    project.propose("b", Preannotation(square(1), 0.5), "cells")
    project.save("b", square(2, 10), notes={2: ObjectNote(class_name="x")})
    project.note_training(project.models_folder / "cells.safetensors")
    project.close()
    return project.folder


def content_of(folder):
    """Digest of each file, by its name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


# --- moved --------------------------------------------------------------------------


def test_a_project_that_was_moved_with_its_images_just_opens(made, images, tmp_path):
    (made / "models").mkdir()
    (made / "models" / "cells.safetensors").write_bytes(b"w")
    new = tmp_path / "else where" / "renamed"
    new.parent.mkdir()
    shutil.move(images, new)
    with_project = Project.open(new / PROJECT_FOLDER)
    assert with_project.read_image("b").shape == SHAPE
    assert np.array_equal(with_project.labels("b"), square(2, 10))
    found = with_project.scan_files()
    assert (found.missing, found.added, found.unfit) == ([], [], [])
    assert with_project.model == str(new / PROJECT_FOLDER / "models/cells.safetensors")
    assert len(with_project.sources()) == 2
    with_project.close()


def test_images_that_are_elsewhere_are_asked_for_once(made, images, tmp_path):
    far, alone = tmp_path / "far" / "deep", tmp_path / "alone" / "my project"
    far.parent.mkdir()
    alone.parent.mkdir()
    shutil.move(made, alone)
    shutil.move(images, far)
    iio.imwrite(alone.parent / "holiday.png", plane())
    project = Project.open(alone)
    assert project.scan_files().missing == ["a", "b", "c"]
    assert np.array_equal(project.labels("a"), square(1))
    assert project.sources() == [] and project.most_uncertain() is None
    with pytest.raises(ValueError, match="none of the missing images, a for one"):
        project.files.locate(tmp_path)
    assert project.files.locate(far) == []
    assert project.read_image("a").shape == SHAPE
    assert project.scan_files().missing == []
    project.close()
    again = Project.open(alone)
    found = again.scan_files()
    assert (found.missing, found.added) == ([], [])
    assert len(again.sources()) == 2
    again.close()


def old_project(folder, image_folder, lines):
    """A project as it was before its paths were relative."""
    folder.mkdir()
    paths = {p.stem: str(p) for p in sorted(image_folder.glob("*.png"))}
    head = {"format": 1, "images": paths, "model": "cells", "retrain_after": 5}
    (folder / "project.json").write_text(json.dumps(head, indent=1))
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (folder / "journal.jsonl").write_text(text)


OLD_LINES = (
    {
        "event": "labels",
        "image": "a",
        "notes": {"3": {"source": "drawn", "clicks": 1, "seconds": 0.5}},
        "gone": [],
        "objects": {"3": {"at": [2, 3], "size": [2, 2], "runs": [0, 4]}},
    },
    {
        "event": "proposed",
        "image": "b",
        "file": "proposals/b-1.tif",
        "count": 1,
        "uncertainty": 0.25,
        "model": "cells",
    },
    {"event": "rejected", "image": "b", "which": [1]},
    {"event": "status", "image": "a", "status": "done"},
    {"event": "trained", "model": "/nowhere/cells/napari-sam-project/models/m.pt"},
    {"event": "settings", "retrain_after": 7},
)


def test_a_project_of_the_version_before_opens_and_may_have_been_moved(
    images, tmp_path
):
    old = images / PROJECT_FOLDER
    old_project(old, images, OLD_LINES)
    new = tmp_path / "renamed"
    shutil.move(images, new)
    project = Project.open(new / PROJECT_FOLDER)
    expected = np.zeros(SHAPE, np.int32)
    expected[2:4, 3:5] = 3
    assert np.array_equal(project.labels("a"), expected)
    assert project.state("a").status == "done" and project.retrain_after == 7
    assert project.state("b").uncertainty == 0.25
    assert project.trainings == 1
    iio.imwrite(new / "d.png", plane())
    assert project.scan_files().added == ["d"]
    assert project.images == ("a", "b", "c", "d")
    project.close()
    assert Project.open(project.folder).images == ("a", "b", "c", "d")


def test_labels_of_an_image_that_is_gone_are_still_there(images):
    """Older journals do not say how large an image is; its label file does."""
    old_project(images / PROJECT_FOLDER, images, OLD_LINES)
    labels = np.zeros(SHAPE, np.uint16)
    labels[2:4, 3:5] = 3
    (images / PROJECT_FOLDER / "labels").mkdir()
    tifffile.imwrite(images / PROJECT_FOLDER / "labels" / "a.tif", labels)
    (images / "a.png").unlink()
    project = Project.open(images / PROJECT_FOLDER)
    assert np.array_equal(project.labels("a"), labels)
    assert project.scan_files().missing == ["a"]
    project.close()


# --- a look at the folder -----------------------------------------------------------


def test_images_that_come_later_belong_to_it_and_the_odd_ones_are_named(made, images):
    stack = np.zeros((5, *SHAPE), np.uint8)
    tifffile.imwrite(images / "z stack.tif", stack, metadata={"axes": "ZYX"})
    tifffile.imwrite(images / "tiles.tif", stack, metadata={"axes": "RYX"})
    two = np.zeros((2, *SHAPE), np.uint16)
    tifffile.imwrite(images / "two.tif", two, imagej=True, metadata={"axes": "CYX"})
    iio.imwrite(images / "A.png", plane())
    iio.imwrite(images / "rgb.png", np.zeros((*SHAPE, 3), np.uint8))
    (images / "._a.tif").write_bytes(b"of a Mac")
    (images / "broken.tif").write_bytes(b"II*\0rubbish")
    project = Project.open(made)
    found = project.scan_files()
    assert found.added == ["A-2", "rgb", "z stack"]
    said = " ".join(found.unfit)
    assert "tiles.tif has planes along R (5); wanted planes, stacks (Z)" in said
    assert "two.tif has 2 channels" in said
    assert "broken.tif" in said and len(found.unfit) == 3
    assert project.read_image("rgb").shape == (*SHAPE, 3)
    project.close()


def test_no_project_is_made_of_what_it_cannot_hold(tmp_path):
    odd = np.zeros((5, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "r.tif", odd, metadata={"axes": "RYX"})
    with pytest.raises(ValueError, match=r"no image to annotate: r\.tif has planes"):
        Project.create_of_folder(tmp_path)
    assert not (tmp_path / PROJECT_FOLDER).exists()
    iio.imwrite(tmp_path / "a.png", plane())
    (tmp_path / "._a.png").write_bytes(b"of a Mac")
    project, found = Project.create_of_folder(tmp_path)
    assert project.images == ("a",) and len(found.unfit) == 1 and found.hidden == 1
    project.close()


def test_a_stack_of_an_older_project_is_not_learned_from(images):
    """Labels of shape (Z, Y) were made of it."""
    old_project(images / PROJECT_FOLDER, images, OLD_LINES)
    (images / "a.png").unlink()
    stack = np.zeros((5, *SHAPE), np.uint8)
    tifffile.imwrite(images / "a.png.tif", stack)
    head = images / PROJECT_FOLDER / "project.json"
    head.write_text(head.read_text().replace("a.png", "a.png.tif"))
    project = Project.open(images / PROJECT_FOLDER)
    assert "is a stack of 5 planes now" in " ".join(project.scan_files().unfit)
    assert project.sources() == []
    project.close()


def test_an_image_of_another_size_is_told(made, images):
    iio.imwrite(images / "a.png", np.zeros((9, 9), np.uint8))
    project = Project.open(made)
    (said,) = project.scan_files().unfit
    assert "a.png is 9 x 9 pixels now, but was annotated when it was 20 x 30" in said
    assert [source.name for source in project.sources()] == ["b"]
    project.close()


def test_names_are_one_file_each_on_every_system(tmp_path):
    names = ("a", "A", "é", "é", "aux", "n" * 240)
    for number, name in enumerate(names):
        folder = tmp_path / str(number)
        folder.mkdir()
        iio.imwrite(folder / f"{name}.png", plane())
    project = Project.create(tmp_path / "p", sorted(tmp_path.glob("*/*.png")))
    assert project.images[:5] == ("a", "A-2", "é", "é-2", "aux_")
    for name in project.images:
        project.propose(name, Preannotation(square(1), 0.1), "cells")
        project.save(name, square(1))
    project.close()
    assert len(list((tmp_path / "p" / "labels").iterdir())) == 6


# --- label files --------------------------------------------------------------------


def test_opening_looking_and_closing_changes_no_file(made):
    before = content_of(made)
    for look in (False, True):
        project = Project.open(made)
        if look:
            assert project.scan_files().changed_elsewhere == []
        project.close()
        assert content_of(made) == before


def test_a_label_file_that_is_not_known_is_left_alone_if_it_is_the_same(images):
    """As those of projects of the version before."""
    folder = images / PROJECT_FOLDER
    old_project(folder, images, OLD_LINES)
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 3:5] = 3
    (folder / "labels").mkdir()
    file = folder / "labels" / "a.tif"
    tifffile.imwrite(file, labels)
    content = file.read_bytes()
    project = Project.open(folder)
    assert project.scan_files().changed_elsewhere == []
    project.close()
    assert file.read_bytes() == content


@pytest.mark.parametrize("answer", ["take over", "write mine", "later"])
def test_a_label_file_that_was_edited_elsewhere_is_kept(made, answer):
    file = made / "labels" / "a.tif"
    edited = square(4, 9).astype(np.float32)  # as Fiji saves it
    tifffile.imwrite(file, edited)
    project = Project.open(made)
    assert project.scan_files().changed_elsewhere == ["a"]
    project.save("a", square(6))
    project.files.close_image("a")
    project.files.write_label_files()
    assert np.array_equal(tifffile.imread(file), edited)
    if answer == "take over":
        assert project.files.take_over("a") == 2
        assert np.array_equal(project.labels("a"), edited)
    elif answer == "write mine":
        project.files.replace_label_file("a")
    assert project.files.changed_elsewhere == (["a"] if answer == "later" else [])
    project.close()
    expected = square(6) if answer == "write mine" else edited
    assert np.array_equal(tifffile.imread(file), expected)
    again = Project.open(made)
    assert again.scan_files().changed_elsewhere == (["a"] if answer == "later" else [])
    again.close()


def test_what_is_no_label_file_is_not_taken_over(made):
    project = Project.open(made)
    for content in (np.full(SHAPE, 0.5), np.zeros((3, 3), np.uint8), square(-1)):
        tifffile.imwrite(made / "labels" / "a.tif", content)
        assert project.files.check_label_file("a")
        with pytest.raises(ValueError, match=r"labels"):
            project.files.take_over("a")
    assert np.array_equal(project.labels("a"), square(1))
    project.close()


def test_a_label_file_is_written_when_its_image_is_left(made):
    project = Project.open(made)
    project.save("c", square(5))
    assert not (made / "labels" / "c.tif").exists()
    project.files.close_image("c")
    assert np.array_equal(tifffile.imread(made / "labels" / "c.tif"), square(5))
    (made / "labels" / "c.tif").unlink()
    project.scan_files()
    assert (made / "labels" / "c.tif").exists()
    project.close()


# --- damage -------------------------------------------------------------------------


def many_objects(shape=(70, 70)):
    rows, cols = np.indices(shape) // 2
    return (rows * (shape[1] // 2) + cols + 1).astype(np.int32)


@pytest.fixture
def snapped(tmp_path):
    """A project with a snapshot, and a label file written after it."""
    iio.imwrite(tmp_path / "big.png", np.zeros((70, 70), np.uint8))
    project = Project.create(tmp_path / "p", [tmp_path / "big.png"])
    first = np.zeros((70, 70), np.int32)
    first[:3, :3] = 7
    project.save("big", first)
    project.save("big", many_objects())
    project.files.close_image("big")
    changed = many_objects()
    changed[:9, :9] = 5000
    project.save("big", changed)
    project.abandon()
    return project.folder, first, changed


@pytest.mark.parametrize("damage", ["gone", "empty", "other shape"])
def test_without_its_snapshot_the_label_file_has_the_labels(snapped, damage):
    folder, _, changed = snapped
    (snapshot,) = (folder / "snapshots").iterdir()
    if damage == "gone":
        snapshot.unlink()
    elif damage == "empty":
        snapshot.write_bytes(b"")
    else:
        tifffile.imwrite(snapshot, np.zeros((3, 3), np.uint16))
    project = Project.open(folder)
    assert np.array_equal(project.labels("big"), changed)
    assert project.store.problems == {}
    project.close()


def test_without_both_the_earlier_events_are_there_and_it_is_told(snapped):
    folder, _, _ = snapped
    (snapshot,) = (folder / "snapshots").iterdir()
    snapshot.write_bytes(b"")
    (folder / "labels" / "big.tif").unlink()
    project = Project.open(folder)
    labels = project.labels("big")
    assert labels[0, 0] == 5000 and np.count_nonzero(labels == 5000) == 81
    assert "a snapshot of big cannot be read" in project.store.problems["big"]
    labels[20:22, 20:22] = 9
    project.save("big", labels)
    project.close()
    again = Project.open(folder)
    assert np.array_equal(again.labels("big"), labels)
    again.close()


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "[" * 100_000,
        "[]",
        '{"event":"labels","image":"a"}',
        '{"event":"labels","image":"z","notes":{},"gone":[],"objects":{}}',
        '{"event":"status","image":"a","status":7}',
        '{"event":"status","image":"a","status":"nearly"}',
        '{"event":"settings","retrain_after":0}',
        '{"event":"settings","retrain_after":' + "9" * 400 + "}",
        '{"event":"dance"}',
        '{"event":"rejected","image":"a","which":"all"}',
        '{"event":"images","added":{"../x":"x.png"}}',
        '{"event":"labels","image":"a","notes":{},"gone":[],"shape":[20,30],"objects":'
        '{"1":{"at":[19,0],"size":[9,9],"runs":[81]}}}',
    ],
)
def test_a_damaged_journal_is_opened_as_it_was_before_the_damage(made, line):
    journal = made / "journal.jsonl"
    lines = journal.read_text().splitlines()
    damaged = "\n".join([*lines[:2], line, *lines[2:]]) + "\n"
    journal.write_text(damaged)
    with pytest.raises(DamagedLine, match="line 3 of"):
        Project.open(made)
    assert journal.read_text() == damaged
    project = Project.open(made, repair=True)
    assert np.array_equal(project.labels("a"), square(1))
    assert not project.labels("b").any()
    assert (made / "journal-damaged.jsonl").read_text() == damaged
    project.save("c", square(3))
    project.close()
    again = Project.open(made)
    assert np.array_equal(again.labels("c"), square(3))
    again.close()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"format":1}',
        '{"format":2,"images":{"a":"a.png"},"model":"cells","retrain_after":5}',
        '{"format":1,"images":{"a":7},"model":"cells","retrain_after":5}',
        '{"format":1,"images":{"../../a":"a.png"},"model":"cells","retrain_after":5}',
        '{"format":1,"images":{"a":"a.png"},"model":"cells","retrain_after":-5}',
    ],
)
def test_a_damaged_project_file_is_said(made, head):
    (made / "project.json").write_text(head)
    with pytest.raises(ValueError, match=r"project\.json is damaged|not known here"):
        Project.open(made)


# --- somebody else's project --------------------------------------------------------


@pytest.fixture
def thesis(tmp_path):
    path = tmp_path / "thesis.docx"
    path.write_text("years of work")
    return path


@pytest.mark.parametrize(
    "file",
    [
        "{thesis}",
        "../../thesis.docx",
        "proposals/../../../thesis.docx",
        "proposals/../project.json",
        "project.json",
        "proposals\\..\\x.tif",
        "",
    ],
)
@pytest.mark.parametrize("event", ["proposed", "snapshot"])
def test_a_project_names_no_file_out_of_itself(made, thesis, file, event):
    more = {
        "proposed": {"count": 1, "uncertainty": 0.1, "model": "m"},
        "snapshot": {"notes": {}, "gone": []},
    }[event]
    line = {"event": event, "image": "c", "file": file.format(thesis=thesis), **more}
    with (made / "journal.jsonl").open("a") as journal:
        journal.write(json.dumps(line) + "\n")
    with pytest.raises(DamagedLine):
        Project.open(made)
    assert thesis.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right")
@pytest.mark.parametrize("name", ["journal.jsonl", "project.json", ".lock"])
def test_links_out_of_a_project_are_not_followed(made, thesis, name):
    (made / name).unlink(missing_ok=True)
    (made / name).symlink_to(thesis)
    with pytest.raises(ValueError, match=r"link|damaged"):
        Project.open(made)
    assert thesis.read_text() == "years of work"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right")
@pytest.mark.parametrize("kind", ["labels", "proposals", "snapshots", "models"])
def test_folders_that_lead_out_of_a_project_are_not_written_to(made, tmp_path, kind):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("a.tif", "c.tif", "c-0.tif", "cells.safetensors"):
        (mine / name).write_text("mine")
    if (made / kind).exists():
        shutil.rmtree(made / kind)
    (made / kind).symlink_to(mine)
    before = content_of(mine)

    def use():
        project = Project.open(made)
        try:
            project.scan_files()
            project.save("c", square(3))
            project.propose("c", Preannotation(square(1), 0.5), "m")
            project.propose("c", Preannotation(square(1), 0.5), "m")
            assert project.models_folder
            project.files.write_label_files()
        finally:
            project.close()

    if kind == "snapshots":  # there is none to write
        use()
    else:
        with pytest.raises(ValueError, match="link out of its folder"):
            use()
    assert content_of(mine) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right")
def test_a_label_file_that_is_a_link_out_of_it_is_not_written(made, thesis):
    (made / "labels" / "c.tif").symlink_to(thesis)
    project = Project.open(made)
    project.save("c", square(3))
    with pytest.raises(ValueError, match="link out of its folder"):
        project.close()
    assert thesis.read_text() == "years of work"
    again = Project.open(made)
    assert np.array_equal(again.labels("c"), square(3))
    again.abandon()


# --- numbers, memory, threads -------------------------------------------------------


@pytest.mark.parametrize("number", [2**31, 2**32 + 1, -1])
def test_a_number_that_does_not_fit_is_an_error(made, number):
    project = Project.open(made)
    labels = square(1).astype(np.int64)
    labels[labels == 1] = number
    with pytest.raises(ValueError, match="labels must be 0 to 2147483647"):
        project.save("a", labels)
    with pytest.raises(ValueError, match="labels must be"):
        project.propose("a", Preannotation(labels, 0.5), "m")
    assert np.array_equal(project.labels("a"), square(1))
    project.save("a", square(2**31 - 1))
    assert project.labels("a").max() == 2**31 - 1
    project.propose("a", Preannotation(square(1, 12), 0.5), "m")
    with pytest.raises(ValueError, match="does not fit"):
        project.accept("a")
    project.close()


def test_few_labels_stay_in_memory(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(12)]
    for path in paths:
        iio.imwrite(path, plane())
    project = Project.create(tmp_path / "p", paths)
    for name in project.images:
        project.save(name, square(1))
    project.files.write_label_files()
    [source.read() for source in project.sources()]
    assert len(project.store.in_memory) <= 4
    project.close()


def test_training_reads_while_the_user_draws(made):
    """Each reader gets labels as they were at some moment, and nothing waits."""
    project = Project.open(made)
    stop, problems = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                for source in project.sources():
                    labels = source.read()[1]
                    assert len(np.unique(labels)) <= 2
                project.counts()
                project.proposals("b")
            except Exception as error:  # noqa: BLE001 - shown below
                problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 60):
        project.save("b", square(number))
        if number % 10 == 0:
            project.propose("b", Preannotation(square(1, 12), 0.5), "m")
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []
    project.close()


def test_a_closed_project_writes_nothing(made):
    project = Project.open(made)
    project.close()
    before = content_of(made)
    with pytest.raises(ValueError, match="is closed"):
        project.propose("a", Preannotation(square(1), 0.5), "m")
    with pytest.raises(ValueError, match="is closed"):
        project.save("a", square(9))
    assert content_of(made) == before
