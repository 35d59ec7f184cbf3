"""CLIP in the place of the text encoder that ships: phrases and crops to one space.

For those who have CLIP's weights: a local folder in Hugging Face's layout, read by
`transformers`, which is imported here alone and only when such a folder is loaded.
Nothing is downloaded, and nothing from the folder is run (safetensors only).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
import xxhash

from napari_sam.checkpoints.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ClipTower", "is_clip_folder"]

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
"""Of the images that CLIP was trained on, where its folder says nothing else."""


def is_clip_folder(path: Path) -> bool:
    """Whether a folder says that it holds a CLIP."""
    try:
        told = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("model_type") == "clip"


class ClipTower:
    """Embeds phrases, and crops of images, so that their products are cosines.

    Radford et al., Learning transferable visual models from natural language
    supervision, 2021.

    Parameters
    ----------
    folder
        A CLIP in Hugging Face's layout: ``config.json``, ``model.safetensors``, and
        the files of its tokenizer.

    Raises
    ------
    CheckpointError
        If `transformers` is not installed, or the folder cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from transformers import AutoTokenizer, CLIPModel
        except ImportError as error:
            raise CheckpointError(
                f"{folder} holds a CLIP, which is read by transformers: "
                "pip install 'napari-sam[transformers]'"
            ) from error
        try:
            model = CLIPModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True
            )
            self._mean, self._std = _normalisation(folder)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"{folder} holds no CLIP: {error}") from error
        self._model: Any = model.eval().requires_grad_(False)

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return int(self._model.config.projection_dim)

    @property
    def image_size(self) -> int:
        """Side of the crops, in pixels."""
        return int(self._model.config.vision_config.image_size)

    @property
    def digest(self) -> str:
        """What the weights are recognised by, as hex digits."""
        found = xxhash.xxh3_128()
        for layer in (self._model.text_projection, self._model.visual_projection):
            found.update(layer.weight.float().contiguous().numpy().tobytes())
        return found.hexdigest()

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases.

        Returns
        -------
        (N, width) float32, each row of length 1.
        """
        if not phrases:
            return np.zeros((0, self.width), np.float32)
        most = self._model.config.text_config.max_position_embeddings
        pieces = self._tokenizer(
            list(phrases),
            padding=True,
            truncation=True,
            max_length=most,
            return_tensors="pt",
        )
        with torch.inference_mode():
            return _unit(
                self._model.get_text_features(
                    input_ids=pieces["input_ids"],
                    attention_mask=pieces["attention_mask"],
                )
            )

    def embed_crops(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed (N, S, S, 3) crops, from 0 to 255, of `image_size` pixels.

        Returns
        -------
        (N, width) float32, each row of length 1.
        """
        pixels = (crops / 255 - np.array(self._mean)) / np.array(self._std)
        shown = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return _unit(self._model.get_image_features(pixel_values=shown))


def _normalisation(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    path = folder / "preprocessor_config.json"
    if not path.exists():
        return _MEAN, _STD
    told = json.loads(path.read_text("utf-8"))
    return told.get("image_mean", _MEAN), told.get("image_std", _STD)


def _unit(answer: Any) -> NDArray[np.float32]:
    vectors = answer if isinstance(answer, torch.Tensor) else answer.pooler_output
    found: NDArray[np.float32] = F.normalize(vectors.float(), dim=-1).numpy()
    return found
