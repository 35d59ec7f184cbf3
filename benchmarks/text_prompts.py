"""Whether a text beside a click chooses the object that is meant.

One click deep inside each object, answered without and with a text, on labelled images
of many kinds. Where kinds share their sections, a click on a mitochondrion is asked
for the mitochondrion, and for the neurite around it; nuclei of multiplexed tissue are
what the model finds in the channel of the nuclei, each inside one labelled cell::

    python benchmarks/text_prompts.py --data VAL --max-images 2 --max-objects 12

"missed" are clicks of which the first candidate is wrong (IoU below 0.5) and another
one right; "found" is of how many of them the text chooses a right one; "lost", how
often it chooses a wrong one where the first was right.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

import napari_sam
from napari_sam.workflows.queries.text_prompts import rank_by_text

if TYPE_CHECKING:
    from collections.abc import Iterator

NUCLEUS = "the nucleus, not the cell"
CELL = "the cell, not the nucleus"
TEXTS = {
    "blood_cells": "the white blood cell",
    "ctc_fluo_nuclei": NUCLEUS,
    "em_mitochondria": "the mitochondrion, not the neurite",
    "em_neurites": "the neurite, not the mitochondrion",
    "em_particles": "the particle",
    "fluo_bacteria": "the bacterium",
    "fluo_neuroblastoma": NUCLEUS,
    "fluo_neurons": "the neuron",
    "fluo_nuclei": NUCLEUS,
    "fly_larvae": "the larva",
    "gravel": "the stone",
    "gray_nuclei": NUCLEUS,
    "he_monuseg": NUCLEUS,
    "he_nuclei": NUCLEUS,
    "he_tnbc": NUCLEUS,
    "labelfree_cells": CELL,
    "phase_bacteria": "the bacterium",
    "phase_cells": CELL,
    "plant_cellwalls": "the compartment",
    "plant_chloroplast_em": "the chloroplast",
    "sem_powder": "the particle",
    "steel_spheroidite": "the particle",
    "tem_nanoparticles": "the particle",
    "tissue_if_cells": CELL,
    "tissue_if_nuclei": NUCLEUS,
    "tissue_nuclei": NUCLEUS,
    "yeast_brightfield": "the yeast cell",
    "yeast_fluo": "the yeast cell",
}
"""What is said beside a click in each kind of images."""

Click = tuple[tuple[int, int], np.ndarray]
"""(row, col), and the (H, W) mask of what is meant."""


def deepest(mask: np.ndarray) -> tuple[int, int]:
    """Return the pixel of a mask that lies farthest inside."""
    padded = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(padded), mask.shape)
    return int(row), int(col)


def some(labels: np.ndarray, count: int) -> list[int]:
    """Choose objects of at least 20 pixels, the same ones each time."""
    areas = np.bincount(labels.ravel())
    numbers = [n for n in range(1, len(areas)) if areas[n] >= 20]
    chosen = np.random.default_rng(0).permutation(numbers)[:count]
    return [int(n) for n in sorted(chosen)]


def clicks_on(labels: np.ndarray, count: int) -> list[Click]:
    """Click deep inside objects."""
    masks = [labels == n for n in some(labels, count)]
    return [(deepest(mask), mask) for mask in masks]


def clicks_inside(inner: np.ndarray, outer: np.ndarray, count: int) -> list[Click]:
    """Click deep inside inner objects, and mean the outer ones around them."""
    found = []
    for number in some(inner, 10**6):
        mask = inner == number
        around = np.bincount(outer[mask], minlength=2)
        around[0] = 0
        whole = int(around.argmax())
        share = mask.sum() / max(1, (outer == whole).sum())
        if around[whole] >= 0.8 * mask.sum() and 0.05 < share < 0.6:
            found.append((deepest(mask), outer == whole))
    return found[:count]


def tasks(
    data: Path, images: int, objects: int, model: napari_sam.Predictor
) -> Iterator[tuple[str, str, np.ndarray, list[Click]]]:
    """Yield (name, text, image, clicks) of each image."""
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        kind = folder.name
        for path in sorted((folder / "images").iterdir())[:images]:
            image = napari_sam.read_image(path)
            labels = napari_sam.read_labels(folder / "labels" / f"{path.stem}.png")
            yield kind, TEXTS[kind], image, clicks_on(labels, objects)
            if kind == "tissue_if_cells":
                found = napari_sam.segment(image[..., 2], model=model)
                inside = clicks_inside(found, labels, objects)
                nuclei = [(at, found == found[at]) for at, _ in inside]
                yield "tissue_if_nuclei", NUCLEUS, image, nuclei
                yield "cells, click on the nucleus", CELL, image, inside
            if kind == "em_neurites":
                other = data / "em_mitochondria" / "labels" / f"{path.stem}.png"
                if other.exists():
                    inner = napari_sam.read_labels(other)
                    inside = clicks_inside(inner, labels, objects)
                    name = "neurites, click on a mitochondrion"
                    yield name, TEXTS[kind], image, inside


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Compare two masks."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--max-images", type=int, default=2)
    parser.add_argument("--max-objects", type=int, default=12)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # kinds that the model has not learned
    model = napari_sam.load_model("cells")
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for name, text, image, clicks in tasks(
        args.data, args.max_images, args.max_objects, model
    ):
        embedding = model.embed(image)
        for at, wanted in clicks:
            plain = model.predict(embedding, points=[at])
            chosen = rank_by_text(model, embedding, plain, text)
            best = max(iou(mask, wanted) for mask in plain.masks)
            first = iou(plain.masks[0], wanted)
            row = (first, iou(chosen.masks[0], wanted), best)
            rows.setdefault(name, []).append(row)
    print(f"{'kind':36s} clicks  IoU  text  best   missed found lost")
    totals = []
    for name, values in rows.items():
        table = np.array(values)
        first, text, best = table.T
        missed = (first < 0.5) & (best >= 0.5)
        counts = (
            int(missed.sum()),
            int((missed & (text >= 0.5)).sum()),
            int(((first >= 0.5) & (text < 0.5)).sum()),
        )
        totals.append((*table.mean(axis=0), *counts))
        means = " ".join(f"{value:.3f}" for value in table.mean(axis=0))
        print(f"{name:36s} {len(table):5d} {means} {counts}", flush=True)
    mean = np.array(totals)
    means = " ".join(f"{value:.3f}" for value in mean[:, :3].mean(axis=0))
    print(f"{'mean of kinds':36s} {means} {mean[:, 3:].sum(axis=0).astype(int)}")


if __name__ == "__main__":
    main()
