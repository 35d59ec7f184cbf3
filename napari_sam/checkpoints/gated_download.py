"""Models that their publisher gives on request only, fetched with the user's access.

The Hub's own client fetches them: it knows the user's token, goes on where a download
broke off, and verifies what has arrived. Nothing here sees the token.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec
    from napari_sam.ops.types import IsCancelled

__all__ = ["explain_gate", "fetch_gated"]

_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
_WANTED = ("special_tokens_map.json", "vocab.json", "merges.txt")
_WEIGHTS = "model.safetensors"


def explain_gate(spec: CheckpointSpec) -> str:
    """Say how a model is had that its publisher gives on request only."""
    return (
        f"{spec.title} ({spec.size_text}, {spec.licence}) is given by its publisher on "
        f"request only: ask at {spec.gate}, log in with `hf auth login`, and then run "
        f"`napari-sam download {spec.name}`. A folder with it that you have loads by "
        "its path"
    )


def fetch_gated(
    spec: CheckpointSpec,
    folder: Path,
    progress: Callable[[int, int], None],
    is_cancelled: IsCancelled,
) -> None:
    """Fetch the folder of a model from the Hub of Hugging Face.

    Parameters
    ----------
    spec
        With the page of the gate, which names the repository.
    folder
        Where the files go; it appears when all have arrived.
    progress, is_cancelled
        See `napari_sam.checkpoints.store.CheckpointStore.download`.

    Raises
    ------
    CheckpointError
        If there is no access, the library is not installed, or the transfer failed.
    Cancelled
        If `is_cancelled` answered True.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise CheckpointError(
            f"{spec.title} is fetched by huggingface_hub, which is not installed: "
            "pip install 'napari-sam[transformers]'"
        ) from error
    repository = urlsplit(spec.gate or "").path.strip("/")
    partial = folder.with_name(f"{folder.name}.part")
    bar = _bar(spec, progress, is_cancelled)

    def fetch(name: str) -> None:
        if is_cancelled():
            raise Cancelled
        hf_hub_download(repository, name, local_dir=partial, tqdm_class=bar)

    try:
        for name in (*_NEEDED, _WEIGHTS):
            fetch(name)
        for name in _WANTED:
            with suppress(EntryNotFoundError):
                fetch(name)
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{spec.title} could not be fetched, huggingface.co was not reached: "
            f"{error}"
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise CheckpointError(
                f"there is no access to {spec.title} yet. {explain_gate(spec)}"
            ) from error
        raise CheckpointError(f"{spec.title} could not be fetched: {error}") from error
    partial.replace(folder)


def _bar(
    spec: CheckpointSpec,
    progress: Callable[[int, int], None],
    is_cancelled: IsCancelled,
) -> Any:
    """Make a progress bar that shows nothing and tells of every step."""
    from tqdm import tqdm

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *given: Any, **options: Any) -> None:
            options["disable"] = True
            options.pop("name", None)
            super().__init__(*given, **options)
            self.done = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            progress(self.done, spec.size or 0)
            if is_cancelled():
                raise Cancelled

    return Told
