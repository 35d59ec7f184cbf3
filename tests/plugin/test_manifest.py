from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_sam.io.samples import SAMPLES, load_sample
from napari_sam.plugin.viewer.settings import AnnotatorSettings, read_settings


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(str(resources.files("napari_sam") / "napari.yaml"))


@pytest.fixture
def viewer(npe2pm):
    with npe2pm.tmp_plugin(package="napari-sam"):
        yield ViewerModel()


def test_the_installed_distribution_offers_this_manifest(manifest):
    assert manifest.name == "napari-sam"
    entry_points = metadata.entry_points(group="napari.manifest")
    assert entry_points["napari-sam"].value == "napari_sam:napari.yaml"
    assert PluginManifest.from_distribution("napari-sam").name == manifest.name


def test_every_command_can_be_imported(manifest):
    manifest.validate_imports()


def test_the_annotator_is_in_the_menus_and_takes_a_viewer(manifest):
    widget = manifest.contributions.widgets[0]
    assert widget.display_name == "Annotate with SAM"
    for menu in ("napari/layers/annotate", "napari/layers/segment"):
        commands = [item.command for item in manifest.contributions.menus[menu]]
        assert widget.command in commands


def test_the_other_widgets_are_in_the_menus_for_layers(manifest):
    offered = {w.command: w.display_name for w in manifest.contributions.widgets}
    menus = manifest.contributions.menus
    listed = [
        item.command
        for name in ("napari/layers/segment", "napari/layers/track")
        for item in menus[name]
    ]
    assert set(listed) == set(offered)
    assert {"Segment everything", "Boxes to objects", "Points to objects"} <= set(
        offered.values()
    )
    assert {"Object proposals", "Edges"} <= set(offered.values())


def test_every_sample_is_in_the_menu_under_its_title(manifest):
    offered = {
        item.key: item.display_name for item in manifest.contributions.sample_data
    }
    assert offered == {name: sample.title for name, sample in SAMPLES.items()}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_napari_opens_every_sample(viewer, name):
    (layer,) = viewer.open_sample("napari-sam", name)
    np.testing.assert_array_equal(layer.data, load_sample(name))
    assert layer.rgb == SAMPLES[name].is_rgb
    assert layer.name == SAMPLES[name].title
    assert layer.metadata["origin"] == SAMPLES[name].origin


def test_a_sample_with_a_known_pixel_size_has_units(viewer):
    (layer,) = viewer.open_sample("napari-sam", "cell")
    np.testing.assert_allclose(layer.scale, (0.107, 0.107))
    assert {str(unit) for unit in layer.units} == {"micrometer"}


def test_the_nuclei_are_shown_so_that_they_can_be_seen(viewer):
    (layer,) = viewer.open_sample("napari-sam", "nuclei_2d")
    assert tuple(layer.contrast_limits) == SAMPLES["nuclei_2d"].contrast_limits


def test_the_preferences_are_those_that_the_annotator_reads(manifest):
    (group,) = manifest.contributions.configurations.items()
    assert group[0] == "annotator"
    offered = {name: item.default for name, item in group[1].properties.items()}
    assert offered == asdict(AnnotatorSettings())


def test_what_the_user_prefers_is_read(monkeypatch):
    stored = SimpleNamespace(model="vit_b", device="cpu", planes_kept=3)
    monkeypatch.setattr(
        "napari.settings.get_plugin_settings",
        lambda plugin: SimpleNamespace(annotator=stored),
        raising=False,
    )
    assert read_settings() == AnnotatorSettings("vit_b", "cpu", 3)


def test_the_link_at_the_top_of_the_repository_is_the_manifest():
    link = Path(__file__).parents[2] / "napari.yaml"
    if not link.exists():
        pytest.skip("not a checkout")
    real = Path(__file__).parents[2] / "napari_sam" / "napari.yaml"
    assert link.is_symlink() == (link.read_text() == real.read_text())
