"""What it costs to embed, sort and query many objects, after the plane is embedded.

A plane is tiled with discs; printed are the seconds for the plane itself, and for its
objects the first time and again, also as shares of the plane's::

    python benchmarks/object_embeddings.py --objects 1000
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_sam
from napari_sam.workflows.queries.classification_features import classification_features
from napari_sam.workflows.queries.find import ask_objects

if TYPE_CHECKING:
    from collections.abc import Callable


def plane_of(objects: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many discs on a square plane; return the image and its labels."""
    side = int(np.ceil(np.sqrt(objects)))
    pitch = across + 4
    rows, cols = np.mgrid[: side * pitch, : side * pitch]
    number = rows // pitch * side + cols // pitch + 1
    away = np.hypot(rows % pitch - pitch / 2, cols % pitch - pitch / 2)
    inside = (away < across / 2) & (number <= objects)
    labels = np.where(inside, number, 0).astype(np.int32)
    noise = np.random.default_rng(0).normal(size=labels.shape)
    return (40 + 100 * inside + 8 * noise).astype(np.float32), labels


def timed(title: str, run: Callable[[], Any], plane: float = 0.0) -> float:
    """Run something, print how long it took, and return it."""
    start = time.perf_counter()
    run()
    took = time.perf_counter() - start
    share = f"  {took / plane:6.2f} of the plane" if plane else ""
    print(f"{title:42s}{took:8.3f} s{share}", flush=True)
    return took


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--across", type=int, default=24, help="pixels of a disc")
    parser.add_argument("--memory", action="store_true", help="the peak of it, too")
    args = parser.parse_args()
    image, labels = plane_of(args.objects, args.across)
    sam = napari_sam.load_model("cells")
    print(f"{args.objects} objects, plane of {image.shape[0]} x {image.shape[1]}")
    napari_sam.embed_objects(image[:64, :64], labels[:64, :64], model=sam)  # warm

    def tiles() -> None:
        view = sam.embed(image)
        if isinstance(view, napari_sam.PlaneView):
            for tile in view.tiles:
                view.embed(sam, tile)

    plane = timed("the plane, in all its tiles", tiles)
    if args.memory:
        tracemalloc.start()
    shown = sam.embed(image)

    def embed() -> None:
        napari_sam.embed_objects(shown, labels, model=sam)

    timed("vectors of the objects", embed, plane)
    timed("the same again", embed, plane)
    for text in ("everything", "nuclei", "large round nuclei not at the border"):
        ask = partial(ask_objects, image, labels, napari_sam.read_text(text), model=sam)
        timed(f"find {text!r}", ask)
    for title, like in (("one", np.where(labels == 1, 1, 0)), ("all", labels)):
        ask = partial(ask_objects, image, labels, None, like=like, model=sam)
        timed(f"find like {title}", ask)
    values, columns = classification_features(image, labels, model=sam)
    names = ["odd" if i % 2 else "even" for i in range(10)]
    learn = napari_sam.ObjectClassifier.fit
    timed("learn two classes", lambda: learn(values[:10], names, columns))
    classifier = learn(values[:10], names, columns)
    timed("sort the objects", lambda: classifier.suggest(values))
    if args.memory:
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        print(f"peak of the objects {peak:.0f} MiB")


if __name__ == "__main__":
    main()
