"""Nuclei and whole cells are learned on a level each."""

from __future__ import annotations

from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from drawn_discs import draw_discs

import napari_sam
from napari_sam.inference.predictor import Predictor
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.training.click_rounds import Teacher
from napari_sam.training.dataset import Dataset
from napari_sam.training.initialise import start_from

SAM = replace(ARCHITECTURES["cells"], frame_size=128)


@pytest.fixture
def cells(tmp_path):
    """A folder of discs as cells, each with a smaller disc as its nucleus."""
    folder = tmp_path / "data" / "discs"
    for part in ("images", "labels", "nuclei"):
        (folder / part).mkdir(parents=True)
    for i in range(3):
        image, labels = draw_discs(i)
        nuclei = np.where(np.arange(labels.shape[1]) % 2 == 0, labels, 0)
        iio.imwrite(folder / "images" / f"{i}.png", image)
        iio.imwrite(folder / "labels" / f"{i}.png", labels)
        iio.imwrite(folder / "nuclei" / f"{i}.png", nuclei.astype(labels.dtype))
    return tmp_path / "data"


def taught(sample, quick, sam):
    """Return which of the dense head's last maps learned from a sample."""
    sam.zero_grad()
    Teacher(sam, quick).teach(sample, np.random.default_rng(0))
    levels = sam.dense_head.nuclei, sam.dense_head.layers
    return [_has_learned(level[-1].weight) for level in levels]


def _has_learned(weight):
    return weight.grad is not None and bool(weight.grad.abs().sum() > 0)


def test_nuclei_are_read_where_they_lie_beside_the_labels(cells):
    (cells / "discs" / "nuclei" / "1.png").unlink()

    first, second, _ = list_labelled_images(cells)

    assert first.read_nuclei().max() == first.read()[1].max()
    assert second.read_nuclei() is None


def test_cells_with_nuclei_are_shown_as_both(cells, quick):
    data = Dataset(cells, quick, 128, 8)

    sample = data.sample(0)

    assert sample.has_parts
    assert (sample.nuclei > 0).sum() < (sample.labels > 0).sum()
    assert not ((sample.nuclei > 0) & (sample.nuclei != sample.labels)).any()


def test_both_are_prompted(cells, quick):
    data = Dataset(cells, quick.model_copy(update={"prompts": 6}), 128, 8)

    sample = data.sample(1)

    is_nucleus = [bool((m * (sample.nuclei == 0)).sum() == 0) for m in sample.masks]
    assert any(is_nucleus)
    assert not all(is_nucleus)


def test_objects_without_parts_are_learned_on_both_levels(discs, quick):
    sam = build_sam(SAM)
    sample = Dataset(discs, quick, 128, 8).sample(0)

    assert sample.nuclei is sample.labels
    assert taught(sample, quick, sam) == [True, True]


def test_cells_whose_nuclei_nobody_labelled_teach_nothing_about_nuclei(discs, quick):
    whole = quick.model_copy(update={"whole_cells": ("discs",)})
    sam = build_sam(SAM)
    sample = Dataset(discs, whole, 128, 8).sample(0)

    assert sample.nuclei is None
    assert taught(sample, whole, sam) == [False, True]


def test_an_image_that_is_known_to_be_empty_teaches_that_it_is(discs, quick):
    for place in (discs / "discs" / "labels").iterdir():
        iio.imwrite(place, np.zeros_like(iio.imread(place)))
    sam = build_sam(SAM)
    known = quick.model_copy(update={"empty": ("discs",)})

    sample = Dataset(discs, known, 128, 8).sample(0)

    assert len(sample.masks) == 0
    assert taught(sample, known, sam) == [True, True]
    with pytest.raises(ValueError, match="are the labels empty"):
        Dataset(discs, quick, 128, 8).sample(0)


def test_nuclei_of_another_shape_are_named(cells, quick):
    place = cells / "discs" / "nuclei" / "0.png"
    iio.imwrite(place, np.zeros((5, 7), np.uint8))

    with pytest.raises(ValueError, match=r"nuclei of 0 have shape \(5, 7\)"):
        Dataset(cells, quick, 128, 8).check()


def test_a_head_of_one_level_begins_both_levels_alike():
    old = build_sam(replace(SAM, dense_levels=1))
    new = build_sam(SAM)

    start_from(new, old.state_dict())

    features = torch.randn(1, 256, 4, 4)
    nuclei, whole = new.dense_head(features).split(3, dim=1)
    torch.testing.assert_close(nuclei, old.dense_head(features))
    torch.testing.assert_close(whole, old.dense_head(features))


def test_each_level_can_be_asked_for():
    sam = build_sam(SAM)
    predictor = Predictor(sam, device="cpu", dtype="float32")
    embedding = predictor.embed(np.zeros((64, 64), np.uint8), scale="whole")

    nuclei = predictor.dense_maps(embedding, "nuclei")
    whole = predictor.dense_maps(embedding, "cells")

    assert nuclei.shape == whole.shape == (3, 64, 64)
    assert not np.allclose(nuclei, whole)
    assert np.array_equal(predictor.dense_maps(embedding), whole)


def test_a_level_that_is_none_is_refused():
    with pytest.raises(ValueError, match="level"):
        napari_sam.InstanceConfig(level="organelles")
