"""What holds for every test.

Tests run side by side, one process for each core: one thread of arithmetic for each
is enough, in the programs that they start as well. Set before these processes start:
Numba, with which napari colours labels, is imported by plugins of pytest. When its
threads start, it sets the number for torch too, and more threads than cores slow all of
them down tenfold.
"""

import gc
import os
import subprocess
import sys

import pytest
from hypothesis import settings

gc.disable()  # until all is imported, see `pytest_collection`
for _library in ("OMP", "NUMBA"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Set aside what the tests import: no collection of garbage looks at it again.

    With torch and napari that is half a million objects, a quarter of a second for each
    full collection, and napari asks for one with each layer that goes.
    """
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
        gc.get_freeze_count = _some_are_set_aside


_COUNT_SET_ASIDE = gc.get_freeze_count


def _some_are_set_aside():
    """Stand in for the count of them, for which each is visited."""
    return 1


@pytest.fixture
def nothing_set_aside():
    """Begin without objects that are set aside, and with the collector on.

    To be named by `usefixtures`: it has to come before what opens windows, for what is
    there at its end is set aside again.
    """
    gc.unfreeze()
    gc.enable()
    gc.get_freeze_count = _COUNT_SET_ASIDE
    yield
    gc.collect()
    gc.freeze()
    gc.get_freeze_count = _some_are_set_aside


@pytest.fixture(autouse=True, scope="session")
def no_work_of_the_user(tmp_path_factory):
    """Keep and find unsaved work in a folder of the tests, for the whole run."""
    os.environ["NAPARI_SAM_JOURNALS"] = str(tmp_path_factory.mktemp("unsaved"))


@pytest.fixture(autouse=True)
def no_model_of_another_test():
    """Load models anew: a test may have put a stand-in in place of one."""
    yield
    loaded = sys.modules.get("napari_sam.inference.loaded_models")
    if loaded is not None:
        loaded.forget_loaded()


@pytest.fixture(scope="session")
def cells():
    """Load the bundled model, once for all tests that only ask it."""
    from napari_sam.inference.model_loading import load_model

    return load_model("cells", device="cpu")


@pytest.fixture
def cells_by_name(cells):
    """Let what asks for the bundled model by its name get the one that is loaded."""
    from napari_sam.inference.loaded_models import remember_loaded

    for device in ("auto", "cpu"):
        remember_loaded("cells", device, cells)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of some kilobytes, or give it another size."""
    disk = tmp_path / "disk"

    def mount(kilobytes):
        options = f"size={kilobytes}k"
        if disk.is_dir():
            options += ",remount"
        disk.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            disk.rmdir()
            pytest.skip("this test may not mount a disk")
        return disk

    yield mount
    if disk.is_dir():
        subprocess.run(["umount", str(disk)], check=True)
