"""The checkpoints known by name: where they come from and how to verify them.

The table is data (`registry_entries`). Nothing here opens a file or the network;
`store` fetches what is listed and `load` builds a model from it.
"""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec, format_size
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.registry_entries import DECODER_ENTRIES, MODEL_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DECODERS",
    "REGISTRY",
    "CheckpointSpec",
    "files_of",
    "format_size",
    "get_spec",
    "suggest_names",
]

REGISTRY: Mapping[str, CheckpointSpec] = MappingProxyType(
    {spec.name: spec for spec in MODEL_ENTRIES}
)
"""Every model that can be loaded by name, the bundled one first."""

DECODERS: Mapping[str, CheckpointSpec] = MappingProxyType(
    {spec.name: spec for spec in DECODER_ENTRIES}
)
"""Instance decoders that belong to models of `REGISTRY` (see their `decoder`)."""


def files_of(spec: CheckpointSpec) -> tuple[CheckpointSpec, ...]:
    """Return what is downloaded with a model: itself, and its instance decoder.

    Examples
    --------
    >>> [one.name for one in files_of(get_spec("vit_b_lm"))]
    ['vit_b_lm', 'vit_b_lm_decoder']
    """
    if spec.decoder is None or not spec.has_instances:
        return (spec,)
    return spec, DECODERS[spec.decoder]


def suggest_names(name: str) -> list[str]:
    """Names of models that look like `name`, likeliest first; may be empty."""
    wanted = name.lower().replace("-", "_")
    spellings: dict[str, str] = {}
    for spec in REGISTRY.values():
        title = spec.title.lower().replace("-", "_")
        for spelling in (spec.name, spec.filename, title, title.replace(" ", "_")):
            spellings.setdefault(spelling, spec.name)
    near = get_close_matches(wanted, spellings, n=6, cutoff=0.6)
    return list(dict.fromkeys(spellings[spelling] for spelling in near))[:3]


def get_spec(name: str) -> CheckpointSpec:
    """Look up a model or an instance decoder by its name.

    Raises
    ------
    CheckpointError
        If no checkpoint has that name; the message lists names like it.

    Examples
    --------
    >>> get_spec("vit_b").size_text
    '375 MB'
    """
    spec = REGISTRY.get(name) or DECODERS.get(name)
    if spec is not None:
        return spec
    near = suggest_names(name)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise CheckpointError(
        f"no checkpoint is called {name!r}; {hint}Known names: {', '.join(REGISTRY)}"
    )
