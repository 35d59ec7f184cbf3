import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.inference.candidates import choose_candidates


def bands(*stops):
    """Logits (1, M, 4, 10) that are above 0 up to a column."""
    columns = torch.arange(10).expand(4, 10)
    masks = [torch.where(columns < stop, 1.0, -1.0) for stop in stops]
    return torch.stack(masks)[None]


def test_the_single_mask_takes_the_place_of_the_nearest():
    scores = torch.full((1, 4), 0.8)
    chosen, _ = choose_candidates(bands(8, 2, 9, 4), scores)
    assert chosen.tolist() == [[0, 1, 3]]
    chosen, _ = choose_candidates(bands(3, 2, 9, 4), scores)
    assert chosen.tolist() == [[0, 1, 2]] or chosen.tolist() == [[0, 2, 3]]


def test_the_candidate_near_the_others_is_expected_to_do_best():
    scores = torch.tensor([[0.8, 0.82, 0.8, 0.8]])
    chosen, expected = choose_candidates(bands(9, 2, 10, 9), scores)
    assert chosen.tolist() == [[0, 1, 2]]
    assert expected[0, 0] > expected[0, 2] > expected[0, 1]


def test_an_unlikely_neighbour_counts_for_little():
    scores = torch.tensor([[0.2, 0.9, 0.2, 0.2]])
    chosen, expected = choose_candidates(bands(9, 2, 10, 9), scores)
    assert chosen[0, expected[0].argmax()] == 1


def test_masks_that_agree_have_the_best_score():
    scores = torch.tensor([[0.5, 0.7, 0.6, 0.1]])
    _, expected = choose_candidates(bands(5, 5, 5, 5), scores)
    torch.testing.assert_close(expected, torch.full((1, 3), 0.7))


@given(
    st.lists(st.integers(0, 10), min_size=4, max_size=4),
    st.lists(st.floats(-0.1, 1), min_size=4, max_size=4),
)
def test_nothing_is_expected_beyond_the_best_score(stops, scores):
    given_scores = torch.tensor([scores])
    chosen, expected = choose_candidates(bands(*stops), given_scores)
    assert chosen.shape == expected.shape == (1, 3)
    assert chosen[0, 0] == 0
    assert torch.isfinite(expected).all()
    assert (expected <= given_scores.max().clamp(min=0) + 1e-6).all()


def test_only_the_bundled_architecture_refines_answers():
    from napari_sam.model.build import ARCHITECTURES

    refining = [name for name, a in ARCHITECTURES.items() if a.refines_answers]
    assert refining == ["cells"]


def test_the_bundled_model_ranks_by_what_is_expected(cells):
    image = np.zeros((100, 400), np.uint8)
    image[30:70, 180:220] = 200
    embedding = cells.embed(image, scale="whole")
    answer = cells.predict(embedding, points=[(50, 200)])
    assert answer.scores.shape == (3,)
    assert (np.diff(answer.scores) <= 0).all()
    single = cells.predict(embedding, box=(30, 180, 70, 220))
    assert single.scores.shape == (1,)
    assert 0 < answer.scores[0] <= 1.05
