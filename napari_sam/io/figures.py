"""Figures of objects: outlines over the image, as SVG or PNG, with a scale bar."""

from __future__ import annotations

import base64
import io
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from scipy import ndimage

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.label_images import as_rgb
from napari_sam.io.object_set import hex_color, rgb_of
from napari_sam.io.outlines import trace_objects
from napari_sam.ops.polygons import rings_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.configs.export import ExportConfig
    from napari_sam.io.object_set import ObjectMask, ObjectSet
    from napari_sam.ops.polygons import Ring

__all__ = ["write_figure"]

_SHARP = 1200
"""Pixels that the longer side of a PNG has at least: outlines need room."""

_SHARE = 0.2
"""Of the width of an image, of which a scale bar takes about so much."""

_UNITS = ((1000.0, "mm"), (1.0, "\u00b5m"), (0.001, "nm"))
_FONTS = ("Arial.ttf", "arial.ttf", "Helvetica.ttc", "DejaVuSans.ttf")
"""Of macOS, Windows and Linux."""

_UNNAMED = "#ffe14d"


def write_figure(
    path: Path, objects: ObjectSet, image: NDArray[Any] | None, config: ExportConfig
) -> Path:
    """Draw the outlines of objects over their image, as ``.svg`` or ``.png``.

    An outline has the colour of its object or of its class. There is a scale bar where
    the pixel size is known.

    Parameters
    ----------
    path
        The file.
    objects
        Of one plane.
    image
        (H, W) or (H, W, 3 | 4); black where there is none.
    config
        How it is drawn.

    Raises
    ------
    ValueError
        If the objects lie in a stack, the image is of another shape, or a scale bar of
        a given length is wanted and the pixel size is not known.
    OSError
        If it cannot be written; what was there before stays.
    """
    if len(objects.shape) != 2:
        raise ValueError(
            "a figure shows one plane; the objects have the axes "
            f"{objects.axes.upper()} and the shape {objects.shape}: choose a plane "
            "(--plane)"
        )
    plane = np.zeros(objects.shape, np.uint8) if image is None else np.asarray(image)
    if plane.ndim not in (2, 3) or plane.shape[:2] != objects.shape:
        raise ValueError(
            f"the image has the shape {plane.shape} and the objects {objects.shape}"
        )
    base = np.asarray(np.rint(as_rgb(plane) * 255), np.uint8)
    outlines = [
        (_color(objects, one), rings_of(polygons))
        for one, polygons in zip(
            objects.masks, trace_objects(objects.masks, config.simplify), strict=True
        )
    ]
    ids = [(one.label, _middle(one)) for one in objects.masks] if config.ids else []
    figure = _Figure(
        base, outlines, ids, _scale_bar(objects, config), config.line_width
    )
    if path.suffix.lower() == ".svg":
        text = _svg(figure)
        return write_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
    picture = _picture(figure)
    return write_atomically(path, lambda part: picture.save(part, format="PNG"))


@dataclass(frozen=True, eq=False)
class _Bar:
    """A scale bar: its length in pixels, and what is written beside it."""

    length: float
    text: str


@dataclass(frozen=True, eq=False)
class _Figure:
    base: NDArray[np.uint8]
    outlines: Sequence[tuple[str, list[Ring]]]
    ids: Sequence[tuple[int, tuple[float, float]]]
    bar: _Bar | None
    line_width: float

    @property
    def enlarged(self) -> int:
        """Of how many pixels of the picture a pixel of the image has the side."""
        side = max(int(n) for n in self.base.shape[:2])
        return max(1, math.ceil(_SHARP / side))


def _color(objects: ObjectSet, one: ObjectMask) -> str:
    color = objects.color(one.label)
    return hex_color(rgb_of(color)) if color else _UNNAMED


def _middle(one: ObjectMask) -> tuple[float, float]:
    """Return the place of an object that is the farthest from its outline."""
    depth = ndimage.distance_transform_cdt(np.pad(one.mask, 1), metric="taxicab")
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return one.corner[0] + float(row) - 0.5, one.corner[1] + float(col) - 0.5


def _scale_bar(objects: ObjectSet, config: ExportConfig) -> _Bar | None:
    known = objects.calibration
    size = None if known is None else known.pixel_size
    if size is None:
        if config.scale_bar is None:
            return None
        raise ValueError(
            f"a scale bar of {config.scale_bar:g} micrometres needs the size of a "
            "pixel, which the labels do not have; say it, such as by --pixel-size 0.2"
        )
    length = config.scale_bar or _round_length(objects.shape[1] * size[1] * _SHARE)
    per_unit, unit = next(
        (one for one in _UNITS if length >= 0.9999 * one[0]), _UNITS[-1]
    )
    return _Bar(length / size[1], f"{length / per_unit:g} {unit}")


def _round_length(about: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... (and parts) that is not above."""
    power = 10.0 ** math.floor(math.log10(about))
    return max(step * power for step in (1, 2, 5) if step * power <= about * 1.0001)


def _svg(figure: _Figure) -> str:
    height, width = figure.base.shape[:2]
    unit = max(height, width) / 500
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width * figure.enlarged}" height="{height * figure.enlarged}">',
        f'<image width="{width}" height="{height}" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{_png(figure.base)}"/>',
        '<g fill="none" stroke-linejoin="round">',
    ]
    for color, rings in figure.outlines:
        path = "".join(
            "M" + "L".join(f"{col:g},{row:g}" for row, col in ring.tolist()) + "Z"
            for ring in rings
        )
        drawn.append(
            f'<path d="{path}" stroke="{escape(color)}" '
            f'stroke-width="{figure.line_width:g}" vector-effect="non-scaling-stroke"/>'
        )
    drawn.append("</g>")
    text = (
        f'font-family="Helvetica, Arial, sans-serif" text-anchor="middle" fill="white" '
        f'stroke="black" stroke-width="{unit / 2:g}" paint-order="stroke"'
    )
    for label, (row, col) in figure.ids:
        drawn.append(
            f'<text x="{col:g}" y="{row:g}" dominant-baseline="central" '
            f'font-size="{10 * unit:g}" {text}>{label}</text>'
        )
    if figure.bar is not None:
        right, bottom = width - 15 * unit, height - 15 * unit
        drawn.append(
            f'<rect x="{right - figure.bar.length:g}" y="{bottom - 5 * unit:g}" '
            f'width="{figure.bar.length:g}" height="{5 * unit:g}" fill="white" '
            f'stroke="black" stroke-width="{unit / 2:g}"/>'
        )
        drawn.append(
            f'<text x="{right - figure.bar.length / 2:g}" y="{bottom - 9 * unit:g}" '
            f'font-size="{16 * unit:g}" {text}>{escape(figure.bar.text)}</text>'
        )
    return "\n".join([*drawn, "</svg>\n"])


def _png(base: NDArray[np.uint8]) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(base).save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode("ascii")


def _in_font(text: str, size: float) -> tuple[str, Any]:
    """Return a text and a font that has its letters: Pillow's own has no µ."""
    from PIL import ImageFont

    for name in () if text.isascii() else _FONTS:
        with suppress(OSError):
            return text, ImageFont.truetype(name, size)
    return text.replace("µ", "u"), ImageFont.load_default(size=size)


def _picture(figure: _Figure) -> Any:
    from PIL import Image, ImageDraw, ImageFont

    factor = figure.enlarged
    large = figure.base.repeat(factor, axis=0).repeat(factor, axis=1)
    picture = Image.fromarray(large)
    draw = ImageDraw.Draw(picture)
    wide = max(1, round(figure.line_width))
    for color, rings in figure.outlines:
        for ring in rings:
            corners = [(col * factor, row * factor) for row, col in ring.tolist()]
            draw.line([*corners, *corners[:2]], fill=color, width=wide, joint="curve")
    unit = max(large.shape[:2]) / 500
    small = ImageFont.load_default(size=10 * unit)
    about: dict[str, Any] = {"fill": "white", "stroke_fill": "black"}
    around = max(1, round(unit / 2))
    for label, (row, col) in figure.ids:
        at = (col * factor, row * factor)
        draw.text(at, str(label), font=small, anchor="mm", stroke_width=around, **about)
    if figure.bar is not None:
        height, width = large.shape[:2]
        right, bottom = width - 15 * unit, height - 15 * unit
        left = right - figure.bar.length * factor
        text, font = _in_font(figure.bar.text, 16 * unit)
        draw.rectangle(
            (left, bottom - 5 * unit, right, bottom), fill="white", outline="black"
        )
        draw.text(
            ((left + right) / 2, bottom - 9 * unit),
            text,
            font=font,
            anchor="mb",
            stroke_width=around,
            **about,
        )
    return picture
