"""A model learns what others say together of a crop, straight and turned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_sam.checkpoints.load import load_sam
from napari_sam.training.crop import Crop
from napari_sam.training.dataset import Dataset
from napari_sam.training.distillation import Guides
from napari_sam.training.simulated_prompts import SimulatedPrompts
from napari_sam.training.trainer import Trainer


@pytest.fixture(scope="module")
def cells():
    return load_sam("cells").model


@pytest.fixture
def sample(discs, quick):
    return Dataset(discs, quick, 512, 8).sample(1)


def prompts_for(sample):
    """A point, a box and a mask for one object, in (x, y) of the frame."""
    corner = torch.tensor([sample.offset[1], sample.offset[0]]).float()
    point = (corner + torch.tensor([20.0, 30.0]))[None, None]
    box = torch.cat([corner + 10, corner + torch.tensor([34.0, 44.0])])[None]
    mask = torch.linspace(-5, 5, 1024).reshape(1, 1, 32, 32)
    one = torch.ones(1, 1, dtype=torch.int64)
    return [
        SimulatedPrompts(point, one, None),
        SimulatedPrompts(None, None, box),
        SimulatedPrompts(None, None, None, mask),
    ]


def test_one_guide_says_what_the_model_says(cells, sample):
    guided = Guides([cells]).look(sample)
    crop = Crop(cells, sample)
    torch.testing.assert_close(guided.dense, cells.dense_head(crop.features).sigmoid())
    for prompts in prompts_for(sample):
        alone = crop.decode(prompts, False)[0].sigmoid()
        torch.testing.assert_close(guided.answer(prompts), alone)


def test_every_second_guide_sees_the_crop_turned(cells, sample):
    turned = replace(
        sample, image=sample.image.flip((2, 3)), masks=sample.masks.flip((1, 2))
    )
    straight = Guides([cells]).look(sample)
    both = Guides([cells, cells]).look(sample)
    other = Guides([cells]).look(turned)
    dense = (straight.dense + other.dense.flip((2, 3))) / 2
    torch.testing.assert_close(both.dense, dense)
    side = sample.image.shape[3]
    corner = torch.tensor([sample.offset[1], sample.offset[0]]).float()
    point, box, mask = prompts_for(sample)
    local = point.points - corner
    moved = [
        replace(point, points=side - 1 - local + corner),
        SimulatedPrompts(
            None,
            None,
            torch.cat(
                [
                    side - box.boxes[0, 2:] + 2 * corner,
                    side - box.boxes[0, :2] + 2 * corner,
                ]
            )[None],
        ),
        replace(mask, masks=mask.masks.flip((2, 3))),
    ]
    for prompts, asked in zip((point, box, mask), moved, strict=True):
        expected = (straight.answer(prompts) + other.answer(asked).flip((2, 3))) / 2
        torch.testing.assert_close(both.answer(prompts), expected)


def test_a_turned_guide_finds_the_object_where_it_is(cells, sample):
    guided = Guides([cells, cells]).look(sample)
    for mask in sample.masks:
        inside = torch.nonzero(mask > 0.5).float()
        at = inside[(inside - inside.mean(0)).norm(dim=1).argmin()]
        corner = torch.tensor([sample.offset[1], sample.offset[0]]).float()
        point = (at.flip(0) + corner)[None, None]
        one = torch.ones(1, 1, dtype=torch.int64)
        said = guided.answer(SimulatedPrompts(point, one, None))
        assert said[0, 0, int(at[0]) // 2, int(at[1]) // 2] > 0.5


def test_a_run_learns_from_its_guides(discs, quick, tmp_path):
    runs = {}
    for name, guides in (("alone", ()), ("guided", ("cells", "cells"))):
        config = quick.model_copy(update={"guides": guides})
        trainer = Trainer(config, discs, tmp_path / f"{name}.safetensors")
        trainer.run()
        runs[name] = trainer.averaged().state_dict()
    for part in ("mask_decoder", "dense_head"):
        names = [name for name in runs["alone"] if name.startswith(part)]
        assert any(not torch.equal(*(r[n] for r in runs.values())) for n in names)


def test_a_guide_that_does_not_exist_is_named(discs, quick, tmp_path):
    config = quick.model_copy(update={"guides": ("nobody.pt",)})
    with pytest.raises(ValueError, match=r"nobody\.pt"):
        Trainer(config, discs, tmp_path / "mine.safetensors")
    Trainer(quick, discs, tmp_path / "mine.safetensors").close()  # the place is free
