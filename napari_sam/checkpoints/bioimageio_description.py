"""What a BioImage.IO package says of itself: inputs, outputs, origin, licence.

https://bioimage-io.github.io/spec-bioimage-io, version 0.5. Needs the extra ``export``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from bioimageio.spec.common import FileDescr
from bioimageio.spec.model import v0_5 as rdf

from napari_sam.checkpoints.bioimageio_graphs import describe_network, network
from napari_sam.checkpoints.bioimageio_packages import OWN
from napari_sam.checkpoints.bioimageio_readme import explain
from napari_sam.checkpoints.export_bioimageio import PERCENTILES
from napari_sam.checkpoints.export_onnx import OPSET
from napari_sam.checkpoints.instance_scorer_weights import (
    INSTANCE_SCORER,
    scorer_to_text,
)
from napari_sam.checkpoints.model_origin import doi_of, origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam.checkpoints.bioimageio_graphs import MapsGraph, PointsGraph
    from napari_sam.checkpoints.load import LoadedCheckpoint
    from napari_sam.checkpoints.model_origin import ModelOrigin

__all__ = ["describe"]

MAPS = ("foreground", "centre_distance", "boundary_distance")


def describe(
    graph: MapsGraph | PointsGraph, loaded: LoadedCheckpoint, folder: Path
) -> rdf.ModelDescr:
    """Describe the files of a package.

    Parameters
    ----------
    graph
        What the package computes.
    loaded
        The model, with its origin.
    folder
        With the weights, the sample tensors and the picture.
    """
    origin = origin_of(loaded)
    text = explain(graph.side, graph.answers, origin)
    (folder / "README.md").write_text(text, "utf-8")
    points = graph.answers == "points"
    return rdf.ModelDescr(
        name=f"napari-sam {loaded.name.replace('_', ' ')}"[:120],
        description=f"Segment Anything: {origin.good_for}"[:1000],
        authors=[rdf.Author(name=_author(loaded, origin))],
        cite=_cite(origin),
        license=origin.licence,
        documentation=FileDescr(source=folder / "README.md"),
        covers=[FileDescr(source=folder / "cover.png")],
        tags=["segment-anything", "instance-segmentation", "2d", "napari"],
        inputs=[_image(graph.side, folder), *(_points(folder) if points else ())],
        outputs=_masks(graph.side, folder) if points else [_maps(graph.side, folder)],
        weights=_weights(graph, folder),
        config=_config(loaded, origin),
    )


def _author(loaded: LoadedCheckpoint, origin: ModelOrigin) -> str:
    if loaded.entry is None:
        return f"The author of {loaded.name}"
    if loaded.entry.bundled:
        return "The napari-sam developers"
    return origin.citations[0].partition(",")[0]


def _cite(origin: ModelOrigin) -> list[rdf.CiteEntry]:
    return [
        rdf.CiteEntry(text=text, doi=rdf.Doi(doi))
        for text in origin.citations
        if (doi := doi_of(text)) is not None
    ]


def _tensor(folder: Path, name: str) -> FileDescr:
    return FileDescr(source=folder / f"test_{name}.npy")


def _plane(side: int) -> tuple[rdf.SpaceInputAxis, rdf.SpaceInputAxis]:
    return (
        rdf.SpaceInputAxis(id=rdf.AxisId("y"), size=side),
        rdf.SpaceInputAxis(id=rdf.AxisId("x"), size=side),
    )


def _image(side: int, folder: Path) -> rdf.InputTensorDescr:
    low, high = PERCENTILES
    red_green_blue = [rdf.Identifier(name) for name in ("red", "green", "blue")]
    return rdf.InputTensorDescr(
        id=rdf.TensorId("image"),
        description="a plane; a grey image three times",
        axes=[
            rdf.BatchAxis(size=1),
            rdf.ChannelAxis(channel_names=red_green_blue),
            *_plane(side),
        ],
        test_tensor=_tensor(folder, "image"),
        preprocessing=[
            rdf.ScaleRangeDescr(
                kwargs=rdf.ScaleRangeKwargs(
                    axes=[rdf.AxisId(axis) for axis in ("channel", "y", "x")],
                    min_percentile=low,
                    max_percentile=high,
                )
            ),
            rdf.ClipDescr(kwargs=rdf.ClipKwargs(min=0.0, max=1.0)),
        ],
    )


def _points(folder: Path) -> list[rdf.InputTensorDescr]:
    objects = rdf.IndexInputAxis(
        id=rdf.AxisId("object"), size=rdf.ParameterizedSize(min=1, step=1)
    )
    each = rdf.IndexInputAxis(
        id=rdf.AxisId("point"), size=rdf.ParameterizedSize(min=1, step=1)
    )
    batch = rdf.BatchAxis(size=1)
    where = rdf.ChannelAxis(channel_names=[rdf.Identifier("x"), rdf.Identifier("y")])
    return [
        rdf.InputTensorDescr(
            id=rdf.TensorId("points"),
            description="x, y in pixels of the plane",
            axes=[batch, objects, each, where],
            test_tensor=_tensor(folder, "points"),
        ),
        rdf.InputTensorDescr(
            id=rdf.TensorId("labels"),
            description="1 in the object, 0 not in it, -1 no point",
            axes=[batch, objects, each],
            data=rdf.IntervalOrRatioDataDescr(type="int64"),
            test_tensor=_tensor(folder, "labels"),
        ),
    ]


def _like(tensor: str, axis: str) -> rdf.SizeReference:
    return rdf.SizeReference(tensor_id=rdf.TensorId(tensor), axis_id=rdf.AxisId(axis))


def _plane_out(side: int) -> list[rdf.SpaceOutputAxis]:
    return [
        rdf.SpaceOutputAxis(id=rdf.AxisId(axis), size=_like("image", axis))
        for axis in ("y", "x")
    ]


def _maps(side: int, folder: Path) -> rdf.OutputTensorDescr:
    return rdf.OutputTensorDescr(
        id=rdf.TensorId("maps"),
        description="0 to 1: in an object; distances to its centre and to its boundary",
        axes=[
            rdf.BatchAxis(size=1),
            rdf.ChannelAxis(channel_names=[rdf.Identifier(name) for name in MAPS]),
            *_plane_out(side),
        ],
        test_tensor=_tensor(folder, "maps"),
    )


def _masks(side: int, folder: Path) -> list[rdf.OutputTensorDescr]:
    objects = rdf.IndexOutputAxis(
        id=rdf.AxisId("object"), size=_like("points", "object")
    )
    batch = rdf.BatchAxis(size=1)
    one = rdf.ChannelAxis(channel_names=[rdf.Identifier("mask")])
    return [
        rdf.OutputTensorDescr(
            id=rdf.TensorId("masks"),
            description="0 to 1, above 0.5 in the object",
            axes=[batch, objects, one, *_plane_out(side)],
            test_tensor=_tensor(folder, "masks"),
        ),
        rdf.OutputTensorDescr(
            id=rdf.TensorId("scores"),
            description="predicted IoU of each mask",
            axes=[batch, objects, one],
            test_tensor=_tensor(folder, "scores"),
        ),
    ]


def _weights(graph: MapsGraph | PointsGraph, folder: Path) -> rdf.WeightsDescr:
    data = folder / "weights.onnx.data"
    return rdf.WeightsDescr(
        pytorch_state_dict=rdf.PytorchStateDictWeightsDescr(
            source=folder / "weights.pt",
            architecture=rdf.ArchitectureFromLibraryDescr(
                callable=rdf.Identifier(network.__name__),
                import_from=network.__module__,
                kwargs=describe_network(graph),
            ),
            pytorch_version=rdf.Version(torch.__version__.partition("+")[0]),
            comment="napari-sam loads the whole model from it",
        ),
        onnx=rdf.OnnxWeightsDescr(
            source=folder / "weights.onnx",
            opset_version=OPSET,
            parent="pytorch_state_dict",
            external_data=FileDescr(source=data) if data.exists() else None,
        ),
    )


def _config(loaded: LoadedCheckpoint, origin: ModelOrigin) -> rdf.Config:
    own: dict[str, Any] = {"model": loaded.name, "weights_sha256": loaded.digest}
    if loaded.object_size is not None:
        own["object_size"] = loaded.object_size
    if loaded.instance_scorer is not None:
        own[INSTANCE_SCORER] = scorer_to_text(loaded.instance_scorer)
    if loaded.training:
        own["training"] = dict(loaded.training)
    count = sum(value.numel() for value in loaded.model.parameters())
    about = rdf.BioimageioConfig(
        task="instance segmentation",
        architecture_type="Segment Anything",
        model_parameter_count=count,
        training=rdf.TrainingDetails(training_data=origin.training),
    )
    return rdf.Config(bioimageio=about, **{OWN: own})
