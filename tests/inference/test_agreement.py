import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_sam
from napari_sam.inference.agreement import weigh_agreement


def candidates(*masks):
    return torch.stack([torch.as_tensor(m, dtype=torch.float32) for m in masks])[None]


def bands(*stops):
    """Logits of 4 x 10 pixels that are above 0 up to a column."""
    columns = torch.arange(10).expand(4, 10)
    return candidates(*(torch.where(columns < stop, 1, -1) for stop in stops))


def test_the_candidate_near_the_others_is_expected_to_do_best():
    scores = torch.tensor([[0.82, 0.8, 0.8]])
    expected = weigh_agreement(bands(2, 9, 10), scores)[0]
    assert expected.argmax() == 1
    assert expected[1] > expected[2] > expected[0]


def test_an_unlikely_neighbour_counts_for_little():
    expected = weigh_agreement(bands(2, 9, 10), torch.tensor([[0.9, 0.3, 0.3]]))[0]
    assert expected.argmax() == 0


def test_candidates_that_agree_have_the_best_score():
    scores = torch.tensor([[0.5, 0.7, 0.6]])
    expected = weigh_agreement(bands(5, 5, 5), scores)
    torch.testing.assert_close(expected, torch.full((1, 3), 0.7))


@given(
    st.lists(st.integers(0, 10), min_size=3, max_size=3),
    st.lists(st.floats(-0.1, 1), min_size=3, max_size=3),
)
def test_nothing_is_expected_beyond_the_best_score(stops, scores):
    given_scores = torch.tensor([scores])
    expected = weigh_agreement(bands(*stops), given_scores)
    assert expected.shape == (1, 3)
    assert torch.isfinite(expected).all()
    assert (expected <= given_scores.max().clamp(min=0) + 1e-6).all()


def test_only_the_bundled_architecture_weighs_agreement():
    from napari_sam.model.build import ARCHITECTURES

    weighing = [name for name, a in ARCHITECTURES.items() if a.weighs_agreement]
    assert weighing == ["cells"]


def test_the_bundled_model_ranks_by_what_is_expected():
    sam = napari_sam.load_model("cells", device="cpu")
    image = np.zeros((100, 400), np.uint8)
    image[30:70, 180:220] = 200
    answer = sam.predict(sam.embed(image), points=[(50, 200)])
    assert answer.scores.shape == (3,)
    assert (np.diff(answer.scores) <= 0).all()
    single = sam.predict(sam.embed(image), points=[(50, 200)], multimask=False)
    assert single.scores.shape == (1,)
    assert 0 < answer.scores[0] <= 1.05
