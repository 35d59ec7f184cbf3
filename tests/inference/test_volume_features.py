"""What the head that looks in 3D sees, and what the one that ships says."""

import numpy as np
import pytest
from scipy import ndimage
from stand_in import StandIn

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.object_weights import encoder_digest
from napari_sam.checkpoints.volume_weights import (
    BUNDLED_VOLUME_HEAD,
    load_volume_head,
    save_volume_head,
)
from napari_sam.inference import volume_features as module
from napari_sam.inference.volume_heads import head_for
from napari_sam.model.volume_head import VolumeHead, VolumeHeadConfig
from napari_sam.ops.volume_candidates import choose_candidates, find_candidates
from napari_sam.ops.watershed import maps_to_volume
from napari_sam.training.volume_targets import volume_targets


@pytest.fixture(scope="module")
def head():
    return load_volume_head().head


def blurred_balls(seed=0):
    """Three balls in noise, two of which touch: (image of 0 to 1, labels)."""
    z, y, x = np.ogrid[:24, :56, :64]
    labels = np.zeros((24, 56, 64), np.int32)
    for number, centre in enumerate(((12, 20, 16), (12, 20, 35), (11, 42, 46)), 1):
        off = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        labels[off <= 81] = number
    light = ndimage.gaussian_filter((labels > 0) * 0.7, (2.0, 1.0, 1.0))
    noise = np.random.default_rng(seed).normal(0.1, 0.05, labels.shape)
    return np.clip(light + noise, 0, 1).astype(np.float32), labels


def no_maps(shape):
    """Return what a model without an idea of planes would say."""
    maps = np.ones((3, *shape), np.float32)
    maps[0] = 0
    return maps


@pytest.fixture(scope="module")
def seen_whole(head):
    """Balls, the maps of their planes, and what the head says of all at once."""
    image, _ = blurred_balls()
    maps = no_maps(image.shape)
    return image, maps, module.maps_in_3d(head, image, maps)


def test_the_head_that_ships_is_small_and_knows_these_features(head):
    assert BUNDLED_VOLUME_HEAD.stat().st_size < 5_000_000
    image = np.zeros((2, 8, 9), np.float32)
    seen = module.volume_features(image, no_maps(image.shape))
    assert seen.shape == (head.config.features, 2, 8, 9) and seen.dtype == np.float32
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("shape", [(1, 30, 30), (2, 5, 30), (3, 1, 1)])
def test_thin_volumes_are_seen_too(head, shape):
    said = module.maps_in_3d(head, np.zeros(shape, np.float32), no_maps(shape))
    assert said.shape == (3, *shape) and ((said >= 0) & (said <= 1)).all()


def test_balls_in_noise_are_parted_though_nothing_was_seen_in_planes(head):
    image, labels = blurred_balls()
    seen = module.volume_features(image, None)
    said = module._judged(head, seen)
    found = maps_to_volume(said)
    for number in (1, 2, 3):
        inside = found[labels == number]
        named = np.bincount(inside[inside > 0]).argmax()
        shared = (inside == named).sum()
        union = (labels == number).sum() + (found == named).sum() - shared
        assert shared / union > 0.5


def test_the_head_that_ships_chooses_objects_of_two_sizes(head):
    z, y, x = np.ogrid[:24, :56, :64]
    labels = np.zeros((24, 56, 64), np.int32)
    placed = ((12, 20, 16, 9), (12, 20, 35, 9), (10, 44, 16, 4), (10, 44, 25, 4))
    for number, (*centre, radius) in enumerate(placed, 1):
        off = sum((a - c) ** 2 for a, c in zip((z, y, x), centre, strict=True))
        labels[off <= radius**2] = number
    maps = ndimage.gaussian_filter(volume_targets(labels), (0, 1, 1, 1))
    light = ndimage.gaussian_filter((labels > 0).astype(np.float32), 1.0)
    candidates = find_candidates(maps, light)
    assert head.scorer is not None
    scores = module.object_scores(head.scorer, candidates)
    assert (scores <= 1).all() and (scores[candidates.is_wide] >= 0).all()
    assert (scores[~candidates.is_wide] == -1).all()
    ends = module.candidate_extents(head.extent_scorer, candidates)
    assert module.candidate_extents(None, candidates) is None
    found = choose_candidates(candidates, scores, 0.4, extents=ends)
    assert found.max() == 4
    for number in range(1, 5):
        named = np.bincount(found[labels == number]).argmax()
        shared = np.count_nonzero((found == named) & (labels == number))
        assert shared > 0.5 * np.count_nonzero((found == named) | (labels == number))


@pytest.mark.parametrize(
    ("halo", "mean", "largest"),
    [((16, 32, 32), 0.002, 1), ((24, 56, 64), 1e-5, 1e-5), ((5, 12, 12), 0.02, 1)],
)
def test_parts_say_what_the_whole_says(head, seen_whole, halo, mean, largest):
    image, maps, whole = seen_whole
    parts = module.maps_in_3d(head, image, maps, part=(12, 28, 32), halo=halo)
    difference = np.abs(parts - whole)
    assert difference.mean() < mean and difference.max() <= largest


def test_it_can_be_stopped(head):
    maps = no_maps((4, 8, 8))
    image = np.zeros((4, 8, 8), np.float32)
    np.testing.assert_array_equal(
        module.maps_in_3d(head, image, maps, lambda: True), maps
    )


def test_a_head_knows_its_model(predictor, tmp_path):
    assert head_for(predictor) is None  # it ships for another one
    assert head_for(StandIn()) is None and head_for(StandIn(), "none") is None
    with pytest.raises(CheckpointError, match="from the planes of another model than"):
        head_for(predictor, str(BUNDLED_VOLUME_HEAD))
    made = VolumeHead(VolumeHeadConfig(4, 8))
    path = tmp_path / "head.safetensors"
    save_volume_head(path, made, encoder_digest(predictor.model))
    assert head_for(predictor, str(path)).config == made.config


def test_heads_are_read_as_they_were_written(tmp_path):
    made = VolumeHead(VolumeHeadConfig(4, 8, 3))
    save_volume_head(tmp_path / "head.safetensors", made, "of an encoder")
    read = load_volume_head(tmp_path / "head.safetensors")
    assert read.encoder == "of an encoder" and read.head.config == made.config
    for one, other in zip(
        read.head.state_dict().values(), made.state_dict().values(), strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("content", [None, b"", b"no head at all"])
def test_what_is_no_head_is_refused(tmp_path, content):
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="no volume head"):
        load_volume_head(path)
