"""From a model of this package to two ONNX files, for programs without PyTorch.

The files are made by PyTorch's exporter and then run by ONNX Runtime: what does not
give the logits of the model is not handed out.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.load import load_sam
from napari_sam.checkpoints.onnx_graphs import DecoderGraph, EncoderGraph
from napari_sam.checkpoints.onnx_readme import (
    DECODER,
    DECODER_INPUTS,
    DECODER_OUTPUTS,
    DESCRIPTION,
    ENCODER,
    README,
    describe,
    explain,
)
from napari_sam.io.atomic_write import make_folder, partial_beside, replace_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from napari_sam.model.sam import Sam

__all__ = ["OPSET", "check_replaceable", "export_onnx"]

OPSET = 20
"""Version of the ONNX operators; ONNX Runtime knows it from 1.17 on."""

_LARGEST_FILE = 1_800_000_000
"""Bytes of weights that are kept within one file; the format ends at 2 GiB."""

_TOLERANCE = 1e-3
"""By how much the logits may differ."""

_MADE = {ENCODER, DECODER, f"{ENCODER}.data", f"{DECODER}.data", README, DESCRIPTION}


def export_onnx(source: str | Path, folder: Path) -> Path:
    """Write the image encoder and the prompt decoder of a model as ONNX files.

    Parameters
    ----------
    source
        What `napari_sam.load_model` takes: a name or a path.
    folder
        Where ``encoder.onnx``, ``decoder.onnx``, ``model.json`` and ``README.md`` go. A
        folder of an earlier export is replaced.

    Raises
    ------
    ValueError
        If the folder holds something else, the model is SAM 2, SAM 3 or SAM-HQ, or the
        packages of the extra ``export`` are missing.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_onnx("cells", Path("cells-onnx"))  # doctest: +SKIP
    """
    check_replaceable(folder)
    _check_packages()
    loaded = load_sam(source)
    model = loaded.trainable
    if model.architecture.high_quality:
        raise ValueError(f"{source} is a model of SAM-HQ, which has no ONNX form here")
    make_folder(folder.resolve().parent)
    made = partial_beside(folder.resolve())
    made.mkdir()
    try:
        _write_graphs(model, made)
        text = describe(model.architecture, loaded.name, loaded.digest, OPSET)
        (made / DESCRIPTION).write_text(text, "utf-8")
        (made / README).write_text(explain(model.architecture, loaded.name), "utf-8")
        replace_folder(made, folder.resolve())
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def check_replaceable(folder: Path) -> None:
    """Check that a folder is not there, or holds an earlier export and no more.

    Raises
    ------
    ValueError
        If it is a file, or a folder with anything else in it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; an ONNX export is a folder")
    if folder.is_dir():
        others = sorted({path.name for path in folder.iterdir()} - _MADE)
        if others:
            raise ValueError(
                f"the folder {folder} holds {others[0]}, which is no part of an ONNX "
                "export; give a new folder"
            )


def _check_packages() -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            raise CheckpointError(
                f"an ONNX export needs {name}, which is not installed: "
                "pip install 'napari-sam[export]'"
            )


@torch.no_grad()
def _write_graphs(model: Sam, folder: Path) -> None:
    """Write both files, and check each against the model."""
    model.requires_grad_(False)
    architecture, dim = model.architecture, torch.export.Dim
    size, random = architecture.frame_size, torch.Generator().manual_seed(0)
    image = 255 * torch.rand(1, 3, size - size // 8, size, generator=random)
    # the first pass also fills what is kept between passes, with real numbers
    encoder = EncoderGraph(model)
    embedding = encoder(image)
    side = model.prompt_encoder.mask_size
    prompts = (
        size * torch.rand(2, 3, 2, generator=random),
        torch.tensor([[1, 0, -1], [2, 3, 1]]),
        torch.randn(2, 1, side, side, generator=random),
        torch.tensor([0.0, 1.0]),
    )
    sides = {2: dim("height", min=2, max=size), 3: dim("width", min=2, max=size)}
    _write(encoder, (image,), ["image"], ["embedding"], (sides,), folder / ENCODER)
    objects, points = dim("objects"), dim("points")
    several = {0: objects, 1: points}
    shapes: tuple[dict[int, Any], ...] = (
        {},
        several,
        several,
        {0: objects},
        {0: objects},
    )
    decoder = DecoderGraph(model)
    given = (embedding, *prompts)
    names = list(DECODER_INPUTS), list(DECODER_OUTPUTS)
    _write(decoder, given, *names, shapes, folder / DECODER)


def _write(
    graph: nn.Module,
    given: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[dict[int, Any], ...],
    path: Path,
) -> None:
    """Write one graph; `shapes` says of each input which axes have any length."""
    size = sum(tensor.nbytes for tensor in graph.state_dict().values())
    with _in_silence():
        torch.onnx.export(
            graph.eval(),
            given,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            external_data=size > _LARGEST_FILE,
            dynamo=True,
            verbose=False,
        )
    _check_same(graph, given, inputs, path)


def _check_same(
    graph: nn.Module, given: tuple[Tensor, ...], inputs: Sequence[str], path: Path
) -> None:
    """Run a file by ONNX Runtime, and compare with the graph that it was made from."""
    import onnxruntime

    wanted = graph(*given)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    values = {name: x.numpy() for name, x in zip(inputs, given, strict=True)}
    found = session.run(None, values)
    for one, other in zip(
        wanted if isinstance(wanted, tuple) else (wanted,), found, strict=True
    ):
        apart = float((one - torch.from_numpy(other)).abs().max())
        if not apart <= _TOLERANCE:
            raise CheckpointError(
                f"{path.name} gives values that are {apart:.2g} away from those of the "
                f"model, where {_TOLERANCE} is the most; nothing was written"
            )


@contextmanager
def _in_silence() -> Iterator[None]:
    """Leave out what the exporter says of itself and of packages it could use."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
