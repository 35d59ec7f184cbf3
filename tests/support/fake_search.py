"""A stand-in for the search: discs with known scores; it notes what it is asked."""

from __future__ import annotations

import threading

import numpy as np
from fake_predictor import disc

from napari_sam.ops.rle import Rle
from napari_sam.ops.types import Cancelled, MaskRecord

DISCS = (
    ((15, 15), 6, 0.95, 0.99),
    ((15, 45), 8, 0.92, 0.97),
    ((45, 20), 5, 0.90, 0.96),
    ((45, 55), 9, 0.70, 0.90),
    ((2, 70), 5, 0.91, 0.98),  # touches the border
)
"""Centre, radius, predicted IoU, stability."""


def record_of(mask, iou=0.9, stability=0.97, point=None):
    rle = Rle.encode(mask)
    bbox = rle.bbox or (0, 0, 0, 0)
    where = point or ((bbox[0] + bbox[2] - 1) / 2, (bbox[1] + bbox[3] - 1) / 2)
    return MaskRecord(rle, rle.area, bbox, iou, stability, where, (0, 0, *mask.shape))


def disc_records(shape):
    return [
        record_of(disc(shape, centre, radius), iou, stability, centre)
        for centre, radius, iou, stability in DISCS
    ]


class FakeSearch:
    """Finds `DISCS`, or what it is told to; waits at a gate."""

    def __init__(self, records=None):
        self.records = records
        self.asked = []
        self.error = None
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.was_cancelled = threading.Event()

    def __call__(self, predictor, image, mode, options, *, scope, progress):
        told = progress.report or (lambda done, total: None)
        is_cancelled = progress.is_cancelled or (lambda: False)
        image = np.asarray(image)
        self.asked.append(
            {"mode": mode, "options": options, "image": image, "scope": scope}
        )
        told(0, 4)
        told(1, 4)
        self.waiting.set()
        while not self.gate.wait(0.005):
            if is_cancelled():
                self.was_cancelled.set()
                raise Cancelled
        if self.error is not None:
            raise self.error
        told(4, 4)
        if self.records is not None:
            return self.records
        return disc_records(image.shape[:2])
