import numpy as np
import pytest

from napari_sam.evaluation.edge_baselines import canny_edges, sobel_edges


@pytest.fixture
def step():
    image = np.zeros((40, 60), np.uint8)
    image[:, 30:] = 255
    return image


@pytest.mark.parametrize("detect", [sobel_edges, canny_edges])
def test_a_step_is_one_line(step, detect):
    edges = detect(step)
    assert edges.dtype == np.float32
    inner = edges[5:-5]
    assert (np.count_nonzero(inner, axis=1) == 1).all()
    assert set(np.nonzero(inner)[1]) <= {29, 30}
    np.testing.assert_array_equal(detect(np.dstack([step] * 3)) > 0, edges > 0)


@pytest.mark.parametrize("detect", [sobel_edges, canny_edges])
def test_a_flat_image_has_no_edge(detect):
    assert not detect(np.full((20, 30), 80, np.uint8)).any()


def test_canny_gives_the_height_of_the_step(step):
    assert canny_edges(step).max() == pytest.approx(1, abs=0.06)
    assert canny_edges(step // 2).max() == pytest.approx(0.5, abs=0.04)


def test_canny_follows_an_edge_down_to_a_third():
    image = np.zeros((60, 60), np.uint8)
    image[:30, 30:], image[30:, 30:] = 200, 100
    apart = image.copy()
    apart[25:35] = 0
    strength = 100 / 255
    weak = canny_edges(image)[40:50].max()
    assert weak > 1.5 * strength
    assert canny_edges(apart)[42:50].max() == pytest.approx(strength, abs=0.05)
