import subprocess
import sys

import torch

from napari_sam.plugin.model.torch_loading import load_torch_library

_SCRIPT = """
from napari_sam.plugin.model.torch_loading import load_torch_library
load_torch_library()
import torch
assert torch.ones(2).sum() == 2
"""


def test_nothing_is_loaded_twice():
    assert torch.ones(1) == 1
    assert not load_torch_library()


def test_torch_works_after_its_library_was_loaded():
    subprocess.run([sys.executable, "-c", _SCRIPT], check=True, timeout=120)
