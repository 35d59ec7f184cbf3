import math

import numpy as np

from napari_sam.training.divergence import DivergenceWatch


def test_one_hard_image_is_no_divergence():
    watch = DivergenceWatch()
    losses = np.random.default_rng(0).uniform(0.3, 0.9, 300)
    losses[40::25] = 25.0
    assert not any(watch.saw(float(loss), 1.0) for loss in losses)


def test_a_run_of_unlike_images_is_none():
    rng = np.random.default_rng(0)
    for _ in range(10):
        watch = DivergenceWatch()
        losses = np.exp(rng.normal(0, 0.8, 2000))  # 5 to 95 percent: 0.27 to 3.7
        assert not any(watch.saw(float(loss), 1.0) for loss in losses)


def test_a_loss_that_rises_is_one():
    watch = DivergenceWatch()
    losses = 0.5 * 1.1 ** np.arange(120)
    assert sum(watch.saw(float(loss), 1.0) for loss in losses) > 50
    assert not DivergenceWatch().saw(math.nan, 1.0)


def test_what_is_not_finite_five_times_in_a_row_is_one():
    watch = DivergenceWatch()
    told = [watch.saw(math.nan, 1.0) for _ in range(5)]
    assert told == [False] * 4 + [True]
