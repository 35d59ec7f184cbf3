"""Label images that commands are given: what is none is refused before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["refuse_image"]


def refuse_image(path: Path, hint: str = "") -> None:
    """Refuse a file of intensities where one of labels is wanted.

    The middle plane is looked at. What cannot be labels for another reason (values
    that are no whole numbers, colour, a damaged file) is left to the reader.

    Parameters
    ----------
    path
        The file.
    hint
        What the user may have meant, a sentence without its full stop.

    Raises
    ------
    ValueError
        If it looks like an image.
    OSError
        If it cannot be read.
    """
    from napari_sam.io.image_reader import ArraySource, open_array
    from napari_sam.ops.labels import looks_like_intensities

    image = open_array(ArraySource(str(path)))
    if image.is_colour or image.dtype.kind not in "iu":
        return
    middle = tuple(length // 2 for length in image.leading)
    if looks_like_intensities(image.read(middle, (0, 0, *image.shape))):
        also = f". {hint}" if hint else ""
        raise ValueError(
            f"{path} looks like an image, not labels: neighbouring pixels differ "
            f"nearly everywhere{also}"
        )
