"""A registry name or a file -> a built model with its weights.

Nothing from a file is ever run: safetensors hold only tensors, and pickles are
read by PyTorch's restricted unpickler (``weights_only=True``).
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from napari_sam.checkpoints.architecture_detection import detect_architecture
from napari_sam.checkpoints.convert import extract_state
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.file_kinds import (
    SAFETENSORS,
    TORCH_PICKLE,
    TORCH_ZIP,
    name_file_kind,
)
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.registry import DECODERS, REGISTRY, get_spec
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.model.sam import Sam

__all__ = ["CheckpointError", "LoadedCheckpoint", "load_sam"]

# What the unpickler raises, by chance of the damage, for a file with wrong bytes.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """A model with its weights, and where they came from.

    Attributes
    ----------
    model
        In eval mode, on the CPU, float32.
    name
        Registry name, or the file's name without its suffix.
    digest
        SHA-256 of the file in hex: equal digests are equal weights.
    dropped
        Names of what the file holds and the model does not use.
    object_size
        Pixels across of the objects that the model was fine-tuned on; None where the
        file says nothing.
    """

    model: Sam
    name: str
    digest: str
    dropped: tuple[str, ...]
    object_size: float | None = None


def load_sam(
    source: str | Path, store: CheckpointStore | None = None
) -> LoadedCheckpoint:
    """Load a model by its registry name or from a file.

    A registry name never downloads: the file has to be in the store.

    Parameters
    ----------
    source
        A name such as ``"cells"``, or a path to a ``.pth``, ``.pt`` or
        ``.safetensors`` file of SAM, MobileSAM, LiteMedSAM, micro-sam or a model
        trained here. The architecture is told from the keys.
    store
        Where named checkpoints lie; by default in the user's cache.

    Raises
    ------
    CheckpointError
        If the name is unknown or not downloaded, or the file is damaged, of
        another kind, or holds code.

    Examples
    --------
    >>> from napari_sam.checkpoints.load import load_sam
    >>> loaded = load_sam("cells")  # doctest: +SKIP
    >>> loaded.model.architecture.name  # doctest: +SKIP
    'cells'
    """
    if isinstance(source, str) and (source in REGISTRY or source in DECODERS):
        spec = get_spec(source)
        path = _stored_file(spec, store or CheckpointStore())
        return _load_file(path, spec.name, spec)
    path = _local_file(source)
    return _load_file(path, path.stem, None)


def _stored_file(spec: CheckpointSpec, store: CheckpointStore) -> Path:
    if spec.name in DECODERS:
        model = spec.name.removesuffix("_decoder")
        raise CheckpointError(
            f"{spec.name!r} is the instance decoder of {model!r}, not a model; load "
            f"{model!r}"
        )
    path = store.path(spec)
    if store.is_available(spec):
        return path
    if spec.bundled:
        raise CheckpointError(
            f"{spec.name!r} belongs to the installation, but {path} is missing; "
            "install napari-sam again"
        )
    state = "is incomplete in the cache" if path.exists() else "is not downloaded yet"
    raise CheckpointError(
        f"{spec.name!r} ({spec.size_text}) {state}: press Download beside its name in "
        f"the annotator, or run `napari-sam download {spec.name}`"
    )


def _local_file(source: str | Path) -> Path:
    path, text = Path(source).expanduser(), str(source)
    if text.strip() and path.exists():
        return path
    is_path = isinstance(source, Path) or "/" in text or "\\" in text
    if not is_path and path.suffix.lower() not in _SUFFIXES:
        get_spec(text)  # raises: the name is unknown; lists names like it
    raise CheckpointError(f"no file at {path}")


def _load_file(path: Path, name: str, spec: CheckpointSpec | None) -> LoadedCheckpoint:
    kind = name_file_kind(path)
    if kind not in (SAFETENSORS, TORCH_ZIP, TORCH_PICKLE):
        raise CheckpointError(
            f"{path} is {kind}, not a checkpoint; wanted is a .pth, .pt or "
            ".safetensors file with the weights of a SAM model"
            + _MORE_ABOUT_KIND.get(kind, "")
        )
    try:
        before = _identity(path)
        digest = _verified_digest(path, spec)
        content, metadata = (
            _read_safetensors(path)
            if kind == SAFETENSORS
            else _read_torch(path, mapped=kind == TORCH_ZIP)
        )
        state, dropped = extract_state(content)
        architecture = detect_architecture(state, metadata)
        if spec is not None and architecture != spec.architecture:
            raise CheckpointError(
                f"it holds the architecture {architecture!r}, where "
                f"{spec.architecture!r} is wanted"
            )
        model = _build(architecture, state)
        if _identity(path) != before:
            raise CheckpointError(
                "it was replaced or written to while it was read; load it again"
            )
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return LoadedCheckpoint(model, name, digest, dropped, _object_size(metadata))


def _identity(path: Path) -> tuple[int, ...]:
    """Tell a file from another of its name, or from itself after a change."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _object_size(metadata: Mapping[str, str]) -> float | None:
    """Read how large the objects are that a model was fine-tuned on."""
    try:
        size = float(metadata["object_size"])
    except (KeyError, ValueError):
        return None
    return size if 0 < size < float("inf") else None


_MORE_ABOUT_KIND = {
    "a git-lfs pointer": ". The file itself is elsewhere: run `git lfs pull` where it "
    "was cloned, or download it from the web page of its repository",
    "an HTML page": ". The download saved a web page instead of the file: open its "
    "address in a browser, or download it again",
    "a truncated file (its end is missing)": ". Its download or copy broke off: "
    "fetch it again",
    "a Python pickle that PyTorch did not write": ". Reading it could run code that "
    "was put into the file, so it was refused",
    "an empty file": ". Its download or copy broke off: fetch it again",
}


def _verified_digest(path: Path, spec: CheckpointSpec | None) -> str:
    """Hash a file, and compare with the published hash where there is one."""
    algorithm, _, wanted = (spec.hash if spec and spec.hash else "").partition(":")
    algorithms = ("sha256", algorithm) if wanted else ("sha256",)
    hashes = hash_file(path, algorithms)
    if spec is not None and wanted and hashes[algorithm] != wanted:
        raise CheckpointError(
            f"its {algorithm} is {hashes[algorithm]}, but published is {wanted}; the "
            f"file was damaged or changed. `napari-sam download {spec.name}` fetches "
            "it again"
        )
    return hashes["sha256"]


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(
            f"the safetensors file is truncated or damaged ({error})"
        ) from error


def _read_torch(path: Path, mapped: bool) -> tuple[Any, dict[str, str]]:
    """Read a pickle of tensors; one that names anything else is refused.

    `mapped` leaves the tensors in the file until they are copied into the model,
    which halves the memory that loading needs.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(str(error))) from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"the file is truncated or damaged ({type(error).__name__}: {error}); "
            "fetch it again"
        ) from error
    return content, {}


def _explain_refusal(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None and "nsupported" not in message:
        return "the pickle in it is truncated or damaged, or not made by PyTorch"
    what = f" ({found[1]})" if found else ""
    return (
        f"it holds Python objects beside tensors{what}, and reading those can run code "
        "that was put into the file, so it was refused. Ask its author for a file with "
        "the bare state dict, best as safetensors; only if you trust where it comes "
        "from, load it in a script of your own and save its state dict alone"
    )


def _build(architecture: str, state: Mapping[str, Tensor]) -> Sam:
    """Build the model and give it every tensor of `state`, with none left over."""
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"it says that its architecture is {architecture!r}; known are "
            f"{', '.join(ARCHITECTURES)}"
        )
    levels = _dense_levels(state)
    with _SkipInitialisation():
        model = build_sam(
            replace(
                ARCHITECTURES[architecture],
                dense_head=levels > 0,
                dense_levels=max(1, levels),
            )
        )
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if wanted != given:
        raise CheckpointError(_explain_mismatch(architecture, wanted, given))
    model.load_state_dict(dict(state), strict=True)
    return model.eval()


def _dense_levels(state: Mapping[str, Tensor]) -> int:
    """Tell on how many levels a dense head sees objects; 0: there is none."""
    last = [key for key in state if key.startswith("dense_head.layers.")]
    if not last:
        return 0
    number = max(int(key.split(".")[2]) for key in last)
    return max(1, len(state.get(f"dense_head.layers.{number}.weight", ())) // 3)


class _SkipInitialisation(TorchFunctionMode):
    """Leave out the random numbers of new layers: all are overwritten, strictly.

    Drawing them takes half of the time that loading ViT-H takes.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _explain_mismatch(
    architecture: str,
    wanted: Mapping[str, tuple[int, ...]],
    given: Mapping[str, tuple[int, ...]],
) -> str:
    reasons = []
    if missing := sorted(wanted.keys() - given.keys()):
        reasons.append(f"{len(missing)} tensors are missing ({_first(missing)})")
    if extra := sorted(given.keys() - wanted.keys()):
        reasons.append(f"{len(extra)} are unknown ({_first(extra)})")
    other = [
        f"{key} is {given[key]}, wanted {shape}"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    if other:
        reasons.append(f"{len(other)} have another shape ({_first(other)})")
    return f"it looks like {architecture!r}, but {'; '.join(reasons)}"


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
