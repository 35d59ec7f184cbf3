"""BioImage.IO packages, read: where in them the weights of a model lie.

A package is a zip file, or a folder, with a description in YAML and the files that it
names. Weights are read as those of any file; nothing else in a package is opened, and
no code in it is run. BioImage.IO's own library is not needed.
"""

from __future__ import annotations

import shutil
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from napari_sam.checkpoints.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OWN", "PackagedModel", "is_package", "open_package"]

OWN = "napari_sam"
"""Under which entry of ``config`` we keep what the format has no name for."""

_DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
_FORMAT = "pytorch_state_dict"
_LARGEST_TEXT = 4_000_000
_LARGEST_WEIGHTS = 20_000_000_000


@dataclass(frozen=True)
class PackagedModel:
    """A model in a package.

    Attributes
    ----------
    name
        What the package calls it.
    weights
        File with its weights.
    decoder
        File with micro-sam's instance decoder, where the package has one.
    told
        What the package says of it that only this package understands.
    """

    name: str
    weights: Path
    decoder: Path | None
    told: Mapping[str, Any]


def is_package(path: Path) -> bool:
    """Whether a file or a folder is a BioImage.IO package."""
    if path.is_dir():
        return any((path / name).is_file() for name in _DESCRIPTIONS)
    try:
        with zipfile.ZipFile(path) as archive:
            return _description_in(archive) is not None
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return False


@contextmanager
def open_package(path: Path) -> Iterator[PackagedModel]:
    """Open a package; the files that are given are there until it is closed.

    Raises
    ------
    CheckpointError
        If it is damaged, is no model, or has no weights of PyTorch.
    """
    if path.is_dir():
        yield _in_folder(path)
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                model = _unpack(archive, Path(folder))
        except (OSError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
            raise CheckpointError(
                f"the package is truncated or damaged ({error}); fetch it again"
            ) from error
        yield model


def _description_in(archive: zipfile.ZipFile) -> str | None:
    names = set(archive.namelist())
    return next((name for name in _DESCRIPTIONS if name in names), None)


def _in_folder(folder: Path) -> PackagedModel:
    name = next(n for n in _DESCRIPTIONS if (folder / n).is_file())
    try:
        told = _read(name, (folder / name).read_bytes()[: _LARGEST_TEXT + 1])
    except OSError as error:
        raise CheckpointError(f"its {name} cannot be read: {error}") from error
    weights, decoder = _files(told)
    for file in (weights, decoder):
        if file is not None and not (folder / file).is_file():
            raise CheckpointError(_missing(file))
    return PackagedModel(
        str(told.get("name", "")),
        folder / weights,
        None if decoder is None else folder / decoder,
        _own(told),
    )


def _unpack(archive: zipfile.ZipFile, folder: Path) -> PackagedModel:
    """Copy what is needed of a zip file into a folder, under names of our own."""
    name = _description_in(archive)
    if name is None:
        raise CheckpointError(f"it holds none of {', '.join(_DESCRIPTIONS)}")
    with archive.open(name) as file:
        told = _read(name, file.read(_LARGEST_TEXT + 1))
    inside, beside = _files(told)
    weights = folder / f"weights{PurePosixPath(inside).suffix}"
    decoder = None
    _copy(archive, inside, weights)
    if beside is not None:
        decoder = folder / f"decoder{PurePosixPath(beside).suffix}"
        _copy(archive, beside, decoder)
    return PackagedModel(str(told.get("name", "")), weights, decoder, _own(told))


def _copy(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise CheckpointError(_missing(name)) from None
    if entry.file_size > _LARGEST_WEIGHTS:
        raise CheckpointError(f"{name} would be {entry.file_size} bytes: too many")
    with archive.open(entry) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


def _missing(name: str) -> str:
    return f"the package says that it holds {name}, which is missing"


def _read(name: str, text: bytes) -> dict[str, Any]:
    """Read a description, and check that it is that of a model."""
    if len(text) > _LARGEST_TEXT:
        raise CheckpointError(f"its {name} is larger than a description can be")
    try:
        told = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CheckpointError(f"its {name} is damaged: {why}") from error
    if not isinstance(told, dict):
        raise CheckpointError(f"its {name} holds no description of a model")
    kind = told.get("type", "model")
    if kind != "model":
        raise CheckpointError(f"it is a BioImage.IO package of the kind {kind!r}")
    return told


def _files(told: Mapping[str, Any]) -> tuple[str, str | None]:
    """Name the files with the weights, and with an instance decoder beside them."""
    formats = told.get("weights")
    formats = formats if isinstance(formats, dict) else {}
    entry = formats.get(_FORMAT)
    source = entry.get("source") if isinstance(entry, dict) else None
    if not isinstance(source, str):
        raise CheckpointError(
            f"the model {told.get('name', '')!r} in it has weights as "
            f"{', '.join(map(str, formats)) or 'nothing'}; what loads here are those "
            f"as {_FORMAT}, of SAM's architectures"
        )
    return _inside(source), next(
        (
            _inside(name)
            for name in _attachments(told)
            if PurePosixPath(name).stem.endswith("_decoder")
        ),
        None,
    )


def _attachments(told: Mapping[str, Any]) -> Iterator[str]:
    """Name the attached files: a list, or in older packages a list named "files"."""
    attached = told.get("attachments") or []
    if isinstance(attached, dict):
        attached = attached.get("files") or []
    for one in attached if isinstance(attached, list) else []:
        name = one.get("source") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


def _inside(name: str) -> str:
    """Check that a file lies in the package."""
    path = PurePosixPath(name.replace("\\", "/"))
    if "://" in name or path.is_absolute() or ".." in path.parts or ":" in name:
        raise CheckpointError(
            f"its weights are not in the package, but at {name}; nothing is fetched "
            "from there"
        )
    return str(path)


def _own(told: Mapping[str, Any]) -> Mapping[str, Any]:
    config = told.get("config")
    own = config.get(OWN) if isinstance(config, dict) else None
    return own if isinstance(own, dict) else {}
