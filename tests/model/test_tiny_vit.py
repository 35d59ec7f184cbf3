"""TinyViT has no oracle among packages: small cases worked out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.model import tiny_vit
from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.model.tiny_vit import (
    ConvNorm,
    MBConv,
    Merge,
    TinyVit,
    TinyVitBlock,
    TinyVitConfig,
)
from napari_sam.model.window_attention import (
    WindowAttention,
    attend,
    attend_by_head,
    offset_index,
)

SMALL = TinyVitConfig(
    stem=((3, 2), (3, 2)),
    widths=(8, 12, 16, 24),
    depths=(1, 1, 2, 1),
    heads=(1, 3, 4, 6),
    windows=(3, 3, 5, 3),
    out_channels=8,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def randomise(module):
    """Make norms and biases differ from their start, statistics included."""
    for name, value in module.named_parameters():
        if value.ndim < 2 or name.endswith("attention_biases"):
            value.data.normal_(1 if "norm.weight" in name else 0, 0.5)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
    return module.eval()


def test_offsets_of_a_window_of_two():
    # Positions a b / c d; offsets: 0 none, 1 one column, 2 one row, 3 both.
    assert offset_index(2).tolist() == [
        [0, 1, 2, 3],
        [1, 0, 3, 2],
        [2, 3, 0, 1],
        [3, 2, 1, 0],
    ]


@pytest.mark.parametrize("window", [1, 3, 7, 14])
def test_offsets_are_numbered_as_they_first_appear(window):
    places = [(row, col) for row in range(window) for col in range(window)]
    numbers = {}
    expected = [
        [
            numbers.setdefault((abs(r - s), abs(c - t)), len(numbers))
            for (s, t) in places
        ]
        for (r, c) in places
    ]
    assert offset_index(window).tolist() == expected
    assert len(numbers) == window**2


def attention_by_hand(attention, tokens):
    """Attend over (n, C) tokens of one window, head by head, key by key."""
    x = attention.qkv(attention.norm(tokens))
    heads = attention.heads
    depth = x.shape[1] // (3 * heads)
    bias = attention.attention_biases
    out = []
    for head in range(heads):
        start = head * 3 * depth
        q, k, v = x[:, start : start + 3 * depth].split(depth, dim=1)
        logits = q @ k.T / depth**0.5
        logits = logits + bias[head][offset_index(round(len(tokens) ** 0.5))]
        out.append(logits.softmax(dim=1) @ v)
    return attention.proj(torch.cat(out, dim=1))


@torch.inference_mode()
def test_attention_in_one_window():
    attention = randomise(WindowAttention(6, heads=2, window=3))
    x = torch.randn(2, 3, 3, 6)
    ours = attention(x)
    for i in range(2):
        by_hand = attention_by_hand(attention, x[i].reshape(9, 6))
        torch.testing.assert_close(ours[i].reshape(9, 6), by_hand)


@torch.inference_mode()
def test_biases_alone_share_out_the_values():
    attention = WindowAttention(2, heads=1, window=2).eval()
    for value in (attention.qkv.weight, attention.qkv.bias, attention.proj.bias):
        value.data.zero_()
    attention.qkv.weight.data[4:] = torch.eye(2)
    attention.proj.weight.data = torch.eye(2)
    # A position weighs three times as much for itself as for any other.
    attention.attention_biases.data = torch.tensor([[3.0, 1.0, 1.0, 1.0]]).log()
    x = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])
    mixed = attention(x.view(1, 2, 2, 2))[..., 0].flatten()
    expected = [3 / 6 - 3 / 6, *[1 / 6 - 5 / 6] * 3]
    torch.testing.assert_close(mixed, torch.tensor(expected), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_biases_loaded_after_eval_take_effect():
    first = randomise(TinyVit(SMALL))
    second = TinyVit(SMALL).eval()
    frame = torch.randn(1, 3, 48, 48)
    before = second(frame)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second(frame), first(frame))
    assert (second(frame) - before).abs().max() > 0.01

    weights = first.state_dict()
    biases = [name for name in weights if name.endswith("attention_biases")]
    assert len(biases) == 4
    for name in biases:
        weights[name] = torch.zeros_like(weights[name])
    second.load_state_dict(weights)
    assert (second(frame) - first(frame)).abs().max() > 1e-3


@torch.inference_mode()
def test_padding_is_attended_to():
    block = randomise(TinyVitBlock(6, heads=2, window=3))
    x = torch.randn(1, 6, 4, 5)
    padded = torch.zeros(6, 6, 6)
    padded[:4, :5] = x[0].permute(1, 2, 0)
    mixed = torch.zeros_like(padded)
    for row in (0, 3):
        for col in (0, 3):
            window = padded[row : row + 3, col : col + 3]
            answer = attention_by_hand(block.attn, window.reshape(9, 6))
            mixed[row : row + 3, col : col + 3] = answer.view(3, 3, 6)
    tokens = (padded + mixed)[:4, :5]
    y = block.local_conv(tokens.permute(2, 0, 1)[None])
    last = y.permute(0, 2, 3, 1)
    mlp = block.mlp
    last = last + mlp.fc2(torch.nn.functional.gelu(mlp.fc1(mlp.norm(last))))
    torch.testing.assert_close(block(x), last.permute(0, 3, 1, 2))


@torch.inference_mode()
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 2, 4)])
def test_convolution_and_its_norm(kernel, stride, groups):
    layer = randomise(ConvNorm(4, 8, kernel, stride, groups))
    x = torch.randn(2, 4, 7, 9)
    torch.testing.assert_close(layer(x), layer.bn(layer.c(x)), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_bottleneck_activates_after_the_sum():
    layer = randomise(MBConv(4))
    x = torch.randn(1, 4, 6, 6)
    gelu = torch.nn.functional.gelu
    inner = layer.conv3(gelu(layer.conv2(gelu(layer.conv1(x)))))
    torch.testing.assert_close(layer(x), gelu(x + inner))


@pytest.mark.parametrize(("stride", "side"), [(1, 9), (2, 5)])
def test_merge_changes_width_and_resolution(stride, side):
    assert Merge(4, 6, stride).eval()(torch.zeros(1, 4, 9, 9)).shape == (
        1,
        6,
        side,
        side,
    )


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80)])
def test_a_frame_becomes_a_grid(height, width):
    assert SMALL.stride == 16
    encoder = randomise(TinyVit(SMALL))
    embedded = encoder(torch.randn(2, 3, height, width))
    assert embedded.shape == (2, 8, height // 16, width // 16)
    assert torch.isfinite(embedded).all()


@torch.inference_mode()
def test_images_of_a_batch_do_not_mix():
    encoder = randomise(TinyVit(SMALL))
    frames = torch.randn(2, 3, 48, 48)
    together = encoder(frames)
    for i in range(2):
        apart = encoder(frames[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], apart, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["vit_t", "lite_medsam", "cells"])
def test_full_encoders_end_on_64_cells(name):
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        model = build_sam(architecture)
        frame = torch.zeros(1, 3, *[architecture.frame_size] * 2)
        assert model.image_encoder(frame).shape == (1, 256, 64, 64)


@torch.inference_mode()
def test_mobile_sam_stages_have_their_published_sizes():
    with torch.device("meta"):
        encoder = build_sam("vit_t").image_encoder
        x = encoder.patch_embed(torch.zeros(1, 3, 1024, 1024))
        sizes = [tuple(x.shape[1:])]
        for stage in encoder.layers:
            x = stage(x)
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [
        (64, 256, 256),
        (128, 128, 128),
        (160, 64, 64),
        (320, 64, 64),
        (320, 64, 64),
    ]


@pytest.mark.parametrize(("window", "heads"), [(7, 4), (14, 5)])
def test_attention_by_head_is_attention(window, heads):
    generator = torch.Generator().manual_seed(0)
    tokens = window**2
    qkv = torch.randn(3, tokens, heads, 3, 8, generator=generator)
    bias = torch.randn(heads, tokens, tokens, generator=generator)
    with torch.inference_mode():
        found = attend_by_head(qkv, bias)
    torch.testing.assert_close(found, attend(qkv, bias), rtol=0, atol=1e-5)


@pytest.mark.parametrize("logit", [0.0, 50.0, 95.0, -95.0, 1e4, -1e4])
def test_attention_in_bfloat16_is_attention_whatever_the_logits(logit):
    """Weights are not scaled by the largest one where that is not needed."""
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(3, 49, 2, 3, 8, generator=generator)
    bias = torch.randn(2, 49, 49, generator=generator) + logit
    qkv, bias = qkv.bfloat16(), bias.bfloat16()
    with torch.inference_mode():
        found = attend_by_head(qkv, bias)
    q, k, v = qkv.permute(3, 2, 0, 1, 4)
    logits = torch.stack(
        [torch.baddbmm(bias[i], q[i], k[i].mT, alpha=8**-0.5) for i in range(2)]
    )
    expected = (logits.float().softmax(-1) @ v.float()).permute(1, 2, 0, 3).flatten(2)
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02)


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    batch=st.integers(1, 2),
    stride=st.integers(1, 2),
    rows=st.integers(1, 5),
)
def test_blocks_of_rows_make_the_whole(height, width, batch, stride, rows):
    torch.manual_seed(0)
    merge, block = randomise(Merge(4, 6, stride)), randomise(MBConv(4))
    vit = randomise(TinyVitBlock(4, heads=2, window=3))
    x = torch.randn(batch, 4, height, width)
    x = x.contiguous(memory_format=torch.channels_last)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        for name in ("_HIDDEN_BYTES", "_TOKENS", "_WINDOW_TOKENS"):
            patch.setattr(tiny_vit, name, rows * width * batch * 16)
        by_rows = [merge(x), block(x), vit(x)]
    whole = [merge(x), block(x), vit(x)]  # with gradients nothing is cut
    for found, expected in zip(by_rows, whole, strict=True):
        torch.testing.assert_close(found, expected.detach(), atol=1e-4, rtol=1e-4)


def test_what_was_given_stays_as_it_was():
    """Activations are computed in place, but not in what belongs to the caller."""
    encoder = randomise(TinyVit(SMALL))
    frame = torch.randn(1, 3, 48, 48)
    x = torch.randn(1, 4, 9, 9)
    with torch.inference_mode():
        for layer, given in ((encoder, frame), (MBConv(4).eval(), x)):
            kept = given.clone()
            layer(given)
            assert torch.equal(given, kept)


def test_somebody_may_step_in_between_blocks_of_rows(monkeypatch):
    monkeypatch.setattr(tiny_vit, "_HIDDEN_BYTES", 1)
    calls = []
    with torch.inference_mode():
        MBConv(4).eval()(torch.zeros(1, 4, 9, 9), lambda: calls.append(0))
    assert len(calls) == 9
