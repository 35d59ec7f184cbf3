"""What a window says of the machine that embeds planes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.ops.message_text import counted
from napari_sam.plugin.viewer.hint import reason

if TYPE_CHECKING:
    from napari_sam.inference.promptable import PromptableModel

__all__ = ["news_of_workers", "remote_state", "told_of_loss"]


def remote_state(predictor: PromptableModel | None) -> str:
    """Say on which machine planes are embedded; "" where it is this one."""
    remote: Any = getattr(predictor, "remote", None)
    if remote is None or remote.problem:
        return ""
    return f"{remote.device.address} ({counted(remote.workers, 'worker')})"


def news_of_workers(predictor: PromptableModel | None) -> str:
    """Say that the workers are lost, or that the link is slow; "" for neither."""
    remote: Any = getattr(predictor, "remote", None)
    told = "" if remote is None else remote.problem or remote.slowness
    return f"{_begin(told)}." if told else ""


def told_of_loss(error: Exception) -> str:
    """Say that another machine cannot be used, and that this one is."""
    return f"{_begin(reason(error))} This computer embeds the planes."


def _begin(told: str) -> str:
    """Begin a sentence; an address at its beginning stays as it is typed."""
    if "://" in told.partition(" ")[0]:
        return told
    return f"{told[0].upper()}{told[1:]}"
