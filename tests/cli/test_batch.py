import argparse
from pathlib import Path

import pytest

from napari_sam.cli import batch


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.tif", "notes.txt", "deep/c.png", "deep/er/d.PNG"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def plan(folder, *inputs, endings=(".json",)):
    texts = [str(folder / text) for text in inputs]
    return batch.plan(texts, folder.parent / "out", endings)


def names(jobs):
    return [job.source.name for job in jobs]


def test_files_folders_and_patterns(folder):
    assert names(plan(folder, "")) == ["a.tif", "b.png"]
    assert names(plan(folder, "b.png", "*")) == ["b.png", "a.tif", "notes.txt"]
    assert names(plan(folder, "**/*.png")) == ["b.png", "c.png"]
    assert names(plan(folder, "deep", "**/*.PNG")) == ["c.png", "d.PNG"]


def test_outputs_are_named_after_their_input(folder):
    (job,) = plan(folder, "b.png", endings=(".csv", ".tif"))
    out = folder.parent / "out"
    assert job.targets == (out / "b.csv", out / "b.tif")
    assert not job.is_done


def test_a_name_with_brackets_is_a_file_where_there_is_one(folder):
    (folder / "x[1].png").touch()
    assert names(plan(folder, "x[1].png")) == ["x[1].png"]


def test_a_missing_file_is_kept_to_be_reported(folder):
    assert names(plan(folder, "missing.png")) == ["missing.png"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["*.jpg"], "no file matches"),
        (["deep/er/empty"], "holds no image"),
        (["b.png", "deep/b.png"], "would write the same file"),
    ],
)
def test_wrong_input_is_said_before_the_work(folder, inputs, message):
    (folder / "deep" / "er" / "empty").mkdir()
    (folder / "deep" / "b.png").touch()
    with pytest.raises(ValueError, match=message):
        plan(folder, *inputs)


def test_no_input_is_replaced(folder):
    with pytest.raises(ValueError, match="is an input and would be replaced"):
        batch.plan([str(folder)], folder, (".tif",))
    with pytest.raises(ValueError, match="which is a file"):
        batch.plan([str(folder)], folder / "b.png", (".tif",))


def jobs_in(folder, count=3):
    return [
        batch.Job(Path(f"{i}.png"), (folder / f"{i}.a", folder / f"{i}.b"))
        for i in range(count)
    ]


def test_one_bad_file_does_not_stop_the_rest(tmp_path, capsys):
    def work(job):
        if job.source.name == "1.png":
            raise ValueError("two\nlines")
        job.targets[1].touch()

    assert batch.run("edges", jobs_in(tmp_path), lambda: work) == 1
    out, err = capsys.readouterr()
    assert out == "2 written, 0 finished before, 1 failed\n"
    assert err == "napari-sam edges: 1.png: two lines\n"


def test_finished_files_are_skipped(tmp_path, capsys):
    jobs = jobs_in(tmp_path)
    for target in (*jobs[0].targets, jobs[1].targets[0]):
        target.touch()
    done = []
    assert batch.run("edges", jobs, lambda: done.append) == 0
    assert done == jobs[1:]
    assert batch.run("edges", jobs, lambda: done.append, overwrite=True) == 0
    assert done[2:] == jobs
    assert "2 written, 1 finished before, 0 failed" in capsys.readouterr().out


def test_nothing_to_do_loads_nothing(tmp_path):
    jobs = jobs_in(tmp_path, 1)
    for target in jobs[0].targets:
        target.touch()
    assert batch.run("edges", jobs, lambda: pytest.fail("prepared")) == 0


def test_a_bug_is_not_a_bad_file(tmp_path):
    def work(job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        batch.run("edges", jobs_in(tmp_path), lambda: work)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_a_count_is_a_number_from_1_up(text):
    assert batch.count("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 up"):
        batch.count(text)


def test_zarr_images_are_inputs_only_where_they_can_be_read(tmp_path):
    folder = tmp_path / "plate"
    (folder / "b.zarr").mkdir(parents=True)
    (folder / "b.zarr" / "zarr.json").write_text("{}")
    (folder / "a.tif").touch()
    out = tmp_path / "out"
    found = [job.source.name for job in batch.plan([str(folder)], out, (".tif",))]
    assert found == ["a.tif"]
    both = batch.plan([str(folder)], out, (".tif",), stores=True)
    assert [job.source.name for job in both] == ["a.tif", "b.zarr"]
    with pytest.raises(ValueError, match="holds no image"):
        batch.plan([str(folder / "b.zarr")], out, (".tif",))
