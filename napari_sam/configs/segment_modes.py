"""Which parameters each mode of `segment` has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.configs.base_config import Config, settings_of
from napari_sam.configs.grids import GridConfig
from napari_sam.configs.objects import (
    MODES,
    ConceptConfig,
    InstanceConfig,
    Mode,
    RefineConfig,
    SegmentConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.configs.base_config import Setting

__all__ = ["check_mode", "mode_settings", "read_settings"]

_PARTS: Mapping[Mode, Mapping[str, type[Config]]] = {
    "auto": {"grid": GridConfig, "instances": InstanceConfig},
    "grid": {"grid": GridConfig},
    "instances": {"instances": InstanceConfig},
    "refined": {"instances": InstanceConfig, "refine": RefineConfig},
    "concept": {"concept": ConceptConfig},
}
"""By mode: the fields of `SegmentConfig` that count, the later of two names winning."""


def check_mode(mode: str) -> Mode:
    """Return the mode, or raise ValueError if it is none of `MODES`."""
    for known in MODES:
        if mode == known:
            return known
    raise ValueError(f"mode must be one of {MODES}, got {mode!r}")


def mode_settings(mode: str) -> dict[str, Setting]:
    """Describe the parameters of a mode by their names.

    Raises
    ------
    ValueError
        If it is none of `MODES`.

    Examples
    --------
    >>> mode_settings("refined")["agreement_thresh"].high
    1
    """
    return {
        name: one
        for part in _PARTS[check_mode(mode)].values()
        for name, one in settings_of(part).items()
    }


def read_settings(mode: str, settings: Mapping[str, Any]) -> SegmentConfig:
    """Sort named parameters of a mode into a configuration.

    Parameters
    ----------
    mode
        One of `MODES`. "auto" takes the parameters of "grid" and of "instances".
    settings
        Values, or texts of them, by the names of the fields of `GridConfig`,
        `InstanceConfig`, `RefineConfig` or `ConceptConfig`.

    Raises
    ------
    ValueError
        If the mode has no such parameter, or a value does not suit it.

    Examples
    --------
    >>> read_settings("instances", {"min_area": "50"}).instances.min_area
    50
    """
    parts = _PARTS[check_mode(mode)]
    home = {name: part for part, kind in parts.items() for name in kind.model_fields}
    found: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        if name not in home:
            raise ValueError(
                f"mode {mode!r} has no parameter {name!r}; it has "
                f"{', '.join(sorted(home))}"
            )
        found.setdefault(home[name], {})[name] = value
    made = {part: parts[part](**values) for part, values in found.items()}
    return SegmentConfig.model_validate(made)
