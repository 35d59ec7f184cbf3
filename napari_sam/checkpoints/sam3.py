"""SAM 3 from a folder in Hugging Face's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.mismatch import explain_mismatch
from napari_sam.checkpoints.sam2 import require_transformers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_sam.model.sam3 import Sam3

__all__ = ["build_sam3", "read_tokenizer"]

_TOKENIZERS = ("tokenizer.json", "vocab.json")


def build_sam3(
    state: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path
) -> Sam3:
    """Build SAM 3 with its weights, none missing and none left over.

    Parameters
    ----------
    state
        By the names of transformers.
    config
        Content of ``config.json``.
    folder
        With the files of the tokenizer.

    Raises
    ------
    CheckpointError
        If transformers is not installed, weights are missing, unknown or of another
        shape, or there is no tokenizer.
    """
    from napari_sam.model.sam3 import Sam3

    library = require_transformers("SAM 3")
    known = {k: v for k, v in config.items() if k not in ("model_type", "dtype")}
    try:
        network = library.Sam3VideoModel(library.Sam3VideoConfig(**known))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"its config.json describes no SAM 3 that transformers can build: {error}"
        ) from error
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if wanted != given:
        raise CheckpointError(explain_mismatch("sam3", wanted, given))
    network.load_state_dict(dict(state), strict=True)
    return Sam3(network, "sam3", read_tokenizer(folder)).eval()


def read_tokenizer(folder: Path) -> Any:
    """Read what makes numbers of phrases.

    Raises
    ------
    CheckpointError
        If it is not in the folder.
    """
    library = require_transformers("SAM 3")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise CheckpointError(
            f"the tokenizer, which reads texts, is missing: {' or '.join(_TOKENIZERS)}"
        )
    try:
        return library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"the tokenizer, which reads texts, is damaged: {error}"
        ) from error
