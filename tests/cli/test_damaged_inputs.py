"""Commands on mutated images and labels: an exit code and a sentence, no traceback."""

import shutil
import warnings

import numpy as np
import pytest
import tifffile
from damaged_content import damage, swap
from ideal_predictor import IdealPredictor
from image_files import PLANES, VOLUMES, write_ome_zarr
from thoroughness import tries

from napari_sam.cli import main

LABELS = np.zeros((3, 24, 30), np.uint16)
LABELS[:, 3:11, 4:13], LABELS[:, 14:21, 15:27] = 1, 2
IMAGE = np.where(LABELS > 0, 2000, 100).astype(np.uint16)
KINDS = ("tiff", "lzw", "one of ome", "one of imagej", "png", "npy", "zarr 3")
FILMS = ("pages", "packed pages", "imagej", "ome", "npy", "ome-zarr 0.5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Images, label images and volumes, each kind in a folder of its own."""
    root = tmp_path_factory.mktemp("whole")
    for kinds, name, array in (
        (KINDS, "image", IMAGE[0]),
        (KINDS, "labels", LABELS[0]),
        (FILMS, "film", LABELS),
    ):
        for number, kind in enumerate(kinds):
            folder = root / name / f"{number}"
            folder.mkdir(parents=True)
            (VOLUMES if name == "film" else PLANES)[kind](folder, array)
    write_ome_zarr(root / "image" / "zarr" / "a.zarr", IMAGE[0], "yx")
    tifffile.imwrite(root / "a.tif", IMAGE[0], photometric="minisblack")
    tifffile.imwrite(root / "stack.tif", IMAGE, photometric="minisblack")
    return root


@pytest.fixture
def model(monkeypatch):
    """Stand in for the models; `segment` finds nothing."""
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model",
        lambda *_, **__: IdealPredictor(),
    )
    monkeypatch.setattr(
        "napari_sam.workflows.objects.segment.find_objects", lambda *_, **__: []
    )


def copy_mutated(folder, target, rng):
    """Copy the only file or zarr of a folder, with another content; return it."""
    (source,) = folder.iterdir()
    path = target / source.name
    if source.is_dir():
        shutil.copytree(source, path)
        files = [p for p in sorted(path.rglob("*")) if p.is_file()]
        file = files[rng.integers(len(files))]
        file.write_bytes(swap(file.read_bytes(), rng))
    else:
        path.write_bytes(damage(source.read_bytes(), rng))
    return path


def segment(whole, place, rng, pick):
    path = copy_mutated(pick("image"), place, rng)
    return ["segment", path, "--out", place / "out"]


def evaluate(whole, place, rng, pick):
    data = place / "data"
    for part in ("images", "labels"):
        (data / part).mkdir(parents=True)
    path = copy_mutated(pick("labels"), data / "labels", rng)
    shutil.copy(whole / "a.tif", data / "images" / f"{path.stem}.tif")
    return ["evaluate", "--data", data, "--json", place / "out.json"]


def track(whole, place, rng, pick):
    path = copy_mutated(pick("film"), place, rng)
    return ["track", path, "--labels", "--out", place / "out"]


def propagate(whole, place, rng, pick):
    path = copy_mutated(pick("film"), place, rng)
    out = place / "out.tif"
    return ["propagate", whole / "stack.tif", "--seeds", path, "--out", out]


COMMANDS = (segment, evaluate, track, propagate)


def go_through(whole, folder, count, seed, capsys):
    """Give mutated inputs to the commands in turn; return how many they refused."""
    rng = np.random.default_rng(seed)
    before = {path.name for path in whole.rglob("*")}
    failures = 0

    def pick(name):
        folders = sorted((whole / name).iterdir())
        return folders[rng.integers(len(folders))]

    for number in range(count):
        place = folder / "try"
        place.mkdir()
        command = COMMANDS[number % len(COMMANDS)](whole, place, rng, pick)
        made = {path.name for path in place.iterdir()}
        code = main([str(part) for part in command])
        told = capsys.readouterr()
        assert code in (0, 1, 2), command
        assert (code == 0) or told.err.strip(), command
        assert "Traceback" not in told.out + told.err
        assert {path.name for path in place.iterdir()} - made <= {
            "out",
            "out.tif",
            "out.json",
        }
        assert [path.name for path in folder.iterdir()] == ["try"]
        failures += code > 0
        shutil.rmtree(place)
    assert {path.name for path in whole.rglob("*")} == before
    return failures


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Let codecs warn: what they say of damage is not of interest here."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        caplog.set_level("CRITICAL", logger="tifffile")
        yield


def test_mutated_inputs_end_in_a_code_and_a_sentence(whole, tmp_path, model, capsys):
    assert 3 < go_through(whole, tmp_path, 32, 1, capsys) < 32


@pytest.mark.slow
def test_many_mutated_inputs(whole, tmp_path, model, capsys):
    count = tries(600)
    assert count // 10 < go_through(whole, tmp_path, count, 2, capsys) < count
