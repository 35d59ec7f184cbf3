import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr

from napari_sam.io.image_reader import open_file

STACK = np.random.default_rng(0).integers(0, 999, (4, 40, 50), np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_stack_is_read_by_planes(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", compression=compression)
    array = open_file(path).array
    assert array.shape == STACK.shape
    assert isinstance(array, np.memmap) or not isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array[2], STACK[2])
    np.testing.assert_array_equal(array[:, 7], STACK[:, 7])


def test_a_single_image_is_read(tmp_path):
    iio.imwrite(tmp_path / "a.png", STACK[0].astype(np.uint8))
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    assert open_file(tmp_path / "a.png").array.shape == (40, 50)
    np.testing.assert_array_equal(open_file(tmp_path / "a.tif").array, STACK[0])


def test_a_zarr_array_or_an_ome_zarr_image_is_opened(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK)
    assert open_file(tmp_path / "a.zarr").array.shape == STACK.shape
    group = zarr.create_group(tmp_path / "b.zarr")
    group.create_array("only", data=STACK)
    np.testing.assert_array_equal(open_file(tmp_path / "b.zarr").array[1], STACK[1])
    group.create_array("0", data=STACK[:, ::2])
    with pytest.raises(ValueError, match="it holds 0, only"):
        open_file(tmp_path / "b.zarr")
    axes = [{"name": name} for name in "zyx"]
    image = {"axes": axes, "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    found = open_file(tmp_path / "b.zarr")
    assert (found.array.shape, found.axes) == ((4, 20, 50), "zyx")


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("no image")
    for name in ("a.tif", "gone.tif", "gone.zarr"):
        with pytest.raises(OSError, match=name.split(".")[0]):
            open_file(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="is a folder and no zarr"):
        open_file(tmp_path / "empty")
