"""Install torch into this environment without gigabytes that cannot be used.

On Linux the torch of the Python package index brings several gigabytes of CUDA.
This asks pip what it would install; where that holds CUDA and the machine has no
NVIDIA GPU, PyTorch's own CPU build is taken instead. Usage::

    python scripts/install_torch.py [REQUIREMENT]      # "torch==2.13.0"
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip(*arguments: str, **options: bool) -> subprocess.CompletedProcess[str]:
    """Run this environment's pip."""
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, text=True, check=False, **options)


def is_installed() -> bool:
    """Whether some torch is here already; it is then left as it is."""
    return pip("show", "--quiet", "torch", capture_output=True).returncode == 0


def would_bring_cuda(requirement: str) -> bool:
    """Ask pip, without downloading, whether `requirement` needs NVIDIA packages."""
    plan = pip(
        *("install", "--dry-run", "--quiet", "--report", "-", requirement),
        capture_output=True,
    )
    if plan.returncode != 0:
        return False  # let the real installation say what is wrong
    names = [item["metadata"]["name"] for item in json.loads(plan.stdout)["install"]]
    return any(name.startswith(("nvidia-", "cuda-")) for name in names)


def main(requirement: str) -> int:
    """Install torch; return pip's exit status."""
    if is_installed():
        return 0
    has_gpu = shutil.which("nvidia-smi") is not None
    if sys.platform == "linux" and not has_gpu and would_bring_cuda(requirement):
        print("No NVIDIA GPU here: installing PyTorch's CPU build")
        done = pip("install", "-qq", "--index-url", CPU_INDEX, requirement)
        if done.returncode == 0:
            return 0
        print("The CPU build could not be had: installing the full build")
    return pip("install", "-qq", requirement).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "torch"))
