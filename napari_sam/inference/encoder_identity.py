"""By what the image encoder of a loaded model is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_sam.checkpoints.object_weights import encoder_digest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["encoder_of"]

_DIGESTS: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def encoder_of(model: Any) -> str:
    """Return the digest of a model's image encoder, see `encoder_digest`; kept.

    Parameters
    ----------
    model
        A loaded model; its name counts where it has no network.
    """
    network = getattr(model, "model", None)
    if network is None:
        return str(model.name)
    if network not in _DIGESTS:
        _DIGESTS[network] = encoder_digest(network)
    return _DIGESTS[network]
