from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_sam.io.samples import SAMPLES, load_sample
from napari_sam.plugin.annotator.keybindings import KEYS
from napari_sam.plugin.model.model_host import ModelHost
from napari_sam.plugin.viewer.settings import (
    AnnotatorSettings,
    read_key_choices,
    read_settings,
)
from napari_sam.plugin.widgets import dock as dock_module
from napari_sam.plugin.widgets.page_list import TABS


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


def test_the_menu_plugins_has_one_entry_and_napari_knows_the_dock_by_it(manifest):
    (widget,) = manifest.contributions.widgets
    assert f"{widget.display_name} ({manifest.display_name})" == dock_module.NAME


def test_every_job_is_in_the_menus_for_layers(manifest):
    menus = manifest.contributions.menus
    listed = {
        item.command
        for name in ("annotate", "segment", "measure", "track")
        for item in menus[f"napari/layers/{name}"]
    }
    pages = [name for tab in TABS for name in tab.pages]
    assert listed == {f"napari-sam.{name}" for name in pages}
    first = menus["napari/layers/annotate"][0].command
    assert first == menus["napari/layers/segment"][0].command == "napari-sam.annotate"


@pytest.fixture
def window(make_napari_viewer, npe2pm, monkeypatch):
    """A viewer whose menus have the plugin's entries; no model is loaded."""
    monkeypatch.setattr(ModelHost, "load", lambda host, source, device: None)
    with npe2pm.tmp_plugin(package="napari-sam"):
        viewer = make_napari_viewer(show=True)
        viewer.add_image(np.zeros((20, 30)))
        yield viewer
        for dock in list(viewer.window.dock_widgets.values()):
            viewer.window.remove_dock_widget(dock)
            dock.close_dock()
            dock.deleteLater()


def test_every_entry_shows_the_one_dock_at_its_page(window):
    commands = get_app_model().commands
    docks = window.window.dock_widgets
    for name in ("annotate", "everything", "follow", "train", "annotate", "annotate"):
        commands.execute_command(f"napari-sam.{name}").result()
        (dock,) = docks.values()
        assert list(docks) == [dock_module.NAME]
        assert dock.shown_name == name and dock.isVisible()
    commands.execute_command("napari-sam.dock").result()  # of the menu Plugins
    assert list(docks.values()) == [dock] and not dock.isVisible()
    commands.execute_command("napari-sam.track").result()
    assert dock.isVisible() and dock.shown_name == "track"


def test_a_script_opens_the_same_dock(window):
    dock = dock_module.open_dock(window, "find")
    assert dock.shown_name == "everything"
    assert dock_module.open_dock(window, "boxes") is dock
    dock_module.open_dock(window, "annotate")
    dock_module.open_dock(window, "find")
    assert dock.shown_name == "boxes"  # a tab shows what was shown there last
    with pytest.raises(ValueError, match="page is 'nowhere'; wanted one of annotate"):
        dock_module.open_dock(window, "nowhere")
    window.window.remove_dock_widget(dock)
    assert dock_module.open_dock(window) is dock and dock.parentWidget() is not None


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
    groups = manifest.contributions.configurations
    assert list(groups) == ["annotator", "key_choices"]
    offered = {
        name: item.default for name, item in groups["annotator"].properties.items()
    }
    assert offered == asdict(AnnotatorSettings())


def test_the_preferences_offer_every_key_that_can_be_changed(manifest):
    offered = manifest.contributions.configurations["key_choices"].properties
    wanted = [one for one in KEYS if one.setting]
    assert list(offered) == [one.setting for one in wanted]
    assert [one.default for one in offered.values()] == [one.key for one in wanted]
    for one, key in zip(offered.values(), wanted, strict=True):
        assert one.title == f"{key.theme}: {key.text}"


def test_what_the_user_prefers_is_read(monkeypatch):
    stored = SimpleNamespace(model="vit_b", device="cpu", planes_kept=3)
    monkeypatch.setattr(
        "napari.settings.get_plugin_settings",
        lambda plugin: SimpleNamespace(annotator=stored),
        raising=False,
    )
    assert read_settings() == AnnotatorSettings("vit_b", "cpu", 3)


def test_the_keys_that_the_user_chose_are_read(monkeypatch):
    stored = SimpleNamespace(merge="Shift-W", split=" ", commit="Space")
    monkeypatch.setattr(
        "napari.settings.get_plugin_settings",
        lambda plugin: SimpleNamespace(key_choices=stored),
        raising=False,
    )
    assert read_key_choices() == {"merge": "Shift-W", "commit": "Space"}


def test_the_link_at_the_top_of_the_repository_is_the_manifest():
    link = Path(__file__).parents[2] / "napari.yaml"
    if not link.exists():
        pytest.skip("not a checkout")
    real = Path(__file__).parents[2] / "napari_sam" / "napari.yaml"
    assert link.is_symlink() == (link.read_text() == real.read_text())
