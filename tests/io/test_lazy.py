import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr

from napari_sam.io.lazy import open_lazily

STACK = np.random.default_rng(0).integers(0, 999, (4, 40, 50), np.uint16)


def read(path, index=...):
    """Return the shape and a part of a lazy image."""
    with open_lazily(path) as opened:
        return opened.shape, opened[index]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_stack_is_read_by_planes(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", compression=compression)
    with open_lazily(path) as opened:
        assert opened.shape == STACK.shape
        assert not isinstance(opened, np.ndarray)
        np.testing.assert_array_equal(opened[2], STACK[2])
        np.testing.assert_array_equal(opened[:, 7], STACK[:, 7])


def test_a_single_image_is_read(tmp_path):
    iio.imwrite(tmp_path / "a.png", STACK[0].astype(np.uint8))
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    assert read(tmp_path / "a.png")[0] == (40, 50)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[1], STACK[0])


def test_a_zarr_array_or_an_ome_zarr_image_is_opened(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK)
    assert read(tmp_path / "a.zarr")[0] == STACK.shape
    group = zarr.create_group(tmp_path / "b.zarr")
    group.create_array("only", data=STACK)
    np.testing.assert_array_equal(read(tmp_path / "b.zarr", 1)[1], STACK[1])
    group.create_array("0", data=STACK[:, ::2])
    with pytest.raises(OSError, match="2 arrays"):
        read(tmp_path / "b.zarr")
    group.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "0"}]}]}
    assert read(tmp_path / "b.zarr")[0] == (4, 20, 50)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("no image")
    for name in ("a.tif", "gone.tif", "gone.zarr"):
        with pytest.raises(OSError, match=name.split(".")[0]):
            read(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="cannot be read"):
        read(tmp_path / "empty")
