"""Train the head that tells kinds of images, on labelled images of many kinds.

Of each folder some images are seen, as a whole and in parts; what the image encoder
says of them is pooled, and a logistic regression learns the kind from it::

    python scripts/train_image_kinds.py --data TRAIN --out cells-kinds.safetensors

Which folder shows which kind stands in `KINDS`; rendered scenes have the names of
`napari-sam render-training-images`. It also prints how many views of each folder are
told right by a head that never saw that folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from napari_sam.checkpoints.image_kind_weights import save_image_kind_head
from napari_sam.configs.image_kinds import IMAGE_KINDS
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.image_kinds import embedding_features
from napari_sam.inference.model_loading import load_model
from napari_sam.io.images import read_image
from napari_sam.model.image_kind_head import ImageKindHead, ImageKindHeadConfig

KINDS = {
    "nuclei": "fluo_nuclei gray_nuclei fluo_neuroblastoma",
    "tissue": "he_nuclei tissue_nuclei tissue_nuclei_stained",
    "cells": "phase_cells tissue_if_cells fluo_neurons blood_smear cells_dic "
    "cells_fluo_armed cells_fluo_packed cells_fluo_round cells_fluo_spread cells_phase "
    "cells_quantitative_phase yeast_budding_brightfield yeast_budding_fluo "
    "yeast_budding_phase",
    "rods": "fluo_bacteria bacteria_brightfield bacteria_fluo bacteria_phase filaments "
    "larvae worms yeast_fission_brightfield yeast_fission_phase",
    "membranes": "em_neurites plant_cellwalls axons_em axons_em_with_myelin "
    "neurites_em",
    "organelles": "plant_chloroplast_em mitochondria_em",
    "particles": "em_particles sem_powder gravel carbides_sem particles_sem "
    "particles_tem",
}
"""The folders of each kind. Sections whose neurites and mitochondria are labelled in
folders of their own count as membranes, of which there are more."""

_LARGEST = 1600
"""Of larger images parts alone are seen."""

_STRENGTH = 0.5
"""Inverse of the regularisation."""


def views_of(path: Path, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the image, and parts of 40 to 80 % of its sides."""
    image = np.asarray(read_image(path))
    height, width = image.shape[:2]
    views = [] if max(height, width) > _LARGEST else [image]
    while len(views) < count:
        share = rng.uniform(0.4, 0.8)
        h, w = max(1, int(height * share)), max(1, int(width * share))
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        views.append(image[top : top + h, left : left + w])
    return views


def gather(
    data: Path, model: str, images: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pooled features of views, their kinds, and their folders."""
    sam, rng = load_model(model), np.random.default_rng(0)
    features, kinds, folders = [], [], []
    for kind in IMAGE_KINDS:
        for name in KINDS[kind].split():
            if not (data / name / "images").is_dir():
                continue
            paths = sorted((data / name / "images").iterdir())
            places = np.linspace(0, len(paths) - 1, min(images, len(paths)))
            chosen = [paths[int(place)] for place in np.unique(places.astype(int))]
            for path in chosen:
                for view in views_of(path, max(2, 2 * images // len(chosen)), rng):
                    features.append(embedding_features(sam.embed(view)).numpy())
                    kinds.append(kind)
                    folders.append(name)
            print(f"{name}: {len(features)} views so far", flush=True)
    return np.array(features), np.array(kinds), np.array(folders)


def fit(
    features: np.ndarray, kinds: np.ndarray, folders: np.ndarray
) -> tuple[StandardScaler, LogisticRegression]:
    """Learn the kinds; each kind, and in it each folder, counts the same."""
    weights = np.ones(len(kinds))
    for kind in np.unique(kinds):
        here = np.unique(folders[kinds == kind])
        for name in here:
            weights[folders == name] = 1 / (len(here) * (folders == name).sum())
    weights *= len(weights) / weights.sum()
    scaler = StandardScaler().fit(features)
    learned = LogisticRegression(C=_STRENGTH, max_iter=500)
    learned.fit(scaler.transform(features), kinds, sample_weight=weights)
    return scaler, learned


def judge(features: np.ndarray, kinds: np.ndarray, folders: np.ndarray) -> None:
    """Print how often a folder that was left out is told right."""
    for name in np.unique(folders):
        out = folders == name
        scaler, learned = fit(features[~out], kinds[~out], folders[~out])
        told = learned.predict(scaler.transform(features[out]))
        right = float(np.mean(told == kinds[out]))
        most = max(set(told.tolist()), key=told.tolist().count)
        print(f"{name:28s} {kinds[out][0]:10s} right {right:.2f}, mostly {most}")


def as_head(scaler: StandardScaler, learned: LogisticRegression) -> ImageKindHead:
    """Return what was learned as a network."""
    config = ImageKindHeadConfig(len(scaler.mean_), tuple(learned.classes_.tolist()))
    head = ImageKindHead(config)
    head.mean.copy_(torch.from_numpy(scaler.mean_))
    head.scale.copy_(torch.from_numpy(scaler.scale_))
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(learned.coef_))
        head.linear.bias.copy_(torch.from_numpy(learned.intercept_))
    return head


def main() -> None:
    """Gather, judge, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="KIND/images folders")
    parser.add_argument("--model", default="cells", help="name or path of the model")
    parser.add_argument("--images", type=int, default=5, help="images of a folder (5)")
    parser.add_argument("--out", type=Path, required=True, help="the head's file")
    args = parser.parse_args()
    gathered = gather(args.data, args.model, args.images)
    judge(*gathered)
    encoder = encoder_of(load_model(args.model))
    save_image_kind_head(args.out, as_head(*fit(*gathered)), encoder)


if __name__ == "__main__":
    main()
