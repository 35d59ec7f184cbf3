"""Windows, padding and relative positions of the ViT encoder, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.model.image_encoder import (
    Attention,
    join_windows,
    relative_table,
    split_windows,
)


def test_windows_are_read_row_by_row_and_padded_bottom_right():
    x = torch.arange(1, 13).view(1, 3, 4, 1)
    windows = split_windows(x, 2)[..., 0]
    assert windows.tolist() == [
        [[1, 2], [5, 6]],
        [[3, 4], [7, 8]],
        [[9, 10], [0, 0]],
        [[11, 12], [0, 0]],
    ]


def test_a_grid_of_64_makes_25_windows_of_14():
    assert split_windows(torch.zeros(2, 64, 64, 3), 14).shape == (50, 14, 14, 3)


@given(*[st.integers(1, 3)] * 2, *[st.integers(1, 9)] * 2, st.integers(1, 5))
def test_joining_undoes_splitting(batch, channels, height, width, window):
    x = torch.randn(batch, height, width, channels)
    joined = join_windows(split_windows(x, window), window, height, width)
    assert torch.equal(joined, x)


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


@pytest.mark.parametrize("side", [3, 20])
def test_attention_equals_the_plain_formula(side):
    """Also where the query rows do not fit into one block, 400 against 256."""
    torch.manual_seed(0)
    heads, depth = 2, 4
    attention = Attention(heads * depth, heads, side).eval()
    for table in (attention.rel_pos_h, attention.rel_pos_w):
        table.data.normal_()
    x = torch.randn(1, side, side, heads * depth)
    with torch.inference_mode():
        ours = attention(x)
        tokens = side * side
        q, k, v = (
            part.view(tokens, heads, depth).transpose(0, 1)
            for part in attention.qkv(x).view(tokens, -1).chunk(3, dim=1)
        )
        row, col = torch.arange(tokens) // side, torch.arange(tokens) % side
        down = attention.rel_pos_h[row[:, None] - row[None] + side - 1]
        right = attention.rel_pos_w[col[:, None] - col[None] + side - 1]
        logits = q @ k.transpose(1, 2) * depth**-0.5
        logits += torch.einsum("nqd,qkd->nqk", q, down + right)
        mixed = (logits.softmax(-1) @ v).transpose(0, 1).reshape(1, side, side, -1)
        torch.testing.assert_close(ours, attention.proj(mixed))
