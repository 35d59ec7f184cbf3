"""How many prompts fit in memory at a time, by counting what autograd keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.autograd.graph import saved_tensors_hooks

if TYPE_CHECKING:
    from types import TracebackType

    from torch import Tensor

__all__ = ["KeptBytes", "prompts_at_once"]


class KeptBytes:
    """Counts the bytes that are kept for the backward pass of what runs within.

    A tensor that is kept twice, and a view of one that is kept, count once.
    """

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}
        self._hooks = saved_tensors_hooks(self._note, lambda kept: kept)

    @property
    def total(self) -> int:
        """Bytes so far."""
        return sum(self._storages.values())

    def _note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    def __enter__(self) -> KeptBytes:
        self._hooks.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hooks.__exit__(kind, error, trace)


def prompts_at_once(limit_gb: float | None, image: int, prompt: int, most: int) -> int:
    """Choose how many prompts are decoded at a time.

    Parameters
    ----------
    limit_gb
        Gigabytes that may be kept; None: no limit.
    image, prompt
        Bytes kept for an encoded image, and for one prompt.
    most
        Prompts there are.
    """
    if limit_gb is None or prompt <= 0:
        return most
    room = limit_gb * 1e9 - image
    return int(max(1, min(most, room // prompt)))
