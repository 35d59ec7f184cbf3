import argparse
import os

import pytest

from napari_sam.cli import arguments, batch
from napari_sam.cli.run_record import RECORD


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.tif", "notes.txt", "deep/c.png", "deep/er/d.PNG"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def plan(folder, *inputs, endings=(".json",)):
    texts = [str(folder / text) for text in inputs]
    return batch.plan(texts, folder.parent / "out", endings).jobs


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
    for i in range(count):
        (folder / f"{i}.png").write_bytes(b"%d" % i)
    out = folder / "out"
    return batch.Plan(
        [
            batch.Job(folder / f"{i}.png", (out / f"{i}.a", out / f"{i}.b"))
            for i in range(count)
        ]
    )


def run(plan, prepare, settings=None, **options):
    return batch.run("edges", plan, prepare, lambda target: settings or {}, **options)


def write(job):
    for target in job.targets:
        target.write_text(job.source.name)


def test_one_bad_file_does_not_stop_the_rest(tmp_path, capsys):
    def work(job):
        if job.source.name == "1.png":
            raise ValueError("two\nlines")
        write(job)

    assert run(jobs_in(tmp_path), lambda: work) == 1
    out, err = capsys.readouterr()
    assert out == "2 written, 0 finished before, 1 failed\n"
    assert err == f"napari-sam edges: {tmp_path / '1.png'}: two lines\n"
    assert run(jobs_in(tmp_path), lambda: write) == 0
    assert "1 written, 2 finished before, 0 failed" in capsys.readouterr().out


def test_finished_files_are_skipped(tmp_path, capsys):
    plan = jobs_in(tmp_path)
    done = []

    def work(job):
        done.append(job)
        write(job)

    assert run(plan, lambda: work) == 0
    assert done == plan.jobs
    plan.jobs[1].targets[0].unlink()
    assert run(plan, lambda: work) == 0
    assert done[3:] == plan.jobs[1:2]
    assert "1 written, 2 finished before, 0 failed" in capsys.readouterr().out
    assert run(plan, lambda: pytest.fail("prepared")) == 0
    assert run(plan, lambda: work, overwrite=True) == 0
    assert done[4:] == plan.jobs


def test_results_of_other_settings_are_not_finished(tmp_path):
    plan = jobs_in(tmp_path)
    assert run(plan, lambda: write, {"mode": "grid"}) == 0
    with pytest.raises(ValueError, match=r"mode 'grid', not 'auto'.*--overwrite"):
        run(plan, lambda: pytest.fail("prepared"), {"mode": "auto"})
    assert run(plan, lambda: write, {"mode": "auto"}, overwrite=True) == 0
    assert run(plan, lambda: pytest.fail("prepared"), {"mode": "auto"}) == 0


def test_a_changed_input_is_not_finished_and_a_copied_one_is(tmp_path):
    plan = jobs_in(tmp_path)
    assert run(plan, lambda: write) == 0
    source = plan.jobs[1].source
    os.utime(source, (1, 1))
    assert run(plan, lambda: pytest.fail("prepared")) == 0
    source.write_bytes(b"7")
    with pytest.raises(ValueError, match=r"1\.a, made before 1\.png was changed"):
        run(plan, lambda: pytest.fail("prepared"))


def test_files_of_which_nothing_is_known_are_left_alone(tmp_path):
    plan = jobs_in(tmp_path)
    mine = plan.jobs[2].targets[1]
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ValueError, match=r"2\.b, of which there is no record"):
        run(plan, lambda: pytest.fail("prepared"))
    assert mine.read_text() == "mine"
    assert run(plan, lambda: write, overwrite=True) == 0
    assert mine.read_text() == "2.png"


def test_what_was_being_written_is_made_again(tmp_path, capsys):
    def stop(job):
        write(job)
        if job.source.name == "1.png":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs_in(tmp_path), lambda: stop)
    record = tmp_path / "out" / RECORD
    record.write_bytes(record.read_bytes() + b'{"file": "2.a", "sta')
    assert run(jobs_in(tmp_path), lambda: write) == 0
    assert "2 written, 1 finished before, 0 failed" in capsys.readouterr().out
    assert run(jobs_in(tmp_path), lambda: pytest.fail("prepared")) == 0


def test_a_bug_is_not_a_bad_file(tmp_path):
    def work(job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(jobs_in(tmp_path), lambda: work)


@pytest.mark.parametrize("pattern", ["", "*", "*.tif", "**/*.tif"])
def test_hidden_files_are_left_out_and_counted(tmp_path, pattern):
    plate = tmp_path / "plate"
    (plate / ".trash").mkdir(parents=True)
    names = ("a.tif", "._a.tif", ".trash/b.tif", ".b-x.tif")
    for name in names:
        (plate / name).touch()
    plan = batch.plan([str(plate / pattern)], tmp_path / "out", (".json",))
    assert names_of(plan) == ["a.tif"]
    assert plan.hidden == 2
    (plate / "a.tif").unlink()
    with pytest.raises(ValueError, match=r"no image|no file"):
        batch.plan([str(plate / pattern)], tmp_path / "out", (".json",))


def names_of(plan):
    return [job.source.name for job in plan.jobs]


def test_what_file_managers_leave_is_left_out(tmp_path):
    for name in ("a.tif", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (tmp_path / name).touch()
    out = tmp_path / "out"
    assert names_of(batch.plan([str(tmp_path / "*")], out, (".x",))) == ["a.tif"]
    assert names_of(batch.plan([str(tmp_path)], out, (".x",))) == ["a.tif"]


@pytest.mark.parametrize(
    "pair", [("A.tif", "a.png"), ("\u00e9.tif", "e\u0301.tif"), ("ß.tif", "SS.png")]
)
def test_names_that_are_one_on_some_system_are_refused(tmp_path, pair):
    for name in pair:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="would write the same file"):
        batch.plan([str(tmp_path)], tmp_path / "out", (".json",))


@pytest.mark.parametrize(
    ("name", "made"), [("aux.tif", "aux_.json"), ("Com1.x.png", "Com1_.x.json")]
)
def test_reserved_names_get_another(tmp_path, name, made):
    (tmp_path / name).touch()
    plan = batch.plan([str(tmp_path)], tmp_path / "out", (".json",))
    assert [job.targets[0].name for job in plan.jobs] == [made]


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_a_count_is_a_number_from_1_up(text):
    assert arguments.count("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 up"):
        arguments.count(text)


def test_zarr_images_are_inputs(tmp_path):
    folder = tmp_path / "plate"
    (folder / "b.zarr").mkdir(parents=True)
    (folder / "b.zarr" / "zarr.json").write_text("{}")
    (folder / "a.tif").touch()
    out = tmp_path / "out"
    plan = batch.plan([str(folder)], out, (".tif",))
    assert names_of(plan) == ["a.tif", "b.zarr"]
    plan = batch.plan([str(folder / "**" / "*")], out, (".tif",))
    assert names_of(plan) == ["a.tif", "b.zarr"]
    (job,) = batch.plan([str(folder / "b.zarr")], out, (".tif",)).jobs
    assert job.targets == (out / "b.tif",)
