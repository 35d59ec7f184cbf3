"""From a model of this package to two ONNX files, for programs without PyTorch.

The files are made by PyTorch's exporter and then run by ONNX Runtime: what does not
give the logits of the model is not handed out.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.extra_packages import ONNX_PACKAGES, check_packages
from napari_sam.checkpoints.load import load_sam
from napari_sam.checkpoints.onnx_files import data_file, list_of_weights, told_of
from napari_sam.checkpoints.onnx_graphs import DecoderGraph, EncoderGraph, prepare
from napari_sam.checkpoints.onnx_readme import (
    DECODER,
    DECODER_INPUTS,
    DECODER_OUTPUTS,
    DESCRIPTION,
    ENCODER,
    MOST_POINTS,
    README,
    describe,
    explain,
)
from napari_sam.io.atomic_write import make_folder, partial_beside, replace_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from napari_sam.model.sam import Sam

__all__ = [
    "OPSET",
    "check_replaceable",
    "export_onnx",
    "write_graph",
]

OPSET = 20
"""Version of the ONNX operators: what PyTorch's exporter writes by default.

ONNX Runtime knows it from 1.17 on.
"""

_LARGEST_FILE = 1_800_000_000
"""Bytes of weights that are kept within one file; the format ends at 2 GiB."""

_TOLERANCE = 1e-3
"""By how much the logits may differ."""

Shapes: TypeAlias = "tuple[dict[int, Any], ...]"
"""Of each input, the axes that may have any length."""

_MADE = {
    ENCODER,
    DECODER,
    data_file(Path(ENCODER)).name,
    data_file(Path(DECODER)).name,
    README,
    DESCRIPTION,
}


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
        If the folder holds something else, the model is SAM 2 or SAM 3, or the
        packages of the extra ``export`` are missing.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_onnx("cells", Path("cells-onnx"))  # doctest: +SKIP
    """
    check_replaceable(folder)
    check_packages("an ONNX export", *ONNX_PACKAGES)
    loaded = load_sam(source)
    model = loaded.trainable
    make_folder(folder.resolve().parent)
    made = partial_beside(folder.resolve())
    made.mkdir()
    try:
        _write_graphs(model, made, {**loaded.metadata, "weights": loaded.digest})
        text = describe(loaded, model.architecture, OPSET)
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


@torch.no_grad()
def _write_graphs(model: Sam, folder: Path, told: Mapping[str, str]) -> None:
    """Write both files, and check each against the model."""
    prepare(model)
    architecture, dim = model.architecture, torch.export.Dim
    size, random = architecture.frame_size, torch.Generator().manual_seed(0)
    image = 255 * torch.rand(1, 3, size - size // 8, size, generator=random)
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
    names = ["image"], ["embedding"]
    path = folder / ENCODER
    write_graph(encoder, (image,), names, (sides,), path, {**told, "half": "encoder"})
    objects, points = dim("objects"), dim("points", max=MOST_POINTS)
    several = {0: objects, 1: points}
    shapes: Shapes = (
        {},
        several,
        several,
        {0: objects},
        {0: objects},
    )
    decoder = DecoderGraph(model)
    given = (embedding, *prompts)
    names = list(DECODER_INPUTS), list(DECODER_OUTPUTS)
    path = folder / DECODER
    write_graph(decoder, given, names, shapes, path, {**told, "half": "decoder"})


def write_graph(
    graph: nn.Module,
    given: tuple[Tensor, ...],
    names: tuple[list[str], list[str]],
    shapes: Shapes,
    path: Path,
    told: Mapping[str, str] | None = None,
) -> None:
    """Write one graph as an ONNX file, and compare what it gives.

    Parameters
    ----------
    graph
        With weights.
    given
        Inputs to follow its work with, and to compare its answers for.
    names
        Of the inputs, and of the outputs.
    shapes
        Of each input, the axes that may have any length.
    path
        The file; large weights lie in one of the same name with ``.data`` behind it.
    told
        What the file is to say of itself, by name.

    Raises
    ------
    CheckpointError
        If ONNX Runtime gives other values.
    """
    size = sum(tensor.nbytes for tensor in graph.state_dict().values())
    # this pass also fills what is kept between passes, with real numbers
    answer = graph.eval()(*given)
    wanted = answer if isinstance(answer, tuple) else (answer,)
    with _in_silence():
        program = follow(graph, given, names, shapes)
        program.model.metadata_props.update(told_of(told or {}))
        program.save(path, external_data=size > _LARGEST_FILE)
    given_by_name = dict(zip(names[0], given, strict=True))
    _check_same(given_by_name, wanted, path)


def follow(
    graph: nn.Module,
    given: tuple[Tensor, ...],
    names: tuple[list[str], list[str]],
    shapes: Shapes,
) -> torch.onnx.ONNXProgram:
    """Follow the work of a graph, and list the weights in it; see `write_graph`."""
    program = torch.onnx.export(
        graph,
        given,
        input_names=names[0],
        output_names=names[1],
        dynamic_shapes=shapes,
        opset_version=OPSET,
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    assert program is not None
    weights = set(graph.state_dict())
    simplify(program.model, weights)
    kept = sorted(weights.intersection(program.model.graph.initializers))
    program.model.metadata_props.update(list_of_weights(kept))
    return program


def simplify(model: Any, weights: Collection[str]) -> None:
    """Compute in a graph what is always the same, and leave the weights as they are.

    Each keeps its name and its values, so that the model can be read from the file.
    What runs the file computes the rest when it opens it.

    Parameters
    ----------
    model
        ``onnx_ir.Model``, changed in place.
    weights
        Their names.
    """
    from onnxscript import optimizer

    def should_fold(node: Any) -> bool | None:
        names = {value.name for value in node.inputs if value is not None}
        return False if names & set(weights) else None

    optimizer.inline(model)
    optimizer.fold_constants(model, should_fold=should_fold)
    optimizer.remove_unused_nodes(model)


def _check_same(
    given: Mapping[str, Tensor], wanted: Sequence[Tensor], path: Path
) -> None:
    """Run a file by ONNX Runtime, and compare with what its graph answered."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: x.numpy() for name, x in given.items()})
    for one, other in zip(wanted, found, strict=True):
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
