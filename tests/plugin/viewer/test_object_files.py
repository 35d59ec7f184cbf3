"""Files of objects through napari's own File > Open and File > Save."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

import napari_sam
from napari_sam.plugin.viewer import object_files

LABELS = np.zeros((24, 30), np.int32)
LABELS[2:9, 3:12] = 1
LABELS[12:14, 12:15] = 2
TABLE = pd.DataFrame({"index": [1, 2], "class": ["cell", "debris"]})


@pytest.fixture
def viewer(npe2pm, monkeypatch):
    with npe2pm.tmp_plugin(package="napari-sam"):
        viewer = ViewerModel()
        monkeypatch.setattr(object_files, "current_viewer", lambda: viewer)
        yield viewer


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json", "a.txt"])
def test_a_saved_layer_opens_as_labels_in_the_place_of_the_image(
    name, viewer, tmp_path
):
    image = viewer.add_image(np.zeros(LABELS.shape), scale=(0.5, 0.5))
    layer = viewer.add_labels(LABELS, features=TABLE)
    path = str(tmp_path / name)
    assert layer.save(path, plugin="napari-sam") == [path]
    viewer.layers.selection.active = image
    (found,) = viewer.open(path, plugin="napari-sam")
    np.testing.assert_array_equal(found.data, LABELS)
    assert found.features["class"].tolist() == ["cell", "debris"]
    assert tuple(found.scale) == (0.5, 0.5) and found.name == "a"


def test_without_an_image_labels_are_as_large_as_the_objects_reach(viewer, tmp_path):
    path = napari_sam.write_objects(tmp_path / "a.zip", LABELS)
    (found,) = viewer.open(str(path), plugin="napari-sam")
    assert found.data.shape == (14, 15)
    path = napari_sam.write_objects(tmp_path / "a.txt", LABELS)
    with pytest.raises(ValueError, match="say how large it is"):
        viewer.open(str(path), plugin="napari-sam")


def test_regions_of_a_stack_lie_on_their_planes(viewer, tmp_path):
    labels = np.stack([LABELS * 0, LABELS, LABELS])
    viewer.add_image(np.zeros(labels.shape))
    path = napari_sam.write_objects(tmp_path / "a.zip", labels)
    (found,) = viewer.open(str(path), plugin="napari-sam")
    np.testing.assert_array_equal(found.data, labels)


def test_other_files_of_these_names_are_left_to_others(tmp_path):
    bundle = tmp_path / "a.zip"
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("readme.md", "")
    (tmp_path / "a.json").write_text(json.dumps({"settings": 1}))
    (tmp_path / "a.txt").write_text("dear diary\n")
    (tmp_path / "b.zip").write_bytes(b"none")
    for name in ("a.zip", "b.zip", "a.json", "a.txt", "none.roi"):
        assert object_files.object_reader(str(tmp_path / name)) is None
    assert object_files.object_reader([]) is None
