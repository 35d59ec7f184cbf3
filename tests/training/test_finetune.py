"""Fine-tuning: what learns, what is kept, and what goes wrong without harm."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_discs import draw_discs
from safetensors import safe_open
from tiny_network import tiny_architecture, tiny_sam

from napari_sam.checkpoints.export import export_pth
from napari_sam.checkpoints.load import load_sam
from napari_sam.configs import TrainConfig
from napari_sam.inference.model_loading import load_model
from napari_sam.io.labelled_arrays import LabelledArrays
from napari_sam.model.build import ARCHITECTURES
from napari_sam.ops.types import Cancelled
from napari_sam.training import click_rounds, run_files
from napari_sam.training.crop import embed_view
from napari_sam.training.finetune import fine_tuning
from napari_sam.training.trainer import Trainer

TINY = {name: tiny_architecture(name) for name in ARCHITECTURES}


def arrays(count: int = 3, **more: object) -> list[LabelledArrays]:
    """Bright discs on a dark ground, in memory."""
    return [
        LabelledArrays("discs", str(i), *draw_discs(i), **more) for i in range(count)
    ]


def few_steps(start, **changes):
    """A run of three small steps."""
    settings = {
        "steps": 3,
        "minutes": None,
        "validate_every": 3,
        "window": 64,
        "prompts": 2,
        "embeddings": 1,
        "patience": 0,
        "warmup": 0,
        "rank": 4,
        "init": "tiny",
    }
    return fine_tuning(start, **(settings | changes))


@pytest.fixture
def tiny_registry(monkeypatch):
    """Let files of the small networks load under the names of the large ones."""
    for module in ("network_building", "architecture_detection"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", TINY)


@pytest.mark.parametrize(
    ("name", "what"), [("cells", "all"), ("vit_t", "all"), ("vit_b", "decoder")]
)
def test_a_light_encoder_learns_too(name, what):
    assert fine_tuning(tiny_sam(name)).what == what
    assert fine_tuning(tiny_sam(name), what="adapters").what == "adapters"


NAMES = ("vit_b", "cells", "vit_t", "lite_medsam")  # ViT-L and -H differ in size


@pytest.mark.parametrize(
    ("name", "what"),
    [
        pytest.param(
            name,
            what,
            marks=() if name in NAMES[:2] or what == "decoder" else pytest.mark.slow,
        )
        for name in NAMES
        for what in ("decoder", "adapters", "all")
    ],
)
def test_what_is_said_learns_and_nothing_else(name, what, tmp_path, tiny_registry):
    start = tiny_sam(name)
    out = tmp_path / "mine.safetensors"
    run = Trainer(few_steps(start, what=what), arrays(), out, start, device="cpu")
    run.run()
    after = run.averaged().state_dict()
    before = start.state_dict()
    assert before.keys() == after.keys()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    assert any(n.startswith("mask_decoder") for n in changed)
    assert any(n.startswith("image_encoder") for n in changed) == (what != "decoder")
    if start.dense_head is not None:
        assert any(n.startswith("dense_head") for n in changed)
    if what == "adapters":
        learned = [n for n in changed if n.startswith("image_encoder")]
        assert all(n.endswith("weight") for n in learned)
    assert load_model(out, device="cpu").model.architecture.name == name


def test_a_frozen_encoder_sees_each_view_once(tmp_path, monkeypatch):
    start = tiny_sam("cells")
    calls = []
    real = embed_view

    def counted(*args):
        calls.append(1)
        return real(*args)

    monkeypatch.setattr("napari_sam.training.cached_embeddings.embed_view", counted)
    config = few_steps(start, what="decoder", steps=8, validate_every=100, embeddings=2)
    Trainer(config, arrays(), tmp_path / "m.safetensors", start, device="cpu").run()
    assert len(calls) == 2


def test_adapters_begin_as_the_model_was(tmp_path):
    start = tiny_sam("cells")
    config = few_steps(start, what="adapters")
    run = Trainer(config, arrays(), tmp_path / "m.safetensors", start, device="cpu")
    image = torch.rand(1, 3, *[start.architecture.frame_size] * 2)
    with torch.no_grad():
        assert torch.allclose(
            start.image_encoder(image), run.sam.image_encoder(image), atol=1e-6
        )


def test_a_stopped_fine_tuning_ends_as_an_unbroken_one(tmp_path):
    start = tiny_sam("cells")
    config = few_steps(start, steps=4, what="decoder", embeddings=3)
    whole = Trainer(config, arrays(), tmp_path / "a.safetensors", start, device="cpu")
    whole.run()
    out = tmp_path / "b.safetensors"
    first = Trainer(config, arrays(), out, start, device="cpu")
    with pytest.raises(Cancelled):
        first.run(is_cancelled=lambda: first.step >= 2)
    second = Trainer(config, arrays(), out, start, device="cpu")
    assert second.step == 2
    assert second.before == first.before
    second.run()
    ended = second.averaged().state_dict()
    for name, tensor in whole.averaged().state_dict().items():
        torch.testing.assert_close(tensor, ended[name], rtol=1e-3, atol=1e-5)


def test_another_start_does_not_resume(tmp_path):
    start = tiny_sam("cells")
    out = tmp_path / "m.safetensors"
    Trainer(few_steps(start, what="decoder"), arrays(), out, start, device="cpu").run()
    other = tiny_sam("cells")
    with torch.no_grad():
        next(other.image_encoder.parameters()).add_(1)
    with pytest.raises(ValueError, match="another model"):
        Trainer(few_steps(start, what="decoder"), arrays(), out, other, device="cpu")


def test_a_run_that_diverges_is_stopped_and_the_best_is_kept(tmp_path, tiny_registry):
    start = tiny_sam("cells")
    out = tmp_path / "m.safetensors"
    config = few_steps(
        start, steps=400, lr_decoder=1e12, lr_encoder=1e12, validate_every=1000
    )
    config = config.model_copy(update={"clip": 1e12, "what": "all"})
    result = Trainer(config, arrays(), out, start, device="cpu").run()
    assert result.reason == "diverged"
    assert result.step < 200
    assert result.best_step == 0
    kept = load_sam(out).model.state_dict()
    for name, tensor in start.state_dict().items():
        assert torch.allclose(tensor, kept[name], atol=2e-3), name


def test_it_ends_when_the_time_is_over(tmp_path):
    start, out = tiny_sam("cells"), tmp_path / "m.safetensors"
    config = few_steps(start, minutes=0.5, steps=100_000)
    now = count(step=0.5)  # half a second passes each time that it is looked at
    run = Trainer(
        config, arrays(), out, start, device="cpu", clock=lambda: float(next(now))
    )
    told = []
    result = run.run(progress=lambda done, total: told.append((done, total)))
    assert result.reason == "minutes"
    assert 5 < result.step < 30
    assert told[-1][1] == 30


@pytest.mark.parametrize("minutes", [None, 0.5])
def test_minutes_are_not_cut_short_by_the_default_number_of_steps(minutes):
    given = TrainConfig(minutes=minutes)
    assert (given.steps == 1000) == (minutes is None)
    assert TrainConfig(minutes=minutes, steps=7).steps == 7
    assert fine_tuning(tiny_sam("cells"), minutes).steps == given.steps


def test_two_trainings_do_not_write_to_one_place(tmp_path):
    start = tiny_sam("cells")
    out = tmp_path / "m.safetensors"
    first = Trainer(few_steps(start), arrays(), out, start, device="cpu")
    with pytest.raises(ValueError, match="another training"):
        Trainer(few_steps(start), arrays(), out, start, device="cpu")
    first.run()
    Trainer(few_steps(start), arrays(), out, start, device="cpu").close()


def test_a_full_disk_costs_neither_the_old_file_nor_the_run(tmp_path, monkeypatch):
    start = tiny_sam("cells")
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"what the user had")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_files, "save_file", full)
    monkeypatch.setattr(run_files.torch, "save", full)
    run = Trainer(few_steps(start), arrays(), out, start, device="cpu")
    with pytest.raises(OSError, match="could not be written"):
        run.run()
    assert run.step == 3
    assert out.read_bytes() == b"what the user had"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_is_held_out_is_told_before_and_after(tmp_path):
    start = tiny_sam("cells")
    events = []
    run = Trainer(
        few_steps(start), arrays(5), tmp_path / "m.safetensors", start, device="cpu"
    )
    result = run.run(on_event=events.append)
    assert result.before is not None and result.after is not None
    assert sum(result.after) >= sum(result.before)
    assert [e for e in events if "validation_click" in e]
    scores = run.held.score(run.sam)
    cases = run.held.worst(scores, run.scores_before, count=3)
    assert cases[0].after == scores.clicks.min()
    assert cases[0].truth.shape == cases[0].image.shape[:2] == cases[0].found.shape


def test_where_little_is_held_out_what_is_learned_from_counts_too(tmp_path):
    def one_disc(image, labels):
        return image, np.where(labels == labels.max(), 1, 0)

    start, out = tiny_sam("cells"), tmp_path / "m.safetensors"
    few = [LabelledArrays("discs", str(i), *one_disc(*draw_discs(i))) for i in range(5)]
    run = Trainer(few_steps(start), few, out, start, device="cpu")
    assert (run.held.objects, run.familiar.objects) == (1, 4)
    run.run()
    held, familiar = run.held.score(start), run.familiar.score(start)
    assert run.best >= (held.mean + 4 * familiar.mean) / 5 - 1e-5
    other = tmp_path / "other.safetensors"
    many = Trainer(few_steps(start), arrays(5), other, start, device="cpu")
    assert many.held.objects >= 4 and not many.familiar.objects


def test_fewer_prompts_at_a_time_give_the_same_gradients():
    start = tiny_sam("cells").requires_grad_(True)
    config = few_steps(start, rounds=1, prompts=4, what="all", rough_masks=0)
    from napari_sam.training.dataset import Dataset

    frame, stride = start.architecture.frame_size, start.architecture.encoder.stride
    sample = Dataset(arrays(), config, frame, stride).sample(1)
    grads = []
    for at_once in (len(sample.masks), 1):
        teacher = click_rounds.Teacher(start, config)
        teacher.at_once = at_once
        start.zero_grad()
        teacher.teach(sample, np.random.default_rng(0))
        grads.append([p.grad.clone() for p in start.parameters() if p.grad is not None])
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-3)


def test_a_memory_limit_makes_the_prompts_few_in_half_precision(tmp_path):
    start = tiny_sam("cells")
    config = few_steps(start, memory=1e-5, prompts=4, precision="bfloat16")
    run = Trainer(config, arrays(), tmp_path / "m.safetensors", start, device="cpu")
    run.run()
    assert run.teacher.at_once == 1


def test_a_file_for_metas_loader_holds_what_was_learned(tmp_path, tiny_registry):
    start = tiny_sam("vit_b")
    out = tmp_path / "mine.safetensors"
    config = few_steps(start, what="adapters", dense_head=True)
    Trainer(config, arrays(), out, start, device="cpu").run()
    target = export_pth(out, tmp_path / "mine.pth")
    bare = torch.load(target, weights_only=True)
    assert bare.keys() == start.state_dict().keys()  # no dense head, no adapter
    mine = load_sam(out).model
    assert mine.dense_head is not None
    for name, tensor in bare.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, mine.state_dict()[name])
    assert load_sam(target).model.dense_head is None
    wrapped = {"model_state": {f"sam.{k}": v for k, v in bare.items()}}
    torch.save(wrapped, tmp_path / "micro.pt")
    theirs = load_sam(tmp_path / "micro.pt").model.state_dict()
    assert all(torch.equal(theirs[name], bare[name]) for name in bare)
    with pytest.raises(ValueError, match="'cells'"):
        Trainer(
            few_steps(tiny_sam("cells")),
            arrays(),
            tmp_path / "c.safetensors",
            tiny_sam("cells"),
            device="cpu",
        ).run()
        export_pth(tmp_path / "c.safetensors", tmp_path / "c.pth")


_RUN = """
import sys, torch
from pathlib import Path
sys.path[:0] = {paths!r}
torch.set_num_threads(1)
from test_finetune import arrays, few_steps, tiny_sam
from napari_sam.training.trainer import Trainer
start = tiny_sam("cells")
config = few_steps(start, steps=100000, validate_every=1, checkpoint_minutes=1e-9)
run = Trainer(config, arrays(), Path({out!r}), start, device="cpu")
run.run(progress=lambda *done: print(*done, flush=True))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path, tiny_registry):
    out = tmp_path / "m.safetensors"
    here = Path(__file__).parent
    paths = [str(here), str(here.parent / "support")]
    command = [sys.executable, "-c", _RUN.format(paths=paths, out=str(out))]
    start = tiny_sam("cells")
    config = few_steps(start, steps=100000, validate_every=1, checkpoint_minutes=1e-9)
    done = 0
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            for _ in range(4):  # told before the checkpoint of the same step
                step = int(child.stdout.readline().split()[0])
            child.kill()
        assert step == done + 4
        assert load_sam(out).model.architecture.name == "cells"
        again = Trainer(config, arrays(), out, start, device="cpu")
        assert again.step >= done + 3
        done = again.step
        again.close()
    log = tmp_path / "m.safetensors.jsonl"
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert max(steps) >= 6
    with safe_open(out, "pt") as file:
        assert file.metadata()["architecture"] == "cells"
