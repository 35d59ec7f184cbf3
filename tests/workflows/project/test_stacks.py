"""Volumes, films and OME-Zarr in a project, beside planes."""

from __future__ import annotations

import json

import dask.array as da
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.ops.label_planes import LabelPlanes
from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.export import export_project
from napari_sam.workflows.project.measurements import measure_images
from napari_sam.workflows.project.project import Project
from napari_sam.workflows.project.state import ObjectNote

SHAPE = (5, 20, 30)


def cubes(*numbers):
    """Cubes of 3 x 4 x 4 voxels, on the planes 1 to 3."""
    labels = np.zeros(SHAPE, np.int32)
    for number in numbers:
        labels[1:4, 2:6, number * 5 - 3 : number * 5 + 1] = number
    return labels


def write_stack(path, axes="ZYX", shape=SHAPE, **metadata):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    told = {"axes": axes, **metadata} if axes else None
    tifffile.imwrite(path, pixels, metadata=told, ome=bool(axes))
    return pixels


def write_ome_zarr(path, axes="zyx", shape=SHAPE, scale=(2.0, 0.5, 0.5)):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", data=np.ones(shape, np.uint8), chunks=(1, *shape[-2:]))
    told = [
        {"name": a, "type": "time", "unit": "second"}
        if a == "t"
        else {"name": a, "type": "space", "unit": "micrometer"}
        for a in axes
    ]
    sizes = [{"type": "scale", "scale": list(scale)}]
    levels = [{"path": "0", "coordinateTransformations": sizes}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": told, "datasets": levels}],
    }


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "images"
    where.mkdir()
    iio.imwrite(where / "plane.png", np.full(SHAPE[1:], 90, np.uint8))
    write_stack(
        where / "stack.tif",
        PhysicalSizeZ=2.0,
        PhysicalSizeZUnit="µm",
        PhysicalSizeY=0.5,
        PhysicalSizeYUnit="µm",
        PhysicalSizeX=0.5,
        PhysicalSizeXUnit="µm",
    )
    write_stack(where / "film.tif", "TYX")
    write_stack(where / "unsaid.tif", "")
    write_ome_zarr(where / "zarr image.ome.zarr")
    return where


@pytest.fixture
def project(folder):
    made, _ = Project.create_of_folder(folder)
    made.scan_files()
    yield made
    made.close()


def reopened(project):
    project.abandon()
    return Project.open(project.folder)


def test_a_folder_holds_planes_stacks_films_and_ome_zarr(project):
    axes = {name: project.layout(name).axes for name in project.images}
    assert axes == {
        "film": "tyx",
        "plane": "yx",
        "stack": "zyx",
        "unsaid": "zyx",
        "zarr image": "zyx",
    }
    assert project.layout("stack").spacing == (2.0, 0.5, 0.5)
    assert project.layout("zarr image").spacing == (2.0, 0.5, 0.5)
    assert project.read_image("stack").shape == SHAPE
    assert project.labels("film").shape == SHAPE


def test_what_is_saved_of_a_stack_is_there_after_a_crash(project):
    note = ObjectNote(clicks=3, class_name="nucleus")
    assert project.save("stack", cubes(1, 2, 3), notes={2: note}) == 3
    changed = cubes(1, 2, 3)
    changed[2][changed[2] == 2] = 0
    changed[changed == 3] = 0
    changed[0, 10:13, 10:13] = 9
    assert project.save("stack", changed) == 3
    assert project.save("stack", changed) == 0
    again = reopened(project)
    np.testing.assert_array_equal(again.labels("stack"), changed)
    assert sorted(again.notes("stack")) == [1, 2, 9]
    assert again.notes("stack")[2].class_name == "nucleus"
    again.close()
    np.testing.assert_array_equal(
        tifffile.imread(again.folder / "labels" / "stack.tif"), changed
    )


def test_only_the_planes_that_changed_are_written_down(project):
    project.save("stack", cubes(1))
    changed = cubes(1)
    changed[3][changed[3] == 1] = 0
    project.save("stack", changed)
    lines = (project.folder / "journal.jsonl").read_text().splitlines()
    (plane,) = json.loads(lines[-1])["planes"]
    assert plane == {"at": [3], "objects": {}, "gone": [1]}


@settings(max_examples=25)
@given(seed=st.integers(0, 9999))
def test_planes_that_differ_make_one_stack_the_other(seed):
    rng = np.random.default_rng(seed)
    old, new = rng.integers(0, 3, (2, 2, 3, 4, 5)) * rng.integers(0, 2, (2, 2, 3, 1, 1))
    held = LabelPlanes.of(old)
    changed = held.differing(new)
    np.testing.assert_array_equal(held.with_planes(changed).dense(), new)
    np.testing.assert_array_equal(held.dense(), old)
    assert set(held.differing_from(LabelPlanes.of(new))) == set(changed)
    areas = held.with_planes(changed).areas()
    assert areas == {n: int((new == n).sum()) for n in (1, 2) if (new == n).any()}


def test_many_objects_of_a_stack_at_once_become_a_snapshot(tmp_path):
    write_stack(tmp_path / "big.tif", shape=(6, 100, 100))
    project = Project.create(tmp_path / "p", [tmp_path / "big.tif"])
    rows, cols = np.indices((100, 100)) // 5
    labels = np.stack([rows * 20 + cols + 1] * 6).astype(np.int32)
    assert project.save("big", labels) == 400
    assert list((project.folder / "snapshots").iterdir())
    labels[0][labels[0] == 7] = 0
    project.save("big", labels)
    again = reopened(project)
    np.testing.assert_array_equal(again.labels("big"), labels)
    again.close()


def test_proposals_of_a_stack_are_accepted_rejected_and_covered(project):
    drawn = np.where(cubes(1) > 0, 7, 0)
    project.save("stack", drawn)
    found = Preannotation(
        cubes(1, 2, 3, 4), 0.3, {1: 0.1, 2: 0.2, 3: 0.6, 4: 0.4}, (0, 0.2, 0.7, 0.1, 0)
    )
    project.propose("stack", found, "cells")
    assert project.proposed.unsure("stack") == [3, 4, 2]
    assert project.proposed.unsure_planes("stack") == [(2,), (1,), (3,)]
    assert project.proposed.best_plane("stack", 3) == (1,)
    project.reject("stack", [3])
    assert project.accept("stack", [4]) == 1
    assert set(np.unique(project.proposals("stack"))) == {0, 2}
    again = reopened(project)
    labels = again.labels("stack")
    assert (labels == 8).sum() == 48 and (labels == 7).sum() == 48
    assert again.proposed.unsure("stack") == [2]
    assert again.state("stack").planes_uncertainty == (0, 0.2, 0.7, 0.1, 0)
    assert again.accept("stack") == 1
    assert again.proposed.undecided("stack") == 0
    again.close()


def test_a_stack_whose_axes_nobody_names_waits_for_an_answer(project):
    assert project.image_files.unclear == ["unsaid"]
    assert "unsaid" not in project.waiting_for_proposals()
    project.save("unsaid", cubes(1))
    project.image_files.choose_axes("unsaid", "tyx")
    assert project.image_files.unclear == []
    assert project.layout("unsaid").axes == "tyx"
    np.testing.assert_array_equal(project.labels("unsaid"), cubes(1))
    again = reopened(project)
    again.scan_files()
    assert again.image_files.unclear == []
    assert again.layout("unsaid").axes == "tyx"
    again.close()


def test_a_stack_that_calls_its_frames_depth_becomes_a_film_and_is_asked_anew(project):
    project.propose("stack", Preannotation(cubes(1), 0.5), "cells")
    assert "stack" not in project.waiting_for_proposals()
    project.image_files.choose_axes("stack", "tyx")
    assert project.layout("stack").scale == (1.0, 0.5, 0.5)
    assert "stack" in project.waiting_for_proposals()
    assert not list((project.folder / "proposals").iterdir())
    with pytest.raises(ValueError, match="plane is no stack along one axis"):
        project.image_files.choose_axes("plane", "tyx")


def test_a_stack_of_one_plane_is_a_plane(tmp_path):
    tifffile.imwrite(
        tmp_path / "one.tif", np.ones((1, 20, 30), np.uint8), metadata={"axes": "ZYX"}
    )
    project = Project.create(tmp_path / "p", [tmp_path / "one.tif"])
    assert project.layout("one").axes == "yx"
    project.save("one", cubes(1)[1])
    again = reopened(project)
    np.testing.assert_array_equal(again.labels("one"), cubes(1)[1])
    again.close()


def test_a_stack_that_changed_on_disk_is_told_and_its_labels_stay(project, folder):
    project.save("stack", cubes(1))
    write_stack(folder / "stack.tif", shape=(7, 20, 30))
    (told,) = project.scan_files().unfit
    assert "stack.tif is 7 x 20 x 30 pixels now, but was annotated" in told
    assert "5 x 20 x 30; put that image back" in told
    np.testing.assert_array_equal(project.labels("stack"), cubes(1))
    with pytest.raises(ValueError, match=r"labels have shape \(7, 20, 30\)"):
        project.save("stack", np.zeros((7, 20, 30), np.int32))


def test_a_label_file_of_a_stack_that_another_program_edited_is_offered(project):
    project.save("stack", cubes(1))
    project.files.close_image("stack")
    file = project.files.label_file("stack")
    edited = cubes(1, 2)
    tifffile.imwrite(file, edited.astype(np.uint16))
    assert project.scan_files().changed_elsewhere == ["stack"]
    assert project.files.take_over("stack") == 1
    np.testing.assert_array_equal(project.labels("stack"), edited)


def test_training_learns_from_planes_of_stacks_that_have_objects(project):
    project.save("stack", cubes(1, 2))
    project.save("plane", cubes(3)[1])
    project.finish("stack")
    sources = {source.name: source for source in project.sources()}
    assert list(sources) == ["plane", "stack-001", "stack-002", "stack-003"]
    assert not sources["plane"].complete and sources["stack-002"].complete
    image, labels = sources["stack-002"].read()
    np.testing.assert_array_equal(labels, cubes(1, 2)[2])
    np.testing.assert_array_equal(image, project.read_image("stack")[2])
    limits = {sources[f"stack-00{n}"].contrast_limits for n in (1, 2, 3)}
    assert len(limits) == 1


def test_an_export_keeps_the_axes_and_voxels_of_stacks(project, folder, tmp_path):
    project.image_files.choose_axes("unsaid", "tyx")
    for name in ("stack", "film", "unsaid", "zarr image"):
        project.save(name, cubes(1, 2))
    project.save("plane", cubes(1)[1])
    out = tmp_path / "out"
    formats = ("tiff", "coco", "csv", "zarr", "roi", "geojson")
    written = export_project(project, out, formats)
    assert all(path.exists() for path in written)
    from napari_sam.io.image_reader import ArraySource, open_array

    for name, axes, spacing in (
        ("stack", "zyx", (2.0, 0.5, 0.5)),
        ("film", "tyx", None),
        ("unsaid", "tyx", None),
        ("zarr image", "zyx", (2.0, 0.5, 0.5)),
    ):
        labels = open_array(ArraySource(str(out / "labels" / f"{name}.tif")))
        assert labels.stack_axes() == axes, name
        np.testing.assert_array_equal(labels.stack().compute(), cubes(1, 2))
        if spacing is not None:
            assert labels.calibration().micrometres == spacing
        zarr_labels = out / f"{name}.ome.zarr" / "labels" / "objects"
        stored = open_array(ArraySource(str(zarr_labels)))
        assert stored.axes == axes
        np.testing.assert_array_equal(stored.stack().compute(), cubes(1, 2))
    coco = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["plane.png"]
    found = dict(measure_images(project, project.images))
    assert found["stack"]["volume [µm³]"].tolist() == [24.0, 24.0]
    assert len(found["film"]) == 6 and set(found["film"]["frame"]) == {1, 2, 3}
    from napari_sam import read_objects

    regions = read_objects(out / "stack.zip", shape=SHAPE)
    np.testing.assert_array_equal(regions.labels, cubes(1, 2))


def test_a_stack_of_two_thousand_planes_is_read_plane_by_plane(tmp_path):
    zarr = pytest.importorskip("zarr")
    shape = (2000, 300, 300)
    array = zarr.open_array(
        str(tmp_path / "big.zarr"),
        mode="w",
        shape=shape,
        chunks=(1, 300, 300),
        dtype="u2",
    )
    array.attrs["x"] = 1
    array[1700] = 5
    project = Project.create(tmp_path / "p", [tmp_path / "big.zarr"])
    project.image_files.choose_axes("big", "zyx")
    image = project.read_image("big")
    assert isinstance(image, da.Array) and image.shape == shape
    assert int(np.asarray(image[1700]).min()) == 5
    labels = np.zeros(shape, np.int32)
    labels[1700, 5:9, 5:9] = 3
    assert project.save("big", labels) == 1
    assert list(project.store.planes("big").planes) == [(1700,)]
    (source,) = project.sources()
    assert source.name == "big-1700"
    project.abandon()


def test_what_an_export_wrote_to_the_folder_of_images_is_no_image(project, folder):
    project.save("stack", cubes(1))
    export_project(project, folder, ("zarr",))
    assert project.scan_files().added == []


def test_a_project_of_an_earlier_version_opens_and_takes_its_stacks(tmp_path):
    root = tmp_path / "images" / "napari-sam-project"
    root.mkdir(parents=True)
    iio.imwrite(root.parent / "a.png", np.zeros((20, 30), np.uint8))
    write_stack(root.parent / "z.tif")
    head = {
        "format": 1,
        "images": {"a": "../a.png"},
        "model": "cells",
        "retrain_after": 5,
    }
    (root / "project.json").write_text(json.dumps(head))
    line = {
        "event": "labels",
        "image": "a",
        "notes": {"4": {"clicks": 1}},
        "objects": {"4": {"at": [1, 2], "size": [1, 3], "runs": [0, 3]}},
        "gone": [],
    }
    (root / "journal.jsonl").write_text(json.dumps(line) + "\n")
    project = Project.open(root)
    assert project.scan_files().added == ["z"]
    assert project.labels("a").sum() == 12
    project.close()
