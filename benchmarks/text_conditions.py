"""Whether texts choose the objects that they describe, on true masks.

Forty phrases are read, and the objects of labelled images that are as they say are
compared with those that an independent computation by scikit-image's region properties
chooses. Printed is the F1 of each phrase over all objects, and the mean::

    python benchmarks/text_conditions.py --data VAL --kinds fluo_nuclei tissue_nuclei
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import regionprops
from skimage.segmentation import expand_labels

from napari_sam.io.images import read_image, read_labels
from napari_sam.workflows.queries.conditions import (
    fulfils,
    measure_for_query,
    ranked_by,
)
from napari_sam.workflows.queries.read_text import read_text

Region = Any
Rule = Callable[[list[Region], dict[str, Any]], list[bool]]


def third(value: Callable[[Region, dict[str, Any]], float], upper: bool) -> Rule:
    """Choose those of the upper or the lower third."""

    def rule(regions: list[Region], about: dict[str, Any]) -> list[bool]:
        values = [value(region, about) for region in regions]
        limit = np.percentile(values, 100 * (2 / 3 if upper else 1 / 3))
        return [v >= limit if upper else v <= limit for v in values]

    return rule


def each(test: Callable[[Region, dict[str, Any]], bool]) -> Rule:
    """Choose those for which something is true."""
    return lambda regions, about: [bool(test(region, about)) for region in regions]


def first(value: Callable[[Region, dict[str, Any]], float], count: int) -> Rule:
    """Choose the first few in the order of falling values."""

    def rule(regions: list[Region], about: dict[str, Any]) -> list[bool]:
        order = sorted(range(len(regions)), key=lambda i: -value(regions[i], about))
        chosen = set(order[:count])
        return [i in chosen for i in range(len(regions))]

    return rule


def both(*rules: Rule) -> Rule:
    """Choose those that all rules choose."""
    return lambda regions, about: [
        all(answers)
        for answers in zip(*(rule(regions, about) for rule in rules), strict=True)
    ]


def area(region: Region, about: dict[str, Any]) -> float:
    """Count the pixels."""
    return float(region.num_pixels)


def brightness(region: Region, about: dict[str, Any]) -> float:
    """Return the mean intensity."""
    return float(region.image_intensity[region.image].mean())


def texture(region: Region, about: dict[str, Any]) -> float:
    """Return the spread of intensities."""
    return float(region.image_intensity[region.image].std())


def contrast(region: Region, about: dict[str, Any]) -> float:
    """Against a ring of background, found over the whole image."""
    labels, gray = about["labels"], about["gray"]
    grown = about["grown"]
    ring = (grown == region.label) & (labels == 0)
    around = gray[ring].mean() if ring.any() else brightness(region, about)
    return float(abs(brightness(region, about) - around))


def aspect(region: Region, about: dict[str, Any]) -> float:
    """Return the longer axis over the shorter one."""
    major, minor = region.axis_major_length, region.axis_minor_length
    return float(max(major, 1) / max(minor, 1))


def circularity(region: Region, about: dict[str, Any]) -> float:
    """Return 4 pi area / perimeter^2."""
    return float(min(1, 4 * np.pi * region.num_pixels / region.perimeter_crofton**2))


def centre(region: Region, about: dict[str, Any]) -> tuple[float, float]:
    """Return the centre as shares of the image."""
    height, width = about["labels"].shape
    row, col = region.centroid
    return (row + 0.5) / height, (col + 0.5) / width


def at_border(region: Region, about: dict[str, Any]) -> bool:
    """Say whether a pixel lies in the first or last row or column."""
    inner = about["labels"][1:-1, 1:-1]
    return bool((inner == region.label).sum() < region.num_pixels)


def width_of(region: Region, about: dict[str, Any]) -> float:
    """Return the diameter of the disc of the same area."""
    return float(region.equivalent_diameter_area)


large, small = third(area, True), third(area, False)
bright, dark = third(brightness, True), third(brightness, False)
rounds = each(lambda r, a: circularity(r, a) >= 0.85)
long = each(lambda r, a: aspect(r, a) >= 1.75)
away = each(lambda r, a: not at_border(r, a))
left = each(lambda r, a: centre(r, a)[1] < 0.5)

PHRASES: dict[str, Rule] = {
    "large objects": large,
    "small objects": small,
    "big ones": large,
    "bright objects": bright,
    "dark objects": dark,
    "dim objects": dark,
    "textured objects": third(texture, True),
    "smooth objects": third(texture, False),
    "high contrast objects": third(contrast, True),
    "low contrast objects": third(contrast, False),
    "round objects": rounds,
    "irregular objects": each(lambda r, a: circularity(r, a) < 0.7),
    "elongated objects": long,
    "objects that are not elongated": each(lambda r, a: aspect(r, a) <= 1.25),
    "objects on the left": left,
    "objects on the right": each(lambda r, a: centre(r, a)[1] >= 0.5),
    "objects at the top": each(lambda r, a: centre(r, a)[0] < 0.5),
    "objects at the bottom": each(lambda r, a: centre(r, a)[0] >= 0.5),
    "objects in the centre": each(
        lambda r, a: all(abs(x - 0.5) <= 0.25 for x in centre(r, a))
    ),
    "objects touching the border": each(at_border),
    "objects not touching the border": away,
    "objects away from the edge": away,
    "the largest object": first(area, 1),
    "the 3 largest objects": first(area, 3),
    "the 5 smallest objects": first(lambda r, a: -area(r, a), 5),
    "the 4 brightest objects": first(brightness, 4),
    "the 2 darkest objects": first(lambda r, a: -brightness(r, a), 2),
    "the 3 longest objects": first(aspect, 3),
    "the 3 roundest objects": first(circularity, 3),
    "objects larger than 200 px2": each(lambda r, a: area(r, a) >= 200),
    "objects smaller than 300 pixels": each(lambda r, a: area(r, a) <= 300),
    "area between 100 and 500 px2": each(lambda r, a: 100 <= area(r, a) <= 500),
    "diameter under 20 px": each(lambda r, a: width_of(r, a) <= 20),
    "diameter of at least 15 px": each(lambda r, a: width_of(r, a) >= 15),
    "objects larger than 50 um2": each(lambda r, a: area(r, a) * 0.25 >= 50),
    "objects under 8 microns across": each(lambda r, a: width_of(r, a) * 0.5 <= 8),
    "large round objects": both(large, rounds),
    "small bright objects": both(small, bright),
    "dark elongated objects": both(dark, long),
    "large objects on the left, not touching the border": both(large, left, away),
}


def chosen_by_text(text: str, labels: np.ndarray, gray: np.ndarray) -> set[int]:
    """Return the labels that a text chooses among all objects."""
    query = read_text(text)
    table = measure_for_query(labels, gray, (0.5, 0.5))
    kept = np.ones(len(table), np.bool_)
    for condition in query.conditions:
        kept &= fulfils(table, condition)
    if query.count is not None:
        order = [i for i in ranked_by(table, query.count[0]) if kept[i]]
        kept = np.isin(np.arange(len(table)), order[: query.count[1]])
    return {int(label) for label in table.index[kept]}


def main() -> None:
    """Score the phrases on a folder of labelled images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=["fluo_nuclei", "em_particles"])
    parser.add_argument("--max-images", type=int, default=4)
    args = parser.parse_args()
    counts = {text: np.zeros(3, int) for text in PHRASES}
    for kind in args.kinds:
        for path in sorted((args.data / kind / "images").iterdir())[: args.max_images]:
            image = read_image(path)
            gray = image if image.ndim == 2 else image[..., :3].mean(axis=-1)
            labels = read_labels(args.data / kind / "labels" / f"{path.stem}.png")
            regions = regionprops(labels, gray)
            about = {"labels": labels, "gray": gray}
            about["grown"] = expand_labels(labels, 4)
            for text, rule in PHRASES.items():
                answers = rule(regions, about)
                wanted = {
                    r.label for r, yes in zip(regions, answers, strict=True) if yes
                }
                got = chosen_by_text(text, labels, gray)
                counts[text] += len(wanted & got), len(got - wanted), len(wanted - got)
    scores = []
    for text, (right, extra, missed) in counts.items():
        f1 = 2 * right / max(1, 2 * right + extra + missed)
        scores.append(f1)
        print(f"{f1:.3f}  {right:5d} right, {extra} too many, {missed} missed  {text}")
    print(f"{np.mean(scores):.3f}  mean of {len(scores)} phrases")


if __name__ == "__main__":
    main()
