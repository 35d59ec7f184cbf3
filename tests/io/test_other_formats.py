"""Files of microscopes and other fields, by the readers of the extra ``formats``.

czifile, nd2 and liffile cannot write. Two small CZI files were written by the library
of their maker (`make_czi_files.py`); for what these do not hold, and for ND2 and LIF, a
small object with what the reader uses of theirs stands for an open file.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import napari_sam
from napari_sam.cli import main
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.images import list_images

h5py = pytest.importorskip("h5py")
mrcfile = pytest.importorskip("mrcfile")
nibabel = pytest.importorskip("nibabel")
nrrd = pytest.importorskip("nrrd")

DATA = Path(__file__).parents[1] / "data"
VOLUME = np.arange(3 * 5 * 7, dtype=np.int16).reshape(3, 5, 7)


def opened(path, **options):
    return open_array(ArraySource(str(path), **options))


def test_a_map_of_mrc_has_its_axes_and_its_size_in_angstrom(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(VOLUME)
        file.set_volume()
        file.voxel_size = (4.0, 5.0, 20.0)  # x, y, z
    image = opened(path)
    assert (image.axes, image.leading, image.shape) == ("zyx", (3,), (5, 7))
    assert image.scale == (20.0, 5.0, 4.0)
    assert image.pixel_size == pytest.approx((5e-4, 4e-4))
    np.testing.assert_array_equal(image.read((2,), (1, 2, 4, 6)), VOLUME[2, 1:4, 2:6])


def test_nifti_is_read_as_numpy_orders_it_with_its_unit(tmp_path):
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(VOLUME.T, np.diag([0.5, 0.25, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    found = opened(path)
    assert (found.axes, found.scale) == ("zyx", (2.0, 0.25, 0.5))
    assert set(found.units) == {"millimeter"}
    np.testing.assert_array_equal(np.asarray(found.stack()), VOLUME)
    np.testing.assert_array_equal(found.read((1,), (0, 0, 2, 7)), VOLUME[1, :2])


def test_nrrd_has_its_spacing_and_its_colour(tmp_path):
    path = tmp_path / "a.nrrd"
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([2.0, 3.0, 4.0]),
        "space units": ["mm", "mm", "mm"],
    }
    nrrd.write(str(path), VOLUME, header, index_order="C")
    found = opened(path)
    assert (found.axes, found.scale) == ("zyx", (4.0, 3.0, 2.0))
    assert found.units[0] == "millimeter"
    np.testing.assert_array_equal(np.asarray(found.stack()), VOLUME)
    colour = np.zeros((5, 7, 3), np.uint8)
    colour[..., 1] = 9
    kinds = {"kinds": ["RGB-color", "domain", "domain"]}
    nrrd.write(str(path), colour, kinds, index_order="C")
    np.testing.assert_array_equal(napari_sam.read_image(path), colour)


def hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array
    return path


def test_an_array_of_hdf5_is_named_or_the_largest(tmp_path):
    path = hdf5(tmp_path / "a.h5", raw__data=VOLUME, labels=VOLUME[0], text="no array")
    image = opened(path)
    assert image.shape == (5, 7) and image.leading == (3,)
    assert image.note.startswith("a.h5 holds 2 arrays: ")
    assert "the largest, /raw/data, is read" in image.note
    assert image.note.endswith("a.h5:/labels")
    named = opened(f"{path}:/labels")
    assert named.leading == () and named.note == ""
    np.testing.assert_array_equal(named.plane(), VOLUME[0])
    with pytest.raises(
        OSError, match=r"no array /raw; it holds /labels \(5 x 7\), /raw"
    ):
        opened(f"{path}:/raw")
    with pytest.raises(ValueError, match="no scene 5"):
        opened(path, scene=5)


def test_hdf5_says_its_axes_and_sizes(tmp_path):
    path = hdf5(tmp_path / "a.h5", data=np.zeros((5, 7, 2), np.uint16))
    with h5py.File(path, "a") as file:
        keys = [{"key": key} for key in "yxc"]
        file["data"].attrs["axistags"] = json.dumps({"axes": keys})
        file["data"].attrs["element_size_um"] = [1.0, 0.5, 0.25]
    image = opened(path, channels=(1,))
    assert (image.axes, image.pixel_size) == ("yxc", (0.5, 0.25))


def test_commands_read_such_files_and_folders_list_them(tmp_path):
    labels = np.zeros((24, 30), np.uint16)
    labels[3:9, 4:12] = 1
    hdf5(tmp_path / "a.h5", labels=labels)
    nrrd.write(str(tmp_path / "b.nrrd"), labels, index_order="C")
    assert [one.name for one in list_images(tmp_path).paths] == ["a.h5", "b.nrrd"]
    for name in ("a.h5", "b.nrrd"):
        out = tmp_path / f"{name}.geojson"
        assert main(["export", str(tmp_path / name), "--to", str(out)]) == 0
        found = napari_sam.read_objects(out, shape=labels.shape)
        np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize(
    ("name", "package"), [("a.czi", "czifile"), ("a.nd2", "nd2"), ("a.h5", "h5py")]
)
def test_a_format_without_its_reader_names_the_extra(
    name, package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"?")
    message = rf'{package} reads: pip install "napari-sam\[formats\]"'
    with pytest.raises(OSError, match=message):
        opened(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["a.czi", "a.nd2", "a.lif", "a.mrc", "a.nii", "a.nii.gz", "a.h5", "a.nrrd"]
)
@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 99])
def test_damaged_files_are_named(name, content, tmp_path):
    package = {"czi": "czifile", "lif": "liffile"}.get(name[2:], name[2:])
    if package in ("czifile", "nd2", "liffile"):
        pytest.importorskip(package)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(OSError, match=f"{name} cannot be read as an image"):
        opened(path)


# --- files of CZI ------------------------------------------------------------------


def plane_of_czi(scene, channel, z, height, width):
    """Values that tell where they are from, as they were written."""
    row, col = np.mgrid[:height, :width]
    return 1000 * scene + 400 * channel + 100 * z + 3 * row + col


@pytest.mark.parametrize(("scene", "shape"), [(0, (40, 56)), (1, (24, 30))])
def test_a_file_that_zeiss_writes_is_read(scene, shape):
    """Two scenes, one a mosaic, packed by Zstandard with its bytes parted."""
    pytest.importorskip("czifile")
    for channel in (0, 1):
        image = opened(DATA / "mosaic.czi", scene=scene, channels=(channel,))
        assert (image.axes, image.leading, image.shape) == ("czyx", (3,), shape)
        assert image.channel_names == ("DAPI", "GFP")
        assert image.scale[1:] == pytest.approx((1.0, 0.25, 0.25))
        assert image.units[1:] == ("micrometer",) * 3
        stack = np.asarray(image.stack())
        for z in range(3):
            wanted = plane_of_czi(scene, channel, z, *shape)
            np.testing.assert_array_equal(stack[z], wanted)


def test_the_largest_scene_is_read_and_the_others_are_told():
    pytest.importorskip("czifile")
    image = opened(DATA / "mosaic.czi", channels=(0,))
    assert image.shape == (40, 56)
    assert "mosaic.czi holds 2 scenes" in image.note and "--scene" in image.note


def test_the_colours_of_czi_are_red_green_and_blue():
    pytest.importorskip("czifile")
    image = opened(DATA / "colour.czi")
    assert image.plane()[0, 0].tolist() == [3, 2, 1]
    assert image.plane()[19, 29].tolist() == [200, 100, 10]


# --- readers whose files cannot be written ----------------------------------------


class Opened(SimpleNamespace):
    """An open file."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def stand_in(monkeypatch, package, **names):
    module = ModuleType(package)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, package, module)


SCALING = """<ImageDocument><Metadata>
<Scaling><Items>
<Distance Id="X"><Value>2.5e-7</Value></Distance>
<Distance Id="Y"><Value>5e-7</Value></Distance></Items></Scaling>
<Information><Image><Dimensions><Channels><Channel Name="DAPI"/><Channel Name="GFP"/>
</Channels></Dimensions></Image></Information></Metadata></ImageDocument>"""


def subblock(scene, channel, row, col, value, size=(4, 6)):
    """A part of a mosaic of czifile, with the axes S, C, Y, X and 0."""
    shape = (1, 1, *size, 1)
    start = (scene, channel, row, col, 0)
    data = SimpleNamespace(data=lambda resize, order: np.full(shape, value, np.uint16))
    return SimpleNamespace(
        axes="SCYX0",
        compression=0,
        dtype="u2",
        start=start,
        shape=shape,
        stored_shape=shape,
        dimension_entries=[
            SimpleNamespace(dimension=axis, start=first)
            for axis, first in zip("SCYX", start, strict=False)
        ],
        data_segment=lambda: data,
    )


def test_a_scene_of_czi_is_put_together_from_its_mosaic(monkeypatch, tmp_path):
    blocks = [
        subblock(scene, channel, 10 * scene, 100 + 6 * part, 10 * channel + part)
        for scene in (0, 1)
        for channel in (0, 1)
        for part in range(2 + scene)
    ]
    pyramid = subblock(0, 0, 10, 100, 99)
    pyramid.stored_shape = (1, 1, 2, 3, 1)
    file = Opened(
        filtered_subblock_directory=[*blocks, pyramid],
        dtype="u2",
        metadata=lambda: SCALING,
    )
    stand_in(monkeypatch, "czifile", CziFile=lambda path: file)
    path = tmp_path / "a.czi"
    path.write_bytes(b"")
    image = opened(path, channels=(1,))
    assert (image.axes, image.shape) == ("cyx", (4, 18))
    assert image.channel_names == ("DAPI", "GFP")
    assert image.pixel_size == (0.5, 0.25)
    assert "holds 2 scenes" in image.note
    assert image.plane()[0, ::6].tolist() == [10, 11, 12]
    assert opened(path, channels=(0,), scene=0).plane()[0, ::6].tolist() == [0, 1]


@pytest.mark.parametrize("way", [5, 6])
def test_parts_of_czi_that_are_packed_by_zstandard_are_read(way, monkeypatch, tmp_path):
    from imagecodecs import zstd_encode

    values = np.arange(1000, 1024, dtype=np.uint16).reshape(1, 1, 4, 6, 1)
    content = values.view(np.uint8).reshape(-1, 2)
    packed = zstd_encode(content.tobytes())
    if way == 6:  # the low bytes before the high ones
        packed = bytes([3, 1, 1]) + zstd_encode(content.T.tobytes())
    block = subblock(0, 0, 0, 0, 0)
    block.compression = way
    block.data_segment = lambda: SimpleNamespace(data=lambda raw: packed)
    file = Opened(
        filtered_subblock_directory=[block], dtype="u2", metadata=lambda: None
    )
    stand_in(monkeypatch, "czifile", CziFile=lambda path: file)
    (tmp_path / "a.czi").write_bytes(b"")
    np.testing.assert_array_equal(
        opened(tmp_path / "a.czi").plane(), values.reshape(4, 6)
    )


def test_positions_of_nd2_are_scenes(monkeypatch, tmp_path):
    import dask.array as da

    data = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.uint16).reshape(2, 3, 2, 4, 5)
    channels = [
        SimpleNamespace(channel=SimpleNamespace(name=name)) for name in ("a", "b")
    ]
    file = Opened(
        sizes={"P": 2, "Z": 3, "C": 2, "Y": 4, "X": 5},
        dtype=data.dtype,
        voxel_size=lambda: SimpleNamespace(x=0.1, y=0.2, z=0.3),
        metadata=SimpleNamespace(channels=channels),
        to_dask=lambda: da.from_array(data),
    )
    stand_in(monkeypatch, "nd2", ND2File=lambda path: file)
    path = tmp_path / "a.nd2"
    path.write_bytes(b"")
    image = opened(path, channels=(1,), scene=1)
    assert (image.axes, image.scale[0], image.pixel_size) == ("zcyx", 0.3, (0.2, 0.1))
    assert image.channel_names == ("a", "b")
    np.testing.assert_array_equal(image.read((2,), (0, 0, 4, 5)), data[1, 2, 1])


def test_images_of_lif_are_scenes(monkeypatch, tmp_path):
    def one(count):
        data = np.full((count, 4, 5), count, np.uint8)
        coords = {
            "Z": np.arange(count) * 2e-6,
            "Y": np.arange(4) * 5e-7,
            "X": np.arange(5) * 5e-7,
        }
        return SimpleNamespace(
            shape=data.shape,
            dims=("Z", "Y", "X"),
            dtype=data.dtype,
            coords=coords,
            asarray=lambda: data,
        )

    file = Opened(images=[one(2), one(6)])
    stand_in(monkeypatch, "liffile", LifFile=lambda path: file)
    path = tmp_path / "a.lif"
    path.write_bytes(b"")
    image = opened(path)
    assert (image.axes, image.leading, image.scale) == ("zyx", (6,), (2.0, 0.5, 0.5))
    assert "2 scenes" in image.note
    assert opened(path, scene=0).read((1,), (0, 0, 1, 1)) == 2
