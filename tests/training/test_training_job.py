"""A training as a window starts it."""

from __future__ import annotations

import errno
from functools import partial
from types import SimpleNamespace

import imageio.v3 as iio
import pytest
from drawn_discs import draw_discs
from filelock import FileLock
from safetensors import SafetensorError
from tiny_network import tiny_architecture, tiny_predictor, tiny_sam

from napari_sam.checkpoints.load import LoadedCheckpoint, load_sam
from napari_sam.configs import TrainConfig
from napari_sam.io.labelled_arrays import LabelledArrays
from napari_sam.training import run_files
from napari_sam.training.training_job import train
from napari_sam.workflows.progress import Progress


@pytest.fixture
def job(tmp_path, monkeypatch):
    loaded = LoadedCheckpoint(tiny_sam("cells"), "tiny", "0", ())
    real = load_sam
    monkeypatch.setattr("napari_sam.checkpoints.load.load_sam", lambda _: loaded)
    tiny = {"cells": tiny_architecture("cells")}
    monkeypatch.setattr("napari_sam.checkpoints.network_building.ARCHITECTURES", tiny)
    sources = [LabelledArrays("mine", str(i), *draw_discs(i)) for i in range(4)]
    out, config = tmp_path / "new" / "m.safetensors", TrainConfig(window=64, steps=3)
    run = partial(train, sources, out, config=config)
    job = SimpleNamespace(sources=sources, out=out, config=config, train=run)
    return job, real


def test_it_ends_with_a_model_and_the_worst_cases(job):
    job, load = job
    told = []
    outcome = job.train(on_event=told.append)
    assert outcome.reason == "steps"
    assert outcome.objects == len(outcome.cases) > 0
    assert outcome.cases[0].before is not None
    assert load(outcome.path).model.architecture.name == "cells"
    assert {p.suffix for p in outcome.path.parent.iterdir()} == {
        ".safetensors",
        ".jsonl",
    }


def test_stopped_it_keeps_the_best_so_far(job):
    job, load = job
    outcome = job.train(progress=Progress(is_cancelled=lambda: True))
    assert outcome.reason == "cancelled"
    assert load(outcome.path).model.architecture.name == "cells"


FAILURES = {
    "full": (OSError(errno.ENOSPC, "No space left on device"), "there is no room for"),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), "there is no room for"),
    "full, in Rust's words": (
        SafetensorError("I/O error: No space left on device (os error 28)"),
        "there is no room for m.safetensors on the disk of",
    ),
    "forbidden": (PermissionError(errno.EACCES, "Permission denied"), "may not be"),
    "read-only": (OSError(errno.EROFS, "Read-only file system"), "may not be written"),
    "broken": (OSError(errno.EIO, "Input/output error"), "Input/output error"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_model_that_cannot_be_written_is_put_elsewhere(
    job, monkeypatch, tmp_path, failure
):
    job, load = job
    problem, told = FAILURES[failure]
    real = run_files.save_file
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp" / job.out.name).write_bytes(b"another user's")

    def full(weights, path, metadata):
        if "new" in str(path):
            raise problem
        real(weights, path, metadata)

    monkeypatch.setattr(run_files, "save_file", full)
    outcome = job.train(config=TrainConfig(window=64, steps=1))
    assert outcome.reason == "elsewhere"
    assert told in outcome.problem and "m.safetensors" in outcome.problem
    assert str(job.out.parent) in outcome.problem
    assert ("room" in outcome.problem) == ("room" in told)
    assert outcome.path.parent.parent == tmp_path / "tmp"
    assert load(outcome.path).model.architecture.name == "cells"
    assert (tmp_path / "tmp" / job.out.name).read_bytes() == b"another user's"


def test_a_place_that_may_not_be_written_is_said_before_the_work(job, monkeypatch):
    job, _ = job

    def forbidden(path, *args, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.mkdir", forbidden)
    with pytest.raises(OSError, match=r"m\.safetensors may not be written"):
        job.train()


def test_images_that_are_left_out_are_named(job):
    job, _ = job
    image, labels = draw_discs(9)
    odd = LabelledArrays("mine", "odd", image, labels[:-1])
    outcome = train([*job.sources, odd], job.out, config=job.config)
    (told,) = outcome.left_out
    assert told.startswith("mine/odd: the labels of odd have shape")
    with pytest.raises(ValueError, match=r"no labelled image can be .* mine/odd: the"):
        train([odd], job.out, config=job.config)


def test_another_run_at_the_same_place_is_left_alone(job):
    """What belongs to a run goes while it still holds the place."""
    job, _ = job
    job.out.parent.mkdir()
    lock = FileLock(job.out.with_name(job.out.name + ".lock"))
    checkpoint = job.out.with_name(job.out.name + ".checkpoint")
    checkpoint.write_bytes(b"of the other run")
    with lock, pytest.raises(ValueError, match="another training writes"):
        job.train()
    assert checkpoint.read_bytes() == b"of the other run"


def test_a_checkpoint_that_was_cut_off_is_said(job):
    job, _ = job
    job.out.parent.mkdir()
    checkpoint = job.out.with_name(job.out.name + ".checkpoint")
    for content in (b"", b"PK\x03\x04" + b"\0" * 99, b"\x80\x02}q\x00."):
        checkpoint.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint is .*remove it"):
            job.train()
        assert checkpoint.exists()


def test_a_folder_is_trained_on_from_a_model_in_use(job, tmp_path):
    job, _ = job
    for kind in ("images", "labels"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
    for i in range(2):
        image, labels = draw_discs(i)
        iio.imwrite(tmp_path / "mine" / "images" / f"{i}.png", image)
        iio.imwrite(tmp_path / "mine" / "labels" / f"{i}.tif", labels)
    model = tiny_predictor()
    config = TrainConfig(window=64, steps=1)
    with pytest.raises(ValueError, match="not loaded by a name or a path"):
        train(tmp_path / "mine", job.out, model=model, config=config)
    model.source = "cells"
    outcome = train(str(tmp_path / "mine"), job.out, model=model, config=config)
    assert outcome.path == job.out and job.out.exists()
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        train(tmp_path / "mine", tmp_path / "m.pth")
