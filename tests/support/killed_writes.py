"""Kill a program at each change of a file, and look at what is left.

Run as a program, in a process of its own: it forks for each kill and for each look, so
that no thread of a library is lost in a fork.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import zarr  # noqa: F401  imported before the forks
from failing_disk import Changes, be_full, die

from napari_sam.io.embedding_store import EmbeddingStore, Origin
from napari_sam.io.images import read_labels
from napari_sam.io.label_images import write_labels
from napari_sam.io.object_tables import read_object_table, write_object_table
from napari_sam.ops.types import FrameGeometry
from napari_sam.training.run_files import write_state, write_weights

GEOMETRY = FrameGeometry.fit((20, 30), 64)
OLD, NEW = "a" * 40, "b" * 40


def embedding(key):
    return np.full((8, 4, 4), key == NEW, np.float16)


def put(root, key):
    EmbeddingStore(root / "store").put(key, embedding(key), GEOMETRY, Origin("image"))


def check_store(root):
    """Each embedding is there as it was put, or not at all; and more can be put."""
    store = EmbeddingStore(root / "store")
    for key in (OLD, NEW):
        found = store.get(key)
        assert found is None or (found.features == embedding(key)).all()
    assert store.put("c" * 40, embedding(NEW), GEOMETRY, Origin("image"))


def check_old_stays(root):
    assert EmbeddingStore(root / "store").get(OLD) is not None
    check_store(root)


def save(root, label):
    labels = np.full((6, 6), label, np.uint16)
    write_labels(root / "a.tif", labels)
    write_object_table(root / "a.tif", pd.DataFrame({"index": [label]}))


def check_saved(root):
    assert np.unique(read_labels(root / "a.tif")).tolist() in ([1], [2])
    assert read_object_table(root / "a.tif")["index"].tolist() in ([1], [2])


def write_run(root, step):
    write_state(root / "m.checkpoint", {"step": step})
    write_weights(root / "m.safetensors", {"w": torch.full((3,), float(step))}, {})


def check_run(root):
    from safetensors.torch import load_file

    assert torch.load(root / "m.checkpoint", weights_only=True)["step"] in (1, 2)
    assert load_file(root / "m.safetensors")["w"][0] in (1, 2)


WRITES = {
    "put": (lambda root: put(root, OLD), lambda root: put(root, NEW), check_old_stays),
    "clear": (
        lambda root: put(root, OLD),
        lambda root: EmbeddingStore(root / "store").clear(),
        check_store,
    ),
    "save": (lambda root: save(root, 1), lambda root: save(root, 2), check_saved),
    "train": (
        lambda root: write_run(root, 1),
        lambda root: write_run(root, 2),
        check_run,
    ),
}


def forked(call, *args):
    """Return how a call ended in a process of its own: 0 where it returned 0."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = call(*args) or 0
        except OSError:
            code = 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def disturbed(write, root, happen, at):
    """Write, with something happening at a change; 0 if there are fewer of them."""
    with Changes(at, happen, lasting=happen is be_full) as changes:
        write(root)
    return 3 if changes.count >= at else 0


def changes_of(scenario, folder, happen):
    """Disturb a scenario at each of its changes; return how many there are."""
    before, write, check = scenario
    former = folder / "former"
    former.mkdir()
    assert forked(before, former) == 0
    at = 1
    while True:
        root = folder / f"{happen.__name__}-{at}"
        shutil.copytree(former, root)
        status = forked(disturbed, write, root, happen, at)
        assert forked(check, root) == 0, f"{root} is broken"
        shutil.rmtree(root)
        if status == 0:
            shutil.rmtree(former)
            return at - 1
        at += 1


def main(folder):
    for name, scenario in WRITES.items():
        for happen in (die, be_full):
            number = changes_of(scenario, folder, happen)
            sys.stdout.write(f"{name} {happen.__name__} {number}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
