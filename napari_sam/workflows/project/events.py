"""What can happen in a project, as its journal says it: one JSON object a line.

Unknown fields are passed over, so that a journal of a later version of these events
can be read; an unknown event is an error.
"""

from __future__ import annotations

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
    "ClassesChanged",
    "Described",
    "Event",
    "LabelsChanged",
    "Located",
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
    shape: Shape | tuple[()] = ()

    @model_validator(mode="after")
    def _check_shape(self) -> _OfLabels:
        if self.shape and self.shape[0] * self.shape[1] > MAX_NUMBER:
            raise ValueError(f"no image of a project is as large as {self.shape}")
        return self


class LabelsChanged(_OfLabels):
    """Some objects have other pixels now, or notes, or are gone."""

    event: Literal["labels"]
    objects: dict[_Label, Described]

    @model_validator(mode="after")
    def _check(self) -> LabelsChanged:
        for what in self.objects.values() if self.shape else ():
            ends = (at + size for at, size in zip(what.at, what.size, strict=True))
            if any(end > whole for end, whole in zip(ends, self.shape, strict=True)):
                raise ValueError("an object lies outside the image")
        return self


class SnapshotTaken(_OfLabels):
    """So much changed that all labels of the image are in a file."""

    event: Literal["snapshot"]
    file: str


class Proposed(_Event):
    """A model proposed objects, which are in a file."""

    event: Literal["proposed"]
    image: str
    file: str
    count: _Count
    uncertainty: float
    model: str


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
