"""Blocks of rows, computed one after the other, are the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.model import dense_head
from napari_sam.model.cache_blocking import add_by_rows, gelu, row_blocks


@given(st.integers(0, 50), st.integers(1, 60))
def test_every_row_is_in_one_block(height, rows):
    blocks = [list(range(*block)) for block in row_blocks(height, rows)]
    assert [row for block in blocks for row in block] == list(range(height))
    assert all(0 < len(block) <= rows for block in blocks)


@given(st.integers(1, 9), st.integers(1, 10), st.booleans())
def test_a_branch_is_added(height, rows, in_place):
    x = torch.arange(2.0 * height).view(2, height, 1, 1)
    with torch.inference_mode():
        y = add_by_rows(x.clone(), lambda part: part**2, rows, in_place=in_place)
    assert torch.equal(y, x + x**2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gelu_in_place_is_gelu(layout):
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout)
    expected = torch.nn.functional.gelu(x)
    with torch.inference_mode():
        found = gelu(x)
    torch.testing.assert_close(found, expected)
    assert found is x


def test_where_something_is_learned_nothing_is_overwritten():
    x = torch.randn(2, 3, requires_grad=True)
    y = x * 1
    gelu(y).sum().backward()
    assert x.grad is not None
    assert torch.equal(y, x)


@given(height=st.integers(1, 9), levels=st.integers(1, 2), rows=st.integers(1, 4))
def test_a_dense_head_reads_blocks_of_rows_as_the_whole(height, levels, rows):
    torch.manual_seed(0)
    head = dense_head.DenseHead(width=16, levels=levels)
    features = torch.randn(2, 16, height, 5)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(dense_head, "_ROWS", rows)
        by_rows = head(features)
    whole = head(features).detach()
    assert by_rows.shape == (2, 3 * levels, 4 * height, 20)
    torch.testing.assert_close(by_rows, whole, atol=1e-5, rtol=1e-4)
