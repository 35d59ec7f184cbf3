"""Samples, simulated prompts, losses, and starting from related weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.configs import read_config
from napari_sam.model.build import build_sam
from napari_sam.training.augment import Window, cut
from napari_sam.training.dataset import Dataset
from napari_sam.training.initialise import start_from
from napari_sam.training.losses import dice_loss, focal_loss, mask_iou, mask_loss
from napari_sam.training.simulated_prompts import correct, first_prompts, rough_masks
from napari_sam.training.targets import dense_targets


def test_a_sample_depends_on_its_number_and_the_seed_alone(discs, quick):
    one, two = (Dataset(discs, quick, 512, 8) for _ in range(2))
    one.sample(3)
    a, b = one.sample(7), two.sample(7)
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.masks, b.masks)
    assert a.offset == b.offset
    assert not torch.equal(a.image, one.sample(8).image)


def test_a_sample_lies_in_the_frame_and_shows_its_objects(discs, quick):
    data = Dataset(discs, quick, 512, 8)
    for number in range(20):
        sample = data.sample(number)
        assert sample.image.shape == (1, 3, 64, 64)
        assert sample.image.min() >= 0 and sample.image.max() <= 255
        assert all(o % 8 == 0 and 0 <= o <= 512 - 64 for o in sample.offset)
        assert 1 <= len(sample.masks) <= quick.prompts
        for mask in sample.masks:
            inside = sample.labels[mask > 0.5]
            assert len(inside) >= 24
            assert len(torch.unique(inside)) == 1 and inside[0] > 0


def test_rendered_scenes_take_their_share(discs, quick):
    config = quick.model_copy(update={"rendered": 1.0})
    data = Dataset(discs, config, 512, 8)
    samples = [data.sample(number) for number in range(5)]
    for sample in samples:  # one kind of scene holds no object
        assert sample.image.shape == (1, 3, 64, 64)
        assert len(sample.masks) >= 1 or not sample.labels.any()
    assert any(len(sample.masks) for sample in samples)


def test_objects_of_one_size_have_a_size(discs, quick):
    import imageio.v3 as iio

    data = Dataset(discs, quick, 512, 8)
    assert data.object_size is None
    data.check()
    assert 5 < data.object_size < 60
    for path in sorted((discs / "discs").glob("*/*.png"))[::2]:
        iio.imwrite(path, np.kron(iio.imread(path), np.ones((4, 4), np.uint8)))
    mixed = Dataset(discs, quick, 512, 8)
    mixed.check()
    assert mixed.object_size is None


def test_every_image_is_looked_at_before_the_work_begins(discs, quick):
    import imageio.v3 as iio

    Dataset(discs, quick, 512, 8).check()
    last = sorted((discs / "discs" / "labels").iterdir())[-1]
    iio.imwrite(last, np.ones((10, 10), np.uint8))
    data = Dataset(discs, quick, 512, 8)
    data.check()
    ((item, problem),) = data.left_out
    assert item.name == last.stem and last.name in str(problem)
    kept = [one.name for one in (*data.train, *data.held_out)]
    assert item.name not in kept and len(kept) > 1
    for path in (discs / "discs" / "labels").iterdir():
        iio.imwrite(path, np.ones((10, 10), np.uint8))
    with pytest.raises(ValueError, match="must have shape"):
        Dataset(discs, quick, 512, 8).check()


def test_unknown_kinds_and_empty_labels_are_named(discs, quick):
    config = quick.model_copy(update={"kinds": {"cats": 1.0}})
    with pytest.raises(ValueError, match="cats"):
        Dataset(discs, config, 512, 8)
    import imageio.v3 as iio

    for path in (discs / "discs" / "labels").iterdir():
        iio.imwrite(path, np.zeros((96, 120), np.uint16))
    with pytest.raises(ValueError, match="no object"):
        Dataset(discs, quick, 512, 8).sample(0)


def test_cut_copies_pixels_and_is_black_outside():
    image = torch.arange(3 * 6 * 8, dtype=torch.float32).view(3, 6, 8) + 1
    labels = torch.arange(48, dtype=torch.float32).view(6, 8)
    seen, named, inside = cut(image, labels, Window((3, 4), 1.0, 0.0, False, 4))
    assert torch.allclose(seen, image[:, 1:5, 2:6], atol=1e-4)
    assert torch.equal(named, labels[1:5, 2:6])
    assert inside.all()
    flipped, _, _ = cut(image, labels, Window((3, 4), 1.0, 0.0, True, 4))
    assert torch.allclose(flipped, seen.flip(2), atol=1e-4)
    seen, named, inside = cut(image, labels, Window((0, 4), 1.0, 0.0, False, 4))
    assert seen[:, :2].abs().max() < 1e-4 and (named[:2] == 0).all()
    assert not inside[:2].any() and inside[2:].all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), boxes=st.booleans())
def test_prompts_and_clicks_say_the_truth(seed, boxes):
    rng = np.random.default_rng(seed)
    masks = torch.zeros(3, 64, 64)
    for mask in masks:
        top, left = rng.integers(0, 40, 2)
        mask[top : top + rng.integers(3, 20), left : left + rng.integers(3, 20)] = 1
    offset = (16, 32)
    shift = torch.tensor([32.0, 16.0])
    prompts = first_prompts(masks, offset, 0.1 if boxes else None, rng)
    if boxes:
        for box, mask in zip(prompts.boxes, masks, strict=True):
            at = torch.nonzero(mask).flip(1)
            true = torch.cat([at.amin(0), at.amax(0) + 1]) + shift.repeat(2)
            assert (box - true).abs().max() <= 20
    else:
        at = (prompts.points[:, 0] - shift).long()
        assert all(m[y, x] == 1 for m, (x, y) in zip(masks, at, strict=True))
    logits = torch.from_numpy(rng.normal(0, 1, (3, 32, 32))).float()
    after = correct(prompts, logits, masks, offset, rng)
    at = (after.points[:, -1] - shift).long()
    up = torch.nn.functional.interpolate(logits[:, None], (64, 64), mode="bilinear")
    for i, (x, y) in enumerate(at):
        assert after.labels[i, -1] == masks[i, y, x]
        assert (up[i, 0, y, x] > 0) != (masks[i, y, x] > 0)


def test_rough_masks_cover_their_objects():
    target = torch.zeros(1, 32, 32)
    target[0, 8:20, 10:22] = 1
    rng = np.random.default_rng(0)
    for _ in range(10):
        drawn = rough_masks(target, rng).masks
        assert drawn.shape == (1, 1, 32, 32)
        assert mask_iou(drawn[:, 0], target).item() > 0.5


def test_losses_by_hand():
    target = torch.tensor([[[1.0, 0.0]]])
    flat = torch.zeros(1, 1, 2)
    log2 = np.log(2)
    expected = (0.25 * 0.25 * log2 + 0.75 * 0.25 * log2) / 2
    assert focal_loss(flat, target).item() == pytest.approx(expected)
    # dice: overlap 0.5, total 2: 1 - (2 * 0.5 + 1) / (2 + 1)
    assert dice_loss(flat, target).item() == pytest.approx(1 / 3)
    assert mask_loss(flat, target).item() == pytest.approx(20 * expected + 1 / 3)
    right = torch.tensor([[[9.0, -9.0]]])
    assert mask_loss(right, target).item() < 1e-3
    assert mask_iou(right, target).item() == 1
    assert mask_iou(torch.full((1, 1, 2), 9.0), target).item() == 0.5


def test_dense_targets_of_a_square():
    labels = torch.zeros(16, 16)
    labels[4:9, 4:9] = 3
    foreground, centre, boundary = dense_targets(labels, 16)[0]
    assert torch.equal(foreground, (labels > 0).float())
    assert centre[6, 6] == 0 and boundary[6, 6] == 0
    assert centre[4, 4] == 1 and boundary[4, 6] == 1
    assert centre[0, 0] == 1 and boundary[0, 0] == 1


def test_a_stem_that_sees_single_pixels_is_spread():
    source, own = build_sam("lite_medsam"), build_sam("cells")
    left = start_from(own, source.state_dict())
    assert all(name.startswith("dense_head") for name in left)
    spread = own.image_encoder.patch_embed.seq[0].c.weight
    point = source.image_encoder.patch_embed.seq[0].c.weight
    assert spread.shape[2:] == (3, 3)
    assert torch.allclose(spread.sum((2, 3)), point[..., 0, 0], atol=1e-6)
    with pytest.raises(ValueError, match="has shape"):
        start_from(own, {"mask_decoder.iou_token.weight": torch.zeros(1, 8)})


def test_the_recipes_of_the_bundled_model_are_valid():
    from importlib.resources import files

    recipes = sorted(files("napari_sam.training").joinpath("recipes").iterdir())
    assert {r.name for r in recipes} == {f"cells-{n}.toml" for n in range(1, 15)}
    for recipe in recipes:
        assert read_config(recipe).architecture == "cells"


def test_central_clicks_lie_deep_in_the_object():
    mask = torch.zeros(1, 60, 60)
    mask[0, 10:50, 10:50] = 1
    rng = np.random.default_rng(0)
    away = []
    for central in (0.0, 1.0):
        clicks = [
            first_prompts(mask, (0, 0), None, rng, central).points[0, 0]
            for _ in range(50)
        ]
        away.append(max(float((c - 29.5).abs().max()) for c in clicks))
    assert away[1] < 6 < 15 < away[0]


def test_a_thin_object_is_clicked_too():
    mask = torch.zeros(1, 20, 20)
    mask[0, 5, 3:9] = 1
    prompts = first_prompts(mask, (0, 0), None, np.random.default_rng(0), 1.0)
    x, y = prompts.points[0, 0].int().tolist()
    assert mask[0, y, x] == 1
