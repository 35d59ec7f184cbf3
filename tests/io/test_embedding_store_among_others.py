"""A store in a folder where other things lie touches nothing that it did not write."""

import os
import shutil

import numpy as np
import pytest
from full_folder import GROUP, contents, fill_folder, fill_group, make_old, write

from napari_sam.io.embedding_store import EmbeddingStore, Origin
from napari_sam.ops.types import FrameGeometry

GEOMETRY = FrameGeometry.fit((20, 30), 64)
FEATURES = np.random.default_rng(0).normal(size=(8, 4, 4)).astype(np.float16)
KEYS = [f"{i:040x}" for i in range(8)]


@pytest.fixture
def folder(tmp_path):
    fill_folder(tmp_path / "S", tmp_path / "outside")
    return tmp_path / "S"


@pytest.fixture
def untouched(tmp_path, folder):
    """Ask whether all that lay in the folder and outside it is as it was."""
    own = folder / "napari-sam-embeddings"
    before = contents(folder, tmp_path / "outside", besides=[own])

    def ask():
        return contents(folder, tmp_path / "outside", besides=[own]) == before

    return ask


def put(store, keys, image="image"):
    return [store.put(key, FEATURES, GEOMETRY, Origin(image)) for key in keys]


def use(store):
    """Do all that a store can do."""
    assert all(put(store, KEYS[:2]) + put(store, KEYS[2:4], "experiment"))
    assert put(store, [KEYS[4]], "paper") == [True]
    store.note_scale(KEYS[0], 1.5)
    names = ("a", "b", "c", "d", "e")
    for key in (*KEYS, *(name * 40 for name in names)):
        store.get(key)
        store.closer_scale(key)
        store.note_scale(key, 1.0)
        assert (key in store) == (key in KEYS[:5])
    assert store.nbytes == sum(store.entry_nbytes(key) for key in KEYS[:5])
    assert store.planes("image", "") == set()
    limited = EmbeddingStore(store.root, max_bytes=store.nbytes // 2)
    assert put(limited, [KEYS[5]], "loose") == [True]
    assert 0 < limited.nbytes <= limited.max_bytes
    store.clear("paper")
    store.clear("image")
    store.clear()
    assert store.nbytes == 0


def test_what_lies_beside_the_store_stays(folder, untouched):
    use(EmbeddingStore(folder))
    assert untouched()
    assert os.listdir(folder / "napari-sam-embeddings") != []


def test_what_lies_in_the_stores_own_folder_stays(folder, tmp_path):
    store = EmbeddingStore(folder)
    put(store, KEYS[:1])
    own = store.folder
    fill_group(own / "image", tmp_path / "outside")
    write(own / "myrepo" / ".git" / "HEAD", "ref")
    write(own / "notes.txt", "mine")
    (own / "other").symlink_to(tmp_path / "outside" / "thesis")
    mine = tmp_path / "the group"
    fill_group(mine, tmp_path / "outside")
    (own / "linked").symlink_to(mine)
    make_old(own)
    ours = [own / "image" / key for key in KEYS]
    ours += [own / name for name in ("experiment", "paper", "loose", ".evicting.lock")]
    before = contents(folder, tmp_path / "outside", mine, besides=ours)
    assert len(before) > 90
    use(EmbeddingStore(folder))
    assert contents(folder, tmp_path / "outside", mine, besides=ours) == before
    assert not any(path.exists() for path in ours[:-1])


def test_a_file_that_was_put_into_an_entry_stays(tmp_path):
    store = EmbeddingStore(tmp_path)
    put(store, KEYS[:1])
    note = store.folder / "image" / KEYS[0] / "why I like this plane.txt"
    note.write_text("mine")
    store.clear()
    assert note.read_text() == "mine"
    assert KEYS[0] not in store
    assert put(store, KEYS[:2]) == [False, True]
    assert os.listdir(note.parent) == [note.name]
    assert not store.problem


def test_an_entry_that_somebody_else_made_is_not_written_to(tmp_path):
    store = EmbeddingStore(tmp_path)
    put(store, KEYS[:1])
    theirs = store.folder / "image" / KEYS[1]
    write(theirs / "zarr.json", "{}")
    write(theirs / "c" / "0" / "0" / "0", "mine")
    before = contents(theirs)
    assert store.get(KEYS[1]) is None
    assert put(store, [KEYS[1]]) == [False]
    store.clear()
    assert contents(theirs) == before


@pytest.mark.parametrize("kind", ["folder", "file", "link", "other mark"])
def test_a_folder_of_the_stores_name_that_it_did_not_make(tmp_path, kind):
    own = tmp_path / "S" / "napari-sam-embeddings"
    outside = tmp_path / "outside"
    fill_group(outside / "image", tmp_path)
    write(tmp_path / "S" / "notes.txt", "mine")
    if kind == "folder":
        write(own / "image" / "zarr.json", "mine")
    elif kind == "file":
        own.write_text("mine")
    elif kind == "link":
        own.symlink_to(outside)
    else:
        write(own / "napari-sam.json", '{"napari_sam": "other"}')
    before = contents(tmp_path)
    store = EmbeddingStore(tmp_path / "S")
    with pytest.warns(RuntimeWarning, match="was not made by napari-sam"):
        assert put(store, KEYS[:2]) == [False, False]
    store.clear()
    assert store.nbytes == 0
    assert contents(tmp_path) == before


def test_a_link_out_of_a_store_is_not_followed(tmp_path):
    other = EmbeddingStore(tmp_path / "other")
    put(other, KEYS[:2])
    put(other, KEYS[2:3], "second")
    store = EmbeddingStore(tmp_path / "S")
    put(store, KEYS[3:4])
    group = store.folder / "image"
    (group / KEYS[0]).symlink_to(other.folder / "image" / KEYS[0])
    (store.folder / "second").symlink_to(other.folder / "second")
    (group / KEYS[1]).mkdir()
    for name in ("zarr.json", "c.0.0.0"):
        theirs = other.folder / "image" / KEYS[1] / name
        (group / KEYS[1] / name).symlink_to(theirs)
    before = contents(other.root)
    assert [key in store for key in KEYS[:4]] == [False, False, False, True]
    store.note_scale(KEYS[0], 2.0)
    with pytest.warns(RuntimeWarning, match="of one image"):
        assert put(store, KEYS[:3], "second") == [False] * 3
    assert store.problem_of("second")
    assert not store.problem
    small = EmbeddingStore(store.root, max_bytes=1)
    put(small, [KEYS[4]])
    store.clear()
    assert contents(other.root) == before
    assert all(other.get(key) is not None for key in KEYS[:3])


def test_names_lead_nowhere_else(tmp_path):
    store = EmbeddingStore(tmp_path / "S")
    put(store, KEYS[:1])
    write(tmp_path / "S" / "mine" / "zarr.json", "{}")
    before = contents(tmp_path)
    for name in ("..", "../mine", ".", "", ".hidden", str(tmp_path), "a/b", "a\0b"):
        with pytest.raises(ValueError, match="is named by letters"):
            store.put(KEYS[1], FEATURES, GEOMETRY, Origin(name))
        store.clear(name)
        assert store.image_nbytes(name) == 0
    for key in ("..", f"../image/{KEYS[0]}", "A" * 40, "a" * 39, ""):
        with pytest.raises(ValueError, match="40 hex digits"):
            store.put(key, FEATURES, GEOMETRY)
        assert store.get(key) is None
        assert key not in store
    assert contents(tmp_path) == before


def make_former(tmp_path):
    """A store as versions before this one laid it out, among other things."""
    new = EmbeddingStore(tmp_path / "new")
    for i, key in enumerate(KEYS[:4]):
        new.put(key, FEATURES, GEOMETRY, Origin("former", (i, None), "cells"))
    root = tmp_path / "S"
    fill_folder(root, tmp_path / "outside")
    shutil.move(new.folder / "former", root / "former")
    return EmbeddingStore(root)


def test_a_store_of_an_earlier_version_is_found(tmp_path):
    store = make_former(tmp_path)
    np.testing.assert_array_equal(store.get(KEYS[0]).features, FEATURES)
    store.note_scale(KEYS[1], 1.25)
    assert EmbeddingStore(store.root).get(KEYS[1]).closer_scale == 1.25
    assert store.planes("former", "cells") == {(i, None) for i in range(4)}
    assert store.image_nbytes("former") == store.nbytes > 0
    put(store, KEYS[4:5], "former")
    assert store.get(KEYS[4]) is not None
    assert store.nbytes == sum(store.entry_nbytes(key) for key in KEYS[:5])


def test_a_store_of_an_earlier_version_keeps_to_its_limit_and_is_cleared(tmp_path):
    store = make_former(tmp_path)
    former = store.root / "former"
    others = contents(store.root)
    mine = [path for path in others if path.startswith(str(former))]
    for key in KEYS[:4]:
        os.utime(former / key / "zarr.json", (1e9, 1e9))
    small = EmbeddingStore(store.root, max_bytes=store.nbytes // 2)
    assert put(small, KEYS[4:5], "former") == [True]
    assert KEYS[4] in small
    assert 0 < small.nbytes <= small.max_bytes
    small.clear()
    assert not former.exists()
    own = [former, small.folder]
    left = contents(store.root, besides=own)
    assert left == {path: others[path] for path in others if path not in mine}


def test_what_is_damaged_in_an_earlier_store_is_made_again_elsewhere(tmp_path):
    store = make_former(tmp_path)
    (store.root / "former" / KEYS[0] / "zarr.json").write_text("{")
    chunk = store.root / "former" / KEYS[1] / "c.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    for key in KEYS[:2]:
        assert store.get(key) is None
        assert put(store, [key], "former") == [True]
        assert store.get(key) is not None
    assert (store.root / "former" / KEYS[0] / "zarr.json").read_text() == "{"
    assert not chunk.exists()


def test_the_marked_folder_itself_may_be_given(tmp_path):
    put(EmbeddingStore(tmp_path), KEYS[:1])
    inner = EmbeddingStore(tmp_path / "napari-sam-embeddings")
    assert inner.folder == inner.root
    assert KEYS[0] in inner
    put(inner, KEYS[1:2])
    assert KEYS[1] in EmbeddingStore(tmp_path)


def test_a_group_of_somebody_else_gives_up_its_image_only(tmp_path):
    store = EmbeddingStore(tmp_path)
    put(store, KEYS[:1])
    write(store.folder / "theirs" / "zarr.json", '{"zarr_format": 3}')
    with pytest.warns(RuntimeWarning, match="of one image are not kept on disk"):
        assert put(store, KEYS[1:3], "theirs") == [False, False]
    assert "was not made by napari-sam" in store.problem_of("theirs")
    assert put(store, KEYS[1:2]) == [True]
    assert GROUP["attributes"] == {"napari_sam": 1}
