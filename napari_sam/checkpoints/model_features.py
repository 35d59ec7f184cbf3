"""What a model of the registry can do, in words, and whether it can be used here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec

__all__ = ["describe_model", "missing_extra"]

_VOLUMES = {
    "follow": "follows objects",
    "memory": "follows them by a memory of its own",
    "planes": "segments volumes plane by plane",
    "fused": "segments volumes in 3D",
}


def missing_extra(spec: CheckpointSpec) -> str:
    """Say what has to be installed for a model; "" if it can be used.

    Examples
    --------
    >>> from napari_sam.checkpoints.registry import get_spec
    >>> missing_extra(get_spec("cells"))
    ''
    """
    if spec.extra is None or find_spec(spec.extra) is not None:
        return ""
    return (
        f"It needs the library {spec.extra}: pip install 'napari-sam[{spec.extra}]', "
        "then start napari again."
    )


def describe_model(spec: CheckpointSpec) -> str:
    """Describe a model in a few lines: what for, what it can do, licence, citation.

    Examples
    --------
    >>> from napari_sam.checkpoints.registry import get_spec
    >>> print(describe_model(get_spec("sam2.1_tiny")).splitlines()[1])
    Asked with points, boxes, masks; follows objects, follows them by a memory of its \
own, segments volumes plane by plane; cannot be trained here.
    """
    can = ", ".join(_VOLUMES[way] for way in spec.volumes)
    trained = "" if spec.trainable else "; cannot be trained here"
    lines = [
        spec.good_for,
        f"Asked with {', '.join(spec.prompts)}; {can}{trained}.",
        missing_extra(spec),
        f"Its publisher has to be asked first: {spec.gate}" if spec.gate else "",
        f"Licence: {spec.licence}",
        spec.citation,
    ]
    return "\n".join(line for line in lines if line)
