"""Instance decoders of micro-sam in everything that dense maps are used for.

The decoder here says of every pixel that it lies deep in an object: what is found is
one object that fills the image.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_network import tiny_architecture

import napari_sam
from napari_sam import InstanceConfig, SegmentConfig
from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam
from napari_sam.ops.types import ImageEmbedding


@pytest.fixture(scope="module")
def sam():
    """A small ViT with a decoder that always answers the same."""
    torch.manual_seed(0)
    model = build_sam(replace(tiny_architecture("vit_b"), instance_decoder="bilinear"))
    last = model.dense_head.out_conv
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([9.0, -9.0, -9.0]))
    return Predictor(model, name="micro", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (100, 180), np.uint8)


def test_the_maps_have_the_size_of_the_image(sam, image):
    assert (sam.has_dense_head, sam.has_quick_maps, sam.map_stride) == (True, False, 1)
    foreground, centre, boundary = sam.dense_maps(sam.embed(image, scale="whole"))
    assert foreground.shape == (100, 180)
    assert foreground.min() > 0.999
    assert max(centre.max(), boundary.max()) < 0.001


@pytest.mark.parametrize("scale", [None, 1.0])
def test_instances_as_a_whole_and_from_tiles(sam, image, scale):
    config = SegmentConfig(instances=InstanceConfig(scale=scale))
    labels = napari_sam.segment(image, model=sam, mode="instances", config=config)
    np.testing.assert_array_equal(labels, np.ones((100, 180), np.int32))
    np.testing.assert_array_equal(
        napari_sam.segment(image, model=sam, mode="auto", config=config), labels
    )


def test_instances_are_refined_by_the_mask_decoder(sam, image):
    labels = napari_sam.segment(image, model=sam, mode="refined")
    assert labels.shape == (100, 180)
    assert labels.max() <= 1


def test_the_maps_of_planes_are_fused_in_a_volume(sam):
    volume = np.random.default_rng(0).integers(0, 255, (4, 40, 60), np.uint8)
    labels = napari_sam.segment_volume(volume, model=sam, mode="fused")
    np.testing.assert_array_equal(labels, np.ones((4, 40, 60), np.int32))


def test_clicks_see_the_plane_as_a_whole_unless_told(sam, image):
    assert isinstance(sam.embed(image), ImageEmbedding)
    assert isinstance(sam.embed(image, scale=2.0), PlaneView)
