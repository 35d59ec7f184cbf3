"""What can happen in a project, as its journal says it: one JSON object a line.

Unknown fields are passed over, so that a journal of a later version of these events
can be read; an unknown event is an error.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from napari_sam.workflows.project.state import ObjectNote

__all__ = [
    "MAX_NUMBER",
    "Added",
    "AxesChosen",
    "ClassesChanged",
    "Described",
    "Event",
    "LabelsChanged",
    "Located",
    "PlaneChange",
    "PlanesChanged",
    "Proposed",
    "Rejected",
    "Settings",
    "SnapshotTaken",
    "StatusChanged",
    "Trained",
    "Written",
    "parse_event",
]

MAX_NUMBER = int(np.iinfo(np.int32).max)
"""No label, count or length is larger."""

_Label = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
_Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
_Byte = Annotated[int, Field(ge=0, le=255)]
_Length = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Shape = tuple[_Length, _Length]
_Shapes = (
    Shape | tuple[_Length, _Length, _Length] | tuple[_Length, _Length, _Length, _Length]
)
_Place = tuple[()] | tuple[_Count] | tuple[_Count, _Count]

_MOST_VOXELS = 2**40
"""Of a stack; more is damage."""


class _Event(BaseModel):
    """An event; its fields are those of the line."""

    model_config = ConfigDict(frozen=True, strict=True)


class Described(_Event):
    """The pixels of an object; see `napari_sam.ops.label_changes`."""

    at: tuple[_Count, _Count]
    size: Shape
    runs: list[_Count]

    @model_validator(mode="after")
    def _check(self) -> Described:
        if sum(self.runs) != self.size[0] * self.size[1]:
            raise ValueError("the runs do not add up to the size")
        return self


class _OfLabels(_Event):
    """Labels of an image changed; `shape` is the image's, () in older journals."""

    image: str
    notes: dict[_Label, ObjectNote]
    gone: list[_Label]
    closed: list[_Count] = []
    shape: _Shapes | tuple[()] = ()

    @model_validator(mode="after")
    def _check_shape(self) -> _OfLabels:
        plane = math.prod(self.shape[-2:]) if self.shape else 0
        if plane > MAX_NUMBER or math.prod(self.shape) > _MOST_VOXELS:
            raise ValueError(f"no image of a project is as large as {self.shape}")
        return self


class LabelsChanged(_OfLabels):
    """Some objects of a plane have other pixels now, or notes, or are gone."""

    event: Literal["labels"]
    objects: dict[_Label, Described]

    @model_validator(mode="after")
    def _check(self) -> LabelsChanged:
        if self.shape:
            if len(self.shape) != 2:
                raise ValueError(f"a plane has no shape {self.shape}")
            _check_inside(self.objects, self.shape)
        return self


def _check_inside(
    objects: dict[_Label, Described], shape: tuple[_Length, _Length]
) -> None:
    for what in objects.values():
        ends = (at + size for at, size in zip(what.at, what.size, strict=True))
        if any(end > whole for end, whole in zip(ends, shape, strict=True)):
            raise ValueError("an object lies outside the image")


class PlaneChange(_Event):
    """What changed on a plane of a stack: objects have other pixels, or none there.

    `at` are the indices of the plane along the axes before it.
    """

    at: _Place
    objects: dict[_Label, Described]
    gone: list[_Label]


class PlanesChanged(_OfLabels):
    """Some objects of a stack have other pixels on some planes, or notes, or are gone.

    `gone` are those that have no pixel on any plane.
    """

    event: Literal["planes"]
    planes: list[PlaneChange]

    @model_validator(mode="after")
    def _check(self) -> PlanesChanged:
        if len(self.shape) < 3:
            raise ValueError(f"a stack has no shape {self.shape}")
        leading, plane = self.shape[:-2], self.shape[-2:]
        for change in self.planes:
            if len(change.at) != len(leading) or any(
                at >= length for at, length in zip(change.at, leading, strict=True)
            ):
                raise ValueError(f"the stack has no plane {change.at}")
            _check_inside(change.objects, plane)
        return self


class SnapshotTaken(_OfLabels):
    """So much changed that all labels of the image are in a file."""

    event: Literal["snapshot"]
    file: str


class Proposed(_Event):
    """A model proposed objects, which are in a file.

    `objects` and `planes` are how unsure it is of each, the latter of a stack in order.
    """

    event: Literal["proposed"]
    image: str
    file: str
    count: _Count
    uncertainty: float
    model: str
    objects: dict[_Label, float] = {}
    planes: list[float] = []


class Rejected(_Event):
    """The user does not want some proposals."""

    event: Literal["rejected"]
    image: str
    which: list[_Count]


class StatusChanged(_Event):
    """An image is done, or not done after all."""

    event: Literal["status"]
    image: str
    status: Literal["started", "done"]


class Written(_Event):
    """The label file of an image is about to be replaced.

    `digest` is that of the file, `after` the line of the last change that is in it.
    """

    event: Literal["written"]
    image: str
    digest: str
    after: _Count


class Trained(_Event):
    """A model was trained."""

    event: Literal["trained"]
    model: str


class Settings(_Event):
    """The user chose after how many images the model is trained."""

    event: Literal["settings"]
    retrain_after: _Length


class Added(_Event):
    """There are more images: files by name."""

    event: Literal["images"]
    added: dict[str, str]


class Located(_Event):
    """The images were moved to a folder."""

    event: Literal["located"]
    folder: str


class AxesChosen(_Event):
    """The user said what the axes of a stack are, such as "tyx"."""

    event: Literal["axes"]
    image: str
    axes: str


class Class(_Event):
    """A class that objects are sorted into; see `ObjectClass`."""

    name: str
    colour: tuple[_Byte, _Byte, _Byte]
    key: Annotated[int, Field(ge=1, le=9)] | None = None


class ClassesChanged(_Event):
    """The project has these classes from now on."""

    event: Literal["classes"]
    classes: list[Class]


Event = (
    LabelsChanged
    | PlanesChanged
    | SnapshotTaken
    | Proposed
    | Rejected
    | StatusChanged
    | Written
    | Trained
    | Settings
    | Added
    | Located
    | ClassesChanged
    | AxesChosen
)

_EVENTS: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="event")]
)


def parse_event(line: bytes) -> Event:
    """Read an event.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return _EVENTS.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        text = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(text) from None
