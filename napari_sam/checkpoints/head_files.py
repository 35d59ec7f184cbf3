"""Heads beside a model in files: safetensors whose metadata says what they are.

What a head is of, its sizes and the encoder that it belongs to stand in the metadata;
see `object_weights`, `volume_weights` and `image_kind_weights` for the three kinds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from napari_sam.checkpoints.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = ["HeadKind", "LoadedHead", "load_head", "read_head", "write_head"]

_ENCODER = "encoder"


class _Head(Protocol):
    """What a network of a head has beside its weights."""

    @property
    def config(self) -> Any:
        """Its sizes, a dataclass of numbers."""


HeadT = TypeVar("HeadT", bound=nn.Module)


@dataclass(frozen=True)
class HeadKind(Generic[HeadT]):
    """One kind of heads.

    Attributes
    ----------
    name
        What people call it, such as "object head".
    build
        Makes a head from its sizes, by their names.
    """

    name: str
    build: Callable[..., HeadT]

    @property
    def format(self) -> str:
        """What the file calls itself."""
        return f"napari-sam {self.name} 1"


def write_head(
    path: Path,
    kind: HeadKind[HeadT],
    head: _Head,
    tensors: Mapping[str, Tensor],
    told: Mapping[str, str],
) -> None:
    """Write a head.

    Parameters
    ----------
    path
        The file.
    kind
        What kind of head it is.
    head
        The head.
    tensors
        Its weights, in the precision of the file.
    told
        What else the file says; "encoder" has to be there, the digest of the image
        encoder that the head belongs to.
    """
    metadata = {
        "format": kind.format,
        "config": json.dumps(asdict(head.config)),
        **told,
    }
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)


def read_head(
    path: str | Path, kind: HeadKind[HeadT]
) -> tuple[HeadT, Mapping[str, str]]:
    """Read a head, and what its file says.

    Returns
    -------
    head
        In float32 on the CPU, in eval mode.
    told
        The metadata; "encoder" is there.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head of this kind.
    """
    try:
        with safe_open(path, "pt") as file:
            told: Mapping[str, str] = file.metadata() or {}
            if told.get("format") != kind.format:
                raise ValueError(f"its format is {told.get('format')!r}")
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if _ENCODER not in told:
            raise ValueError("it does not say to which encoder it belongs")
        head = kind.build(**json.loads(told["config"]))
        head.load_state_dict(state)
    except FileNotFoundError:
        raise CheckpointError(f"there is no {kind.name} at {path}") from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise CheckpointError(f"{path} holds no {kind.name}: {error}") from error
    return head.eval(), told


@dataclass(frozen=True, eq=False)
class LoadedHead(Generic[HeadT]):
    """A head with its weights, of which nothing else is known than where it belongs.

    Attributes
    ----------
    head
        In float32 on the CPU, ready to be asked.
    encoder
        Digest of the image encoder that it has learned from; see
        `napari_sam.checkpoints.object_weights.encoder_digest`.
    """

    head: HeadT
    encoder: str


def load_head(path: str | Path, kind: HeadKind[HeadT]) -> LoadedHead[HeadT]:
    """Read a head; see `read_head`."""
    head, told = read_head(path, kind)
    return LoadedHead(head, told["encoder"])
