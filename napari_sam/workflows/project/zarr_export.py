"""An image of a project and its labels as OME-Zarr 0.5, at full resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam.io.calibration import Calibration
    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.workflows.project.project import Project

__all__ = ["write_zarr"]

_KINDS = {"t": "time", "c": "channel"}


def write_zarr(path: Path, project: Project, name: str, labels: LabelPlanes) -> None:
    """Write an image and its labels, plane by plane.

    Raises
    ------
    OSError, ValueError
        If the image cannot be read, or they cannot be written.
    """
    import zarr

    image, layout = project.read_image(name), project.layout(name)
    axes = layout.axes
    known = layout.calibration.along(f"c{axes}" if layout.is_colour else axes)
    sizes = (*image.shape[len(axes) :], *layout.shape)
    root = zarr.open_group(str(path), mode="w", zarr_format=3)
    root.attrs["ome"] = _multiscales(known)
    chunks = (*(1 for _ in sizes[:-2]), *sizes[-2:])
    pixels = root.create_array("0", shape=sizes, dtype=image.dtype, chunks=chunks)
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": "0.5", "labels": ["objects"]}
    objects = group.create_group("objects")
    objects.attrs["ome"] = {
        **_multiscales(layout.calibration.along(axes)),
        "image-label": {},
    }
    chunks = chunks[-len(axes) :]
    drawn = objects.create_array("0", shape=layout.shape, dtype="int32", chunks=chunks)
    for at in labels.indices():
        plane = np.asarray(image[at])
        if layout.is_colour:
            pixels[(slice(None), *at)] = np.moveaxis(plane, -1, 0)
        else:
            pixels[at] = plane
        if at in labels.planes:
            drawn[at] = labels.plane(at)


def _multiscales(known: Calibration) -> dict[str, Any]:
    axes: list[dict[str, str]] = []
    for axis, unit in zip(known.axes, known.units, strict=True):
        axes.append({"name": axis, "type": _KINDS.get(axis, "space")})
        if unit is not None:
            axes[-1]["unit"] = unit
    scale = {"type": "scale", "scale": list(known.scale)}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
