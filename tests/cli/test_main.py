import subprocess
import sys

import pytest

import napari_sam
from napari_sam import cli


@pytest.fixture
def run_fails_with(monkeypatch):
    """Make `napari-sam evaluate` raise, whatever it is asked."""

    def install(error):
        def run(args):
            raise error

        def add_parser(subparsers):
            subparsers.add_parser("evaluate").set_defaults(run=run)

        monkeypatch.setattr("napari_sam.cli.evaluate.add_parser", add_parser)
        return cli.main(["evaluate"])

    return install


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert name in shown


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"napari-sam {name}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"napari-sam {napari_sam.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fly"], ["evaluate"], ["evaluate", "--fast"]])
def test_arguments_that_do_not_parse_end_with_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage: napari-sam" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("points must be\n(N, 2)"), 2, "points must be (N, 2)"),
        (FileNotFoundError(2, "No such file", "x.png"), 1, "x.png: not found"),
        (PermissionError(13, "Permission denied", "o"), 1, "o: permission denied"),
        (TimeoutError(), 1, "TimeoutError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_one_line_and_a_code(run_fails_with, capsys, error, code, message):
    assert run_fails_with(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("napari-sam evaluate: ")
    assert err.endswith(f"{message}\n")
    assert err.count("\n") == 1


def test_a_bug_keeps_its_traceback(run_fails_with):
    with pytest.raises(ZeroDivisionError):
        run_fails_with(ZeroDivisionError())


def test_the_code_of_a_command_is_passed_on(monkeypatch):
    def add_parser(subparsers):
        subparsers.add_parser("evaluate").set_defaults(run=lambda args: 7)

    monkeypatch.setattr("napari_sam.cli.evaluate.add_parser", add_parser)
    assert cli.main(["evaluate"]) == 7


def test_help_comes_without_the_heavy_libraries():
    code = (
        "import sys\n"
        "from napari_sam.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'torch', 'numpy', 'scipy', 'napari', 'qtpy', 'pandas', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_comes_without_the_parsers_of_the_others():
    code = (
        "import sys\n"
        "from napari_sam.cli import main\n"
        "try:\n"
        "    main(['models', '--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "known = [n for n in sys.modules if n.startswith('napari_sam.cli.')]\n"
        "print(sorted({'napari_sam.cli.models', 'napari_sam.cli.train'} & {*known}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['napari_sam.cli.models']"


def test_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "napari_sam", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"napari-sam {napari_sam.__version__}\n"
