"""From a model of this package to a BioImage.IO package, which other programs open.

It holds the weights twice: as an ONNX file that runs everywhere, and as a state dict of
PyTorch, from which napari-sam loads the model back with all that it can do. Before it
is handed out, BioImage.IO's own test runs both on the sample image.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_sam.checkpoints.bioimageio_graphs import package_graph
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.export import in_half_precision
from napari_sam.checkpoints.export_onnx import write_graph
from napari_sam.checkpoints.extra_packages import ONNX_PACKAGES, check_packages
from napari_sam.checkpoints.load import load_sam
from napari_sam.checkpoints.onnx_graphs import prepare
from napari_sam.io.atomic_write import make_folder, partial_beside, write_atomically
from napari_sam.io.samples import load_sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam.checkpoints.bioimageio_graphs import (
        Answers,
        MapsGraph,
        PointsGraph,
    )

__all__ = ["EXTENSION", "PERCENTILES", "export_bioimageio"]

EXTENSION = ".zip"
"""How the name of a package ends."""

PERCENTILES = (0.2, 99.8)
"""Of the intensities that become 0 and 1, as everywhere in this package."""

_SAMPLE = "nuclei_2d"
_EPS = 1e-6
"""By which BioImage.IO's library keeps from dividing by zero."""


def export_bioimageio(
    source: str | Path, target: Path, answers: Answers | None = None
) -> Path:
    """Write a model as a BioImage.IO package.

    Parameters
    ----------
    source
        What `napari_sam.load_model` takes: a name or a path.
    target
        A ``.zip`` file.
    answers
        "maps": a plane in, three maps out, from which other programs make objects.
        "points": a plane and points in, masks out. None: maps where the model has them.

    Raises
    ------
    ValueError
        If the model is SAM 2, SAM 3, or cannot answer that; the packages of the extra
        ``export`` are missing; or BioImage.IO's test fails.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_bioimageio("cells", Path("cells.zip"))  # doctest: +SKIP
    """
    if target.suffix != EXTENSION:
        raise ValueError(f"the file is {target}; its name must end in {EXTENSION}")
    check_packages("a BioImage.IO package", *ONNX_PACKAGES, "bioimageio.core")
    loaded = load_sam(source)
    model = prepare(loaded.trainable)
    if answers is None:
        answers = "points" if model.dense_head is None else "maps"
    graph = package_graph(model, answers)
    folder = target.resolve().parent
    make_folder(folder)
    made = partial_beside(target.resolve())
    made.mkdir()
    try:
        _write_weights(graph, made)
        given = sample_inputs(graph)
        _write_tensors(graph, given, made)
        package = made / "package.zip"
        with _in_silence():
            from napari_sam.checkpoints.bioimageio_description import describe

            _pack_and_test(describe(graph, loaded, made), package)
        return write_atomically(target, lambda path: shutil.copyfile(package, path))
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sample_inputs(graph: MapsGraph | PointsGraph) -> dict[str, Tensor]:
    """Return what a package is tested with: nuclei, and points on some of them."""
    image = torch.from_numpy(load_sample(_SAMPLE).astype(np.float32))
    size = (graph.side, graph.side)
    plane = F.interpolate(image[None, None], size, mode="bilinear", antialias=True)
    given = {"image": plane.round().expand(1, 3, -1, -1).contiguous()}
    if graph.answers == "maps":
        return given
    blurred = F.avg_pool2d(plane, graph.side // 32)[0, 0]
    brightest = blurred.flatten().topk(2).indices
    step = graph.side / len(blurred)
    x, y = brightest % len(blurred), brightest // len(blurred)
    points = ((torch.stack([x, y], 1) + 0.5) * step).float()
    given["points"] = torch.stack([points, points.flip(0)], 1)[None]
    given["labels"] = torch.tensor([[[1, -1], [1, 0]]])
    return given


def as_seen(image: Tensor) -> Tensor:
    """Stretch intensities as the package's description says it."""
    low, high = np.percentile(image.numpy(), PERCENTILES)
    seen: Tensor = (image - float(low)) / float(high - low + _EPS)
    return seen.clamp(0, 1)


def _write_weights(graph: MapsGraph | PointsGraph, folder: Path) -> None:
    """Write both forms of the weights; the ONNX file is compared with the model."""
    given = sample_inputs(graph)
    given["image"] = as_seen(given["image"])
    shapes: tuple[dict[int, Any], ...] = ({},)
    names = list(given), ["maps"]
    if graph.answers == "points":
        several = {1: torch.export.Dim("objects"), 2: torch.export.Dim("points")}
        shapes, names = ({}, several, several), (list(given), ["masks", "scores"])
    write_graph(graph, tuple(given.values()), names, shapes, folder / "weights.onnx")
    torch.save(_lossless(graph.model.state_dict()), folder / "weights.pt")


def _lossless(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Round weights to float16, where that changes none of them."""
    halves = in_half_precision(state)
    same = all(torch.equal(halves[n].to(v.dtype), v) for n, v in state.items())
    return halves if same else state


@torch.inference_mode()
def _write_tensors(
    graph: MapsGraph | PointsGraph, given: dict[str, Tensor], folder: Path
) -> None:
    """Write sample inputs and outputs, and a picture of them."""
    for name, tensor in given.items():
        np.save(folder / f"test_{name}.npy", tensor.numpy())
    seen = as_seen(given["image"])
    answer = graph(seen, *list(given.values())[1:])
    found = answer if isinstance(answer, tuple) else (answer,)
    names = ("maps",) if graph.answers == "maps" else ("masks", "scores")
    for name, tensor in zip(names, found, strict=True):
        np.save(folder / f"test_{name}.npy", tensor.numpy())
    _draw(seen[0, 0].numpy(), found[0].flatten(0, -3)[0].numpy(), folder / "cover.png")


def _draw(plane: NDArray[Any], found: NDArray[Any], path: Path) -> None:
    """Draw a plane and what is found in it side by side."""
    from PIL import Image

    both = np.hstack([plane, found.clip(0, 1)])
    picture = Image.fromarray((255 * both).round().astype(np.uint8))
    picture.resize((512, 256)).save(path)


def _pack_and_test(description: Any, package: Path) -> None:
    """Write the package, and let BioImage.IO's library run it on the sample.

    Raises
    ------
    CheckpointError
        If it finds a fault.
    """
    from bioimageio.core import test_model
    from bioimageio.spec import save_bioimageio_package

    try:
        save_bioimageio_package(description, output_path=package)
    except ValueError as error:
        raise CheckpointError(f"the package is not valid: {error}") from error
    summary = test_model(package, determinism="seed_only", devices=None)
    if summary.status == "passed":
        return
    faults = [
        f"{detail.name}: {error.msg}"
        for detail in summary.details
        for error in detail.errors
    ]
    raise CheckpointError(
        f"BioImage.IO's test of the package says {summary.status!r}; nothing was "
        f"written. {'; '.join(faults[:3])}"
    )


@contextmanager
def _in_silence() -> Iterator[None]:
    """Leave out what BioImage.IO's library writes on the screen about its work."""
    import warnings

    from loguru import logger

    state = torch.random.get_rng_state()
    numbers = np.random.get_state()  # noqa: NPY002 - the test seeds it
    logger.disable("bioimageio")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.enable("bioimageio")
        torch.random.set_rng_state(state)
        np.random.set_state(numbers)  # noqa: NPY002
