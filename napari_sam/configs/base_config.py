"""What all configurations share: frozen values whose fields say what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from pydantic.config import JsonDict
    from pydantic.fields import FieldInfo

__all__ = ["Config", "Setting", "form", "read_pairs", "settings_of"]


C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Parameters of one task, checked when they are given and frozen after.

    What is not set is left to the task: `model_fields_set` tells the one from the
    other, and `over` fills in what a task prefers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def over(self, preferred: Self) -> Self:
        """Return `preferred` with what is set here in place of its own."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return preferred.model_copy(update=given)


def form(
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    unit: str = "",
) -> JsonDict:
    """Return what a form wants to know of a number beside its hard bounds.

    Parameters
    ----------
    low, high
        Between which values a user chooses; the hard bounds where left out.
    step
        From one value to the next.
    unit
        In which it counts, such as "px".
    """
    return {"low": low, "high": high, "step": step, "unit": unit}


@dataclass(frozen=True)
class Setting:
    """A field of a configuration, as a form, a command or a page shows it.

    Attributes
    ----------
    name, description
        Of the field.
    default
        What it is if nobody sets it.
    low, high
        Least and greatest value that a user chooses; None where there is no end.
    step
        From one value to the next; None where that is not said.
    unit
        In which it counts; "" for a number without one.
    choices
        The values that it can have, of a field of a few words.
    """

    name: str
    description: str
    default: Any
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[Any, ...] = ()


def settings_of(config: type[Config]) -> dict[str, Setting]:
    """Describe the fields of a configuration by their names, in their order.

    Examples
    --------
    >>> from napari_sam.configs import LinkConfig
    >>> settings_of(LinkConfig)["min_overlap"].default
    0.5
    """
    return {name: _describe(name, field) for name, field in config.model_fields.items()}


def _describe(name: str, field: FieldInfo) -> Setting:
    extra: Mapping[str, Any] = (
        field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    )
    low, high = extra.get("low"), extra.get("high")
    for bound in field.metadata:
        if low is None:
            low = getattr(bound, "ge", getattr(bound, "gt", None))
        if high is None:
            high = getattr(bound, "le", getattr(bound, "lt", None))
    return Setting(
        name,
        field.description or "",
        field.get_default(call_default_factory=True),
        low,
        high,
        extra.get("step"),
        extra.get("unit", ""),
        _choices(field.annotation),
    )


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return the words of a field that is one of a few, or of none of them."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(word for part in get_args(kind) for word in _choices(part))
    return get_args(kind) if get_origin(kind) is Literal else ()


def read_pairs(config: type[C], pairs: Mapping[str, Any]) -> C:
    """Make a configuration of named values, or of texts of them.

    Fields that are configurations themselves are not among the names.

    Raises
    ------
    ValueError
        If there is no such field, or a value does not suit it.

    Examples
    --------
    >>> from napari_sam.configs import LinkConfig
    >>> read_pairs(LinkConfig, {"max_gap": "2"}).max_gap
    2
    """
    known = [
        name
        for name, one in settings_of(config).items()
        if not isinstance(one.default, Config)
    ]
    for name in pairs:
        if name not in known:
            raise ValueError(
                f"there is no parameter {name!r}; there are {', '.join(known)}"
            )
    return config(**pairs)
