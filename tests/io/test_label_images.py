import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_sam.io.label_images import overlay, write_labels, write_overlay


@pytest.fixture
def labels():
    array = np.zeros((6, 8), np.int32)
    array[1:5, 1:5] = 1
    array[1:5, 5:8] = 2
    return array


@pytest.mark.parametrize(
    ("largest", "dtype"), [(2, np.uint16), (65535, np.uint16), (65536, np.uint32)]
)
def test_labels_come_back_as_written(tmp_path, labels, largest, dtype):
    labels[labels == 2] = largest
    path = write_labels(tmp_path / "new" / "labels.tif", labels)
    read = tifffile.imread(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, labels)


def test_a_stack_and_an_empty_result_are_written_too(tmp_path):
    stack = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        tifffile.imread(write_labels(tmp_path / "stack.tif", stack)), stack
    )
    nothing = np.zeros((3, 4), bool)
    assert not tifffile.imread(write_labels(tmp_path / "none.tif", nothing)).any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(4, int), r"two or more axes, got shape \(4,\)"),
        (np.zeros((4, 4)), "float64"),
        (np.full((4, 4), -1), "got -1"),
        (np.full((4, 4), 2**40), "uint32"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, bad, message):
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / "labels.tif", bad)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    tmp_path, labels, monkeypatch
):
    path = write_labels(tmp_path / "labels.tif", labels)
    before = path.read_bytes()

    def fail(file, *args, **kwargs):
        file.write_bytes(b"half a f")
        raise OSError("no space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(OSError, match="no space"):
        write_labels(path, labels * 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_overlay_outlines_each_object_in_its_own_colour(labels):
    image = np.full((6, 8), 7, np.uint16)
    image[0, 0] = 9
    picture = overlay(image, labels)
    assert picture.shape == (6, 8, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 0]) == (255, 255, 255)
    assert tuple(picture[0, 3]) == (0, 0, 0)
    one, two = picture[1, 1], picture[1, 7]
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(picture[2, 1], one)
    assert 0 < picture[2, 2].max() < one.max()  # the fill is translucent


def test_overlay_takes_contrast_limits():
    image = np.array([[0, 10, 20, 40]])
    picture = overlay(image, np.zeros((1, 4), int), contrast_limits=(10, 20))
    assert picture[0, :, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_overlay_keeps_a_colour_image_where_there_is_no_object(channels, dtype):
    image = np.zeros((4, 4, channels), dtype)
    image[..., 0] = 255
    picture = overlay(image, np.zeros((4, 4), np.uint8))
    assert (picture == (255, 0, 0)).all()


def test_overlay_of_a_constant_image_and_of_nan_is_defined():
    image = np.full((4, 4), np.nan, np.float32)
    assert not overlay(image, np.zeros((4, 4), int)).any()


def test_overlay_refuses_labels_of_another_size(tmp_path, labels):
    with pytest.raises(ValueError, match=r"\(5, 8\) and \(6, 8\)"):
        write_overlay(tmp_path / "overlay.png", np.zeros((5, 8)), labels)


def test_write_overlay_writes_the_picture(tmp_path, labels):
    image = np.arange(48, dtype=np.float64).reshape(6, 8)
    path = write_overlay(tmp_path / "overlay.png", image, labels)
    np.testing.assert_array_equal(iio.imread(path), overlay(image, labels))
