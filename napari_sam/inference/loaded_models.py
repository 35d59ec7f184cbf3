"""Models that were asked for by name: each is loaded once while it is in use.

A model is kept as long as somebody holds it. The last one that was given by name to a
function is held here, so that a loop over images does not load it again with each.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from napari_sam.inference.predictor import Predictor

__all__ = [
    "as_predictor",
    "find_loaded",
    "forget_loaded",
    "remember_loaded",
]

_Key = tuple[str, str, tuple[int, int]]

_LOADED: WeakValueDictionary[_Key, Any] = WeakValueDictionary()
_LAST: dict[str, Any] = {}
_LOCK = Lock()


def _key(source: str | Path, device: str) -> _Key:
    """Return what tells a model from others; a file that was replaced is another."""
    try:
        stat = Path(source).stat()
    except (OSError, ValueError):
        return str(source), device, (0, 0)
    return str(source), device, (stat.st_size, stat.st_mtime_ns)


def find_loaded(source: str | Path, device: str = "auto") -> Any:
    """Return a model that is in use already, or None.

    None too where it has lost the workers that it had: they may be there again.
    """
    found = _LOADED.get(_key(source, device))
    remote = getattr(found, "remote", None)
    return None if remote is not None and remote.problem else found


def remember_loaded(source: str | Path, device: str, model: Any) -> None:
    """Let others that ask for the same model use this one while it lives."""
    _LOADED[_key(source, device)] = model


def forget_loaded() -> None:
    """Let go of the model that is held here; others are loaded anew from now on."""
    with _LOCK:
        _LAST.clear()
        _LOADED.clear()


def as_predictor(model: str | Path | Predictor) -> Predictor:
    """Return the model that a name or a path stands for, or the model itself.

    Raises
    ------
    ValueError
        If it is neither, or cannot be loaded; see `load_model`.
    """
    if not isinstance(model, (str, Path)):
        if not hasattr(model, "embed"):
            raise ValueError(
                "model must be a name such as 'cells', the path of a checkpoint, or a "
                f"model from load_model, got {type(model).__name__}"
            )
        return model
    with _LOCK:
        found: Predictor | None = find_loaded(model)
        if found is None:
            from napari_sam.inference.model_loading import load_model

            found = load_model(model)
            remember_loaded(model, "auto", found)
        _LAST["model"] = found
    return found
