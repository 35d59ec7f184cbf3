"""What lies beside the weights in a BioImage.IO package, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.checkpoints.bioimageio_graphs import Answers
    from napari_sam.checkpoints.model_origin import ModelOrigin

__all__ = ["explain"]

_MAPS = """\
The input is a plane of {side} x {side} pixels with three channels; give a grey image
three times. Intensities between the percentiles 0.2 and 99.8 are stretched to 0 to 1.
Larger images are seen in tiles, at the scale that they have.

The output has three channels of 0 to 1:

1. foreground: above 0.5 inside objects;
2. distance to the centre of the object: 0 at the centre, 1 at the edge and outside;
3. distance to the boundary of the object: 0 deepest inside, 1 at the edge and outside.

Objects come from a watershed: seeds where both distances are small, grown on the third
map within the foreground. napari-sam does that, and more: `napari-sam segment IMAGE
--model PACKAGE.zip --mode instances`.
"""

_POINTS = """\
The input `image` is a plane of {side} x {side} pixels with three channels; give a grey
image three times. Intensities between the percentiles 0.2 and 99.8 are stretched to
0 to 1. `points` are (x, y) in pixels of the plane, several for each object; `labels`
say of each whether it is in the object (1), not in it (0), or only fills up (-1). The
network sees what fills up, so that its answers change a little.

`masks` are 0 to 1, above 0.5 in the object; `scores` are the predicted IoUs. For one
point it is the best of the network's three candidates, for more its single mask.
"""

_TEXT = """\
# {title}

{good_for} Written by napari-sam from a model of Segment Anything.

## Inputs and outputs

{form}
The file `weights.onnx` runs in any program with ONNX Runtime. `weights.pt` holds all
weights of the model; in napari, choose this package with *Open a file…*, or
`napari_sam.load_model("PACKAGE.zip")` in a script, and the model takes points, boxes
and masks.

## Training data

{training}

## Validation

Segment some images of yours that have labels, and compare:
`napari-sam evaluate --data FOLDER --model PACKAGE.zip`.

## Licence and citation

Licence of the weights: {licence}.

{citations}
"""


def explain(side: int, answers: Answers, origin: ModelOrigin) -> str:
    """Say what a package computes, where it comes from, and how it is checked.

    Parameters
    ----------
    side
        Of the plane in pixels.
    answers
        What is asked of it.
    origin
        Of the model.
    """
    form = (_MAPS if answers == "maps" else _POINTS).format(side=side)
    return _TEXT.format(
        title=origin.title,
        good_for=origin.good_for,
        form=form,
        training=origin.training,
        licence=origin.licence or "not stated",
        citations="\n".join(f"- {text}" for text in origin.citations),
    )
