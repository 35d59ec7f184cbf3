"""A picture of the objects with which a model does worst."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_sam.evaluation.simulated_clicks import interior_point
from napari_sam.inference.preprocess import to_rgb
from napari_sam.ops.outlines import FOUND, TRUTH, draw_outlines, window_around
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.click_protocol import (
        ImageScores,
        ObjectScores,
    )
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.io.labelled_folders import LabelledImage

__all__ = ["draw_gallery", "find_worst"]

_SIDE = 150
_GAP = 10
_LINE = 18
_INK = (40, 40, 40)
_PAPER = (255, 255, 255)


@dataclass(frozen=True)
class _Failure:
    """One of the worst objects, and the image that it is in."""

    kind: str
    name: str
    scores: ObjectScores


def find_worst(images: Iterable[ImageScores], count: int = 6) -> list[_Failure]:
    """Find the objects of each kind whose first click was answered worst.

    Of an image its worst object alone is taken, so that one bad image does not hide
    the others of its kind; where a kind has fewer images than `count`, its pictures
    are fewer.

    Parameters
    ----------
    images
        The scores of each image.
    count
        Objects of a kind, at most.

    Returns
    -------
    The objects kind by kind, the worst first.
    """
    kinds: dict[str, list[_Failure]] = {}
    for item in images:
        if item.objects:
            worst = min(item.objects, key=lambda scores: scores.clicks[0])
            failure = _Failure(item.kind, item.name, worst)
            kinds.setdefault(item.kind, []).append(failure)
    found = []
    for kind in sorted(kinds):
        found += sorted(kinds[kind], key=lambda f: f.scores.clicks[0])[:count]
    return found


def draw_gallery(
    model: PromptableModel,
    images: Sequence[LabelledImage],
    scores: Sequence[ImageScores],
    count: int = 6,
    *,
    tiled: bool = True,
) -> NDArray[np.uint8]:
    """Draw the worst objects of each kind: see `find_worst`.

    Each is shown with its true outline in green, what the model makes of the first
    click in orange, the click as a white dot, and below the IoU after one click and
    after three.

    Parameters
    ----------
    model, tiled
        As they were scored; see `napari_sam.evaluation.click_protocol.score_image`.
    images
        What was scored.
    scores
        What came of it.
    count
        Objects of a kind, at most.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ValueError
        If there is no object at all.
    """
    worst = find_worst(scores, count)
    if not worst:
        raise ValueError("there is no labelled object to show")
    rows = {k: list(group) for k, group in groupby(worst, key=lambda f: f.kind)}
    where = {(item.kind, item.name): item for item in images}
    columns = max(len(row) for row in rows.values())
    tall = _SIDE + 2 * _LINE + 2 * _GAP
    size = (columns * (_SIDE + _GAP) + _GAP, len(rows) * tall + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for number, (kind, row) in enumerate(rows.items()):
        top = number * tall + _GAP
        pen.text((_GAP, top), kind, _INK, font)
        for column, failure in enumerate(row):
            picture = _draw(model, where[kind, failure.name], failure, tiled)
            left = _GAP + column * (_SIDE + _GAP)
            sheet.paste(picture, (left, top + _LINE))
            after = failure.scores.clicks
            text = f"{after[0]:.2f}, 3 clicks {after[2]:.2f}"
            pen.text((left, top + _LINE + _SIDE + 2), text, _INK, font)
    return np.asarray(sheet)


def _draw(
    model: PromptableModel, item: LabelledImage, failure: _Failure, tiled: bool
) -> Image.Image:
    """Ask again for the answer to the first click, and draw it."""
    image, labels = item.read()
    truth = labels == failure.scores.label
    click, _ = interior_point(truth)
    embedding = model.embed(image, scale="auto" if tiled else "whole")
    (answer,) = model.predict_batch(embedding, [Prompts.make([click], [1])])
    part = window_around(truth)
    found = answer.masks[int(answer.scores.argmax())]
    picture = to_rgb(image)[part].round().astype(np.uint8)
    factor = _SIDE / max(picture.shape[:2])
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    outlines = [
        (np.asarray(Image.fromarray(mask[part]).resize(size)), color)
        for mask, color in ((truth, TRUTH), (found, FOUND))
    ]
    scaled = np.asarray(Image.fromarray(picture).resize(size))
    drawn = Image.fromarray(draw_outlines(scaled, outlines, max(size)))
    row, col = (
        (at + 0.5 - s.start) * factor for at, s in zip(click, part, strict=True)
    )
    ImageDraw.Draw(drawn).ellipse((col - 3, row - 3, col + 3, row + 3), _PAPER, _INK)
    return drawn
