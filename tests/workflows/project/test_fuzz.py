"""Projects with mutated files: an error of the promised type, or right; no more."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from thoroughness import tries

from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import Project

SHAPE = (20, 30)


def square(number, at=2):
    labels = np.zeros(SHAPE, np.int32)
    labels[at : at + 5, at : at + 5] = number
    return labels


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    for name in "ab":
        iio.imwrite(root / f"{name}.png", np.zeros(SHAPE, np.uint8))
    project = Project.create(root / "p", [root / "a.png", root / "b.png"])
    project.save("a", square(1))
    project.propose("b", Preannotation(square(1) + square(2, 12), 0.5), "cells")
    project.accept("b", [1])
    project.reject("b", [2])
    project.save("a", square(2, 9) + square(1))
    project.finish("b")
    project.note_training(project.models_folder / "m.safetensors")
    project.set_retrain_after(3)
    project.close()
    return root


VALUES = (
    *(None, True, -1, 0, 7, 2**31, 2**63, 1e300, float("nan"), "", "a", "../../x"),
    *("proposals/../../x.tif", "/etc/passwd", "x" * 5000, [], [1], {}, {"1": {}}),
    *([[]], {"a": None}, "labels", "snapshot", "written", "proposals/b-1.tif"),
)


def mutate_json(rng, value):
    """Change something, somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = list(value)[rng.integers(len(value))]
        kind = rng.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return {**value, str(rng.choice(["image", "x", "9", "shape"])): 7}
        return {**value, key: mutate_json(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = int(rng.integers(len(value)))
        return [*value[:at], mutate_json(rng, value[at]), *value[at + 1 :]]
    return VALUES[rng.integers(len(VALUES))]


def mutate_bytes(rng, data):
    data = bytearray(data)
    kind = rng.integers(5)
    at = int(rng.integers(max(1, len(data))))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        del data[at : at + int(rng.integers(1, 40))]
    elif kind == 2:
        data[at:at] = data[: int(rng.integers(1, 60))]
    else:
        for place in rng.integers(0, max(1, len(data)), rng.integers(1, 9)):
            data[place] = rng.integers(256)
    return bytes(data)


def mutate_tiff(rng, file):
    shape = (SHAPE, (3, 3), (2, *SHAPE), (0, 5))[rng.integers(4)]
    dtype = ("uint8", "int16", "uint32", "float32")[rng.integers(4)]
    factor = np.asarray(rng.choice([1, 0.5, 2**16])).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty image is odd
        tifffile.imwrite(file, rng.integers(0, 3, shape).astype(dtype) * factor)


def mutate_lines(rng, file):
    lines = file.read_text().splitlines()
    at = int(rng.integers(len(lines)))
    lines[at] = json.dumps(mutate_json(rng, json.loads(lines[at])))
    if rng.random() < 0.1:
        rng.shuffle(lines)
    file.write_text("\n".join(lines) + "\n")


def mutate_head(rng, file):
    file.write_text(json.dumps(mutate_json(rng, json.loads(file.read_text()))))


def mutate(rng, root):
    """Change one file of the project, or leave one out."""
    files = [p for p in sorted((root / "p").rglob("*")) if p.is_file()]
    files = [p for p in files if p.name != ".lock"]
    suffixes = sorted({p.suffix for p in files})  # each kind as often, not each file
    suffix = suffixes[rng.integers(len(suffixes))]
    files = [p for p in files if p.suffix == suffix]
    file = files[rng.integers(len(files))]
    kind = rng.random()
    ways = {".tif": mutate_tiff, ".jsonl": mutate_lines, ".json": mutate_head}
    if kind < 0.1:
        file.unlink()
    elif kind < 0.7:
        with contextlib.suppress(ValueError, IndexError):  # it is damaged already
            ways[file.suffix](rng, file)
    else:
        file.write_bytes(mutate_bytes(rng, file.read_bytes()))


def use(root, repair):
    """Do what the window does, each of which may raise what it promises."""
    try:
        project = Project.open(root / "p", repair=repair)
    except (ValueError, OSError) as error:
        assert str(error)
        return False
    steps = [
        project.scan_files,
        lambda: project.save("b", square(3, 12)),
        lambda: project.propose("a", Preannotation(square(4, 12), 0.5), "m"),
        lambda: project.propose("a", Preannotation(square(4, 13), 0.5), "m"),
        lambda: project.accept("a"),
        lambda: project.reject("b"),
        lambda: project.files.close_image("a"),
        lambda: [source.read() for source in project.sources()],
        project.counts,
        lambda: project.most_uncertain(),
        lambda: project.waiting_for_proposals(),
        project.close,
    ]
    for name in project.images:
        for call in (project.labels, project.proposals, project.read_image):
            steps.insert(1, lambda call=call, name=name: call(name))
    for step in steps:
        try:
            found = step()
        except (ValueError, OSError) as error:
            assert str(error)
            continue
        if isinstance(found, np.ndarray) and found.dtype == np.int32:
            assert found.ndim == 2 and found.min() >= 0
    return True


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(tries(8)))
def test_a_mutated_project_is_an_error_or_right(made, tmp_path, seed, monkeypatch):
    """Thoroughly: 1,000, with 2,000 changes of journals, project files and labels.

    And nothing outside the project is touched.
    """
    monkeypatch.setattr("os.fsync", lambda handle: None)  # no power will be cut
    rng = np.random.default_rng(seed)
    outside = {p: p.read_bytes() for p in made.glob("*.png")}
    opened = 0
    for _ in range(125):
        root = tmp_path / "try"
        shutil.copytree(made, root)
        for _ in range(rng.integers(1, 4)):
            mutate(rng, root)
        opened += use(root, repair=False)
        use(root, repair=True)
        for path, content in outside.items():
            assert (root / path.name).read_bytes() == content
        names = sorted(p.name for p in root.iterdir())
        assert names == ["a.png", "b.png", "p"], names
        shutil.rmtree(root)
    assert sorted(p.name for p in tmp_path.iterdir()) == []
    assert 20 < opened < 125
