"""A fine-tuned model brings a scorer of its own, which knows what was labelled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_discs import draw_discs
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import tiny_sam

from napari_sam.checkpoints.export import export_safetensors
from napari_sam.checkpoints.instance_scorer_weights import (
    load_instance_scorer,
    scorer_from_text,
    scorer_to_text,
)
from napari_sam.checkpoints.load import load_sam
from napari_sam.inference.instance_scorers import scorer_for
from napari_sam.inference.model_loading import load_model
from napari_sam.io.labelled_arrays import LabelledArrays
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig
from napari_sam.ops.plane_candidates import find_in_plane
from napari_sam.ops.plane_measures import PlaneContent
from napari_sam.training.finetune import fine_tuning
from napari_sam.training.instance_scorer_tuning import (
    SeenPlane,
    best_ious,
    tune_instance_scorer,
)
from napari_sam.training.trainer import Trainer
from napari_sam.workflows.objects.instance_choice import expected_ious

SEE = "napari_sam.training.instance_scorer_tuning.see_planes"


def discs_in_rows(bright: float, dark: float) -> tuple[np.ndarray, np.ndarray]:
    """An image of bright discs and dark ones, and labels of the bright ones."""
    image = np.full((160, 160), 0.5, np.float32)
    labels = np.zeros((160, 160), np.int32)
    rows, columns = np.mgrid[:160, :160]
    for number, (top, left) in enumerate(
        (t, x) for t in range(20, 160, 40) for x in range(20, 160, 40)
    ):
        inside = (rows - top) ** 2 + (columns - left) ** 2 <= 11**2
        image[inside] = bright if number % 2 else dark
        if number % 2:
            labels[inside] = number
    return image, labels


def seen_plane(image: np.ndarray, labels: np.ndarray) -> SeenPlane:
    """See a plane with a model to which all that stands out looks alike."""
    from scipy import ndimage

    inside = image != 0.5
    depth = ndimage.distance_transform_edt(inside)
    deep = np.clip(depth / 11, 0, 1)
    maps = np.stack([np.where(inside, 0.95, 0.02), 1 - deep, 1 - deep])
    candidates = find_in_plane(maps.astype(np.float32), PlaneContent(image, 1.0, 2.0))
    return SeenPlane(candidates, best_ious(candidates, labels))


def mean_of_best(seen: SeenPlane, scorer, wanted: bool) -> float:
    """Mean expected IoU of candidates that are labelled objects, or are none."""
    scores = expected_ious(seen.candidates, scorer)
    chosen = seen.ious > 0.8 if wanted else seen.ious == 0
    assert chosen.any()
    return float(scores[chosen].mean())


def test_what_was_not_labelled_is_expected_less_of():
    learned = [seen_plane(*discs_in_rows(b, d)) for b, d in ((0.9, 0.2), (0.8, 0.1))]
    new = seen_plane(*discs_in_rows(0.85, 0.15))
    start = load_instance_scorer().head
    before = {name: value.clone() for name, value in start.state_dict().items()}
    tuned = tune_instance_scorer(start, learned)
    gap = mean_of_best(new, tuned, True) - mean_of_best(new, tuned, False)
    was = mean_of_best(new, start, True) - mean_of_best(new, start, False)
    assert gap > was + 0.2
    assert mean_of_best(new, tuned, True) > start.config.worth
    for name, value in start.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_same_planes_teach_the_same():
    seen = [seen_plane(*discs_in_rows(0.9, 0.2))]
    start = load_instance_scorer().head
    one, other = (tune_instance_scorer(start, seen) for _ in range(2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def arrays(count: int, **more: object) -> list[LabelledArrays]:
    """Bright discs on a dark ground, in memory."""
    return [
        LabelledArrays("discs", str(i), *draw_discs(i), **more) for i in range(count)
    ]


def fine_tuned(folder, sources, is_cancelled=None, **changes):
    """Train a small network for two steps; return the run and its file."""
    start = tiny_sam("cells")
    settings = {
        "steps": 2,
        "minutes": None,
        "window": 64,
        "prompts": 2,
        "patience": 0,
        "warmup": 0,
        "init": "cells",
    }
    out = folder / "mine.safetensors"
    config = fine_tuning(start, **(settings | changes))
    run = Trainer(config, sources, out, start, device="cpu")
    run.run(is_cancelled=is_cancelled)
    return run, out


@pytest.fixture
def small_cells(monkeypatch):
    """Let files of the small network load as those of `cells`."""
    small = {"cells": tiny_sam("cells").architecture}
    for module in ("network_building", "architecture_detection"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", small)


def test_the_scorer_is_in_the_file_of_the_model_and_stays(
    tmp_path, small_cells, monkeypatch
):
    some = [seen_plane(*discs_in_rows(0.9, 0.2))]
    monkeypatch.setattr(SEE, lambda *_: some)
    run, out = fine_tuned(tmp_path, arrays(2))
    model = load_model(out, device="cpu")
    own = scorer_for(model)
    assert own is not None
    measures = torch.from_numpy(some[0].candidates.measures)
    with torch.no_grad():
        wanted = run.instance_scorer(measures).sigmoid()
        torch.testing.assert_close(own(measures).sigmoid(), wanted, atol=0.02, rtol=0)
    again = export_safetensors(out, tmp_path / "again.safetensors")
    assert load_sam(again).instance_scorer is not None
    told = load_sam(again).metadata
    assert scorer_from_text(told["instance_scorer"]) is not None


def test_a_real_look_ends_with_a_model_that_finds(tmp_path, small_cells):
    _, out = fine_tuned(tmp_path, arrays(2))
    assert load_sam(out).object_size is not None


def test_where_only_some_objects_are_labelled_nothing_is_learned_from_the_rest(
    tmp_path, small_cells
):
    run, out = fine_tuned(tmp_path, arrays(2), partial=("*",))
    assert run.instance_scorer is None
    assert scorer_for(load_model(out, device="cpu")) is None


def test_a_stop_during_the_last_step_keeps_the_weights(
    tmp_path, small_cells, monkeypatch
):
    from napari_sam.ops.types import Cancelled

    def stopped(*_):
        raise Cancelled("stopped")

    monkeypatch.setattr(SEE, stopped)
    run, out = fine_tuned(tmp_path, arrays(2))
    assert run.instance_scorer is None
    assert load_sam(out).instance_scorer is None


@given(st.text())
@settings(max_examples=30, deadline=None)
def test_a_foreign_word_is_no_scorer(text):
    assert scorer_from_text(text) is None


def test_a_broken_scorer_is_none():
    whole = scorer_to_text(load_instance_scorer().head)
    assert scorer_from_text(whole) is not None
    assert scorer_from_text(whole[: len(whole) // 2]) is None
    assert scorer_from_text(whole.replace("44", "45", 1)) is None
    assert scorer_from_text(whole.replace('"worth": 0.4', '"worth": 0')) is None


def test_a_scorer_that_measures_something_else_is_none():
    other = CandidateScorer(CandidateScorerConfig(measures=7))
    assert scorer_from_text(scorer_to_text(other)) is None
