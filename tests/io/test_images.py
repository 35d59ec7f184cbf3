import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_sam.io.images import read_image, read_pixel_size

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.png"])
def test_an_image_is_read_as_it_is(tmp_path, name):
    path = tmp_path / name
    if name == "a.png":
        iio.imwrite(path, IMAGE)
    else:
        tifffile.imwrite(path, IMAGE)
    found = read_image(path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, IMAGE)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_what_is_no_image_is_said(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not a picture")
    with pytest.raises(OSError, match="cannot be read as an image"):
        read_image(path)
    assert read_pixel_size(path) is None


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, None),
        ({"resolution": (10000, 5000), "resolutionunit": "CENTIMETER"}, (2, 1)),
        ({"resolution": (25400, 25400), "resolutionunit": "INCH"}, (1, 1)),
        ({"resolution": (3, 3), "resolutionunit": "NONE"}, None),
        (
            {"resolution": (4, 2), "imagej": True, "metadata": {"unit": "um"}},
            (0.5, 0.25),
        ),
        (
            {"resolution": (2, 2), "imagej": True, "metadata": {"unit": "\\u00B5m"}},
            (0.5, 0.5),
        ),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "apple"}}, None),
        (
            {
                "ome": True,
                "metadata": {
                    "PhysicalSizeX": 325,
                    "PhysicalSizeXUnit": "nm",
                    "PhysicalSizeY": 0.5,
                },
            },
            (0.5, 0.325),
        ),
        ({"ome": True}, None),
    ],
)
def test_pixel_sizes_are_in_micrometres(tmp_path, options, size):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE, **options)
    found = read_pixel_size(path)
    assert found == (None if size is None else pytest.approx(size))


def test_other_files_say_nothing(tmp_path):
    iio.imwrite(tmp_path / "a.png", IMAGE)
    assert read_pixel_size(tmp_path / "a.png") is None
    assert read_pixel_size(tmp_path / "missing.tif") is None
