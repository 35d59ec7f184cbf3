"""Windows, padding and relative positions of the encoders, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from napari_sam.model.image_encoder import Attention, relative_table
from napari_sam.model.window_partition import cut_windows, join_windows


def test_windows_are_read_row_by_row_and_filled_bottom_right():
    x = torch.arange(1, 13).view(1, 3, 4, 1)
    windows = cut_windows(x, 2, torch.tensor([-7]))[..., 0]
    assert windows.tolist() == [
        [1, 2, 5, 6],
        [3, 4, 7, 8],
        [9, 10, -7, -7],
        [11, 12, -7, -7],
    ]


def test_a_grid_of_64_makes_25_windows_of_14():
    windows = cut_windows(torch.zeros(2, 64, 64, 3), 14, torch.zeros(3))
    assert windows.shape == (50, 196, 3)


@given(*[st.integers(1, 3)] * 2, *[st.integers(1, 9)] * 2, st.integers(1, 5))
def test_joining_undoes_cutting(batch, channels, height, width, window):
    x = torch.randn(batch, height, width, channels)
    cut = cut_windows(x, window, torch.zeros(channels))
    assert torch.equal(join_windows(cut, window, height, width), x)


def test_relative_table_is_indexed_by_query_minus_key():
    table = torch.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    assert relative_table(table, 3)[..., 0].tolist() == [
        [0, -1, -2],
        [1, 0, -1],
        [2, 1, 0],
    ]


def test_relative_table_of_another_length_is_resized():
    table = torch.arange(5.0)[:, None]
    resized = relative_table(table, 2)[..., 0]
    # Three entries out of five, at the centres of thirds.
    assert resized.flatten().tolist() == pytest.approx([2, 1 / 3, 11 / 3, 2], abs=1e-5)


def attention(side, windowed):
    torch.manual_seed(0)
    layer = Attention(8, 2, side, windowed).eval()
    for table in (layer.rel_pos_h, layer.rel_pos_w):
        table.data.normal_()
    layer.qkv.bias.data.normal_()
    return layer


def plain(layer, x, side):
    """Attention over (side * side, C) tokens by the formula, before `proj`."""
    q, k, v = (
        part.view(len(x), 2, 4).transpose(0, 1) for part in layer.qkv(x).chunk(3, dim=1)
    )
    row, col = torch.arange(side**2) // side, torch.arange(side**2) % side
    down = layer.rel_pos_h[row[:, None] - row[None] + side - 1]
    right = layer.rel_pos_w[col[:, None] - col[None] + side - 1]
    logits = q @ k.transpose(1, 2) * 4**-0.5
    logits += torch.einsum("nqd,qkd->nqk", q, down + right)
    return (logits.softmax(-1) @ v).transpose(0, 1).reshape(side**2, 8)


@pytest.mark.parametrize("side", [3, 50])
@torch.inference_mode()
def test_global_attention_equals_the_plain_formula(side):
    """Also where the whole bias is larger than what is made at one time."""
    layer = attention(side, windowed=False)
    x = torch.randn(1, side, side, 8)
    expected = layer.proj(plain(layer, x.view(-1, 8), side)).view(x.shape)
    torch.testing.assert_close(layer(x), expected)


@torch.inference_mode()
def test_windowed_attention_attends_to_padding():
    """A 3 x 4 grid in windows of 3: the second one is mostly padding of zeros."""
    layer = attention(3, windowed=True)
    x = torch.randn(1, 3, 4, 8)
    found = layer(x)
    second = torch.zeros(3, 3, 8)
    second[:, 0] = x[0, :, 3]
    expected = layer.proj(plain(layer, second.view(9, 8), 3)).view(3, 3, 8)
    torch.testing.assert_close(found[0, :, 3], expected[:, 0])


class Largest(TorchDispatchMode):
    """Remembers how many values the largest new tensor had."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.values = max(self.values, out.numel())
        return out


@torch.inference_mode()
def test_no_whole_attention_matrix_is_held():
    layer = attention(64, windowed=False)
    with Largest() as seen:
        layer(torch.randn(1, 64, 64, 8))
    assert 0 < seen.values <= 2**22 < 64**4
