"""The scripts behind the Makefile."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def check_wheel():
    return SimpleNamespace(**runpy.run_path(str(SCRIPTS / "check_wheel.py")))


@pytest.fixture
def wheel(tmp_path, check_wheel):
    """Return a function that makes a wheel with all that is wanted, and changes."""

    def make(without=(), extra=()):
        path = tmp_path / "napari_sam-1.0.0-py3-none-any.whl"
        names = [name.replace("*", "1.0.0") for name in check_wheel.WANTED]
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, *extra]:
                if name not in without:
                    archive.writestr(name, b"")
        return path

    return make


def test_a_whole_wheel_passes(check_wheel, wheel):
    assert check_wheel.main([str(wheel())]) == 0


def test_missing_weights_and_stray_tests_are_named(check_wheel, wheel, capsys):
    weights = "napari_sam/checkpoints/weights/cells.safetensors"
    path = wheel(without=[weights], extra=["tests/test_it.py"])
    assert check_wheel.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert f"missing: {weights}" in said
    assert "superfluous: tests/test_it.py" in said


class Pip:
    """Answers as pip would; remembers what it was asked to install."""

    def __init__(self, installed=False, brings=("torch",), has_cpu_index=True):
        self.installed = installed
        self.brings = brings
        self.has_cpu_index = has_cpu_index
        self.asked = []

    def __call__(self, command, **options):
        words = command[3:]
        if words[0] == "show":
            return SimpleNamespace(returncode=0 if self.installed else 1)
        if "--dry-run" in words:
            plan = [{"metadata": {"name": name}} for name in self.brings]
            return SimpleNamespace(returncode=0, stdout=json.dumps({"install": plan}))
        self.asked.append(words)
        failed = "--index-url" in words and not self.has_cpu_index
        return SimpleNamespace(returncode=int(failed))


@pytest.fixture
def install_torch(monkeypatch):
    """Return a function that runs the script with a pip and says what it asked."""

    def run(pip, has_gpu=False, platform="linux"):
        monkeypatch.setattr(subprocess, "run", pip)
        monkeypatch.setattr(shutil, "which", lambda name: "/x" if has_gpu else None)
        monkeypatch.setattr(sys, "platform", platform)
        script = runpy.run_path(str(SCRIPTS / "install_torch.py"))
        assert script["main"]("torch==2.13.0") == 0
        return [("--index-url" in words) for words in pip.asked]

    return run


CUDA = ("torch", "nvidia-cudnn-cu13", "triton")


def test_torch_that_is_there_is_left_alone(install_torch):
    assert install_torch(Pip(installed=True, brings=CUDA)) == []


def test_a_torch_without_cuda_is_taken_from_the_usual_place(install_torch):
    assert install_torch(Pip()) == [False]


def test_without_a_gpu_the_cpu_build_is_taken(install_torch):
    assert install_torch(Pip(brings=CUDA)) == [True]


def test_with_a_gpu_cuda_is_taken(install_torch):
    assert install_torch(Pip(brings=CUDA), has_gpu=True) == [False]


def test_other_systems_have_no_such_choice(install_torch):
    assert install_torch(Pip(brings=CUDA), platform="darwin") == [False]


def test_where_the_cpu_build_cannot_be_had_the_full_one_is_taken(install_torch):
    assert install_torch(Pip(brings=CUDA, has_cpu_index=False)) == [True, False]


@pytest.fixture
def fake_debian(tmp_path):
    """Return a function that runs the script among programs that pretend."""

    def run(installed=(), user=0):
        programs = {
            "uname": "echo Linux",
            "id": f"echo {user}",
            "dpkg-query": 'case " $INSTALLED " in *" $4 "*) '
            "echo install ok installed;; *) exit 1;; esac",
            "apt-cache": "exit 0",
            "apt-get": 'echo "apt-get $*" >> "$LOG"',
            "python-of-the-user": "exit 0",
        }
        for name, body in programs.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{body}\n")
            program.chmod(0o755)
        log = tmp_path / "log"
        done = subprocess.run(
            ["/bin/sh", str(SCRIPTS / "system_packages.sh")],
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "INSTALLED": " ".join(installed),
                "LOG": str(log),
                "PYTHON": "python-of-the-user",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, log.read_text() if log.exists() else ""

    return run


ALL = [
    "xvfb",
    "xauth",
    "libegl1",
    "libgl1",
    "libdbus-1-3",
    "libfontconfig1",
    "libglib2.0-0t64",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
]

posix = pytest.mark.skipif(os.name != "posix", reason="a shell script")


@posix
def test_nothing_is_installed_where_nothing_is_missing(fake_debian):
    assert fake_debian(installed=ALL) == ("", "")


@posix
def test_root_installs_what_is_missing_and_no_more(fake_debian):
    missing = ("xvfb", "libglib2.0-0t64")
    _, log = fake_debian(installed=[name for name in ALL if name not in missing])
    install = log.splitlines()[-1]
    assert "xvfb" in install
    assert "libglib2.0-0" in install
    assert "libegl1" not in install


@posix
def test_others_are_told_what_to_install(fake_debian):
    said, log = fake_debian(
        installed=[name for name in ALL if name != "xvfb"], user=1000
    )
    assert "sudo apt-get install --no-install-recommends xvfb" in said
    assert log == ""


def test_parameters_that_share_a_description_get_one_each():
    griffe = pytest.importorskip("griffe")
    script = runpy.run_path(str(SCRIPTS / "griffe_extensions.py"))
    function = griffe.Function("f")
    function.docstring = griffe.Docstring(
        "Do it.\n\nParameters\n----------\na\n    One.\nb, c\n    Two,\n    or more.\n"
        "\nReturns\n-------\nint, always\n    It."
    )
    script["SeparateParameters"]().on_object(obj=function)
    assert function.docstring.value == (
        "Do it.\n\nParameters\n----------\na\n    One.\nb\n    Two,\n    or more.\n"
        "c\n    Two,\n    or more.\n"
        "\nReturns\n-------\nint, always\n    It."
    )
