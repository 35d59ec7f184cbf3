"""Instance decoders of micro-sam: where they lie, and whether they fit a model.

micro-sam publishes them in files of their own beside its models, and saves what it
fine-tunes in one file with ``model_state`` and ``decoder_state``. All of them read the
same 256 channels, whatever encoder they were trained on: that one belongs to a model
is not to be seen from its shapes, but from its hash or its name.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.registry import DECODERS, REGISTRY, files_of
from napari_sam.checkpoints.weight_files import read_weights, require_weights
from napari_sam.model.build import ARCHITECTURES

if TYPE_CHECKING:
    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.checkpoints.store import CheckpointStore

__all__ = [
    "DECODER_STATE",
    "PREFIX",
    "DecoderFile",
    "decoder_beside",
    "decoder_for",
    "decoder_kind",
    "decoder_named",
    "decoder_of",
    "find_decoder",
]

PREFIX = "dense_head."
"""What stands before the names of a decoder's tensors in a model of this package."""

DECODER_STATE = "decoder_state"
"""Under which micro-sam's own files keep them."""

_LAST = "out_conv.weight"
_MAPS = 3


@dataclass(frozen=True)
class DecoderFile:
    """A file with an instance decoder.

    Attributes
    ----------
    path
        Where it lies.
    spec
        Its entry in the registry, if it was found by that.
    is_asked_for
        Whether it was named, rather than found beside the model.
    """

    path: Path
    spec: CheckpointSpec | None = None
    is_asked_for: bool = True


def decoder_of(spec: CheckpointSpec, store: CheckpointStore) -> DecoderFile | None:
    """Return the downloaded decoder of a registered model, None where it is not."""
    for decoder in files_of(spec)[1:]:
        if store.is_available(decoder):
            return DecoderFile(store.path(decoder), decoder)
    return None


def decoder_beside(path: Path) -> DecoderFile | None:
    """Return ``NAME_decoder.pt`` beside ``NAME.pt``, as micro-sam names it, or None."""
    beside = path.with_name(f"{path.stem}_decoder{path.suffix}")
    return DecoderFile(beside, is_asked_for=False) if beside.is_file() else None


def decoder_named(source: str | Path, store: CheckpointStore) -> DecoderFile:
    """Return the decoder of a name in the registry, or of a path.

    Raises
    ------
    CheckpointError
        If it is not downloaded, or there is no such file.
    """
    if isinstance(source, str) and source in DECODERS:
        spec = DECODERS[source]
        if not store.is_available(spec):
            raise CheckpointError(
                f"{spec.name!r} ({spec.size_text}) is not downloaded yet: run "
                f"`napari-sam download {spec.name}`"
            )
        return DecoderFile(store.path(spec), spec)
    path = Path(source).expanduser()
    if not path.exists():
        raise CheckpointError(f"no file of an instance decoder at {path}")
    return DecoderFile(path)


def find_decoder(content: object) -> Mapping[str, Tensor] | None:
    """Return the decoder in the content of a file with a model, None without one."""
    if not isinstance(content, Mapping):
        return None
    state = content.get(DECODER_STATE)
    if not isinstance(state, Mapping) or not state:
        return None
    return state


def decoder_kind(
    state: Mapping[str, object],
) -> Literal["bilinear", "transposed"] | None:
    """Tell from a model's keys how its decoder enlarges; None without one."""
    if f"{PREFIX}{_LAST}" not in state:
        return None
    learned = any(
        key.startswith(f"{PREFIX}decoder.samplers.") and ".block." in key
        for key in state
    )
    return "transposed" if learned else "bilinear"


def _as_dense_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Check that tensors are those of an instance decoder; name them as ours.

    Raises
    ------
    CheckpointError
        If they are something else; the message says what.
    """
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
    problem = _name_other(tensors)
    if problem is not None:
        raise CheckpointError(problem)
    return {f"{PREFIX}{key}": tensor for key, tensor in tensors.items()}


def _name_other(state: Mapping[str, Tensor]) -> str | None:
    """Say what tensors are, if they are no instance decoder."""
    if any(key.startswith(("image_encoder.", "sam.image_encoder.")) for key in state):
        return "it holds a whole model, where an instance decoder is wanted"
    if _LAST not in state:
        shown = ", ".join(sorted(state)[:3]) or "nothing"
        return f"it holds no instance decoder of micro-sam, but: {shown}"
    if any(key.startswith("encoder.") for key in state):
        return "it holds a UNETR with an encoder of its own, not a decoder of SAM's"
    if any(key.startswith("deconv2.0.") for key in state):
        return (
            "it is the decoder of a UNETR with skip connections, which reads other "
            "encoders than SAM's; micro-sam's instance decoders have none"
        )
    first = state.get("base.block.1.weight")
    channels = ARCHITECTURES["vit_b"].encoder.out_channels  # and of all others of SAM
    if first is not None and first.ndim == 4 and first.shape[1] != channels:
        return (
            f"it is the decoder of another encoder: it reads {first.shape[1]} "
            f"channels, where embeddings of SAM have {channels}"
        )
    maps = state[_LAST].shape[0]
    if maps != _MAPS:
        return (
            f"it gives {maps} maps, where an instance decoder gives {_MAPS} "
            "(foreground and two distances); perhaps it parts classes, not instances"
        )
    return None


def decoder_for(
    content: object,
    state: Mapping[str, Tensor],
    file: DecoderFile | None,
    architecture: str,
    model: Path,
) -> dict[str, Tensor]:
    """Return the tensors of a model's instance decoder, named as in our models.

    A decoder that was named comes first, then the one in the model's own file, then
    the one found beside it.

    Parameters
    ----------
    content
        Of the model's file.
    state
        The model's own tensors.
    file
        Of the decoder, where it has one of its own.
    architecture
        Of the model.
    model
        The model's own file.

    Returns
    -------
    dict
        Empty where there is no decoder. What lies in or beside the model's file and is
        no instance decoder is left out, with a warning.

    Raises
    ------
    CheckpointError
        If a decoder that was named is damaged, is something else, or is known to belong
        to another model.
    """
    inside = find_decoder(content)
    is_asked_for = file is not None and file.is_asked_for
    try:
        if file is not None and (is_asked_for or inside is None):
            return _read(file, state, architecture, model)
        return {} if inside is None else _as_dense_head(inside)
    except CheckpointError as error:
        if is_asked_for:
            raise
        warnings.warn(f"{error}; it is left out", UserWarning, stacklevel=4)
        return {}


def _read(
    file: DecoderFile, state: Mapping[str, Tensor], architecture: str, model: Path
) -> dict[str, Tensor]:
    """Read a decoder's file for a model."""
    try:
        require_weights(file.path, "an instance decoder of micro-sam")
        if any(key.startswith(PREFIX) for key in state):
            raise CheckpointError(f"{model} has a dense head of its own")
        _check_owner(file, architecture, model)
        content, _ = read_weights(file.path)
        inner = find_decoder(content) or content
        if not isinstance(inner, Mapping):
            raise CheckpointError(f"it holds a {type(inner).__name__}, no tensors")
        return _as_dense_head(inner)
    except CheckpointError as error:
        told = str(error)
        if told.startswith(str(file.path)):
            raise
        raise CheckpointError(
            f"the instance decoder {file.path} cannot be used: {told}"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{file.path} cannot be read: {error}") from error


def _check_owner(file: DecoderFile, architecture: str, model: Path) -> None:
    """Refuse a decoder that is known to be of another model."""
    found = f"xxh128:{hash_file(file.path, ('xxh128',))['xxh128']}"
    if file.spec is not None and file.spec.hash != found:
        raise CheckpointError(
            f"its hash is {found}, but published is {file.spec.hash}; the file was "
            f"damaged or changed. `napari-sam download {file.spec.name}` fetches it "
            "again"
        )
    owner = next(
        (
            s
            for s in REGISTRY.values()
            if s.decoder and DECODERS[s.decoder].hash == found
        ),
        None,
    )
    if owner is None:
        named = re.match(r"vit_[tblh]", file.path.name)
        if named and named[0] != architecture:
            raise CheckpointError(
                f"by its name it belongs to {named[0]}, and the model is "
                f"{architecture}; a decoder reads the embeddings of one encoder alone"
            )
        return
    if owner.architecture == architecture:
        digest = f"xxh128:{hash_file(model, ('xxh128',))['xxh128']}"
        given = next((s for s in REGISTRY.values() if s.hash == digest), owner)
        if given is owner:
            return
    raise CheckpointError(
        f"it is the instance decoder of {owner.name!r}, another model; a decoder reads "
        "the embeddings of one encoder alone"
    )
