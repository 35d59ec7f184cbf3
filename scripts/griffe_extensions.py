"""What griffe does to docstrings before they are shown; named in mkdocs.yml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from re import Match

_SECTION = re.compile(
    r"^(Parameters|Attributes)\n-+\n.*?(?=^\S[^\n]*\n-{3,}\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SHARED = re.compile(
    r"^(\w+(?:, \w+)+)\n((?:[ ]+[^\n]*(?:\n|\Z)|\n(?=[ ]))+)", re.MULTILINE
)


class SeparateParameters(griffe.Extension):
    """Give each of several parameters that share a description its own entry.

    griffe would show all of them with the type of the first one.
    """

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = _SECTION.sub(_separate, obj.docstring.value)


def _separate(section: Match[str]) -> str:
    return _SHARED.sub(
        lambda entry: "".join(
            f"{name}\n{entry[2].rstrip()}\n" for name in entry[1].split(", ")
        ),
        section[0],
    )
