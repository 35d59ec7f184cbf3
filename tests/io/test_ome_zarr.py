import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_multiscales_metadata

from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.ome_zarr import (
    read_note,
    recover_label_image,
    write_label_image,
)
from napari_sam.io.plane_array import PlaneArray

IMAGE = np.arange(3 * 2 * 70 * 90, dtype=np.uint16).reshape(3, 2, 70, 90)


@pytest.fixture(params=[FormatV04(), FormatV05()], ids=["0.4", "0.5"])
def stored(request, tmp_path):
    """An OME-Zarr image CZYX of three levels."""
    path = tmp_path / "image.zarr"
    fmt = request.param
    group = zarr.open_group(str(path), mode="w", zarr_format=fmt.zarr_format)
    datasets = []
    for level in range(3):
        step = 2**level
        group.create_array(str(level), data=IMAGE[..., ::step, ::step])
        scale = [1.0, 2.0, 0.5 * step, 0.5 * step]
        transform = {"type": "scale", "scale": scale}
        datasets.append({"path": str(level), "coordinateTransformations": [transform]})
    write_multiscales_metadata(
        group,
        datasets,
        fmt=fmt,
        axes=list("czyx"),
        axes_units=dict.fromkeys("zyx", "micrometer"),
    )
    return path


def test_an_ome_image_tells_its_axes_pixels_and_levels(stored):
    image = open_array(ArraySource(str(stored), channels=(1,)))
    assert (image.axes, image.leading, image.shape) == ("czyx", (2,), (70, 90))
    assert image.scale == (1.0, 2.0, 0.5, 0.5)
    assert image.units == (None, "micrometer", "micrometer", "micrometer")
    assert image.levels == ((3, 2, 35, 45), (3, 2, 18, 23))
    part = image.read((1,), (10, 20, 15, 30))
    np.testing.assert_array_equal(part, IMAGE[1, 1, 10:15, 20:30])


def test_a_channel_has_to_be_chosen(stored):
    with pytest.raises(ValueError, match=r"3 channels: 0, 1 and 2 .*--channels"):
        open_array(ArraySource(str(stored)))


@pytest.mark.parametrize("place", ["beside.zarr", "image.zarr/labels/cells"])
def test_labels_keep_pixel_sizes_and_levels(stored, tmp_path, place):
    image = open_array(ArraySource(str(stored), channels=(0,)))
    wanted = np.arange(2 * 70 * 90, dtype=np.uint32).reshape(2, 70, 90)

    def fill(array):
        array[...] = wanted

    for _ in range(2):  # the second time it is replaced
        write_label_image(
            tmp_path / place, image, (64, 64), fill, {"by": 1}, image_path=stored
        )
    location = parse_url(tmp_path / place)
    assert "image-label" in location.root_attrs
    (node,) = (n for n in Reader(location)() if n.zarr.path == location.path)
    assert [level.shape for level in node.data] == [
        (2, 70, 90),
        (2, 35, 45),
        (2, 18, 23),
    ]
    np.testing.assert_array_equal(node.data[0], wanted)
    picked = np.asarray(node.data[1])
    np.testing.assert_array_equal(picked, wanted[:, 1::2, 1::2])
    assert [axis["name"] for axis in node.metadata["axes"]] == ["z", "y", "x"]
    assert node.metadata["axes"][2]["unit"] == "micrometer"
    scales = [t[0]["scale"] for t in node.metadata["coordinateTransformations"]]
    assert scales[:2] == [[2.0, 0.5, 0.5], [2.0, 1.0, 1.0]]
    assert read_note(tmp_path / place) == {"by": 1}
    if "labels" in place:
        labels = parse_url(stored / "labels")
        assert labels.root_attrs["labels"] == ["cells"]
    assert not [path for path in tmp_path.rglob(".*") if path.name[1:2] != "z"]


def test_labels_without_levels_get_a_pyramid(tmp_path):
    image = PlaneArray(np.zeros((1500, 900), np.uint8), "yx")
    labels = np.zeros((1500, 900), np.uint32)
    labels[200:1300, 300:] = 70_000

    def fill(array):
        array[...] = labels

    path = write_label_image(tmp_path / "labels.zarr", image, (768, 512), fill)
    group = zarr.open_group(str(path), mode="r")
    assert [group[n].shape for n in ("0", "1")] == [(1500, 900), (750, 450)]
    np.testing.assert_array_equal(group["1"][:], labels[1::2, 1::2])
    again = open_array(ArraySource(str(path)))
    assert again.shape == (1500, 900)


def test_what_fails_leaves_the_labels_that_were_there(tmp_path):
    image = PlaneArray(np.zeros((5, 6), np.uint8), "yx")

    def fill(array):
        array[...] = 3

    def fail(array):
        raise OSError("no space left")

    write_label_image(tmp_path / "labels.zarr", image, (5, 6), fill)
    with pytest.raises(OSError, match="no space"):
        write_label_image(tmp_path / "labels.zarr", image, (5, 6), fail)
    assert (zarr.open_array(str(tmp_path / "labels.zarr/0"))[:] == 3).all()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def write(path, value, **options):
    image = PlaneArray(np.zeros((5, 6), np.uint8), "yx")

    def fill(array):
        array[...] = value

    return write_label_image(path, image, (5, 6), fill, **options)


def value_of(path):
    return np.unique(zarr.open_array(str(path / "0"))[:]).tolist()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, PermissionError("in use")])
def test_an_exchange_that_fails_puts_the_former_labels_back(
    tmp_path, monkeypatch, stop
):
    path = write(tmp_path / "labels.zarr", 3)
    replace = Path.replace

    def stopped(self, target):
        if target == path and "partial" in self.name:
            raise stop
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises((KeyboardInterrupt, PermissionError)):
        write(path, 4)
    assert value_of(path) == [3]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def test_what_a_killed_process_left_is_put_in_order(tmp_path):
    path = write(tmp_path / "labels.zarr", 3)
    other = write(tmp_path / "other.zarr", 5)
    path.rename(tmp_path / ".labels.zarr-old")
    (tmp_path / ".labels.zarr-partial-1").mkdir()
    (tmp_path / ".other.zarr-partial-1").mkdir()
    recover_label_image(path)
    assert value_of(path) == [3]
    other.rename(tmp_path / ".labels.zarr-old")
    recover_label_image(path)
    assert value_of(path) == [3]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".other.zarr-partial-1", "labels.zarr"]


def test_labels_that_the_image_does_not_know_yet_are_listed(stored):
    for name in ("b", "a"):
        write(stored / "labels" / name, 3, image_path=stored)
    labels = zarr.open_group(str(stored / "labels"), mode="r+")
    attributes = dict(labels.attrs)
    told = attributes.get("ome", attributes)
    assert told["labels"] == ["b", "a"]
    told["labels"] = ["b"]
    labels.attrs.put(attributes)
    recover_label_image(stored / "labels" / "a")
    recover_label_image(stored / "labels" / "none")
    assert parse_url(stored / "labels").root_attrs["labels"] == ["b", "a"]


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
def test_others_may_read_the_labels_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        path = write(tmp_path / "labels.zarr", 3)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("axes", ["junk", [{"unit": "pixel"}, {"name": "x"}], [1, 2]])
def test_axes_of_another_form_are_refused(tmp_path, axes):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", shape=(5, 6), dtype="uint8")
    image = {"version": "0.5", "axes": axes, "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    with pytest.raises((ValueError, OSError), match=r"axes"):
        open_array(ArraySource(str(tmp_path / "a.zarr")))


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "how",
    [
        {"dtype": "<u2", "compressor": {"id": "pickle"}},
        {"dtype": "<u2", "filters": [{"id": "pickle"}]},
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
    ],
)
@pytest.mark.filterwarnings("ignore:.*object_codec.*", "ignore::FutureWarning")
def test_a_zarr_array_never_runs_code(tmp_path, how):
    path, touched = tmp_path / "a.zarr", tmp_path / "touched"
    path.mkdir()
    about = {"zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "fill_value": 0}
    about |= {"order": "C", "filters": None, "compressor": None} | how
    (path / ".zarray").write_text(json.dumps(about))
    (path / "0.0").write_bytes(pickle.dumps(Touches(touched)))
    with pytest.raises((OSError, ValueError, TypeError)):
        open_array(ArraySource(str(path))).read((), (0, 0, 2, 2))
    assert not touched.exists()
    pickle.loads((path / "0.0").read_bytes())
    assert touched.exists()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_is_read_piece_by_piece(tmp_path, compression):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, IMAGE[0], photometric="minisblack", compression=compression)
    image = open_array(ArraySource(str(path)))
    assert not isinstance(image.array, np.ndarray) or isinstance(image.array, np.memmap)
    assert (image.axes, image.leading) == ("zyx", (2,))
    np.testing.assert_array_equal(
        image.read((1,), (5, 6, 50, 60)), IMAGE[0, 1, 5:50, 6:60]
    )


def test_colour_comes_along(tmp_path):
    colour = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    tifffile.imwrite(tmp_path / "he.tif", colour, photometric="rgb")
    image = open_array(ArraySource(str(tmp_path / "he.tif")))
    assert image.shape == (30, 40)
    np.testing.assert_array_equal(image.read((), (2, 3, 9, 12)), colour[2:9, 3:12])


def test_plain_arrays_have_usual_axes_or_those_that_are_given(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=IMAGE[0])
    np.save(tmp_path / "a.npy", IMAGE[0])
    for name in ("a.zarr", "a.npy"):
        image = open_array(ArraySource(str(tmp_path / name)))
        assert (image.axes, image.leading) == ("zyx", (2,))
        turned = open_array(ArraySource(str(tmp_path / name), axes="YZX"))
        part = turned.read((7,), (0, 3, 2, 9))
        np.testing.assert_array_equal(part, IMAGE[0][0:2, 7, 3:9])


def test_what_is_no_image_says_so(tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w").create_group("raw")
    with pytest.raises(ValueError, match=r"without an OME-Zarr image; it holds raw"):
        open_array(ArraySource(str(tmp_path / "g.zarr")))
    with pytest.raises(FileNotFoundError, match="not found"):
        open_array(ArraySource(str(tmp_path / "none.zarr")))
    with pytest.raises(FileNotFoundError, match="is a folder and no zarr"):
        open_array(ArraySource(str(tmp_path)))


def test_a_stack_has_the_axes_that_run_and_is_read_lazily(tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (1, 2, 5, 20, 30), np.uint16)
    image = PlaneArray(data, "tczyx", channels=(1,))
    stack = image.stack()
    assert not isinstance(stack, np.ndarray) and not image.is_colour
    np.testing.assert_array_equal(stack[3], data[0, 1, 3])
    np.testing.assert_array_equal(stack, data[0, 1])
    assert PlaneArray(data[:, :, :1], "tczyx", channels=(0,)).stack("t").shape == (
        1,
        20,
        30,
    )
    colour = PlaneArray(np.zeros((3, 4, 20, 30), np.uint8), "czyx")
    assert colour.is_colour and colour.stack().shape == (4, 20, 30, 3)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data[0, 1], photometric="minisblack", compression="zlib")
    packed = open_array(ArraySource(str(path))).stack()
    np.testing.assert_array_equal(packed[:, 7], data[0, 1, :, 7])
