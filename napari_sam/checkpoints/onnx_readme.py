"""What lies beside ONNX files: how they are used, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.checkpoints.load import LoadedCheckpoint
    from napari_sam.model.sam import Architecture

__all__ = [
    "DECODER",
    "DECODER_INPUTS",
    "DECODER_OUTPUTS",
    "DESCRIPTION",
    "ENCODER",
    "MOST_POINTS",
    "README",
    "describe",
    "explain",
]

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
README, DESCRIPTION = "README.md", "model.json"

MOST_POINTS = 1000
"""Of one object, that the decoder takes."""

_ENCODER_INPUTS = {
    "image": "float32 (1, 3, height, width): red, green, blue of 0 to 255, resized so "
    "that the longer side is the frame size; it is normalised and padded inside"
}
_ENCODER_OUTPUTS = {"embedding": "float32 (1, C, h, w)"}
DECODER_INPUTS = {
    "embedding": "of encoder.onnx",
    "points": "float32 (objects, points, 2): x, y in pixels of the resized image; at "
    f"most {MOST_POINTS} points of an object",
    "labels": "int64 (objects, points): 1 object, 0 background, 2 and 3 the first and "
    "the second corner of a box, -1 no point",
    "mask": "float32 (objects, 1, mask size, mask size): logits of a rough mask, such "
    "as those of an earlier answer; zeros where there is none",
    "has_mask": "float32 (objects): 1 where the mask counts, 0 where there is none",
}
"""The names in the file, in their order, and what they mean."""

DECODER_OUTPUTS = {
    "masks": "float32 (objects, 4, mask size, mask size): logits, above 0 in the "
    "object; the single mask, then three candidates for ambiguous prompts",
    "scores": "float32 (objects, 4): the predicted IoU of each",
}

_TEXT = """\
# {name}, as ONNX

`encoder.onnx` maps an image to an embedding, once for each image. `decoder.onnx` maps
the embedding and prompts to masks, once for each click. Both were written by napari-sam
and compared with the model in ONNX Runtime.

- Frame size: {frame} pixels. Resize the image, antialiased and bilinear, so that its
  longer side is {frame}. Give red, green and blue as float32 of 0 to 255, with the
  contrast that you would show it with; a grey image three times. Normalisation and
  padding are in the file.
- Points are (x, y), that is (column, row), in pixels of the resized image.
- A box is two points, (left, top) with label 2 and (right, bottom) with label 3.
  Prompts without a box end with one more point (0, 0) with label -1.
- All objects of one call have the same number of points; fill up with label -1.
- Masks have {mask} x {mask} pixels and cover the padded frame: enlarge them to
  {frame} x {frame}, cut off the padding, and resize to the image.
- For one point or one mask alone, choose the best of the masks 1 to 3 by its score.
  For several points or a box, take mask 0.

{note}```python
import numpy as np
import onnxruntime
from PIL import Image

encoder = onnxruntime.InferenceSession("encoder.onnx")
decoder = onnxruntime.InferenceSession("decoder.onnx")

image = Image.open("image.png").convert("RGB")
scale = {frame} / max(image.size)
size = [max(1, int(n * scale + 0.5)) for n in image.size]
bilinear = Image.Resampling.BILINEAR
small = np.asarray(image.resize(size, bilinear), np.float32)
(embedding,) = encoder.run(None, {{"image": small.transpose(2, 0, 1)[None]}})

x, y = image.width / 2, image.height / 2  # a click
prompts = {{
    "points": np.array([[[x * scale, y * scale], [0, 0]]], np.float32),
    "labels": np.array([[1, -1]], np.int64),
    "mask": np.zeros((1, 1, {mask}, {mask}), np.float32),
    "has_mask": np.zeros(1, np.float32),
}}
masks, scores = decoder.run(None, {{"embedding": embedding, **prompts}})
best = 1 + scores[0, 1:].argmax()
frame = Image.fromarray(masks[0, best]).resize(({frame}, {frame}), bilinear)
logits = frame.crop((0, 0, *size)).resize(image.size, bilinear)
mask = np.asarray(logits) > 0
```
"""

_NOTE = """\
napari-sam goes over the answers of this model once more: it makes them keep to the
prompts and ranks the candidates anew. These files hold the network alone.

"""


def describe(loaded: LoadedCheckpoint, architecture: Architecture, opset: int) -> str:
    """Say in JSON what the files hold.

    Parameters
    ----------
    loaded
        The model.
    architecture
        Of the model.
    opset
        Version of the ONNX operators.
    """
    spec = loaded.entry
    content = {
        "model": loaded.name,
        "architecture": architecture.name,
        "weights_sha256": loaded.digest,
        "licence": None if spec is None else spec.licence,
        "citation": None if spec is None else spec.citation,
        "opset": opset,
        "frame_size": architecture.frame_size,
        "mask_size": 4 * architecture.grid,
        "pixel_mean": architecture.pixel_mean,
        "pixel_std": architecture.pixel_std,
        "normalised_inside": True,
        "encoder": {
            "file": ENCODER,
            "inputs": _ENCODER_INPUTS,
            "outputs": _ENCODER_OUTPUTS,
        },
        "decoder": {
            "file": DECODER,
            "inputs": DECODER_INPUTS,
            "outputs": DECODER_OUTPUTS,
        },
    }
    return json.dumps(content, indent=2) + "\n"


def explain(architecture: Architecture, name: str) -> str:
    """Say in words, and by a script, how the files are used."""
    return _TEXT.format(
        name=name,
        frame=architecture.frame_size,
        mask=4 * architecture.grid,
        note=_NOTE if architecture.refines_answers else "",
    )
