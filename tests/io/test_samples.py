import socket
from importlib.resources import files

import numpy as np
import pytest

from napari_sam.io.samples import SAMPLES, load_sample


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_sample_loads_without_a_network(name, no_network):
    sample = SAMPLES[name]
    image = load_sample(name)
    assert image.ndim == len(sample.axes)
    assert sample.is_rgb == (image.ndim == 3 and image.shape[-1] == 3)
    assert image.min() < image.max()


def test_the_nuclei_are_those_that_the_readme_describes():
    assert load_sample("nuclei_2d").shape == (512, 512)
    assert load_sample("nuclei_3d").shape == (31, 61, 57)
    assert load_sample("nuclei_2d").dtype == np.uint16


def test_the_licence_lies_beside_the_images():
    folder = files("napari_sam.io") / "sample_images"
    assert "BSD 3-Clause" in (folder / "LICENSE.txt").read_text()


def test_an_unknown_sample_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match=r"'nuclie'.*nuclei_2d"):
        load_sample("nuclie")
