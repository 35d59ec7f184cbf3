"""Damaged files: the promised error or an array, never another exception."""

import warnings

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from damaged_content import damage, swap
from thoroughness import tries

from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.images import read_image, read_labels, read_pixel_size

RNG = np.random.default_rng(7)
PLANE = RNG.integers(0, 4000, (24, 20), np.uint16)
COLOUR = RNG.integers(0, 255, (24, 20, 3), np.uint8)
GRAY = {"photometric": "minisblack"}


def whole_files(folder):
    """Write one small file of each kind; return their names."""
    stack = np.stack([PLANE] * 3)
    tifffile.imwrite(folder / "plain.tif", PLANE, **GRAY)
    tifffile.imwrite(folder / "zlib.tif", PLANE, compression="zlib", **GRAY)
    tifffile.imwrite(folder / "lzw.tif", PLANE, compression="lzw", **GRAY)
    tifffile.imwrite(folder / "jpeg.tif", COLOUR, compression="jpeg", photometric="rgb")
    tifffile.imwrite(folder / "tiled.tif", PLANE, tile=(16, 16), **GRAY)
    tifffile.imwrite(folder / "rgb.tif", COLOUR.transpose(2, 0, 1), photometric="rgb")
    tifffile.imwrite(folder / "big.tif", PLANE, bigtiff=True, **GRAY)
    tifffile.imwrite(
        folder / "imagej.tif",
        stack,
        imagej=True,
        metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"},
        resolution=(3, 3),
    )
    tifffile.imwrite(
        folder / "ome.ome.tif",
        stack,
        metadata={"axes": "ZYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3},
        **GRAY,
    )
    iio.imwrite(folder / "deep.png", PLANE)
    iio.imwrite(folder / "colour.png", COLOUR)
    iio.imwrite(folder / "colour.jpg", COLOUR)
    iio.imwrite(folder / "colour.bmp", COLOUR)
    np.save(folder / "array.npy", stack)
    return sorted(path.name for path in folder.iterdir())


def read_everything(path):
    """Read a file by every door; return which error it ended with, or None."""
    assert read_pixel_size(path) is None or len(read_pixel_size(path)) == 2
    errors = []
    for read in (
        lambda: np.asarray(open_array(ArraySource(str(path))).stack()),
        lambda: read_image(path),
        lambda: read_labels(path),
    ):
        try:
            assert isinstance(read(), np.ndarray)
        except (OSError, ValueError) as error:
            errors.append(error)
    return errors


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Let codecs warn: what they say of damage is not of interest here."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        caplog.set_level("CRITICAL", logger="tifffile")
        yield


def test_each_kind_is_read_whole(tmp_path):
    for name in whole_files(tmp_path):
        assert np.asarray(open_array(ArraySource(str(tmp_path / name))).stack()).any()


@pytest.mark.parametrize("options", [GRAY, {"ome": True, **GRAY}])
def test_a_stack_that_was_cut_off_is_not_read_as_zeros(tmp_path, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([PLANE] * 40), **options)
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(OSError, match="cannot be read"):
        np.asarray(open_array(ArraySource(str(path))).stack())


def test_planes_that_imagej_promises_and_does_not_have_are_said(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([PLANE] * 40), imagej=True)
    path.write_bytes(path.read_bytes()[:-9000])
    image = open_array(ArraySource(str(path)))
    assert "promises 40 planes and 1 can be read: was it cut off?" in image.note
    np.testing.assert_array_equal(image.plane(), PLANE)


def test_little_may_stand_for_much(tmp_path):
    empty = np.zeros((9000, 9000), np.uint16)
    for name in ("zlib", "zstd", "lzw"):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, empty, compression=name, tile=(3008, 3008), **GRAY)
        image = open_array(ArraySource(str(path)))
        assert image.shape == empty.shape
        assert not image.read((), (8000, 8000, 8010, 8010)).any()


def mutate_files(folder, count, seed):
    names = whole_files(folder)
    rng = np.random.default_rng(seed)
    contents = {name: (folder / name).read_bytes() for name in names}
    failures = 0
    for number in range(count):
        name = names[number % len(names)]
        path = folder / name
        path.write_bytes(damage(contents[name], rng))
        failures += bool(read_everything(path))
    return failures


def mutate_metadata(folder, count, seed):
    rng = np.random.default_rng(seed)
    failures = 0
    for zarr_format in (2, 3):
        path = folder / f"{zarr_format}.zarr"
        group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
        group.create_array("0", data=PLANE[None], chunks=(1, 12, 20))
        axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
        scale = [{"type": "scale", "scale": [2.0, 0.3, 0.3]}]
        levels = [{"path": "0", "coordinateTransformations": scale}]
        image = {"version": "0.4", "axes": axes, "datasets": levels}
        told = {"multiscales": [image], "omero": {"channels": [{"label": "a"}]}}
        if zarr_format == 3:
            told = {"ome": {"version": "0.5", **told}}
        group.attrs.update(told)
        files = [p for p in sorted(path.rglob("*")) if p.is_file()]
        contents = {file: file.read_bytes() for file in files}
        for _ in range(count // 2):
            file = files[int(rng.integers(len(files)))]
            file.write_bytes(swap(contents[file], rng))
            failures += bool(read_everything(path))
            file.write_bytes(contents[file])
    return failures


def test_damaged_files_are_a_promised_error_or_an_array(tmp_path):
    assert mutate_files(tmp_path, 84, seed=1) > 10
    assert mutate_metadata(tmp_path, 40, seed=1) > 5


@pytest.mark.slow
def test_many_damaged_images(tmp_path):
    """Thoroughly: 1,400 files, and 600 times the metadata of an OME-Zarr image."""
    files, metadata = tries(1400), tries(600)
    assert mutate_files(tmp_path, files, seed=2) > files // 7
    assert mutate_metadata(tmp_path, metadata, seed=2) > metadata // 6
