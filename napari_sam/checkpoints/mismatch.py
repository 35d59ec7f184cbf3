"""What does not fit between the weights of a file and those that a network wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["explain_mismatch"]


def explain_mismatch(
    architecture: str,
    wanted: Mapping[str, tuple[int, ...]],
    given: Mapping[str, tuple[int, ...]],
) -> str:
    """Say which weights are missing, unknown or of another shape.

    Parameters
    ----------
    architecture
        What the weights look like.
    wanted, given
        Shapes by name.

    Examples
    --------
    >>> explain_mismatch("vit_b", {"decoder.a": (1,), "b": (2,)}, {"b": (3,)})
    "it looks like 'vit_b', but it is a part of a model, without decoder; 1 have \
another shape (b is (3,), wanted (2,))"
    """
    reasons = []
    given_parts = {_part(key) for key in given}
    if lacking := sorted({_part(key) for key in wanted} - given_parts):
        reasons.append(f"it is a part of a model, without {' and '.join(lacking)}")
        wanted = {k: v for k, v in wanted.items() if _part(k) in given_parts}
    if missing := sorted(wanted.keys() - given.keys()):
        reasons.append(f"{len(missing)} tensors are missing ({_first(missing)})")
    if extra := sorted(given.keys() - wanted.keys()):
        reasons.append(f"{len(extra)} are unknown ({_first(extra)})")
    other = [
        f"{key} is {given[key]}, wanted {shape}"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    if other:
        reasons.append(f"{len(other)} have another shape ({_first(other)})")
    return f"it looks like {architecture!r}, but {'; '.join(reasons)}"


def _part(key: str) -> str:
    return key.partition(".")[0]


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
