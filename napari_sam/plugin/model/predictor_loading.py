"""Loading a model for the windows of this process; all of them share what is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_sam.inference.loaded_models import find_loaded, remember_loaded
from napari_sam.ops.remote_device import RemoteDeviceError
from napari_sam.plugin.model.gc_pauses import collector_paused
from napari_sam.plugin.model.torch_loading import load_torch_library

if TYPE_CHECKING:
    from napari_sam.inference.promptable import PromptableModel

__all__ = ["load_predictor", "shared_predictor"]


def load_predictor(source: str, device: str) -> PromptableModel:
    """Load a model; the import of torch happens here, away from the window."""
    load_torch_library()
    with collector_paused():  # there is no garbage among torch's many new objects
        from napari_sam.inference.model_loading import load_model

        predictor: PromptableModel = load_model(source, device=device)
        import pandas  # noqa: F401 - the first object that is kept waits for it else

        Labels(np.zeros((1, 1), np.int32))  # and for what napari compiles for int32
    return predictor


def shared_predictor(source: str, device: str) -> PromptableModel:
    """Return a model that is in use already, or load it; away from the window.

    Where another machine cannot be used, it is loaded on this one.
    """
    predictor: PromptableModel | None = find_loaded(source, device)
    if predictor is not None:
        return predictor
    try:
        predictor = load_predictor(source, device)
    except RemoteDeviceError:
        return shared_predictor(source, "auto")
    remember_loaded(source, device, predictor)
    return predictor
