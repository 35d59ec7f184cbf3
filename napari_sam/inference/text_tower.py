"""Phrases to vectors that can be compared: what is meant alike lies close together."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from napari_sam.checkpoints.text_weights import BUNDLED_TEXT_ENCODER, load_text_encoder
from napari_sam.inference.clip_tower import ClipTower, is_clip_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.model.text_encoder import TextEncoder

__all__ = ["PhraseEmbedder", "TextTower", "load_text_tower"]

_MOST_PIECES = 64
"""Word pieces of a phrase that are read; what follows is left out."""

_BATCH = 32

_KEPT = 4096
"""Phrases whose vectors are kept; words that are often compared cost nothing then."""


class PhraseEmbedder(Protocol):
    """Turns phrases into vectors of length 1: `TextTower`, or a CLIP."""

    @property
    def width(self) -> int:
        """Length of the vectors."""
        ...

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, width) float32."""
        ...


class TextTower:
    """Embeds phrases.

    Parameters
    ----------
    encoder
        The text encoder.
    pieces
        Its word pieces, in the order of their numbers.
    """

    def __init__(self, encoder: TextEncoder, pieces: Sequence[str]) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer
        from tokenizers.processors import BertProcessing

        self._encoder = encoder
        numbers = {piece: i for i, piece in enumerate(pieces)}
        tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))
        tokenizer.normalizer = BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        ends = [(name, numbers[name]) for name in ("[SEP]", "[CLS]")]
        tokenizer.post_processor = BertProcessing(*ends)
        tokenizer.enable_truncation(min(_MOST_PIECES, encoder.config.positions))
        tokenizer.enable_padding(pad_id=numbers["[PAD]"], pad_token="[PAD]")
        self._tokenizer = tokenizer
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._keeping = threading.Lock()

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self._encoder.config.width

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases.

        Parameters
        ----------
        phrases : sequence of str
            Of each, the first 64 word pieces count.

        Returns
        -------
        numpy.ndarray
            (N, width) float32, each row of length 1; their products are the cosines.
        """
        with self._keeping:
            wanted = dict.fromkeys(phrases)
            new = [phrase for phrase in wanted if phrase not in self._kept]
            for start in range(0, len(new), _BATCH):
                batch = new[start : start + _BATCH]
                self._kept.update(zip(batch, self._encode(batch), strict=True))
            rows = [self._kept[phrase] for phrase in phrases]
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)

    def _encode(self, phrases: list[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(phrases)
        ids = torch.tensor([one.ids for one in encoded])
        real = torch.tensor([one.attention_mask for one in encoded]).bool()
        with torch.inference_mode():
            found: NDArray[np.float32] = self._encoder(ids, real).numpy()
        return found


_LOADED: dict[Path, PhraseEmbedder] = {}
_LOADING = threading.Lock()


def load_text_tower(source: str | Path = BUNDLED_TEXT_ENCODER) -> PhraseEmbedder:
    """Load a text encoder, or return the one that was loaded before.

    Parameters
    ----------
    source : str or Path
        See `napari_sam.checkpoints.text_weights.load_text_encoder`; or a folder with a
        CLIP, see `napari_sam.inference.clip_tower.ClipTower`.

    Returns
    -------
    PhraseEmbedder
        The same one for the same source.

    Raises
    ------
    CheckpointError
        If there is no text encoder.
    """
    path = Path(source).resolve()
    with _LOADING:
        if path not in _LOADED:
            if is_clip_folder(path):
                _LOADED[path] = ClipTower(path)
            else:
                _LOADED[path] = TextTower(*load_text_encoder(path))
        return _LOADED[path]
