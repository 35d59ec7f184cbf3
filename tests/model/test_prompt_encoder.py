import math

import pytest
import torch

from napari_sam.model.prompt_encoder import PromptEncoder

WIDTH, GRID, FRAME = 8, 4, 64


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PromptEncoder(WIDTH, GRID, FRAME).eval()


def position(encoder, x, y):
    """Fourier position of a frame coordinate, written out."""
    matrix = encoder.pe_layer.positional_encoding_gaussian_matrix
    phases = [
        2 * math.pi * ((2 * x / FRAME - 1) * gx + (2 * y / FRAME - 1) * gy)
        for gx, gy in matrix.T.tolist()
    ]
    return torch.tensor([*map(math.sin, phases), *map(math.cos, phases)])


def kind(encoder, number):
    return encoder.point_embeddings[number].weight[0]


def test_one_point_is_followed_by_one_padding_token(encoder):
    sparse, _ = encoder(torch.tensor([[[3.0, 50.0]]]), torch.tensor([[1]]))
    assert sparse.shape == (1, 2, WIDTH)
    torch.testing.assert_close(
        sparse[0, 0], position(encoder, 3.5, 50.5) + kind(encoder, 1)
    )
    torch.testing.assert_close(sparse[0, 1], encoder.not_a_point_embed.weight[0])


def test_a_box_is_two_corners_without_padding(encoder):
    sparse, _ = encoder(boxes=torch.tensor([[1.0, 2.0, 30.0, 40.0]]))
    expected = [
        position(encoder, 1.5, 2.5) + kind(encoder, 2),
        position(encoder, 30.5, 40.5) + kind(encoder, 3),
    ]
    torch.testing.assert_close(sparse[0], torch.stack(expected))


def test_points_come_before_the_corners_and_are_not_padded_then(encoder):
    points = torch.tensor([[[5.0, 6.0], [7.0, 8.0]]])
    box = torch.tensor([[1.0, 2.0, 30.0, 40.0]])
    sparse, _ = encoder(points, torch.tensor([[1, 0]]), box)
    alone, _ = encoder(boxes=box)
    assert sparse.shape == (1, 4, WIDTH)
    torch.testing.assert_close(
        sparse[0, 1], position(encoder, 7.5, 8.5) + kind(encoder, 0)
    )
    torch.testing.assert_close(sparse[:, 2:], alone)


def test_a_point_that_is_none_has_no_position(encoder):
    embedded = encoder.embed_points(torch.rand(1, 2, 2) * 60, torch.tensor([[-1, -1]]))
    nothing = encoder.not_a_point_embed.weight.expand(1, 2, -1)
    torch.testing.assert_close(embedded, nothing)


def test_nothing_is_no_token_and_the_no_mask_embedding(encoder):
    sparse, dense = encoder()
    assert sparse.shape == (1, 0, WIDTH)
    assert dense.shape == (1, WIDTH, 1, 1)
    torch.testing.assert_close(dense.flatten(), encoder.no_mask_embed.weight[0])


def test_a_mask_alone_is_no_token_and_a_dense_embedding(encoder):
    assert encoder.mask_size == 4 * GRID
    sparse, dense = encoder(masks=torch.randn(3, 1, 4 * GRID, 4 * GRID))
    assert sparse.shape == (3, 0, WIDTH)
    assert dense.shape == (3, WIDTH, GRID, GRID)
    assert not torch.equal(dense[0], dense[1])


def test_objects_of_a_batch_do_not_mix(encoder):
    points = torch.rand(3, 2, 2) * FRAME
    labels = torch.tensor([[1, 0], [0, 0], [1, 1]])
    together, _ = encoder(points, labels)
    for i in range(3):
        apart, _ = encoder(points[i : i + 1], labels[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], apart)


def test_dense_position_is_that_of_the_cells_centres(encoder):
    dense = encoder.dense_position()
    assert dense.shape == (1, WIDTH, GRID, GRID)
    cell = FRAME / GRID
    for row, col in ((0, 0), (1, 3), (3, 2)):
        x, y = (col + 0.5) * cell, (row + 0.5) * cell
        torch.testing.assert_close(dense[0, :, row, col], position(encoder, x, y))
