"""A model as a message to another process: how it is built, and its weights."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_sam.checkpoints.network_building import skip_initialisation
from napari_sam.checkpoints.sam2 import require_transformers
from napari_sam.model.build import build_sam
from napari_sam.model.sam import Architecture, Sam

if TYPE_CHECKING:
    from napari_sam.model.network import Network

__all__ = ["PackedNetwork", "pack_network", "unpack_network"]


@dataclass(frozen=True, eq=False)
class PackedNetwork:
    """What `unpack_network` makes a network of.

    Attributes
    ----------
    architecture
        Of a network of this package; or the name of one of transformers.
    config
        Of a network of transformers.
    kind, config_kind
        Its classes there.
    weights
        Content of a file of PyTorch with tensors by name.
    """

    architecture: Architecture | str
    weights: bytes
    kind: str = ""
    config_kind: str = ""
    config: dict[str, Any] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the weights."""
        return len(self.weights)


def pack_network(model: Network) -> PackedNetwork:
    """Make a message of a network; it may be used meanwhile."""
    network: Any = model if isinstance(model, Sam) else model.network
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    file = io.BytesIO()
    torch.save(state, file)
    if isinstance(model, Sam):
        return PackedNetwork(model.architecture, file.getvalue())
    config = network.config
    return PackedNetwork(
        model.architecture.name,
        file.getvalue(),
        type(network).__name__,
        type(config).__name__,
        config.to_dict(),
    )


def unpack_network(packed: PackedNetwork) -> Network:
    """Build a network with its weights, in eval mode, on the CPU.

    Raises
    ------
    CheckpointError
        If it is one of transformers, and that is not installed.
    RuntimeError
        If the weights are not those of the network.
    """
    state = torch.load(io.BytesIO(packed.weights), weights_only=True)
    if isinstance(packed.architecture, Architecture):
        with skip_initialisation():
            model = build_sam(packed.architecture)
        model.load_state_dict(state, strict=True)
        return model.eval()
    from napari_sam.model.sam2 import Sam2
    from napari_sam.model.sam3 import Sam3

    is_sam3 = packed.kind.startswith("Sam3")
    library = require_transformers("SAM 3" if is_sam3 else "SAM 2")
    config = getattr(library, packed.config_kind).from_dict(packed.config)
    network = getattr(library, packed.kind)(config)
    network.load_state_dict(state, strict=True)
    built = Sam3 if is_sam3 else Sam2
    return built(network, packed.architecture).eval()
