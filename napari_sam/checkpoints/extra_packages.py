"""Packages of the extra ``export``, without which ONNX is not read or written."""

from __future__ import annotations

import importlib.util

from napari_sam.checkpoints.errors import CheckpointError

__all__ = ["ONNX_PACKAGES", "check_packages"]

ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
"""Without which no graph is written."""


def check_packages(what: str, *names: str) -> None:
    """Check that the packages of an import or export are installed.

    Raises
    ------
    CheckpointError
        If one is not; the message says how to install it.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise CheckpointError(
                f"{what} needs {name}, which is not installed: "
                "pip install 'napari-sam[export]'"
            )
