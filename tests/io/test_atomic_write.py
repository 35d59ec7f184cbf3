"""Whole files or none: their permissions, links and names, and what is synced when."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from napari_sam.io.atomic_write import replace_folder, write_atomically


def write(path, text="new"):
    return write_atomically(path, lambda part: part.write_text(text))


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
@pytest.mark.parametrize("wanted", [0o600, 0o664, 0o640])
def test_a_file_keeps_its_mode_and_a_new_one_follows_the_umask(tmp_path, umask, wanted):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(wanted)
    write(path)
    write(tmp_path / "b.txt")
    assert path.read_text() == "new" and mode(path) == wanted
    assert mode(tmp_path / "b.txt") == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right")
def test_of_a_link_the_file_is_replaced_that_it_names(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("far/real.txt")
    assert write(link) == link
    assert link.is_symlink()
    assert (tmp_path / "far" / "real.txt").read_text() == "new"


@pytest.mark.parametrize("name", ["n" * 250 + ".tif", "x." + "s" * 250, "é" * 125])
def test_the_longest_names_can_be_written(tmp_path, name):
    assert write(tmp_path / "new" / "folders" / name).read_text() == "new"
    assert [p.name for p in (tmp_path / "new" / "folders").iterdir()] == [name]


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(part):
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc names open files")
def test_a_file_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    """And its folder after it, and the folder of a new folder."""
    done = []
    sync, rename = os.fsync, os.replace

    def synced(handle):
        done.append(("sync", os.path.realpath(f"/proc/self/fd/{handle}")))
        sync(handle)

    def renamed(old, new, **places):
        done.append(("rename", str(new)))
        rename(old, new, **places)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    path = tmp_path / "new" / "a.txt"
    write(path)
    (_, above), (_, part), renaming, (_, folder) = done
    assert above == str(tmp_path) and folder == str(tmp_path / "new")
    assert part.startswith(str(tmp_path / "new" / ".napari-sam-"))
    assert renaming == ("rename", str(path))


def test_a_folder_that_cannot_be_renamed_leaves_the_earlier_one(tmp_path):
    place = tmp_path / "a.zarr"
    place.mkdir()
    (place / "old").write_text("1")
    with pytest.raises(OSError, match="missing"):
        replace_folder(tmp_path / "missing", place)
    assert [p.name for p in place.iterdir()] == ["old"]
    (tmp_path / "made").mkdir()
    replace_folder(tmp_path / "made", place)
    assert list(tmp_path.iterdir()) == [place] and not list(place.iterdir())
