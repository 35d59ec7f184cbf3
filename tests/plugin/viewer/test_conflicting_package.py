"""Another project of the same name beside this one."""

from napari_sam.plugin.viewer.conflicting_package import conflicting_package


def test_another_project_of_this_name_is_told(tmp_path, monkeypatch):
    assert conflicting_package() == ""
    info = tmp_path / "napari_sam-0.4.13.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: napari-sam\nVersion: 0.4.13\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = conflicting_package()
    assert "version 0.4.13" in said and str(tmp_path) in said
    assert "pip uninstall napari-sam" in said
