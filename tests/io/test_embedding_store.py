import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import filelock
import numpy as np
import pytest
import xxhash
import zarr

from napari_sam.io.embedding_folders import default_store_folder
from napari_sam.io.embedding_store import EmbeddingStore, Origin
from napari_sam.ops.types import FrameGeometry

GEOMETRY = FrameGeometry.fit((20, 30), 64)
FEATURES = np.random.default_rng(0).normal(size=(8, 4, 4)).astype(np.float16)
KEY = "a" * 40


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "store")


@pytest.fixture
def entry(store):
    assert store.put(KEY, FEATURES, GEOMETRY, Origin("image", (3, None, None), "cells"))
    return store.folder / "image" / KEY


def keys(count):
    return [f"{i:040x}" for i in range(count)]


def fill(store, names, image="image"):
    """Put entries, each a second younger than the one before."""
    for i, name in enumerate(names):
        assert store.put(name, FEATURES, GEOMETRY, Origin(image))
        path = store.folder / image / name / "zarr.json"
        if path.exists():
            os.utime(path, (1e9 + i, 1e9 + i))


def test_what_was_put_is_got_by_another_store(store, entry):
    found = EmbeddingStore(store.root).get(KEY)
    np.testing.assert_array_equal(found.features, FEATURES)
    assert found.features.dtype == np.float16
    assert found.geometry == GEOMETRY
    assert KEY in store
    assert "b" * 40 not in store
    assert store.get("b" * 40) is None


def test_a_store_holds_a_zarr_group_for_each_image(store, entry):
    group = zarr.open_group(store.folder / "image", mode="r")
    np.testing.assert_array_equal(group[KEY][...], FEATURES)


def test_a_scale_is_noted_beside_the_embedding(store, entry):
    assert store.closer_scale(KEY) is None
    store.note_scale(KEY, 1.25)
    assert store.closer_scale(KEY) == 1.25
    assert store.get(KEY).closer_scale == 1.25
    store.note_scale("b" * 40, 2.0)
    assert store.closer_scale("b" * 40) is None


def cut_chunk(entry):
    chunk = entry / "c.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:40])


def flip_chunk(entry):
    chunk = entry / "c.0.0.0"
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)


def drop_chunk(entry):
    (entry / "c.0.0.0").unlink()


def cut_metadata(entry):
    path = entry / "zarr.json"
    path.write_bytes(path.read_bytes()[:100])


def empty_metadata(entry):
    (entry / "zarr.json").write_bytes(b"")


def change(entry, edit):
    path = entry / "zarr.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def other_version(entry):
    change(entry, lambda content: content["attributes"].update(format=0))


def other_geometry(entry):
    geometry = {"image_shape": [20, 31], "resized_shape": [43, 64], "frame_size": 64}
    change(entry, lambda content: content["attributes"].update(geometry=geometry))


def other_shape(entry):
    change(entry, lambda content: content.update(shape=[8, 4, 5]))


def huge_shape(entry):
    change(entry, lambda content: content.update(shape=[2**20, 2**20, 5]))


def no_attributes(entry):
    change(entry, lambda content: content.pop("attributes"))


def a_list(entry):
    (entry / "zarr.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [
        cut_chunk,
        flip_chunk,
        drop_chunk,
        cut_metadata,
        empty_metadata,
        other_version,
        other_geometry,
        other_shape,
        huge_shape,
    ],
)
def test_what_does_not_verify_is_removed_and_made_again(store, entry, damage):
    damage(entry)
    assert store.get(KEY) is None
    assert not entry.exists()
    assert store.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    np.testing.assert_array_equal(store.get(KEY).features, FEATURES)


@pytest.mark.parametrize("replace", [no_attributes, a_list])
def test_what_describes_something_else_is_not_believed_and_stays(store, entry, replace):
    replace(entry)
    before = (entry / "zarr.json").read_bytes()
    assert store.get(KEY) is None
    assert not store.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    store.clear()
    assert (entry / "zarr.json").read_bytes() == before


def test_an_entry_under_a_wrong_name_is_not_believed(store, entry):
    entry.rename(entry.with_name("b" * 40))
    assert "b" * 40 not in store
    assert store.get("b" * 40) is None


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from napari_sam.io.embedding_store import EmbeddingStore, Origin
from napari_sam.ops.types import FrameGeometry
Path.rename = lambda *args: os._exit(9)
geometry = FrameGeometry.fit((20, 30), 64)
features = np.ones((4, 8, 8), np.float16)
EmbeddingStore(sys.argv[1]).put("b" * 40, features, geometry, Origin("image"))
"""


def test_half_an_entry_is_never_seen_and_is_swept_away_later(store, entry):
    subprocess.run([sys.executable, "-c", KILLED, str(store.root)], check=False)
    (left,) = entry.parent.glob(".bbbbbbbb-*")
    assert store.get("b" * 40) is None
    assert store.nbytes == store.entry_nbytes(KEY)
    assert left.exists()
    os.utime(left, (1e9, 1e9))
    assert store.nbytes
    assert not left.exists()


def test_a_damaged_group_is_written_anew(store, entry):
    (store.folder / "image" / "zarr.json").write_text("{")
    other = EmbeddingStore(store.root)
    assert other.put("b" * 40, FEATURES, GEOMETRY, Origin("image"))
    assert set(zarr.open_group(store.folder / "image", mode="r")) == {KEY, "b" * 40}


def test_planes_are_counted_by_image_and_view(store, entry):
    store.put("b" * 40, FEATURES, GEOMETRY, Origin("image", (4, None, None), "cells"))
    store.put("c" * 40, FEATURES, GEOMETRY, Origin("image", (4, None, None), "cells"))
    store.put("d" * 40, FEATURES, GEOMETRY, Origin("image", (5, None, None), "vit_b"))
    store.put("e" * 40, FEATURES, GEOMETRY, Origin("other", (6, None, None), "cells"))
    assert store.planes("image", "cells") == {(3, None, None), (4, None, None)}
    assert store.planes("nothing", "cells") == set()
    assert store.image_nbytes("image") == 4 * store.image_nbytes("other")
    assert store.nbytes == store.image_nbytes("image") + store.image_nbytes("other")


def test_clearing_an_image_leaves_the_others(store, entry):
    store.put("b" * 40, FEATURES, GEOMETRY, Origin("other"))
    store.clear("image")
    assert KEY not in store
    assert "b" * 40 in store
    store.clear()
    assert store.nbytes == 0
    assert [path.name for path in store.folder.glob("[!.]*")] == ["napari-sam.json"]
    assert store.put(KEY, FEATURES, GEOMETRY)


def test_the_longest_unused_goes_beyond_the_limit(store):
    fill(store, keys(4))
    size = store.nbytes // 4
    small = EmbeddingStore(store.root, max_bytes=round(4.5 * size))
    assert small.get(keys(1)[0]) is not None
    assert small.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    held = [name for name in [*keys(4), KEY] if name in small]
    assert held == [keys(4)[0], *keys(4)[2:], KEY]
    assert small.nbytes <= small.max_bytes


def test_what_other_processes_write_counts(store, tmp_path):
    fill(store, keys(1))
    small = EmbeddingStore(store.root, max_bytes=store.nbytes * 40)
    assert small.put(KEY, FEATURES, GEOMETRY)
    fill(store, keys(60))
    fill(small, keys(130)[60:])
    assert small.nbytes <= small.max_bytes


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_where_nothing_can_be_written_the_work_goes_on(store, monkeypatch, number):
    fill(store, keys(1))

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zarr, "create_array", refuse)
    with pytest.warns(RuntimeWarning, match="not kept on disk any more"):
        assert not store.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    assert not store.put(KEY, FEATURES, GEOMETRY, Origin("image"))  # said once
    assert store.problem
    assert store.get(keys(1)[0]) is not None
    assert [p for p in store.root.rglob("*") if p.name.startswith(".a")] == []
    monkeypatch.undo()
    store.clear()
    assert store.put(KEY, FEATURES, GEOMETRY)


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = EmbeddingStore(tmp_path / "file" / "store")
    assert store.get(KEY) is None
    assert store.nbytes == 0
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert not store.put(KEY, FEATURES, GEOMETRY)
    assert not store.put(KEY, FEATURES, GEOMETRY)
    store.clear()


def test_a_full_disk_is_said_and_what_is_there_stays(small_disk):
    store = EmbeddingStore(small_disk(400) / "store")
    features = np.random.default_rng(1).normal(size=(16, 64, 64)).astype(np.float16)
    with pytest.warns(RuntimeWarning, match="is full"):
        done = [store.put(name, features, GEOMETRY) for name in keys(5)]
    assert done[0]
    assert not done[-1]
    for name, was_put in zip(keys(5), done, strict=True):
        assert (store.get(name) is not None) == was_put


def test_a_group_that_cannot_be_written_gives_up_its_image_only(store, monkeypatch):
    fill(store, keys(2))
    make = tempfile.mkdtemp

    def refuse(*args, dir, **kwargs):
        if Path(dir).name == "theirs":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return make(*args, dir=dir, **kwargs)

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.warns(RuntimeWarning, match="embeddings of one image are not kept"):
        assert not store.put(KEY, FEATURES, GEOMETRY, Origin("theirs"))
    assert not store.put(KEY, FEATURES, GEOMETRY, Origin("theirs"))  # said once
    assert "theirs cannot be written" in store.problem_of("theirs")
    assert store.problem == store.problem_of("image") == ""
    assert store.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    monkeypatch.undo()
    store.clear("theirs")
    assert store.put("b" * 40, FEATURES, GEOMETRY, Origin("theirs"))


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError("no locks here"),
        filelock.Timeout("x"),
        PermissionError(errno.EACCES, "denied"),
        OSError(errno.ENOLCK, "no locks available"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_disk_without_locks_fails_no_embedding(store, monkeypatch, error):
    fill(store, keys(3))

    def refuse(self, *args, **kwargs):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    limited = EmbeddingStore(store.root, max_bytes=store.nbytes)
    assert limited.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    assert not limited.problem
    is_evicted = limited.nbytes <= limited.max_bytes
    assert is_evicted != isinstance(error, filelock.Timeout)  # another one does it


def test_what_cannot_be_removed_ends_the_writing_at_the_limit(store, monkeypatch):
    fill(store, keys(3))
    limited = EmbeddingStore(store.root, max_bytes=store.nbytes, warn=False)
    rename = Path.rename

    def refuse(self, target):
        if Path(target).name.startswith("."):
            raise PermissionError(errno.EACCES, "denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    limited.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    assert "cannot be removed" in limited.problem
    assert not limited.put("b" * 40, FEATURES, GEOMETRY, Origin("image"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EIO, "input/output error"),
        OSError(errno.ESTALE, "stale file handle"),
        OSError(errno.EMFILE, "too many open files"),
        ImportError("no codec"),
    ],
    ids=repr,
)
def test_what_could_not_be_read_just_now_stays(store, entry, monkeypatch, error):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(zarr, "open_array", refuse)
    assert store.get(KEY) is None
    monkeypatch.undo()
    assert store.get(KEY) is not None


def test_where_memory_is_short_an_embedding_is_not_kept(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(zarr, "create_array", refuse)
    assert not store.put(KEY, FEATURES, GEOMETRY)
    monkeypatch.undo()
    assert store.put(KEY, FEATURES, GEOMETRY)


def hostile_scale(entry):
    resealed(entry, lambda attributes: attributes.update(closer_scale="wide"))


def hostile_plane(entry):
    resealed(entry, lambda attributes: attributes.update(plane=[[1], {}]))


def hostile_nesting(entry):
    (entry / "zarr.json").write_text("[" * 60_000)


def hostile_size(entry):
    (entry / "zarr.json").write_text(" " * 2**20 + "{}")


def hostile_number(entry):
    change(entry, lambda content: content.update(shape=[10**400]))


def hostile_pipe(entry):
    (entry / "zarr.json").unlink()
    os.mkfifo(entry / "zarr.json")


def hostile_chunk(entry):
    (entry / "c.0.0.0").unlink()
    os.mkfifo(entry / "c.0.0.0")


def resealed(entry, edit):
    def alter(content):
        attributes = content["attributes"]
        edit(attributes)
        del attributes["seal"]
        rest = json.dumps(attributes, sort_keys=True).encode()
        attributes["seal"] = xxhash.xxh3_128_hexdigest(rest)

    change(entry, alter)


@pytest.mark.parametrize(
    "plant",
    [
        hostile_scale,
        hostile_plane,
        hostile_nesting,
        hostile_size,
        hostile_number,
        *(
            pytest.param(
                plant,
                marks=pytest.mark.skipif(os.name == "nt", reason="there are no pipes"),
            )
            for plant in (hostile_pipe, hostile_chunk)
        ),
    ],
)
def test_planted_descriptions_raise_nothing(store, entry, plant):
    plant(entry)
    assert store.closer_scale(KEY) is None
    assert len(store.planes("image", "cells")) <= 1
    store.note_scale(KEY, 1.0)
    store.get(KEY)
    store.put(KEY, FEATURES, GEOMETRY, Origin("image"))
    store.clear()
    assert store.nbytes == 0


SHARE = """
import sys
import numpy as np
from napari_sam.io.embedding_store import EmbeddingStore, Origin
from napari_sam.ops.types import FrameGeometry
store = EmbeddingStore(sys.argv[1], max_bytes=int(sys.argv[3]))
geometry = FrameGeometry.fit((20, 30), 64)
order = np.random.default_rng(int(sys.argv[2])).integers(0, 60, 120)
for i in order:
    key = f"{i:040x}"
    found = store.get(key)
    if found is not None:
        assert (found.features == np.float16(i)).all()
    else:
        store.put(key, np.full((4, 8, 8), i, np.float16), geometry, Origin("image"))
assert not store.problem
"""


def test_processes_share_a_store_while_it_evicts(tmp_path):
    store = EmbeddingStore(tmp_path / "store")
    store.put(KEY, np.ones((4, 8, 8), np.float16), GEOMETRY, Origin("image"))
    limit = 7 * store.nbytes
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, str(store.root), str(seed), str(limit)],
            stderr=subprocess.PIPE,
        )
        for seed in range(3)
    ]
    for worker in workers:
        _, error = worker.communicate(timeout=60)
        assert worker.returncode == 0, error.decode()
    # each knows of its own entries alone between two looks, and of all at the next one
    assert 0 < store.nbytes <= limit + 3 * limit
    looking = EmbeddingStore(store.root, max_bytes=limit)
    assert looking.put(KEY, np.ones((4, 8, 8), np.float16), GEOMETRY, Origin("image"))
    assert 0 < looking.nbytes <= limit
    names = [path.name for path in (store.folder / "image").iterdir() if path.is_dir()]
    assert [name for name in names if name.startswith(".")] == []
    assert all(store.get(name) is not None for name in names)


def test_the_folder_may_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_EMBEDDINGS", str(tmp_path))
    assert EmbeddingStore().root == tmp_path
    monkeypatch.delenv("NAPARI_SAM_EMBEDDINGS")
    assert default_store_folder().name == "embeddings"
    with pytest.raises(ValueError, match="max_bytes"):
        EmbeddingStore(tmp_path, max_bytes=0)


def test_using_an_entry_makes_it_young(store, entry):
    path = Path(entry) / "zarr.json"
    written = path.stat().st_mtime
    os.utime(path, (1e9, 1e9))
    assert KEY in store
    assert path.stat().st_mtime >= written
