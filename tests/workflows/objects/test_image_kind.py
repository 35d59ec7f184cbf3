"""What an image looks like, and that its objects are found accordingly."""

import numpy as np
import pytest

import napari_sam
from napari_sam import InstanceConfig, SegmentConfig
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.image_kind_weights import (
    load_image_kind_head,
    save_image_kind_head,
)
from napari_sam.configs.image_kinds import IMAGE_KINDS, for_kind
from napari_sam.model.image_kind_head import ImageKindHead, ImageKindHeadConfig
from napari_sam.training.rendering import render_scene
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.stacks.volume import segment_volume
from tests.support.tiny_network import tiny_predictor


@pytest.fixture(scope="module")
def nuclei():
    return napari_sam.load_sample("nuclei_2d")[:200, :200]


@pytest.fixture(scope="module")
def rods():
    scene = render_scene("bacteria_phase", np.random.default_rng(5), (256, 256))
    return np.asarray(scene.image)


def test_nuclei_look_like_nuclei(nuclei):
    seen = napari_sam.looks_like(nuclei)
    assert seen.kind == "nuclei"
    assert set(seen.likelihoods) == set(IMAGE_KINDS)
    assert sum(seen.likelihoods.values()) == pytest.approx(1, abs=1e-5)


def test_bacteria_look_like_rods(rods):
    assert napari_sam.looks_like(rods).kind == "rods"


def test_an_embedding_is_asked_as_its_image_is(nuclei):
    model = napari_sam.load_model("cells")
    embedding = model.embed(nuclei)
    assert napari_sam.looks_like(embedding, model=model) == napari_sam.looks_like(
        nuclei, model=model
    )


def test_a_model_with_another_encoder_tells_no_kinds(nuclei):
    seen = napari_sam.looks_like(nuclei, model=tiny_predictor())
    assert (seen.kind, dict(seen.likelihoods)) == ("any", {})


def test_objects_are_found_with_what_suits_the_kind_that_is_seen(nuclei):
    model = napari_sam.load_model("cells")
    by_itself = find_instances(nuclei, model=model, config=InstanceConfig(kind="auto"))
    said = find_instances(nuclei, model=model, config=InstanceConfig(kind="nuclei"))
    spelt_out = for_kind(InstanceConfig(), "nuclei").model_copy(update={"kind": "any"})
    by_hand = find_instances(nuclei, model=model, config=spelt_out)
    assert len(by_itself) > 5
    np.testing.assert_array_equal(by_itself.labels, said.labels)
    np.testing.assert_array_equal(by_itself.labels, by_hand.labels)


def test_a_surer_kind_finds_no_more_objects(nuclei):
    model = napari_sam.load_model("cells")
    configs = {
        kind: InstanceConfig(kind=kind, parting="watershed")
        for kind in ("any", "organelles")
    }
    counts = {
        kind: len(find_instances(nuclei, model=model, config=config))
        for kind, config in configs.items()
    }
    assert counts["organelles"] <= counts["any"]


def test_every_plane_of_a_volume_is_taken_for_the_same(nuclei):
    model = napari_sam.load_model("cells")
    noise = np.random.default_rng(0).integers(0, 9, nuclei.shape).astype(nuclei.dtype)
    volume = np.stack([noise, nuclei, noise])

    def find(kind):
        segment = SegmentConfig(instances=InstanceConfig(kind=kind))
        config = napari_sam.VolumeConfig(segment=segment)
        return segment_volume(volume, model=model, mode="planes", config=config)

    np.testing.assert_array_equal(find("auto"), find("nuclei"))


def test_a_head_is_the_same_after_it_was_written(tmp_path):
    head = ImageKindHead(ImageKindHeadConfig(6, ("nuclei", "rods")))
    save_image_kind_head(tmp_path / "head.safetensors", head, "abc")
    read = load_image_kind_head(tmp_path / "head.safetensors")
    assert (read.encoder, read.head.config) == ("abc", head.config)
    for name, tensor in head.state_dict().items():
        np.testing.assert_array_equal(read.head.state_dict()[name], tensor)


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x08" * 100])
def test_a_file_that_holds_no_head_is_named(tmp_path, content):
    path = tmp_path / "head.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"head\.safetensors holds no image kind"):
        load_image_kind_head(path)
