"""A registry name or a file -> a built model with its weights.

Nothing from a file is ever run; see `weight_files`.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.checkpoints.architecture_detection import detect_architecture
from napari_sam.checkpoints.bioimageio_packages import is_package, open_package
from napari_sam.checkpoints.convert import extract_state
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.gated_download import explain_gate
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.hugging_face import open_model_folder
from napari_sam.checkpoints.instance_decoders import (
    DECODER_STATE,
    DecoderFile,
    decoder_beside,
    decoder_for,
    decoder_named,
    decoder_of,
    find_decoder,
)
from napari_sam.checkpoints.instance_scorer_weights import (
    INSTANCE_SCORER,
    scorer_from_text,
    scorer_to_text,
)
from napari_sam.checkpoints.network_building import build_filled, is_high_quality
from napari_sam.checkpoints.onnx_files import is_onnx_model, open_onnx_model
from napari_sam.checkpoints.registry import DECODERS, REGISTRY, get_spec
from napari_sam.checkpoints.sam2 import build_sam2, is_sam2
from napari_sam.checkpoints.sam3 import build_sam3
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.weight_files import (
    WEIGHT_SUFFIXES,
    read_weights,
    require_weights,
)
from napari_sam.model.sam import Sam

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.model.candidate_scorer import CandidateScorer
    from napari_sam.model.network import Network

__all__ = ["CheckpointError", "LoadedCheckpoint", "load_sam"]

FOLDER_KINDS = ("sam2", "sam2_video", "sam3_video")
"""What folders in Hugging Face's layout may say that their model is."""


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
        SHA-256 of the model's file in hex: equal digests give equal embeddings.
    dropped
        Names of what the file holds and the model does not use.
    object_size
        Pixels across of the objects that the model was fine-tuned on; None where the
        file says nothing.
    training
        How it was trained, as the file says it; empty where it says nothing.
    entry
        That of the registry, if it was loaded by its name.
    instance_scorer
        What chooses its objects among candidates, if it was fine-tuned with one.
    """

    model: Network
    name: str
    digest: str
    dropped: tuple[str, ...]
    object_size: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    entry: CheckpointSpec | None = None
    instance_scorer: CandidateScorer | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What a file of the model says of it, beside its weights."""
        told = {"architecture": self.model.architecture.name}
        if self.object_size is not None:
            told["object_size"] = str(self.object_size)
        if self.training:
            told["config"] = json.dumps(dict(self.training))
        if self.instance_scorer is not None:
            told[INSTANCE_SCORER] = scorer_to_text(self.instance_scorer)
        return told

    @property
    def trainable(self) -> Sam:
        """The model, if it can be trained and exported here.

        Raises
        ------
        CheckpointError
            If it is a network of transformers.
        """
        if isinstance(self.model, Sam):
            return self.model
        raise CheckpointError(
            f"{self.name} is {self.model.title}, which cannot be trained or exported "
            "here; what can are SAM, MobileSAM, micro-sam's models and those trained "
            "here"
        )


def load_sam(
    source: str | Path,
    store: CheckpointStore | None = None,
    instance_decoder: str | Path | None = None,
) -> LoadedCheckpoint:
    """Load a model by its registry name or from a file.

    A registry name never downloads: the file has to be in the store.

    Parameters
    ----------
    source
        A name such as ``"cells"``, or a path to a ``.pth``, ``.pt`` or
        ``.safetensors`` file of SAM, MobileSAM, LiteMedSAM, micro-sam, SAM 2 or a
        model trained here, to a folder in Hugging Face's layout, to a BioImage.IO
        package (a zip file or a folder) with weights of such a model, or to a folder
        with the ONNX files that were exported here. The architecture is told from the
        keys.
    store
        Where named checkpoints lie; by default in the user's cache.
    instance_decoder
        Name or file of micro-sam's instance decoder for the model. Where it is left
        out, the one in the model's own file, the downloaded one of a registered model,
        or ``NAME_decoder.pt`` beside ``NAME.pt``.

    Raises
    ------
    CheckpointError
        If the name is unknown or not downloaded, or the file is damaged, of
        another kind, or holds code; or the decoder does not belong to the model.

    Examples
    --------
    >>> from napari_sam.checkpoints.load import load_sam
    >>> loaded = load_sam("cells")  # doctest: +SKIP
    >>> loaded.model.architecture.name  # doctest: +SKIP
    'cells'
    """
    store = store or CheckpointStore()
    asked = None
    if instance_decoder is not None:
        asked = decoder_named(instance_decoder, store)
    if isinstance(source, str) and (source in REGISTRY or source in DECODERS):
        spec = get_spec(source)
        path = _stored_file(spec, store)
        if path.is_dir():
            return _load_folder(path)
        return _load_file(path, spec.name, spec, asked or decoder_of(spec, store))
    path = _local_file(source)
    if is_package(path):
        return _load_package(path, asked)
    if is_onnx_model(path):
        return _load_onnx(path, asked)
    if path.is_dir():
        return _load_folder(path)
    return _load_file(path, path.stem, None, asked or decoder_beside(path))


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
    if spec.gate is not None:
        raise CheckpointError(explain_gate(spec))
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
    if not is_path and path.suffix.lower() not in (*WEIGHT_SUFFIXES, ".zip", ".onnx"):
        get_spec(text)  # raises: the name is unknown; lists names like it
    raise CheckpointError(f"no file at {path}")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Let errors within the block say which file they are about."""
    try:
        yield
    except CheckpointError as error:
        told = str(error)
        if told.startswith((str(path), "the instance decoder ")):
            raise
        raise CheckpointError(f"{path} cannot be loaded: {told}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _load_file(
    path: Path, name: str, spec: CheckpointSpec | None, decoder: DecoderFile | None
) -> LoadedCheckpoint:
    with _named_errors(path):
        require_weights(path)
        before = _identity(path)
        digest = _verified_digest(path, spec)
        content, metadata = read_weights(path)
        state, dropped = extract_state(content)
        foreign = build_sam2(state) if is_sam2(state) else None
        architecture = (
            detect_architecture(state, metadata)
            if foreign is None
            else foreign.architecture.name
        )
        if spec is not None and architecture != spec.architecture:
            raise CheckpointError(
                f"it holds the architecture {architecture!r}, where "
                f"{spec.architecture!r} is wanted"
            )
        model: Network
        if foreign is not None:
            model = foreign
        else:
            added = _decoder(spec, state, content, decoder, architecture, path)
            if added and find_decoder(content) is not None:
                dropped = tuple(name for name in dropped if name != DECODER_STATE)
            model = build_filled(architecture, state | added)
        if _identity(path) != before:
            raise CheckpointError(
                "it was replaced or written to while it was read; load it again"
            )
    return LoadedCheckpoint(model, name, digest, dropped, **_told(metadata), entry=spec)


def _decoder(
    spec: CheckpointSpec | None,
    state: Mapping[str, Tensor],
    content: object,
    file: DecoderFile | None,
    architecture: str,
    path: Path,
) -> dict[str, Tensor]:
    """Return the tensors of the instance decoder, of a model that is the wanted one."""
    is_hq = is_high_quality(state)
    if spec is not None and spec.is_high_quality != is_hq:
        one, other = ("SAM-HQ", "SAM") if is_hq else ("SAM", "SAM-HQ")
        raise CheckpointError(f"it is of {one}, where {other} is wanted")
    return decoder_for(content, state, file, architecture, path)


def _load_package(path: Path, asked: DecoderFile | None) -> LoadedCheckpoint:
    """Load a model from a BioImage.IO package."""
    try:
        with open_package(path) as package:
            decoder = asked
            if decoder is None and package.decoder is not None:
                decoder = DecoderFile(package.decoder, is_asked_for=False)
            try:
                loaded = _load_file(package.weights, path.stem, None, decoder)
            except CheckpointError as error:
                told = str(error).removeprefix(f"{package.weights} cannot be loaded: ")
                told = told.replace(str(package.weights), "the file with its weights")
                raise CheckpointError(told) from error
            training = package.told.get("training")
            return replace(
                loaded,
                object_size=_object_size(package.told),
                training=training if isinstance(training, dict) else {},
                instance_scorer=_instance_scorer(package.told),
            )
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} is a BioImage.IO package that cannot be loaded: {error}"
        ) from error


def _load_onnx(path: Path, asked: DecoderFile | None) -> LoadedCheckpoint:
    """Load a model from the ONNX files that were exported here."""
    with _named_errors(path):
        found = open_onnx_model(path)
        architecture = found.told["architecture"]
        added = decoder_for({}, found.state, asked, architecture, path)
        model = build_filled(architecture, {**found.state, **added})
    return LoadedCheckpoint(model, found.name, found.digest, (), **_told(found.told))


def _load_folder(path: Path) -> LoadedCheckpoint:
    """Load SAM 2 or SAM 3 in Hugging Face's layout."""
    folder = open_model_folder(path)
    if folder.kind not in FOLDER_KINDS:
        raise CheckpointError(
            f"{path} holds a model of the kind {folder.kind or 'unknown'!r}; what "
            f"loads from a folder are {', '.join(FOLDER_KINDS)}"
        )
    try:
        model: Network = (
            build_sam3(folder.read(), folder.config, path)
            if folder.kind == "sam3_video"
            else build_sam2(folder.read(), folder.config)
        )
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error
    return LoadedCheckpoint(model, path.name, folder.digest, ())


def _identity(path: Path) -> tuple[int, ...]:
    """Tell a file from another of its name, or from itself after a change."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _told(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a file says of its model beside the weights."""
    return {
        "object_size": _object_size(metadata),
        "training": _training(metadata),
        "instance_scorer": _instance_scorer(metadata),
    }


def _instance_scorer(metadata: Mapping[str, Any]) -> CandidateScorer | None:
    """Read what chooses the objects of a fine-tuned model."""
    return scorer_from_text(str(metadata.get(INSTANCE_SCORER, "")))


def _object_size(metadata: Mapping[str, Any]) -> float | None:
    """Read how large the objects are that a model was fine-tuned on."""
    try:
        size = float(metadata["object_size"])
    except (KeyError, TypeError, ValueError):
        return None
    return size if 0 < size < float("inf") else None


def _training(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read with which settings a model was trained."""
    try:
        told = json.loads(metadata["config"])
    except (KeyError, TypeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


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
