"""Objects out and in again, in every form."""

import errno
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import tifffile
from failing_disk import full_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools.coco import COCO
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi, roiread

import napari_sam
from napari_sam.io.object_set import ObjectSet

LABELS = np.zeros((24, 30), np.int32)
LABELS[2:9, 3:12] = 1
LABELS[5:7, 5:8] = 0  # a hole
LABELS[2:9, 12:15] = 2  # touches it
LABELS[12:14, 2:4] = LABELS[14:17, 4:6] = 7  # pieces that meet in a corner
LABELS[23, 29] = 9  # a pixel at the border
TABLE = pd.DataFrame(
    {
        "index": [1, 2, 7, 9],
        "name": ["big", "", "odd", "dot"],
        "class": ["cell", "debris", "cell", ""],
        "score": [0.9, 0.5, np.nan, 0.25],
        "area": [57.0, 21.0, 10.0, 1.0],
    }
)
ONE_PLANE = ["a.zip", "a.geojson", "a.json", "a.txt", "a.tif", "a.ome.zarr"]
STACKS = ["a.zip", "a.geojson", "a.tif", "a.ome.zarr"]
PLANES = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    elements=st.sampled_from([0, 0, 1, 2, 5]),
)


def same_objects(found, labels):
    """Whether two label images have the same objects, whatever their numbers."""
    pairs = {(int(a), int(b)) for a, b in zip(found.flat, labels.flat, strict=True)}
    used = [{pair[side] for pair in pairs} for side in (0, 1)]
    return len(pairs) == len(used[0]) == len(used[1]) and (0 in used[0]) == (
        0 in used[1]
    )


@pytest.mark.parametrize("name", ONE_PLANE)
def test_objects_come_back_to_the_pixel(name, tmp_path):
    path = napari_sam.write_objects(tmp_path / "deep" / name, LABELS, table=TABLE)
    found = napari_sam.read_objects(path, shape=LABELS.shape)
    assert found.shape == LABELS.shape and found.note == ""
    if name == "a.txt":
        assert same_objects(found.labels, LABELS)
        assert found.table["class"].tolist()[:3] == ["cell", "debris", "cell"]
    else:
        np.testing.assert_array_equal(found.labels, LABELS)
        assert [found.fact(n, "class") for n in (1, 2, 7)] == ["cell", "debris", "cell"]
        assert found.fact(9, "class") is None
        assert [found.fact(n, "score") for n in (1, 9)] == [0.9, 0.25]


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(labels=PLANES)
@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json", "a.txt"])
def test_any_labels_come_back_to_the_pixel(name, labels, tmp_path):
    path = napari_sam.write_objects(tmp_path / name, labels)
    found = napari_sam.read_objects(path, shape=labels.shape)
    if name == "a.txt":
        assert same_objects(found.labels, labels)
    else:
        np.testing.assert_array_equal(found.labels, labels)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(labels=PLANES)
def test_cocos_polygons_are_the_same_pixels_to_pycocotools(labels, tmp_path):
    config = napari_sam.ExportConfig(polygons=True)
    path = napari_sam.write_objects(tmp_path / "a.json", labels, config=config)
    np.testing.assert_array_equal(napari_sam.read_objects(path).labels, labels)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("axes", ["zyx", "tyx", "tzyx"])
def test_stacks_come_back_with_their_planes(name, axes, tmp_path):
    labels = np.zeros((2, 3, 9, 9)[-len(axes) :], np.int32)
    labels[..., 1, 1:4, 1:4] = 3
    labels[..., 2, 2:5, 1:4] = 3
    labels[..., 2, 6:8, 6:8] = 4
    known = napari_sam.Calibration(axes)
    path = napari_sam.write_objects(tmp_path / name, labels, calibration=known)
    found = napari_sam.read_objects(path, shape=labels.shape, axes=axes)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.axes == axes


def test_without_a_shape_the_image_is_as_large_as_the_objects_reach(tmp_path):
    labels = np.zeros((4, 20, 20), int)
    labels[2, 3:6, 4:9] = 1
    for name in ("a.zip", "a.geojson"):
        found = napari_sam.read_objects(
            napari_sam.write_objects(tmp_path / name, labels)
        )
        assert (found.axes, found.shape) == ("zyx", (3, 6, 9))
        np.testing.assert_array_equal(found.labels, labels[:3, :6, :9])


# --- ImageJ -------------------------------------------------------------------------


def test_imagej_finds_names_classes_colours_and_composites(tmp_path):
    rois = roiread(napari_sam.write_objects(tmp_path / "a.zip", LABELS, table=TABLE))
    assert [roi.name for roi in rois] == ["big", "0002", "odd", "dot"]
    assert [roi.group for roi in rois] == [1, 2, 1, 0]
    assert rois[0].stroke_color == rois[2].stroke_color != rois[1].stroke_color
    assert [roi.composite for roi in rois] == [True, False, True, False]
    two = rois[1]
    assert two.roitype == ROI_TYPE.TRACED
    assert two.coordinates().tolist() == [[12, 2], [15, 2], [15, 9], [12, 9]]
    assert (two.left, two.top, two.right, two.bottom) == (12, 2, 15, 9)
    assert "label: 2\n" in two.props and "class: debris\n" in two.props


def test_positions_in_a_stack_count_from_one(tmp_path):
    labels = np.zeros((5, 3, 9, 9), int)
    labels[4, 1, 2:5, 2:7] = 1
    path = napari_sam.write_objects(tmp_path / "a.zip", labels)
    (roi,) = roiread(path)
    assert (roi.t_position, roi.z_position, roi.c_position) == (5, 2, 0)
    (roi,) = roiread(napari_sam.write_objects(tmp_path / "b.zip", labels[4]))
    assert (roi.z_position, roi.position, roi.name) == (2, 2, "0002-0003-0004")


def roi_of(kind, **given):
    roi = ImagejRoi.frompoints(np.array([[2, 1], [6, 1], [6, 4], [2, 4]]))
    roi.roitype = kind
    for name, value in given.items():
        setattr(roi, name, value)
    return roi


def bundle(path, **rois):
    with zipfile.ZipFile(path, "w") as file:
        for name, roi in rois.items():
            content = roi if isinstance(roi, bytes) else roi.tobytes()
            file.writestr(f"{name}.roi", content)
    return path


def box_roi(kind, **given):
    return ImagejRoi(roitype=kind, left=2, top=1, right=12, bottom=7, **given)


def test_rectangles_ovals_polygons_and_freehand_are_objects(tmp_path):
    path = bundle(
        tmp_path / "a.zip",
        a=box_roi(ROI_TYPE.RECT),
        b=box_roi(ROI_TYPE.OVAL),
        c=roi_of(ROI_TYPE.POLYGON),
        d=roi_of(ROI_TYPE.FREEHAND),
    )
    found = napari_sam.read_objects(path, shape=(10, 20))
    assert [int(one.mask.sum()) for one in found.masks] == [60, 48, 12, 12]
    rows, cols = np.mgrid[1:7, 2:12] + 0.5
    ellipse = ((rows - 4) / 3) ** 2 + ((cols - 7) / 5) ** 2 <= 1
    np.testing.assert_array_equal(found.masks[1].mask, ellipse)
    assert found.table["name"].tolist()[:2] == ["a", "b"]


def test_lines_points_and_texts_are_left_out_and_counted(tmp_path):
    path = bundle(
        tmp_path / "a.zip",
        a=box_roi(ROI_TYPE.RECT),
        b=box_roi(ROI_TYPE.LINE),
        c=roi_of(ROI_TYPE.POLYLINE),
        d=roi_of(ROI_TYPE.POINT),
        e=box_roi(ROI_TYPE.RECT, version=227, subtype=ROI_SUBTYPE.TEXT, text="cell"),
    )
    found = napari_sam.read_objects(path)
    assert len(found.masks) == 1
    assert found.note == (
        "Left out, since they have no area: 2 lines, 1 point and 1 text."
    )


def test_a_polygon_between_pixels_has_the_pixels_whose_centres_it_holds(tmp_path):
    roi = ImagejRoi.frompoints(
        np.array([[0.6, 0.6], [3.4, 0.6], [3.4, 2.4], [0.6, 2.4]])
    )
    assert roi.options & ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    path = tmp_path / "one.roi"
    path.write_bytes(roi.tobytes())
    found = napari_sam.read_objects(path, shape=(4, 5))
    wanted = np.zeros((4, 5), int)
    wanted[1:2, 1:3] = 1
    np.testing.assert_array_equal(found.labels, wanted)


def test_one_region_is_a_roi_and_more_need_a_zip(tmp_path):
    path = napari_sam.write_objects(tmp_path / "a.roi", LABELS == 2)
    np.testing.assert_array_equal(
        napari_sam.read_objects(path, shape=LABELS.shape).labels, LABELS == 2
    )
    with pytest.raises(ValueError, match=r"holds one region and there are 4.*\.zip"):
        napari_sam.write_objects(tmp_path / "b.roi", LABELS)


def test_coordinates_beyond_those_of_imagej_are_kept(tmp_path):
    objects = ObjectSet.from_labels(np.ones((3, 3), int))
    from dataclasses import replace

    far = replace(objects.masks[0], corner=(70_000, 65_000))
    from napari_sam.io.object_files import write_object_set

    many = ObjectSet((far,), (80_000, 80_000))
    path = write_object_set(tmp_path / "a.zip", many)
    (one,) = napari_sam.read_objects(path).masks
    assert one.corner == (70_000, 65_000) and one.mask.sum() == 9


@pytest.mark.parametrize("content", [b"", b"Iout", b"Iout" + bytes(70), b"nothing"])
def test_broken_regions_are_told(content, tmp_path):
    path = tmp_path / "a.roi"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.roi"):
        napari_sam.read_objects(path)
    good = bundle(tmp_path / "b.zip", good=box_roi(ROI_TYPE.RECT), bad=content)
    found = napari_sam.read_objects(good)
    assert len(found.masks) == 1 and "1 damaged region left out: bad" in found.note


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_bytes_are_read_or_told_and_nothing_else(data, tmp_path):
    kind = data.draw(st.sampled_from([ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND]))
    content = bytearray(roi_of(kind, name="x", props="label: 3\n").tobytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path = tmp_path / "a.roi"
    path.write_bytes(content[: data.draw(st.integers(4, len(content)))])
    try:
        napari_sam.read_objects(path, shape=(30, 30))
    except ValueError as error:
        assert "a.roi" in str(error)


def test_a_region_on_no_plane_lies_on_each_and_one_beyond_is_told(tmp_path):
    path = bundle(tmp_path / "a.zip", a=box_roi(ROI_TYPE.RECT))
    found = napari_sam.read_objects(path, shape=(3, 10, 20))
    assert (found.labels.sum((1, 2)) == 60).all()
    path = bundle(tmp_path / "b.zip", a=box_roi(ROI_TYPE.RECT, z_position=4))
    with pytest.raises(ValueError, match="a: it lies on z 4, and the image has 3"):
        napari_sam.read_objects(path, shape=(3, 10, 20))
    path = bundle(tmp_path / "c.zip", a=box_roi(ROI_TYPE.RECT, position=3))
    found = napari_sam.read_objects(path, shape=(3, 10, 20))
    assert found.labels.sum((1, 2)).tolist() == [0, 0, 60]


# --- QuPath -------------------------------------------------------------------------


def test_qupath_finds_types_classes_and_measurements(tmp_path):
    path = napari_sam.write_objects(tmp_path / "a.geojson", LABELS, table=TABLE)
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    one, two, three, _ = content["features"]
    assert one["type"] == "Feature" and one["geometry"]["type"] == "Polygon"
    assert len(one["geometry"]["coordinates"]) == 2  # a hole
    assert three["geometry"]["type"] == "MultiPolygon"
    told = two["properties"]
    assert told["objectType"] == "detection"
    assert told["classification"]["name"] == "debris"
    assert len(told["classification"]["color"]) == 3
    assert told["measurements"] == {"Label": 2, "Score": 0.5, "area": 21.0}
    ring = two["geometry"]["coordinates"][0]
    assert ring == [[12, 2], [15, 2], [15, 9], [12, 9], [12, 2]]
    assert one["properties"]["name"] == "big"


def test_a_nucleus_goes_with_the_cell_that_has_most_of_it(tmp_path):
    nuclei = np.zeros_like(LABELS)
    nuclei[3:5, 4:7] = 5
    path = napari_sam.write_objects(tmp_path / "a.geojson", LABELS, nuclei=nuclei)
    features = json.loads(path.read_text())["features"]
    kinds = [one["properties"]["objectType"] for one in features]
    assert kinds == ["cell", "detection", "detection", "detection"]
    assert features[0]["nucleusGeometry"]["coordinates"] == [
        [[4, 3], [7, 3], [7, 5], [4, 5], [4, 3]]
    ]
    found = napari_sam.read_objects(path, shape=LABELS.shape, part="nucleus")
    np.testing.assert_array_equal(found.labels, (nuclei > 0) * 1)


QUPATH = {
    "type": "Feature",
    "id": "9f3a0b3c-0001-4a51-8a1e-111111111111",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[1.0, 1], [4.5, 1], [4.5, 3], [1, 3], [1, 1]]],
    },
    "properties": {
        "objectType": "annotation",
        "classification": {"names": ["Tumor", "Positive"], "color": [200, 0, 0]},
        "isLocked": False,
        "measurements": [{"name": "Area", "value": 7.0}, {"name": "x", "value": "NaN"}],
    },
}


def test_what_qupath_wrote_in_other_versions_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([QUPATH]))
    found = napari_sam.read_objects(path)
    assert found.labels.tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0]]
    (row,) = found.table.to_dict("records")
    assert row == {
        "index": 1,
        "class": "Tumor: Positive",
        "color": "#c80000",
        "Area": 7.0,
    }


def feature(geometry, **more):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **more}


def test_points_and_lines_are_left_out_and_counted(tmp_path):
    path = tmp_path / "a.geojson"
    line = {"type": "LineString", "coordinates": [[0, 0], [9, 9]]}
    point = {"type": "Point", "coordinates": [0, 0]}
    features = [QUPATH, feature(line), feature(point), feature(point)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = napari_sam.read_objects(path)
    assert len(found.masks) == 1
    assert found.note == "Left out, since they have no area: 1 line and 2 points."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is no GeoJSON file"),
        ({"type": "Topology"}, "of type 'Topology'; wanted a FeatureCollection"),
        ({"type": "FeatureCollection"}, "no GeoJSON of objects: 'features'"),
        (
            {
                "type": "FeatureCollection",
                "features": [QUPATH],
                "crs": {"name": "EPSG"},
            },
            "of the reference system EPSG; wanted pixels",
        ),
        (
            feature(
                {"type": "Polygon", "coordinates": [[[0.1, 0], [0.9, 0.5], [0, 1]]]}
            ),
            "go from 0 to 1: they are no pixels",
        ),
        (
            feature(
                {"type": "Polygon", "coordinates": [[[-9, 51], [-8, 51], [-8, 52]]]}
            ),
            "no object of .* lies in the image of 20 x 30 pixels",
        ),
        (
            feature({"type": "Polygon", "coordinates": [[[0, 0], [1e9, 0], [1, 1]]]}),
            r"reaches to \(1e\+09, 0\)",
        ),
        (feature({"type": "Polygon", "coordinates": [[[0, 0], [1]]]}), "GeoJSON"),
    ],
)
def test_files_that_are_no_objects_in_pixels_are_told(content, message, tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message):
        napari_sam.read_objects(path, shape=(20, 30))


# --- COCO and YOLO ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_finds_classes_and_masks(tmp_path):
    path = napari_sam.write_objects(tmp_path / "a.json", LABELS, table=TABLE)
    coco = COCO(str(path))
    kinds = {one["id"]: one["name"] for one in coco.cats.values()}
    assert list(kinds.values()) == ["cell", "debris", "object"]
    for number in (1, 2, 7, 9):
        one = coco.anns[number]
        np.testing.assert_array_equal(coco.annToMask(one), number == LABELS)
    assert kinds[coco.anns[2]["category_id"]] == "debris"
    assert coco.anns[2]["bbox"] == [12, 2, 3, 7]


def test_one_of_several_images_is_chosen_by_its_name(tmp_path):
    from napari_sam.io.coco import write_coco
    from napari_sam.io.coco_objects import objects_to_coco

    images = [
        ("a.png", ObjectSet.from_labels(LABELS)),
        ("b.png", ObjectSet.from_labels(np.ones((3, 4), int))),
    ]
    path = write_coco(tmp_path / "all.json", objects_to_coco(images))
    assert napari_sam.read_objects(path, image="b").shape == (3, 4)
    with pytest.raises(ValueError, match=r"2 images: a\.png and b\.png; choose one"):
        napari_sam.read_objects(path)
    with pytest.raises(ValueError, match=r"no image c\.png; it has a\.png and b\.png"):
        napari_sam.read_objects(path, image="c.png")
    with pytest.raises(ValueError, match="3 x 4 pixels, and the image has"):
        napari_sam.read_objects(path, image="b", shape=(4, 4))


def test_yolo_names_its_classes_beside_the_labels(tmp_path):
    path = napari_sam.write_objects(tmp_path / "a.txt", LABELS, table=TABLE)
    words = path.read_text().splitlines()[1].split()
    assert words[0] == "1"
    corners = np.array(words[1:], float).reshape(-1, 2) * (30, 24)
    np.testing.assert_allclose(corners, [[12, 2], [15, 2], [15, 9], [12, 9]], atol=1e-6)
    names = (tmp_path / "data.yaml").read_text()
    assert '  0: "cell"\n  1: "debris"\n  2: "object"\n' in names
    other = pd.DataFrame({"index": [1], "class": ["nucleus"]})
    napari_sam.write_objects(tmp_path / "b.txt", LABELS == 1, table=other)
    assert '  3: "nucleus"\n' in (tmp_path / "data.yaml").read_text()
    assert (tmp_path / "b.txt").read_text().startswith("3 ")
    with pytest.raises(ValueError, match="say how large it is"):
        napari_sam.read_objects(path)
    path.write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(ValueError, match="line 1 is a box"):
        napari_sam.read_objects(path, shape=(24, 30))
    path.write_text("0 12 2 15 2 15 9\n")
    with pytest.raises(ValueError, match="coordinate of 15; wanted parts"):
        napari_sam.read_objects(path, shape=(24, 30))


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_stacks_are_told_which_forms_hold_them(name, tmp_path):
    with pytest.raises(ValueError, match=r"one plane.*ZYX.*\.geojson"):
        napari_sam.write_objects(tmp_path / name, np.ones((2, 5, 5), int))


# --- figures ------------------------------------------------------------------------

KNOWN = napari_sam.Calibration(
    "yx", (0.5, 0.5), ("micrometer",) * 2, "imagej", "micron"
)


def test_a_figure_has_outlines_numbers_and_a_scale_bar(tmp_path):
    config = napari_sam.ExportConfig(ids=True)
    given = {"table": TABLE, "calibration": KNOWN, "config": config}
    text = napari_sam.write_objects(tmp_path / "a.svg", LABELS, **given).read_text()
    assert text.count("<path") == 4 and text.count("<text") == 5
    assert 'd="M12,2L15,2L15,9L12,9Z"' in text
    assert ">2 \u00b5m</text>" in text  # of 15: a fifth is 3
    assert 'width="4"' in text
    path = napari_sam.write_objects(tmp_path / "a.png", LABELS, **given)
    picture = np.asarray(Image.open(path))
    assert picture.shape == (960, 1200, 3)
    bare = napari_sam.write_objects(tmp_path / "b.svg", LABELS)
    assert "<text" not in bare.read_text()


def test_a_figure_without_a_pixel_size_has_no_bar_of_a_length(tmp_path):
    config = napari_sam.ExportConfig(scale_bar=10)
    with pytest.raises(ValueError, match="needs the size of a pixel"):
        napari_sam.write_objects(tmp_path / "a.png", LABELS, config=config)
    with pytest.raises(ValueError, match="one plane"):
        napari_sam.write_objects(tmp_path / "a.svg", np.ones((2, 5, 5), int))
    with pytest.raises(ValueError, match=r"\(3, 3\) and the objects \(24, 30\)"):
        napari_sam.write_objects(tmp_path / "a.svg", LABELS, image=np.ones((3, 3)))


# --- all ----------------------------------------------------------------------------


def test_labels_as_tiff_have_imagejs_axes_spacing_and_unit(tmp_path):
    known = napari_sam.Calibration(
        "zyx", (2.0, 0.5, 0.5), ("micrometer",) * 3, "imagej", "micron"
    )
    labels = np.ones((3, 8, 9), int)
    path = napari_sam.write_objects(tmp_path / "a.tif", labels, calibration=known)
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej and file.series[0].axes == "ZYX"
        told = file.imagej_metadata
        assert (told["spacing"], told["unit"]) == (2.0, "micron")
    assert napari_sam.read_objects(path).calibration.pixel_size == (0.5, 0.5)


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json", "a.svg", "a.png"])
def test_a_full_disk_leaves_what_was_there(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"before")
    for at in (1, 2):
        with full_disk(at), pytest.raises(OSError) as caught:
            napari_sam.write_objects(path, LABELS)
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_other_endings_are_told_which_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"a\.xyz \(\.xyz\); wanted one of \.tif"):
        napari_sam.write_objects(tmp_path / "a.xyz", LABELS)
    path = tmp_path / "a.xyz"
    path.write_text("")
    with pytest.raises(ValueError, match=r"no file of objects; wanted one that ends"):
        napari_sam.read_objects(path)
    with pytest.raises(FileNotFoundError, match=r"none\.zip: not found"):
        napari_sam.read_objects(tmp_path / "none.zip")


@pytest.mark.parametrize(
    "labels",
    [np.zeros(4, int), np.zeros((3, 3)), np.full((3, 3), -1), np.full((2, 2), 2**40)],
)
def test_arrays_that_are_no_labels_are_told(labels, tmp_path):
    with pytest.raises(ValueError, match="labels must be"):
        napari_sam.write_objects(tmp_path / "a.zip", labels)


def test_a_table_without_numbers_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"a column “index” or “label”.*got class"):
        napari_sam.write_objects(
            tmp_path / "a.zip", LABELS, table=pd.DataFrame({"class": ["a"]})
        )


def test_where_objects_overlap_the_smaller_one_is_on_top(tmp_path):
    ring = [[0, 0], [0, 9], [9, 9], [9, 0]]
    inner = [[2, 2], [2, 5], [5, 5], [5, 2]]
    path = tmp_path / "a.geojson"
    features = [
        feature({"type": "Polygon", "coordinates": [one]}) for one in (inner, ring)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    labels = napari_sam.read_objects(path).labels
    assert (labels == 1).sum() == 9 and (labels == 2).sum() == 72


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json", "a.txt", "a.tif"])
def test_no_objects_are_a_file_too(name, tmp_path):
    path = napari_sam.write_objects(tmp_path / name, np.zeros((6, 7), int))
    found = napari_sam.read_objects(path, shape=(6, 7))
    assert found.masks == () and not found.labels.any()
