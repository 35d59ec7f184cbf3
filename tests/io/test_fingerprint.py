import os

import dask.array as da
import numpy as np
import zarr

from napari_sam.io.fingerprint import fingerprint


def volume():
    return np.random.default_rng(0).integers(0, 999, (5, 200, 300), np.uint16)


def test_the_same_image_has_the_same_fingerprint():
    assert fingerprint(volume()) == fingerprint(volume())
    assert len(fingerprint(volume())) == 20


def test_form_and_content_count():
    made = {
        fingerprint(volume()),
        fingerprint(volume()[:4]),
        fingerprint(volume().astype(np.int32)),
        fingerprint(volume()[:, ::-1]),
        fingerprint(volume().transpose(0, 2, 1)),
    }
    assert len(made) == 5


def test_the_file_and_its_time_count(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("")
    a, b = (fingerprint(volume(), path) for path in paths)
    os.utime(paths[0], (1e9, 1e9))
    assert len({a, b, fingerprint(volume(), paths[0]), fingerprint(volume())}) == 4
    assert fingerprint(volume(), "https://gone") == fingerprint(
        volume(), "https://gone"
    )


def test_only_little_of_a_lazy_image_is_read(tmp_path):
    read = []

    def load(block_id=None):
        read.append(block_id)
        return np.ones((1, 100, 100), np.uint8)

    chunks = ((1,) * 50, (100,) * 8, (100,) * 8)
    lazy = da.map_blocks(load, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0, 0)))
    fingerprint(lazy)
    assert 0 < len(read) <= 12
    array = zarr.create_array(tmp_path / "a.zarr", data=volume(), chunks=(1, 64, 64))
    assert fingerprint(array) == fingerprint(zarr.open_array(tmp_path / "a.zarr"))


def test_images_of_any_axes_have_one():
    shapes = [(7,), (20, 30), (50, 60, 3), (1, 1, 4, 4), (2, 3, 40, 50, 4)]
    assert len({fingerprint(np.zeros(shape)) for shape in shapes}) == len(shapes)
