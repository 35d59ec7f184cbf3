import json

import imageio.v3 as iio
import numpy as np
import pytest
from skimage.draw import disk
from skimage.filters import gaussian

from napari_sam import cli


@pytest.fixture
def data(tmp_path):
    """Two images of four bright discs."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "discs"
    for name in "ab":
        labels = np.zeros((128, 128), np.uint16)
        for i, centre in enumerate([(30, 30), (30, 90), (90, 30), (95, 85)]):
            labels[disk(centre, 14)] = i + 1
        image = gaussian(labels > 0, 1) * 180 + rng.normal(20, 3, labels.shape)
        for part, pixels in (("images", image.astype(np.uint8)), ("labels", labels)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            iio.imwrite(folder / part / f"{name}.png", pixels)
    return folder.parent


def test_the_numbers_are_written_as_json(data, tmp_path, capsys):
    out = tmp_path / "loop.json"
    command = ["evaluate-loop", "--data", str(data), "--minutes", "0"]
    assert cli.main([*command, "--json", str(out)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split("\t")[0] == "image"
    found = json.loads(out.read_text())
    assert [item["name"] for item in found] == ["a", "b"]
    assert all(item["objects"] == len(item["clicks"]) == 4 for item in found)
    assert all(item["proposed"] > 0 and item["reached"] == 1 for item in found)
    for row, item in zip(rows[1:], found, strict=True):
        assert row.split("\t")[4] == f"{np.mean(item['clicks']):.2f}"


def test_a_folder_without_labels_is_refused(tmp_path, capsys):
    assert cli.main(["evaluate-loop", "--data", str(tmp_path), "--minutes", "0"]) != 0
    assert str(tmp_path) in capsys.readouterr().err


def test_a_pair_that_cannot_be_read_is_named_and_left_out(data, capsys):
    (data / "discs" / "images" / "a.png").write_bytes(b"damaged")
    (data / "discs" / "images" / "._b.png").write_bytes(b"shadow")
    iio.imwrite(data / "discs" / "images" / "c.png", np.zeros((9, 9), np.uint8))
    command = ["evaluate-loop", "--data", str(data), "--minutes", "0"]
    assert cli.main(command) == 1
    told = capsys.readouterr()
    assert "discs/a was left out" in told.err and "1 hidden file" in told.err
    assert "discs/c was left out" in told.err and "has no label image" in told.err
    assert [row.split("\t")[0] for row in told.out.splitlines()] == ["image", "b"]
