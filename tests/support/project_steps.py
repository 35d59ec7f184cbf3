"""Some work on a project, step by step, and what must be there after each step."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import dask
import imageio.v3 as iio
import numpy as np
import tifffile
from failing_disk import Changes, die
from thoroughness import EVERY

from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.export import export_project
from napari_sam.workflows.project.project import Project

SHAPE = (66, 66)
STACK = (5, 40, 40)
OWN = b"of the user"


def _square(number, at=2):
    labels = np.zeros(SHAPE, np.int32)
    labels[at : at + 5, at : at + 5] = number
    return labels


def _many(first):
    rows, cols = np.indices(SHAPE) // 2
    return (rows * 33 + cols + first).astype(np.int32)


def _stack(first, depth=3):
    """A square on each of some planes, and many on one."""
    labels = np.zeros(STACK, np.int32)
    labels[:depth, 2:7, 2:7] = first
    labels[1, 20:30, 20:30] = np.arange(100).reshape(10, 10) + first + 1
    return labels


STEPS = (
    lambda project: project.save("a", _square(1)),
    lambda project: project.propose("b", Preannotation(_square(1), 0.5), "cells"),
    lambda project: project.save("a", _many(1)),
    lambda project: project.accept("b"),
    lambda project: project.files.close_image("a"),
    lambda project: project.save("a", _many(9)),
    lambda project: project.propose(
        "b", Preannotation(_square(2, 20) + _square(1), 0.5), "cells"
    ),
    lambda project: project.reject("b", [2]),
    lambda project: project.files.write_label_files(),
    lambda project: project.save("b", _square(7, 30)),
    lambda project: project.finish("b"),
    lambda project: project.save("c", _stack(1)),
    lambda project: project.propose("c", Preannotation(_stack(1), 0.5), "cells"),
    lambda project: project.save("c", np.where(_stack(1) == 1, 7, 0)),
    lambda project: project.accept("c", [5, 6]),
    lambda project: project.image_files.choose_axes("c", "tyx"),
    lambda project: project.files.close_image("c"),
    lambda project: project.note_training("m"),
    lambda project: project.save("a", _square(4)),  # few objects are measured
    lambda project: export_project(project, project.folder.parent / "out"),
    lambda project: project.save("a", _square(5)),
    lambda project: export_project(project, project.folder.parent / "out"),
    lambda project: project.close(),
)


def make_images(root):
    for name in "ab":
        iio.imwrite(root / f"{name}.png", np.zeros(SHAPE, np.uint8))
    tifffile.imwrite(root / "c.tif", np.zeros(STACK, np.uint8))
    (root / "out" / "labels").mkdir(parents=True)
    (root / "out" / "labels" / "mine.tif").write_bytes(OWN)


def create(root):
    return Project.create(root / "p", [root / "a.png", root / "b.png", root / "c.tif"])


def state_of(project):
    """What the user would miss, as something that can be compared."""
    return (
        *(project.labels(name).tobytes() for name in "abc"),
        *(project.proposals(name).tobytes() for name in "abc"),
        *(sorted(project.notes(name)) for name in "abc"),
        project.state("b").status,
        project.state("c").axes,
        project.model,
    )


def expected_states(root):
    """Return the state before the first step, and after each one."""
    make_images(root)
    project = create(root)
    states = [state_of(project)]
    for step in STEPS:
        step(project)
        states.append(state_of(project))
    return states


def check(root, states, done):
    """See that a project holds what `done` steps did, and perhaps the next one.

    Returns it, open.
    """
    if not (root / "p" / "project.json").exists():
        assert done < 0, "a project is gone"
        return create(root)
    project = Project.open(root / "p")
    allowed = states[max(done, 0) : done + 2]
    assert state_of(project) in allowed, f"lost after {done} steps"
    assert project.store.problems == {}
    parts = [p for p in (root / "p").rglob(".napari-sam-*") if p.parent.name != "p"]
    assert parts == []
    for file in (root / "out").rglob("*.tif"):
        if file.name == "mine.tif":
            assert file.read_bytes() == OWN
        elif not file.name.startswith("."):
            wanted = STACK if file.stem == "c" else SHAPE
            assert tifffile.imread(file).shape == wanted
    return project


def work(root, at, told):
    """Make a project and do all steps, but be killed at the n-th change of a file."""
    with Changes(at, die):
        project = create(root)
        _tell(told)
        for step in STEPS:
            step(project)
            _tell(told)


_REAL_WRITE = os.write


def _tell(told):
    _REAL_WRITE(told, b".")


def kill_at_each_change(root):
    """Print how often the work was killed; fail if anything was ever lost."""
    states = expected_states(Path(tempfile.mkdtemp(dir=root)))
    at, kills, was_killed = 1 - EVERY, 0, True
    while was_killed:
        at += EVERY
        where = Path(tempfile.mkdtemp(dir=root))
        make_images(where)
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            os.close(heard)
            work(where, at, told)
            os._exit(0)
        os.close(told)
        with os.fdopen(heard, "rb") as pipe:
            done = len(pipe.read()) - 1
        was_killed = os.waitpid(child, 0)[1] != 0
        with Changes(0, die):  # nothing happens, and no disk is waited for
            project = check(where, states, done)
            assert project.scan_files().changed_elsewhere == [], (
                f"killed at change {at}"
            )
            project.save("a", _square(3))
            project.close()
            again = Project.open(where / "p")
            assert again.labels("a").tobytes() == _square(3).tobytes()
            assert again.scan_files().changed_elsewhere == []
            again.close()
        kills += was_killed
    sys.stdout.write(f"killed {kills} times\n")


if __name__ == "__main__":
    with dask.config.set(scheduler="synchronous"):  # no thread outlives a fork
        kill_at_each_change(Path(sys.argv[1]))
