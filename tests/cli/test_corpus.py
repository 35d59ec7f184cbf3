"""Every kind of file, read by every command to the same array, axes, scale and unit."""

import numpy as np
import pytest
import tifffile
import zarr
from image_files import CHANNELS, COLOURS, PLANES, VOLUMES, write_ome_zarr

from napari_sam.cli import main
from napari_sam.evaluation.click_protocol import CLICKS, ObjectScores
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.ome_zarr import write_label_image
from napari_sam.workflows.project.project import Project

PLANE = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) * 17
VOLUME = np.stack([PLANE, PLANE + 5, PLANE[::-1]])
COLOUR = np.stack([PLANE, PLANE // 2, PLANE[::-1]], -1)
CALIBRATED = ("imagej", "ome", "pyramid", "single z")
SIZES = (2.0, 0.5, 0.25)


@pytest.fixture
def seen(model, monkeypatch):
    """Note what reaches the models; each finds one object."""
    arrays = {}

    def find_objects(image, **options):
        arrays["segment"] = np.asarray(image)
        return []

    def detect_edges(image, **options):
        arrays["edges"] = np.asarray(image)
        return np.ones(image.shape[:2], np.float32)

    def propose(image, count, **options):
        arrays["proposals"] = np.asarray(image)
        return []

    def segment_volume(volume, **options):
        arrays["segment-volume"] = np.asarray(volume.array)
        return np.ones(volume.labels_shape, np.int32)

    def score_image(model, image, labels, *args, **options):
        arrays.setdefault("evaluate", []).append(np.asarray(image))
        return [ObjectScores(1, (1.0,) * CLICKS, 1.0, 1.0, (1.0,), (1.0,))]

    monkeypatch.setattr(
        "napari_sam.workflows.objects.segment.find_objects", find_objects
    )
    monkeypatch.setattr("napari_sam.workflows.objects.edges.detect_edges", detect_edges)
    monkeypatch.setattr("napari_sam.workflows.objects.proposals.propose", propose)
    monkeypatch.setattr(
        "napari_sam.workflows.stacks.volume.segment_volume", segment_volume
    )
    monkeypatch.setattr("napari_sam.evaluation.click_protocol.score_image", score_image)
    return arrays


def run(command, path, out, *options):
    assert main([command, str(path), "--out", str(out), *map(str, options)]) == 0


def same_sizes(path, image, axes):
    """Whether a file of labels says of its axes what the image says."""
    kept = open_array(ArraySource(str(path)))
    known = image.calibration(axes)
    assert kept.axes == axes
    assert kept.scale == pytest.approx(known.scale)
    assert kept.units == known.units


@pytest.mark.parametrize("kind", PLANES)
def test_planes(kind, seen, tmp_path):
    path = PLANES[kind](tmp_path, PLANE[None] if kind == "single z" else PLANE)
    image = open_array(ArraySource(str(path)))
    assert image.shape == PLANE.shape and not image.is_colour
    known = image.calibration("yx")
    if kind.startswith("ome-zarr") or any(word in kind for word in CALIBRATED):
        assert known.scale == pytest.approx(SIZES[1:])
        assert known.units == ("micrometer", "micrometer")
        assert image.pixel_size == pytest.approx(SIZES[1:])
    else:
        assert known.scale == (1, 1) and image.pixel_size is None
    for command in ("segment", "edges", "proposals"):
        run(command, path, tmp_path / command)
        np.testing.assert_array_equal(seen[command], PLANE)
        assert seen[command].dtype == PLANE.dtype
    for command in ("segment", "edges"):
        (labels,) = (tmp_path / command).glob("*.tif")
        same_sizes(labels, image, "yx")


def folder_of(tmp_path, kinds, array, labels):
    """Write a folder of labelled images of all kinds; return their names."""
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    paths = []
    for number, (kind, write) in enumerate(kinds.items()):
        place = tmp_path / f"{number}"
        place.mkdir()
        given = array[None] if kind == "single z" else array
        path = write(place, given)
        paths.append(path.rename(tmp_path / "images" / path.name))
        tifffile.imwrite(tmp_path / "labels" / f"{path.stem}.tif", labels)
    return paths


@pytest.mark.parametrize(
    ("kinds", "array"), [(PLANES, PLANE), (COLOURS, COLOUR)], ids=["planes", "colours"]
)
def test_evaluation_training_and_projects(kinds, array, seen, tmp_path, monkeypatch):
    labels = np.zeros(PLANE.shape, np.uint16)
    labels[4:12, 4:12] = 1
    if kinds is COLOURS:
        array, kinds = (array // 32).astype(np.uint8), dict(kinds)
        kinds.pop("png of 16 bit")
    paths = folder_of(tmp_path, kinds, array, labels)
    assert main(["evaluate", "--data", str(tmp_path), "--whole"]) == 0
    assert len(seen["evaluate"]) == len(paths)
    trained = []

    class Trainer:
        def __init__(self, config, data, *args, **options):
            trained.extend(item.read()[0] for item in data)
            raise ValueError("enough")

    monkeypatch.setattr("napari_sam.training.trainer.Trainer", Trainer)
    out = ("--out", str(tmp_path / "x.safetensors"))
    assert main(["train", "--data", str(tmp_path), *out]) == 2
    assert len(trained) == len(paths)
    project = Project.create(tmp_path / "project", paths)
    read = [project.read_image(name) for name in project.images]
    project.close()
    for found in (*seen["evaluate"], *trained, *read):
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *((kind, np.uint8) for kind in COLOURS if kind != "png of 16 bit"),
        *((kind, np.uint16) for kind in COLOURS if kind != "npy of uint8"),
    ],
)
def test_colours(kind, dtype, seen, tmp_path):
    array = (COLOUR // (1 if dtype == np.uint16 else 32)).astype(dtype)
    path = COLOURS[kind](tmp_path, array)
    run("segment", path, tmp_path / "out")
    np.testing.assert_array_equal(seen["segment"], array)
    run("edges", path, tmp_path / "edges", "--channels", 1)
    np.testing.assert_array_equal(seen["edges"], array[..., 1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_planar_colour(dtype, seen, tmp_path):
    array = COLOUR.astype(dtype)
    path = tmp_path / "planar.tif"
    planes = np.ascontiguousarray(array.transpose(2, 0, 1))
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    run("segment", path, tmp_path / "out")
    np.testing.assert_array_equal(seen["segment"], array)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "f2", "f4", "f8", "?"])
def test_types(dtype, seen, tmp_path):
    array = (PLANE % 2 if dtype == "?" else PLANE % 100).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    np.save(tmp_path / "b.npy", array)
    for name in ("a.tif", "b.npy"):
        run("segment", tmp_path / name, tmp_path / name[0])
        np.testing.assert_array_equal(seen["segment"], array)


def laid_out(kind, array):
    if kind == "at the end":
        return np.moveaxis(array, 0, -1)
    return array[None] if kind == "ome-zarr of z" else array


@pytest.mark.parametrize("kind", CHANNELS)
def test_channels(kind, seen, tmp_path, capsys):
    path = CHANNELS[kind](tmp_path, laid_out(kind, np.stack([PLANE, PLANE[::-1]])))
    for channel, wanted in ((0, PLANE), (1, PLANE[::-1])):
        for command in ("segment", "edges", "proposals"):
            run(command, path, tmp_path / f"{command}{channel}", "--channels", channel)
            np.testing.assert_array_equal(seen[command], wanted)
    for command in ("segment", "edges", "proposals"):
        for options in ([], ["--channels", "9"]):
            given = [command, str(path), "--out", str(tmp_path / "no"), *options]
            assert main(given) == 1
            told = capsys.readouterr().err
            assert "2 channels: 0 and 1" in told
            assert ("--channels" if not options else "no channel 9") in told


def test_channels_have_the_names_that_the_file_gives_them(tmp_path):
    path = tmp_path / "a.ome.tif"
    told = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    options = {"photometric": "minisblack", "metadata": told}
    tifffile.imwrite(path, np.stack([PLANE, PLANE]), ome=True, **options)
    with pytest.raises(ValueError, match=r"0 \(DAPI\) and 1 \(GFP\)"):
        open_array(ArraySource(str(path)))


@pytest.mark.parametrize("kind", VOLUMES)
def test_volumes(kind, seen, tmp_path):
    path = VOLUMES[kind](tmp_path, VOLUME)
    image = open_array(ArraySource(str(path)))
    assert image.axes == "zyx"
    if "ome" in kind or kind == "imagej":
        assert image.scale == pytest.approx(SIZES)
        assert image.units == ("micrometer",) * 3
    run("segment-volume", path, tmp_path / "out")
    np.testing.assert_array_equal(seen["segment-volume"], VOLUME)
    (labels,) = (tmp_path / "out").glob("*.tif")
    same_sizes(labels, image, "zyx")


def test_labels_of_imagej_are_imagejs_and_those_of_ome_are_omes(seen, tmp_path):
    for kind in ("imagej", "ome"):
        path = VOLUMES[kind](tmp_path, VOLUME)
        run("segment-volume", path, tmp_path / kind)
        (labels,) = (tmp_path / kind).glob("*.tif")
        with tifffile.TiffFile(path) as image, tifffile.TiffFile(labels) as file:
            assert file.series[0].kind == image.series[0].kind == kind
            assert file.series[0].axes == "ZYX"
            if kind == "imagej":
                assert file.imagej_metadata["spacing"] == 2.0
                assert file.imagej_metadata["unit"] == "um"
                for tag in ("XResolution", "YResolution", "ResolutionUnit"):
                    assert file.pages[0].tags[tag].value == (
                        image.pages[0].tags[tag].value
                    )


@pytest.mark.parametrize("axes", ["TZYX", "ZCYX", "TZCYX"])
def test_more_axes_of_a_volume(axes, seen, tmp_path):
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 40, "X": 48}
    shape = tuple(sizes[axis] for axis in axes)
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    path = tmp_path / "more.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": axes})
    options = ("--channels", 1) if "C" in axes else ()
    run("segment-volume", path, tmp_path / "out", *options)
    with tifffile.TiffFile(tmp_path / "out" / "more.tif") as file:
        assert file.series[0].axes == axes.replace("C", "")
        labels = file.asarray()
    if "C" in axes:
        array = array.take(1, axes.index("C"))
    if "T" in axes:
        array = array[-1]
        assert [np.unique(part).tolist() for part in labels] == [[1], [2]]
    np.testing.assert_array_equal(seen["segment-volume"], array)


def test_unnamed_axes_of_a_volume_are_asked_for(seen, tmp_path, capsys):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([VOLUME, VOLUME], 1), photometric="minisblack")
    command = ["segment-volume", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "--axes ZCYX --channels 0" in told and "`at`" not in told
    assert main([*command, "--axes", "ZCYX", "--channels", "1"]) == 0
    np.testing.assert_array_equal(seen["segment-volume"], VOLUME)


def test_a_single_page_axis_is_no_axis(seen, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[:, None], photometric="minisblack")
    run("segment-volume", tmp_path / "a.tif", tmp_path / "out")
    np.testing.assert_array_equal(seen["segment-volume"], VOLUME)


def test_scenes(seen, tmp_path, capsys):
    path = PLANES["scenes"](tmp_path, PLANE)
    run("segment", path, tmp_path / "out")
    np.testing.assert_array_equal(seen["segment"], PLANE)
    told = capsys.readouterr().err
    assert "3 scenes: 0 (9 x 9), 1 (40 x 48), 2 (12 x 48); the largest, 1" in told
    assert "--scene" in told
    run("edges", path, tmp_path / "edges", "--scene", 2)
    np.testing.assert_array_equal(seen["edges"], PLANE[:12])
    out = ["--out", str(tmp_path / "no")]
    assert main(["proposals", str(path), *out, "--scene", "3"]) == 1
    assert "no scene 3; scenes.ome.tif holds 3" in capsys.readouterr().err


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_image_with_labels_in_it_is_read(zarr_format, seen, tmp_path):
    path = write_ome_zarr(tmp_path / "image.zarr", PLANE, "yx", zarr_format)
    image = open_array(ArraySource(str(path)))

    def fill(array):
        array[...] = 3

    inside = path / "labels" / "cells"
    write_label_image(inside, image, (40, 48), fill, image_path=path)
    (path / ".DS_Store").touch()
    for command in ("segment", "edges", "proposals"):
        run(command, path, tmp_path / command)
        np.testing.assert_array_equal(seen[command], PLANE)
    labels = open_array(ArraySource(str(inside)))
    assert (labels.plane() == 3).all() and labels.scale == image.scale


def test_scenes_of_a_zarr_folder(seen, tmp_path, capsys):
    root = zarr.create_group(str(tmp_path / "raw.zarr"), zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for number, part in enumerate((PLANE[:9], PLANE)):
        write_ome_zarr(tmp_path / "raw.zarr" / str(number), part, "yx", 2)
    run("segment", tmp_path / "raw.zarr", tmp_path / "out")
    np.testing.assert_array_equal(seen["segment"], PLANE)
    assert "2 scenes: 0 (9 x 48), 1 (40 x 48)" in capsys.readouterr().err
    run("segment", tmp_path / "raw.zarr", tmp_path / "first", "--scene", 0)
    np.testing.assert_array_equal(seen["segment"], PLANE[:9])


def test_a_tiff_of_another_ending_and_a_folder_of_zarr_images(seen, tmp_path):
    plate = tmp_path / "plate"
    plate.mkdir()
    PLANES["lzw"](plate, PLANE).rename(plate / "a.lsm")
    run("segment", plate / "a.lsm", tmp_path / "one")
    np.testing.assert_array_equal(seen["segment"], PLANE)
    write_ome_zarr(plate / "b.zarr", PLANE, "yx")
    run("segment", plate, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("*.tif")] == ["b.tif"]


def test_a_plane_is_asked_for_where_there_are_several(seen, tmp_path, capsys):
    path = VOLUMES["imagej"](tmp_path, VOLUME)
    assert main(["segment", str(path), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "3 planes (axes ZYX; 3 x 40 x 48)" in told
    for hint in ("--axes", "segment-volume", "--out LABELS.zarr"):
        assert hint in told


def test_unnamed_planes_are_channels_where_that_is_said(seen, tmp_path):
    np.save(tmp_path / "a.npy", VOLUME)
    options = ("--axes", "CYX", "--channels", 2)
    run("segment", tmp_path / "a.npy", tmp_path / "out", *options)
    np.testing.assert_array_equal(seen["segment"], VOLUME[2])
    run("edges", tmp_path / "a.npy", tmp_path / "edges", "--axes", "SYX")
    np.testing.assert_array_equal(seen["edges"], np.moveaxis(VOLUME, 0, -1))


def test_settings_and_images_decide_what_is_finished(seen, tmp_path, capsys):
    path, out = PLANES["tiff"](tmp_path, PLANE), tmp_path / "out"
    run("segment", path, out)
    for command, told in (
        (["segment", "--mode", "grid"], "mode 'auto', not 'grid'"),
        (["segment", "--set", "points_per_side=3"], "points_per_side"),
        (["segment", "--roi", "0", "0", "9", "9"], "roi None, not [0, 0, 9, 9]"),
        (["segment", "--model", "vit_b"], "model 'cells', not 'vit_b'"),
        (["edges"], "command 'segment', not 'edges'"),
    ):
        given = [command[0], str(path), "--out", str(out), *command[1:]]
        capsys.readouterr()
        assert main(given) == 2
        error = capsys.readouterr().err
        assert told in error and "--overwrite" in error
        assert main([*given, "--overwrite"]) == 0
        run("segment", path, out, "--overwrite")
    seen.clear()
    run("segment", path, out)
    assert seen == {} and "1 finished before" in capsys.readouterr().out
