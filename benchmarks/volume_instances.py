"""Automatic segmentation of volumes: average precision of planes and of volumes.

Run ``python benchmarks/volume_instances.py FOLDER ...``; each folder holds image.tif
and labels.tif of axes Z, Y, X. ``--mode planes`` measures linked planes, ``--fuse
head=none`` the planes of three axes without the head that looks in 3D.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import tifffile

import napari_sam
from napari_sam.configs import VOLUME_MODES, FuseConfig, VolumeConfig, read_pairs
from napari_sam.evaluation.volume_instances import score_volume


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="cells")
    parser.add_argument("--mode", choices=VOLUME_MODES, default="auto")
    parser.add_argument("--fuse", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    sam = napari_sam.load_model(args.model)
    pairs = dict(pair.partition("=")[::2] for pair in args.fuse)
    config = VolumeConfig(fuse=read_pairs(FuseConfig, pairs))
    print("| volume | planes | objects | planes' AP50 | volume's AP50 | ", end="")
    print("planes' AP75 | volume's AP75 | recall at .5 | at .75 | found | seconds |")
    print(f"| --- |{' ---: |' * 10}")
    for folder in args.folders:
        image = tifffile.imread(folder / "image.tif")
        truth = tifffile.imread(folder / "labels.tif")
        start = time.perf_counter()
        scores = score_volume(image, truth, model=sam, mode=args.mode, config=config)
        seconds = time.perf_counter() - start
        cells = [
            f"{value:.3f}"
            for at in (0, 5)
            for value in (scores.plane_precision(at), scores.volume.precision(at))
        ]
        volume = scores.volume
        recalls = [volume.matches[at] / volume.truths for at in (0, 5)]
        cells += [f"{one:.3f}" for one in recalls]
        cells += [str(volume.founds), f"{seconds:.0f}"]
        row = [folder.name, str(len(image)), str(volume.truths), *cells]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
