"""Labels of every sort: few, none, many, in part, and ones that do not fit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from drawn_discs import draw_discs
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import tiny_sam

from napari_sam.io.labelled_arrays import (
    LabelledArrays,
    labelled_planes,
    read_zarr_pairs,
)
from napari_sam.training.click_rounds import Teacher
from napari_sam.training.dataset import Dataset
from napari_sam.training.finetune import fine_tuning
from napari_sam.training.labelled_images import hold_out_strip, measure, number_objects
from napari_sam.training.losses import dense_loss

FRAME, STRIDE = 128, 8


def dataset(items, scale=None, **changes):
    config = fine_tuning(tiny_sam("cells"), window=64, prompts=4, **changes)
    closer = None if scale is None else lambda _: scale
    return Dataset(items, config, FRAME, STRIDE, closer=closer)


def one_object(side=64):
    labels = np.zeros((side, side), np.uint16)
    labels[20:40, 24:44] = 7
    return labels


def test_one_object_is_enough_to_train_on():
    item = LabelledArrays("mine", "a", np.eye(64), one_object())
    data = dataset([item])
    data.check()
    assert len(data.sample(0).masks) == 1
    assert data.validation == []


def test_no_object_is_said_before_the_work():
    item = LabelledArrays("mine", "a", np.zeros((64, 64)), np.zeros((64, 64), int))
    with pytest.raises(ValueError, match="no object"):
        dataset([item]).check()


def test_labels_that_do_not_fit_are_named():
    wrong = LabelledArrays("mine", "cat", np.zeros((64, 60)), one_object())
    with pytest.raises(ValueError, match=r"cat.*same height and width"):
        dataset([wrong]).check()
    floats = LabelledArrays("mine", "dog", np.zeros((64, 64)), np.zeros((64, 64)))
    with pytest.raises(ValueError, match=r"dog.*whole numbers"):
        dataset([floats]).check()


def test_nan_in_an_image_does_not_reach_the_weights():
    image = np.random.default_rng(0).random((64, 64))
    image[22:30, 22:30] = np.nan
    image[:3] = np.inf
    sam = tiny_sam("cells").requires_grad_(True)
    data = dataset([LabelledArrays("mine", "a", image, one_object())], what="all")
    sample = data.sample(0)
    assert torch.isfinite(sample.image).all()
    Teacher(sam, data.config).teach(sample, np.random.default_rng(0))
    assert all(
        torch.isfinite(p.grad).all() for p in sam.parameters() if p.grad is not None
    )


def test_of_a_hundred_thousand_objects_those_near_are_looked_at(monkeypatch):
    rows, cols = np.indices((1600, 1600)) // 5
    labels = (rows * 320 + cols + 1).astype(np.int32)
    labels[::5] = labels[:, ::5] = 0
    assert len(np.unique(labels)) - 1 == 102_400
    data = dataset([LabelledArrays("mine", "a", np.eye(1600), labels)], scale=4.0)
    data.check()

    def refuse(*_):
        raise AssertionError("all objects are looked at again")

    for name in ("dataset.prepare", "dataset.measure", "held_out.number_objects"):
        monkeypatch.setattr(f"napari_sam.training.{name}", refuse)
    tracemalloc.start()
    for number in range(20):
        assert len(data.sample(number).masks) <= 4
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.undo()
    assert most < 1600 * 1600  # no plane of them, not even a mask
    assert 1 <= sum(len(s.masks) for s in data.validation) <= 64


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), share=st.floats(0.05, 0.5))
def test_a_strip_holds_out_some_objects_and_hides_them(seed, share):
    rng = np.random.default_rng(seed)
    labels = number_objects(rng.integers(0, 30, (20, 30)).astype(np.int32))
    held, known = hold_out_strip(labels, share)
    assert held is not None and known is not None
    assert 0 < held.max() < labels.max()
    assert not known[held > 0].any()
    # An object is held out as a whole.
    for number in range(1, held.max() + 1):
        old = np.unique(labels[held == number])
        assert len(old) == 1
        assert (held[labels == old[0]] == number).all()


def test_few_objects_are_not_held_out():
    assert hold_out_strip(number_objects(one_object().astype(np.int32)), 0.2) == (
        None,
        None,
    )


def test_objects_are_measured():
    labels = np.zeros((10, 12), np.int32)
    labels[1:3, 2:7] = 1
    labels[5:9, 0] = 2
    centres, areas, sizes = measure(labels)
    assert centres.tolist() == [[1.5, 4.0], [6.5, 0.0]]
    assert areas.tolist() == [10, 4]
    assert sizes.tolist() == [5, 4]


def test_of_an_image_in_part_the_rest_is_unknown():
    image, labels = draw_discs(0)
    part = np.where(labels == 3, labels, 0)
    data = dataset([LabelledArrays("mine", "a", image, part, complete=False)])
    sample = data.sample(0)
    assert not sample.complete
    assert torch.equal(sample.known, sample.labels > 0)
    by_kind = dataset([LabelledArrays("mine", "a", image, part)], partial=("mine",))
    assert not by_kind.sample(0).complete
    whole = dataset([LabelledArrays("mine", "a", image, labels)], held_out=0)
    assert whole.sample(0).complete and whole.sample(0).known is None


def test_what_is_unknown_teaches_the_dense_head_nothing():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    targets = torch.rand(1, 3, 8, 8)
    targets[:, 0] = (targets[:, 0] > 0.5).float()
    known = torch.zeros(1, 1, 8, 8)
    known[..., :4] = 1
    dense_loss(logits, targets, known).backward()
    assert (logits.grad[..., 4:] == 0).all()
    assert (logits.grad[..., :4] != 0).any()


def test_the_dense_head_learns_from_complete_labels_alone():
    image, labels = draw_discs(0)
    for complete in (True, False):
        sam = tiny_sam("cells").requires_grad_(True)
        item = LabelledArrays("mine", "a", image, labels, complete=complete)
        data = dataset([item], what="all")
        Teacher(sam, data.config).teach(data.sample(0), np.random.default_rng(0))
        learned = [p.grad is not None for p in sam.dense_head.parameters()]
        assert all(learned) == any(learned) == complete


def test_some_views_show_the_whole_as_the_annotator_first_does():
    image, labels = draw_discs(0, (400, 400))
    data = dataset([LabelledArrays("mine", "a", image, labels)], scale=2.0)
    whole = 0
    for number in range(40):
        view = data.view(number)
        whole += int((view.image[0, 0] > 0).all())
        assert view.image.shape[-1] == FRAME
    assert 0 < whole < 40


def test_the_planes_with_objects_become_images():
    labels = np.zeros((2, 3, 16, 16), np.int32)
    labels[1, 2, 3:9, 3:9] = 1
    image = np.arange(2 * 3 * 256).reshape(2, 3, 16, 16)
    planes = labelled_planes(image, labels, name="stack")
    assert [plane.name for plane in planes] == ["stack-001-002"]
    seen, named = planes[0].read()
    assert np.array_equal(seen, image[1, 2]) and np.array_equal(named, labels[1, 2])
    with pytest.raises(ValueError, match="wanted the same"):
        labelled_planes(image, labels[:1])


def test_zarr_stores_are_read(tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = one_object().astype(np.int32)
    image = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    root = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="w")
    root.create_array("0", data=image)
    axes = [{"name": n} for n in "cyx"]
    root.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    group = root.create_group("labels")
    group.attrs["ome"] = {"labels": ["cells"]}
    cells = group.create_group("cells")
    cells.create_array("0", data=labels)
    cells.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "0"}]}]}
    (item,) = read_zarr_pairs(tmp_path / "a.ome.zarr")
    seen, named = item.read()
    assert item.name == "a"
    assert np.array_equal(seen, np.moveaxis(image, 0, -1))
    assert np.array_equal(named, labels)

    plain = zarr.open_group(str(tmp_path / "b.zarr"), mode="w")
    plain.create_array("image", data=image[0])
    plain.create_array("labels", data=labels)
    assert read_zarr_pairs(tmp_path / "b.zarr")[0].read()[0].shape == (64, 64)
    zarr.open_group(str(tmp_path / "c.zarr"), mode="w")
    with pytest.raises(ValueError, match="no labelled image"):
        read_zarr_pairs(tmp_path / "c.zarr")
