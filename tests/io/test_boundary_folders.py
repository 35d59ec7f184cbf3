import imageio.v3 as iio
import numpy as np
import pytest

from napari_sam.io.boundary_folders import list_outlined_images


@pytest.fixture
def folder(tmp_path):
    for part in ("images", "ground_truth"):
        (tmp_path / part).mkdir()
    for name in ("b", "a"):
        iio.imwrite(tmp_path / "images" / f"{name}.png", np.zeros((4, 5), np.uint8))
        boundaries = np.ones((2, 4, 5), np.uint8)
        np.savez(tmp_path / "ground_truth" / f"{name}.npz", boundaries=boundaries)
    return tmp_path


def test_images_are_listed_by_name_and_read_with_all_annotators(folder):
    first, second = list_outlined_images(folder)
    assert (first.name, second.name) == ("a", "b")
    image, boundaries = first.read()
    assert image.shape == (4, 5)
    assert boundaries.shape == (2, 4, 5)
    assert boundaries.dtype == bool


def test_what_does_not_fit_is_said(folder):
    first, second = list_outlined_images(folder)
    np.savez(first.boundaries_path, boundaries=np.ones((2, 5, 4)))
    with pytest.raises(ValueError, match="has boundaries of shape"):
        first.read()
    np.savez(first.boundaries_path, other=np.ones(3))
    with pytest.raises(OSError, match="no array of boundaries"):
        first.read()
    second.boundaries_path.write_bytes(b"no archive")
    with pytest.raises(OSError, match="no array of boundaries"):
        second.read()
    second.boundaries_path.rename(folder / "ground_truth" / "c.npz")
    _, alone, other = list_outlined_images(folder)
    with pytest.raises(
        OSError, match=r"b\.png has no boundaries: there is no .*b\.npz"
    ):
        alone.read()
    with pytest.raises(OSError, match=r"c\.npz has no image in .*images"):
        other.read()
    first.boundaries_path.unlink()
    with pytest.raises(ValueError, match=r"no image with boundaries: .*a\.png has no"):
        list_outlined_images(folder)
    with pytest.raises(ValueError, match="no folder of images"):
        list_outlined_images(folder / "images")
