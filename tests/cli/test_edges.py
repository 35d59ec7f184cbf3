import numpy as np
import pytest
import tifffile

from napari_sam import cli
from napari_sam.configs import EdgeConfig
from napari_sam.io.images import read_image
from napari_sam.workflows.objects.edges import detect_edges


@pytest.fixture
def edges(model, plate, tmp_path):
    def run(*options, inputs=(plate,)):
        given = [*inputs, "--out", tmp_path / "out", *options]
        return cli.main(["edges", *map(str, given)])

    run.out = tmp_path / "out"
    return run


def test_the_files_hold_what_the_function_returns(edges, model, plate):
    assert edges("--points-per-side", 3) == 0
    found = sorted(edges.out.glob("*.tif"))
    assert [path.name for path in found] == ["a.tif", "b.tif", "c.tif"]
    image = read_image(plate / "a.png")
    written = tifffile.imread(found[0])
    assert written.dtype == np.float32
    np.testing.assert_array_equal(
        written, detect_edges(image, model=model, config=EdgeConfig(points_per_side=3))
    )
    assert edges("--points-per-side", 3, "--no-thin", "--overwrite") == 0
    raw = detect_edges(
        image, model=model, config=EdgeConfig(points_per_side=3, thin=False)
    )
    np.testing.assert_array_equal(tifffile.imread(found[0]), raw)
    assert model.loaded == [("cells", "auto")] * 2


def test_a_second_run_does_only_what_is_missing(edges, model):
    assert edges("--points-per-side", 1) == 0
    (edges.out / "b.tif").unlink()
    before = (edges.out / "a.tif").stat().st_mtime_ns
    embedded = len(model.embedded)
    assert edges("--points-per-side", 1) == 0
    assert len(model.embedded) == embedded + 1
    assert (edges.out / "a.tif").stat().st_mtime_ns == before
    assert edges("--points-per-side", 1) == 0
    assert len(model.loaded) == 2


def test_bad_files_are_reported_at_the_end(edges, plate, capsys):
    (plate / "a.png").write_bytes(b"not a picture")
    stack = np.zeros((2, 5, 40, 40), np.uint8)
    tifffile.imwrite(plate / "stack.tif", stack, photometric="minisblack")
    missing = plate / "missing.png"
    assert edges("--points-per-side", 1, inputs=(plate, missing)) == 1
    out, err = capsys.readouterr()
    assert out == "2 written, 0 finished before, 3 failed\n"
    said = err.splitlines()
    assert [line.split(": ")[0] for line in said] == ["napari-sam edges"] * 3
    for line, name in zip(said, ("a.png", "stack.tif", "missing.png"), strict=True):
        assert name in line
    assert sorted(path.name for path in edges.out.glob("*.tif")) == ["b.tif", "c.tif"]


def test_an_interrupt_keeps_what_is_finished(edges, model, monkeypatch):
    embed = model.embed

    def interrupted(image, **options):
        if len(model.embedded) == 1:
            raise KeyboardInterrupt
        return embed(image, **options)

    monkeypatch.setattr(model, "embed", interrupted)
    assert edges("--points-per-side", 1) == 130
    assert [path.name for path in edges.out.glob("*.tif")] == ["a.tif"]
