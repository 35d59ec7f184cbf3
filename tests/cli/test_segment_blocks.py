import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from exact_worker import NamedPredictor, load_named
from ideal_predictor import grid_of_discs
from scipy import ndimage

from napari_sam import cli
from napari_sam.io.ome_zarr import read_note

SETTINGS = ("smoothing=0", "min_area=0", "confidence_thresh=0", "scale=1")
BLOCK = 64


@pytest.fixture
def image():
    """Discs of 16 pixels in a plane of 5 x 4 blocks."""
    return grid_of_discs(300, 40, 8)[:, :250].astype(np.uint8)


@pytest.fixture
def loaded(monkeypatch):
    """Stand in for models; tells those that this process has loaded."""
    models = []

    def load(source, *, device="auto"):
        models.append(load_named(source))
        return models[-1]

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load)
    return models


@pytest.fixture
def run(tmp_path, loaded, image):
    """Run the command on a plain zarr array, or on what is given."""
    source = tmp_path / "image.zarr"
    zarr.create_array(str(source), data=image, chunks=(100, 100))

    def arguments(*options, source=source, out="labels.zarr", model="exact"):
        settings = [part for pair in SETTINGS for part in ("--set", pair)]
        given = [source, "--out", tmp_path / out, "--model", model, *settings]
        given += ["--block", BLOCK, *options]
        return ["segment", *map(str, given)]

    def call(*options, **others):
        return cli.main(arguments(*options, **others))

    call.arguments = arguments
    call.folder = tmp_path
    call.blocks = tmp_path / "labels.zarr.blocks"
    return call


def wait_for(is_true, seconds=60):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def labels_of(folder, name="labels.zarr"):
    return zarr.open_array(str(folder / name / "0"), mode="r")[:]


def same_objects(labels, image):
    expected, count = ndimage.label(image)
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    return pairs.shape[1] == count + 1 and labels.max() == count


def test_labels_are_those_of_the_image_and_the_blocks_are_gone(run, image, capsys):
    assert run() == 0
    labels = labels_of(run.folder)
    assert labels.dtype == np.uint32
    assert same_objects(labels, image)
    assert capsys.readouterr().out == (
        f"{labels.max()} objects written to {run.folder / 'labels.zarr'}\n"
    )
    assert sorted(p.name for p in run.folder.iterdir()) == ["image.zarr", "labels.zarr"]


def test_a_second_run_has_nothing_to_do(run, loaded, capsys):
    assert run() == 0
    assert run() == 0
    assert loaded[-1].shapes == []
    assert "finished; nothing to do" in capsys.readouterr().out


def test_each_plane_of_a_volume_has_objects_of_its_own(run, image, tmp_path):
    volume = np.stack([image, np.zeros_like(image), image])
    tifffile.imwrite(
        tmp_path / "volume.tif", volume, compression="zlib", photometric="minisblack"
    )
    assert run(source=tmp_path / "volume.tif") == 0
    labels = labels_of(run.folder)
    count = ndimage.label(image)[1]
    assert labels.shape == volume.shape
    assert same_objects(labels[0], image)
    assert not labels[1].any()
    np.testing.assert_array_equal(
        labels[2], np.where(labels[0] > 0, labels[0] + count, 0)
    )


def test_an_interrupted_run_goes_on(run, image, monkeypatch, capsys):
    embed = NamedPredictor.embed

    def interrupted(self, part, **options):
        if len(list(run.blocks.rglob("*.npz"))) == 3:
            raise KeyboardInterrupt
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", interrupted)
    assert run() == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (run.folder / "labels.zarr").exists()
    damaged, *others = sorted(run.blocks.rglob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    times = {path: path.stat().st_mtime_ns for path in others}
    left = []

    def noted(self, part, **options):
        left[:] = [path.stat().st_mtime_ns == times[path] for path in others]
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", noted)
    assert run() == 0
    assert left == [True, True]
    assert same_objects(labels_of(run.folder), image)


def test_a_run_with_something_else_is_refused(run, image, monkeypatch, capsys):
    monkeypatch.setattr(
        "napari_sam.workflows.blocks.block_run.find_in_block", lambda *given: 1 / 0
    )
    assert run() == 1
    assert "division by zero" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_named)
    assert run("--set", "seed_depth=0.3") == 2
    message = capsys.readouterr().err
    assert "another settings (seed_depth None, not '0.3')" in message
    assert "--overwrite to start anew" in message
    assert run(model="other") == 2
    assert "another model (name 'exact', not 'other')" in capsys.readouterr().err
    zarr.open_array(str(run.folder / "image.zarr"))[10, 10] = 99
    assert run() == 2
    assert "another image" in capsys.readouterr().err
    assert run("--overwrite", model="other") == 0
    assert read_note(run.folder / "labels.zarr")["model"]["name"] == "other"
    assert run() == 2
    assert "holds labels of another run; --overwrite" in capsys.readouterr().err
    assert run("--overwrite") == 0


def test_the_same_command_twice_at_one_time_is_refused(run, image, monkeypatch, capsys):
    embed = NamedPredictor.embed
    codes = []

    def second(self, part, **options):
        if len(list(run.blocks.rglob("*.npz"))) == 3 and not codes:
            other = threading.Thread(target=lambda: codes.append(run("--overwrite")))
            other.start()
            other.join()
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", second)
    assert run() == 0
    assert codes == [2]
    message = capsys.readouterr().err
    assert f"labels.zarr.blocks is being worked at by process {os.getpid()}" in message
    assert same_objects(labels_of(run.folder), image)
    assert sorted(p.name for p in run.folder.iterdir()) == ["image.zarr", "labels.zarr"]


def test_blocks_of_an_unknown_run_do_not_count(run, image, monkeypatch):
    embed = NamedPredictor.embed

    def interrupted(self, part, **options):
        if len(list(run.blocks.rglob("*.npz"))) == 3:
            raise KeyboardInterrupt
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", interrupted)
    assert run("--set", "seed_depth=1") == 130
    monkeypatch.undo()
    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_named)
    (run.blocks / "run.json").unlink()  # as a process killed while it removes them
    for path in run.blocks.rglob("*.npz"):
        path.write_bytes(b"of other settings")
    assert run() == 0
    assert same_objects(labels_of(run.folder), image)


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_what_is_no_run_is_not_removed(run, options, capsys):
    run.blocks.mkdir()
    (run.blocks / "thesis.docx").write_text("years of work")
    assert run(*options) == 2
    assert "it holds thesis.docx, which is no block" in capsys.readouterr().err
    assert (run.blocks / "thesis.docx").read_text() == "years of work"


def test_a_bad_block_is_tried_twice_and_reported(run, image, tmp_path, capsys):
    image[140, 100] = 7
    np.save(tmp_path / "bad.npy", image)
    assert run(source=tmp_path / "bad.npy", model="bad") == 1
    told = capsys.readouterr()
    assert "a 7 was seen" in told.err
    assert "blocks failed; the same command tries them again" in told.out
    assert list(run.blocks.rglob("*.npz"))


def test_a_full_disk_ends_the_run_and_says_so(run, monkeypatch, capsys):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("napari_sam.workflows.blocks.stitching.BlockObjects.save", full)
    assert run() == 1
    assert "is full; make room, and the same command goes on" in capsys.readouterr().err
    assert not (run.folder / "labels.zarr").exists()


def test_on_a_small_disk_finished_blocks_stay_until_there_is_room(
    run, image, small_disk, capsys
):
    assert run(out="alone.zarr") == 0
    disk = small_disk(60)
    assert run(out="disk/labels.zarr") == 1
    assert "is full; make room, and the same command goes on" in capsys.readouterr().err
    kept = [path.stat() for path in disk.rglob("*.npz")]
    assert kept
    small_disk(4000)
    assert run(out="disk/labels.zarr") == 0
    expected = labels_of(run.folder, "alone.zarr")
    np.testing.assert_array_equal(labels_of(disk), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--features", "csv"), "--features does not go with"),
        (("--roi", "0", "0", "9", "9"), "--roi does not go with"),
        (("--format", "coco"), "--format does not go with"),
        (("--channels", "3"), "there is no channel 3"),
        (("--axes", "zyx"), "axes 'ZYX' do not fit"),
        (("--workers", "2", "--scheduler", "tcp://x:1"), "not both"),
    ],
)
def test_what_does_not_go_together_is_refused(run, options, message, capsys):
    assert run(*options) == 2
    assert message in capsys.readouterr().err


def test_the_image_itself_is_not_replaced(run, capsys):
    assert run(out="image.zarr") == 2
    assert "is the image" in capsys.readouterr().err
    assert run(out="image.zarr/elsewhere") == 2
    assert "labels/NAME" in capsys.readouterr().err


def start_program(text, folder, *arguments):
    """Start a program that knows the stand-ins for models."""
    import exact_worker

    program = folder / "program.py"
    program.write_text(text)
    support = str(Path(exact_worker.__file__).parent)
    known = os.pathsep.join(filter(None, [support, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *map(str, [program, *arguments])],
        env={**os.environ, "PYTHONPATH": known},
        stdout=subprocess.PIPE,
        text=True,
    )


PROGRAM = """
import sys
import dask
import exact_worker
from napari_sam import cli
from napari_sam.inference import model_loading
model_loading.load_model = exact_worker.load_named
if __name__ == "__main__":
    dask.config.set({"distributed.worker.preload": [exact_worker.__file__]})
    sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_goes_on(
    run, image, loaded, tmp_path, monkeypatch
):
    import socket

    import psutil

    arguments = run.arguments("--workers", 2, model="slow")
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # that of another run's cluster
            other.bind(("127.0.0.1", 8787))
            other.listen()
        process = start_program(PROGRAM, tmp_path, *arguments)
        wait_for(lambda: len(list(run.blocks.rglob("*.npz"))) >= 3)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(child.is_running() for child in children))
    kept = len(list(run.blocks.rglob("*.npz")))
    assert not (run.folder / "labels.zarr").exists()
    monkeypatch.setattr("exact_worker.PAUSE", 0)
    assert run(model="slow") == 0
    again = len(loaded[-1].shapes)
    assert run(out="alone.zarr") == 0
    assert kept + again == len(loaded[-1].shapes)
    expected = labels_of(run.folder, "alone.zarr")
    assert same_objects(expected, image)
    np.testing.assert_array_equal(labels_of(run.folder), expected)


CRASHES = """
import os
import shutil
import sys

import numpy as np
import ome_zarr.reader, ome_zarr.writer
import tqdm
import zarr
from exact_worker import load_named
from thoroughness import EVERY
from napari_sam import cli
from napari_sam.cli import segment
from napari_sam.inference import model_loading
from napari_sam.workflows.blocks import block_run
from napari_sam.workflows.blocks import worker_pool

model_loading.load_model = load_named
folder, *command = sys.argv[1:]
out = os.path.join(folder, "labels.zarr")
count, last = 0, -1


def counted(name):
    call = getattr(os, name)

    def counting(*args, **options):
        global count
        count += 1
        if count == last:
            os._exit(9)
        return call(*args, **options)

    setattr(os, name, counting)


def in_a_child(work):
    if (child := os.fork()) == 0:
        sys.stderr = sys.stdout = open(os.devnull, "w")
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(at):
    global count, last
    count, last = 0, at
    return cli.main([*command, "--overwrite"])


def labels_are(name):
    labels = zarr.open_array(out + "/0", mode="r")[:]
    return np.array_equal(labels, np.load(os.path.join(folder, name)))


def afterwards():
    code = cli.main(command)
    wanted = {0: "new.npy", 2: "former.npy"}
    if code not in wanted or not labels_are(wanted[code]):
        return 100 + code
    code = cli.main([*command, "--overwrite"])
    left = {name for name in os.listdir(folder) if "labels.zarr" in name}
    good = labels_are("new.npy") and left == {"labels.zarr", "labels.zarr.former"}
    return 0 if code == 0 and good else 200 + code


for name in ("mkdir", "rename", "replace", "rmdir"):
    counted(name)
at, kills = 1 - EVERY, 0
while True:
    at += EVERY
    shutil.rmtree(out)
    shutil.copytree(out + ".former", out)
    code = in_a_child(lambda: killed(at))
    if code == 0:
        break
    assert code == 9, (at, code)
    code = in_a_child(afterwards)
    assert code == 0, (at, code)
    kills += 1
print(kills * EVERY)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_call_it_leaves_the_former_or_the_new_labels(
    run, image, tmp_path
):
    small = image[:70, :60]
    source = tmp_path / "small.npy"
    np.save(source, np.zeros_like(small) + small[::-1, ::-1])
    assert run(source=source) == 0
    np.save(tmp_path / "former.npy", labels_of(run.folder))
    shutil.copytree(run.folder / "labels.zarr", run.folder / "labels.zarr.former")
    np.save(source, small)
    assert run("--overwrite", source=source) == 0
    np.save(tmp_path / "new.npy", labels_of(run.folder))
    done = start_program(CRASHES, tmp_path, tmp_path, *run.arguments(source=source))
    told, _ = done.communicate(timeout=500)
    assert done.returncode == 0
    assert int(told) > 20
