"""Names and shapes of parameters are those of the published files.

Counts are of the official checkpoints; names and shapes of SAM are also tested by
loading the weights of `transformers.SamModel` (test_sam_parity).
"""

import pytest
import torch

from napari_sam.model.build import ARCHITECTURES, build_sam


def layout(architecture):
    with torch.device("meta"):
        model = build_sam(architecture)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def elements(shapes, prefix=""):
    return sum(
        torch.Size(shape).numel()
        for name, shape in shapes.items()
        if name.startswith(prefix)
    )


@pytest.mark.parametrize(
    ("architecture", "entries", "total", "encoder"),
    [
        ("vit_b", 314, 93_735_728, 89_670_912),
        ("vit_l", 482, 312_343_088, 308_278_272),
        ("vit_h", 594, 641_090_864, 637_026_048),
    ],
)
def test_sizes_of_sam(architecture, entries, total, encoder):
    shapes = layout(architecture)
    assert len(shapes) == entries
    assert elements(shapes) == total
    assert elements(shapes, "image_encoder.") == encoder
    assert elements(shapes, "prompt_encoder.") == 6_476
    assert elements(shapes, "mask_decoder.") == 4_058_340


@pytest.mark.parametrize(
    ("architecture", "width", "head", "global_blocks"),
    [
        ("vit_b", 768, 64, [2, 5, 8, 11]),
        ("vit_l", 1024, 64, [5, 11, 17, 23]),
        ("vit_h", 1280, 80, [7, 15, 23, 31]),
    ],
)
def test_relative_positions_of_sam(architecture, width, head, global_blocks):
    shapes = layout(architecture)
    assert shapes["image_encoder.pos_embed"] == (1, 64, 64, width)
    for axis in "hw":
        tables = {
            int(name.split(".")[2]): shape
            for name, shape in shapes.items()
            if name.endswith(f"rel_pos_{axis}")
        }
        assert [i for i, s in tables.items() if s == (127, head)] == global_blocks
        assert {s for i, s in tables.items() if i not in global_blocks} == {(27, head)}


def test_size_of_mobile_sam():
    shapes = layout("vit_t")
    # The file also holds a classifier that nothing uses: two pairs of tensors.
    assert len(shapes) == 439 - 4
    assert elements(shapes) == 10_140_231 - 321_640


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("patch_embed.seq.0.c.weight", (32, 3, 3, 3)),
        ("patch_embed.seq.2.bn.running_var", (64,)),
        ("layers.0.blocks.1.conv2.c.weight", (256, 1, 3, 3)),
        ("layers.0.downsample.conv3.c.weight", (128, 128, 1, 1)),
        ("layers.1.blocks.0.attn.attention_biases", (4, 49)),
        ("layers.1.blocks.0.attn.qkv.weight", (384, 128)),
        ("layers.2.blocks.5.attn.attention_biases", (5, 196)),
        ("layers.2.blocks.5.local_conv.c.weight", (160, 1, 3, 3)),
        ("layers.2.downsample.conv2.c.weight", (320, 1, 3, 3)),
        ("layers.3.blocks.1.mlp.fc1.weight", (1280, 320)),
        ("layers.3.blocks.1.mlp.norm.weight", (320,)),
        ("neck.0.weight", (256, 320, 1, 1)),
        ("neck.3.bias", (256,)),
    ],
)
def test_names_of_mobile_sam(name, shape):
    assert layout("vit_t")[f"image_encoder.{name}"] == shape


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pixel_statistics_stay_out_of_the_file(architecture):
    assert not [name for name in layout(architecture) if "pixel" in name]


def test_every_architecture_ends_on_a_64_grid():
    for architecture in ARCHITECTURES.values():
        assert architecture.grid == 64


def test_a_built_model_is_ready_for_inference():
    with torch.device("meta"):
        model = build_sam("vit_t")
    assert not any(module.training for module in model.modules())


def test_unknown_architecture_lists_the_known():
    with pytest.raises(ValueError, match=r"'vit_x'.*vit_b.*vit_t"):
        build_sam("vit_x")
