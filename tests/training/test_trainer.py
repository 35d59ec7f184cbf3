"""Training runs: resumable, repeatable, and loadable as a model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

from napari_sam import cli
from napari_sam.checkpoints.load import load_sam
from napari_sam.ops.types import Cancelled
from napari_sam.training.learning_rate import learning_rate
from napari_sam.training.trainer import Trainer
from napari_sam.training.validation import HeldOut, Scores


def test_a_stopped_run_ends_as_an_unbroken_one(discs, quick, tmp_path):
    whole = Trainer(quick, discs, tmp_path / "whole.safetensors")
    whole.run()

    out = tmp_path / "broken.safetensors"
    first = Trainer(quick, discs, out)
    with pytest.raises(Cancelled, match="step 2"):
        first.run(is_cancelled=lambda: first.step >= 2)
    second = Trainer(quick, discs, out)
    assert second.step == 2
    second.run()

    ended = second.averaged().state_dict()
    for name, tensor in whole.averaged().state_dict().items():
        # Products differ in their last bit with where in memory their factors lie.
        torch.testing.assert_close(tensor, ended[name], rtol=1e-3, atol=1e-5)


def test_the_result_loads_as_a_model_of_its_architecture(discs, quick, tmp_path):
    out = tmp_path / "mine.safetensors"
    trainer = Trainer(quick, discs, out)
    trainer.run()
    loaded = load_sam(out)
    assert loaded.model.architecture.name == "cells"
    assert loaded.model.dense_head is not None
    with safe_open(out, "pt") as file:
        assert file.metadata()["architecture"] == "cells"
    saved = loaded.model.mask_decoder.iou_token.weight
    assert torch.allclose(
        saved, trainer.averaged().mask_decoder.iou_token.weight, atol=1e-2
    )


def test_weights_change_and_the_loss_is_logged(discs, quick, tmp_path):
    out = tmp_path / "mine.safetensors"
    config = quick.model_copy(update={"steps": 10, "held_out": 0.3})
    trainer = Trainer(config, discs, out)
    before = {k: v.clone() for k, v in trainer.sam.state_dict().items()}
    trainer.run()
    after = trainer.sam.state_dict()
    for part in ("image_encoder", "prompt_encoder", "mask_decoder", "dense_head"):
        names = [n for n in before if n.startswith(part)]
        assert any(not torch.equal(before[n], after[n]) for n in names), part
    log = (tmp_path / "mine.safetensors.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    steps = [x for x in lines if "loss" in x]
    assert steps[0]["step"] == 10
    assert steps[0]["loss"] > 0
    validated = [x for x in lines if "validation_click" in x]
    assert all(0 <= x["validation_click"] <= 1 for x in validated)


def test_another_configuration_does_not_resume(discs, quick, tmp_path):
    out = tmp_path / "mine.safetensors"
    Trainer(quick, discs, out).run()
    other = quick.model_copy(update={"steps": 5})
    with pytest.raises(ValueError, match=r"another configuration.*--overwrite"):
        Trainer(other, discs, out)
    anew = Trainer(other, discs, out, anew=True)
    anew.close()
    assert anew.step == 0 and not anew.checkpoint_path.exists()


def test_it_stops_early_without_gain(discs, quick, tmp_path, monkeypatch):
    config = quick.model_copy(
        update={"steps": 50, "held_out": 0.5, "validate_every": 1, "patience": 2}
    )
    half = Scores(np.full(1, 0.5), np.full(1, 0.5), ())
    monkeypatch.setattr(HeldOut, "score", lambda *_: half)
    trainer = Trainer(config, discs, tmp_path / "mine.safetensors")
    trainer.run()
    assert trainer.step == 3


def test_learning_rate_warms_up_and_falls(quick):
    cosine = quick.model_copy(update={"steps": 100, "warmup": 10})
    rates = [learning_rate(cosine, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1)
    assert rates[99] < 0.02
    step = cosine.model_copy(update={"schedule": "step", "milestones": (0.5, 0.9)})
    assert learning_rate(step, 49) == 1
    assert learning_rate(step, 50) == pytest.approx(0.1)
    assert learning_rate(step, 90) == pytest.approx(0.01)


FEW = "steps = 1\nwindow = 64\ncrops = 1\nprompts = 1\nrounds = 1\nheld_out = 0.0\n"


@pytest.mark.slow
def test_the_command_trains(discs, tmp_path):
    config, out = tmp_path / "config.toml", tmp_path / "mine.safetensors"
    config.write_text(FEW)
    options = ["--data", discs, "--config", config, "--out", out, "--threads", "1"]
    command = [sys.executable, "-m", "napari_sam", "train", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.exists()


@pytest.mark.parametrize(
    ("settings", "name", "told"),
    [(FEW, "mine.pth", "safetensors"), ("setps = 1\n", "mine.safetensors", "setps")],
)
def test_the_command_refuses_what_is_wrong(
    discs, tmp_path, capsys, settings, name, told
):
    config = tmp_path / "config.toml"
    config.write_text(settings)
    options = ["--data", discs, "--config", config, "--out", tmp_path / name]
    assert cli.main(["train", *map(str, options)]) == 2
    assert told in capsys.readouterr().err


HANGING = """
import sys
import time
from napari_sam import cli
from napari_sam.training.trainer import Trainer


def hang(trainer, is_cancelled):
    print("a step", flush=True)
    while True:
        time.sleep(60)


Trainer.run = hang
sys.exit(cli.main(["train", *sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_second_ctrl_c_ends_a_step_that_hangs(discs, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(FEW)
    options = ["--config", config, "--data", discs, "--out", tmp_path / "a.safetensors"]
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout.readline() == "a step\n"
        program.send_signal(signal.SIGINT)
        for line in program.stderr:
            if "stopping after this step; once more ends it at once" in line:
                break
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == -signal.SIGINT
