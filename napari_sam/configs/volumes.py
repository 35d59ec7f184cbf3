"""Parameters of all that finds the objects of whole volumes."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator

from napari_sam.configs.base_config import Config, form
from napari_sam.configs.objects import Mode, SegmentConfig
from napari_sam.configs.stacks import LinkConfig

__all__ = ["VOLUME_MODES", "FuseConfig", "VolumeBlockConfig", "VolumeConfig"]


class FuseConfig(Config):
    """How the maps of planes become those of a volume; see `segment_volume`."""

    axes: Literal["across", "all", "auto"] = Field(
        "auto",
        description="'across': the planes across the stack's axis alone; 'all': those "
        "across all three axes, and their maps are averaged; 'auto': all where voxels "
        "are nearly as deep as they are wide, or their size is not known, and no head "
        "looks in 3D",
    )
    head: str = Field(
        "auto",
        description="what looks at the maps of planes once more, in 3D: 'auto': the "
        "head that ships, for 'cells'; 'none'; or the path of a head",
    )
    max_ratio: float = Field(
        3.0,
        ge=1,
        description="longest side of a voxel, in shortest ones, up to which 'auto' "
        "looks along all axes",
    )
    min_planes: int = Field(
        16, ge=2, description="planes from which 'auto' looks along all axes"
    )
    parting: Literal["auto", "watershed"] = Field(
        "auto",
        description="'auto': the head chooses among objects that several watersheds "
        "part; 'watershed', and all without a head: one, with the parameters below",
    )
    min_iou: float = Field(
        0.4,
        ge=0,
        le=1,
        description="least IoU that an object is expected to have, where the head "
        "chooses",
    )
    foreground_thresh: float = Field(
        0.52,
        ge=0,
        le=1,
        description="voxels above this probability belong to an object",
    )
    seed_depth: float = Field(
        0.05,
        gt=0,
        le=1,
        description="how much deeper than the ridge between them two seeds must lie",
    )
    confidence_thresh: float = Field(
        0.6,
        ge=0,
        le=1,
        description="least confidence of an object, see `InstanceConfig`",
    )
    smoothing: float = Field(
        1.5,
        ge=0,
        description="sigma in voxels, of the smallest side, before the seeds",
    )
    min_volume: int = Field(
        20,
        ge=1,
        description="least volume of an object",
        json_schema_extra=form(unit="px"),
    )


class VolumeBlockConfig(Config):
    """How a volume that is larger than memory is cut; see `segment_large_volume`."""

    from_voxels: int = Field(
        32_000_000,
        ge=1,
        description="volumes of more voxels are gone through block by block",
    )
    block: int = Field(
        320,
        ge=8,
        description="most voxels across of the part that a block is responsible for",
        json_schema_extra=form(step=64, unit="px"),
    )
    planes: int = Field(
        64,
        ge=1,
        description="most planes of that part",
    )
    halo: int | None = Field(
        None,
        ge=1,
        description="voxels that are looked at around it, of the smallest side; None: "
        "by the size of the objects",
        json_schema_extra=form(step=1, unit="px"),
    )


class VolumeConfig(Config):
    """Parameters of `segment_volume`: of each plane, and of how planes are joined."""

    plane_mode: Mode = Field(
        "auto",
        description="how the objects of a plane are found where planes are linked; see "
        "`segment`",
    )
    spacing: tuple[float, float, float] | None = Field(
        None,
        description="size of a voxel along the three axes, in any unit; None: as deep "
        "as it is wide",
    )
    fuse: FuseConfig = Field(
        FuseConfig(), description="how the maps of planes are brought together"
    )
    blocks: VolumeBlockConfig = Field(
        VolumeBlockConfig(), description="how a volume larger than memory is cut"
    )
    link: LinkConfig = Field(
        LinkConfig(), description="what may be the same object in another plane"
    )
    segment: SegmentConfig = Field(
        SegmentConfig(), description="how the objects of a plane are found"
    )

    @field_validator("spacing")
    @classmethod
    def _above_zero(
        cls, spacing: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if spacing is not None and not all(0 < size < math.inf for size in spacing):
            raise ValueError(
                f"the spacing is {spacing}; wanted three sizes above 0, or None where "
                "they are not known"
            )
        return spacing


VOLUME_MODES = ("auto", "planes", "fused")
"""How `segment_volume` finds objects."""
