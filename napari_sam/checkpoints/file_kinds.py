"""What a file is, told from its first bytes: good names for wrong files."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ONNX", "SAFETENSORS", "TORCH_PICKLE", "TORCH_ZIP", "name_file_kind"]

ONNX = "an ONNX model"
SAFETENSORS = "a safetensors file"
TORCH_ZIP = "a PyTorch file"
TORCH_PICKLE = "a PyTorch file of the old format"

_HEAD = 4096
# torch.save wrote its magic number first, pickled, before it went over to zip files.
_TORCH_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_MAGIC = (
    (b"version https://git-lfs.github.com/spec/", "a git-lfs pointer"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"II+\x00", "a TIFF image"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"GGUF", "a GGUF language model"),
)


def name_file_kind(path: Path) -> str:
    """Name the kind of a file that exists.

    Returns
    -------
    str
        One of `SAFETENSORS`, `TORCH_ZIP`, `TORCH_PICKLE` where the file may be a
        checkpoint; else words such as "an HTML page" that complete "it is ...".
    """
    if path.is_dir():
        return "a directory"
    size = path.stat().st_size
    if size == 0:
        return "an empty file"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK"):
        return _name_zip(path)
    if head.startswith(_TORCH_MAGIC):
        return TORCH_PICKLE
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "a Python pickle that PyTorch did not write"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if _is_onnx(head):
        return ONNX
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return SAFETENSORS
    return _name_text(head)


def _is_onnx(head: bytes) -> bool:
    """Whether a file starts as protobuf writes ONNX: its version, then its origin.

    The version of the format is the first field, and the name of the program that
    wrote the file, its version or the graph are the next one.
    """
    is_version = head[:1] == b"\x08" and 1 <= head[1] <= 32 if len(head) > 2 else False
    return is_version and head[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42")


def _name_zip(path: Path) -> str:
    """Tell PyTorch's zip files from others; the directory lies at the file's end."""
    try:
        if not zipfile.is_zipfile(path):
            return "a truncated file (its end is missing)"
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return "a damaged zip archive"
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner:
        return "a TorchScript program"
    if "data.pkl" in inner:
        return TORCH_ZIP
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy .npz archive"
    return "a zip archive"


def _name_text(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith((b"<?xml", b"<error")):
        return "an HTML page" if b"<html" in text else "an XML document"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError:
        return "a file of an unknown kind"
    if b"\x00" in head:
        return "a file of an unknown kind"
    if text.startswith((b"{", b"[")):
        return "a JSON document"
    return "a text file"
