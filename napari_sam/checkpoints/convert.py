"""From what files hold to the state dict of a SAM model.

Meta's files are a bare state dict. Training programs wrap it (``model``,
``state_dict``, micro-sam's ``model_state``), save other things beside it, and put
a prefix before every key (``sam.``, ``module.``). TinyViT files carry the unused
classifier of its pre-training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from napari_sam.checkpoints.errors import CheckpointError

__all__ = ["extract_state"]

_NESTINGS = ("model_state", "model_state_dict", "state_dict", "model", "sam")
_UNUSED_HEADS = ("image_encoder.norm_head.", "image_encoder.head.")
_ENCODER = "image_encoder."
_DEEPEST = 3


def extract_state(content: object) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Find the model's tensors in the content of a file.

    Parameters
    ----------
    content
        What ``torch.load`` or safetensors returned.

    Returns
    -------
    state : dict
        Tensors by key, without nesting, prefix and unused classifier.
    dropped : tuple of str
        Names of all that was left out: entries beside the model such as
        ``decoder_state``, and the unused classifier's keys.

    Raises
    ------
    CheckpointError
        If there is no state dict.
    """
    tree, dropped = _unwrap(content)
    tensors: dict[str, torch.Tensor] = {}
    for key, value in tree.items():
        if isinstance(value, torch.Tensor):
            tensors[str(key)] = value
        else:
            dropped.append(str(key))
    if not tensors:
        shown = ", ".join(str(key) for key in list(tree)[:5]) or "nothing"
        raise CheckpointError(f"it holds no weights, but: {shown}")
    prefix = _common_prefix(tensors)
    state = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(prefix)
        if name.startswith(_UNUSED_HEADS):
            dropped.append(name)
        else:
            state[name] = tensor
    return state, tuple(dropped)


def _unwrap(content: object) -> tuple[Mapping[object, object], list[str]]:
    """Descend into the wrappings, noting what lies beside the model."""
    beside: list[str] = []
    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping):
            break
        inner = next(
            (
                name
                for name in _NESTINGS
                if isinstance(content.get(name), Mapping) and content[name]
            ),
            None,
        )
        if inner is None:
            break
        beside += [str(key) for key in content if key != inner]
        content = content[inner]
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"it holds a {type(content).__name__}, where a state dict (tensors by "
            "name) is wanted"
        )
    return content, beside


def _common_prefix(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return what stands before the image encoder's name, empty for a bare file."""
    for key in tensors:
        start = f".{key}".find(f".{_ENCODER}")
        if start >= 0:
            return key[:start]
    return ""
