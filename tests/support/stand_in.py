"""What all stand-ins for a model have in common; each sees and answers its own way.

It is asked as a `napari_sam.inference.promptable.PromptableModel` is, notes what it is
shown and asked, and can be held up.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import torch

from napari_sam.inference.image_scale import checked_scale, embed_with_tiles
from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.tiled_prediction import predict_tiles
from napari_sam.ops.types import Cancelled, FrameGeometry, ImageEmbedding, Multimask

__all__ = ["StandIn"]


class StandIn:
    """A model whose embedding is the image that it was shown.

    Attributes
    ----------
    embedded, shapes, contrast
        The images that were embedded, their shapes, and with which contrast limits.
    asked
        The prompts, one by one.
    gate, predict_gate
        Embedding and answering wait until they are set, as they are at the start.
    free_images
        So many images are embedded without waiting.
    begun
        How many embeddings were asked for.
    waits
        Set once one was.
    error, answer_error
        Raised in place of an embedding, of an answer.
    """

    name = "stand-in"
    digest = "stand-in"
    has_dense_head = False
    has_quick_maps = False
    map_stride = 2.0
    object_size = None
    frame_size = 64

    def __init__(self, frame_size=None):
        self.frame_size = frame_size or self.frame_size
        self.device = SimpleNamespace(type="cpu")
        self.embedded = []
        self.shapes = []
        self.contrast = []
        self.asked = []
        self.error = self.answer_error = None
        self.free_images = 0
        self.begun = 0
        self.waits = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.predict_gate = threading.Event()
        self.predict_gate.set()

    def embed(self, image, *, scale="auto", contrast_limits=None, is_cancelled=None):
        scale = checked_scale(scale)
        if scale != "whole":
            view = PlaneView.of(image, self.frame_size, contrast_limits)
            wanted = None if scale == "auto" else scale
            return embed_with_tiles(self, view, wanted, is_cancelled)
        self.begun += 1
        self.waits.set()
        if len(self.embedded) >= self.free_images and not self.gate.is_set():
            is_cancelled = is_cancelled or (lambda: False)
            while not (self.gate.wait(0.005) or is_cancelled()):
                pass
            if is_cancelled():
                raise Cancelled
        if self.error is not None:
            raise self.error
        image = np.array(image)
        self.embedded.append(image)
        self.shapes.append(image.shape)
        self.contrast.append(contrast_limits)
        features = torch.from_numpy(self.see(image))
        geometry = FrameGeometry.fit(image.shape[:2], self.frame_size)
        return ImageEmbedding(features, geometry, str(len(self.embedded)))

    @property
    def map_frames(self):
        return (self.frame_size,)

    batch_size = 1

    @property
    def encoder(self):
        return self

    def embed_batch(
        self, images, *, contrast_limits=None, frame_size=None, is_cancelled=None
    ):
        how = {"contrast_limits": contrast_limits, "is_cancelled": is_cancelled}
        return [self.embed(image, scale="whole", **how) for image in images]

    def see(self, image):
        """Return what of an image becomes its embedding."""
        return np.asarray(image, np.float32)

    def mask_to_logits(self, embedding, mask):
        return np.where(mask, 5.0, -5.0).astype(np.float32)

    def predict_prompts(self, embedding, prompts, multimask=Multimask.AUTO):
        return self.predict_batch(embedding, [prompts], multimask)[0]

    def predict_batch(self, embedding, prompts, multimask=Multimask.AUTO):
        if isinstance(embedding, PlaneView):
            return predict_tiles(self, embedding, prompts, multimask)
        answers = []
        for one in prompts:
            self.predict_gate.wait(10)
            if self.answer_error is not None:
                raise self.answer_error
            self.asked.append(one)
            count = 3 if multimask.wants_three(one) else 1
            answers.append(self.answer(embedding, one, count))
        return answers

    def answer(self, embedding, prompts, count):
        """Answer the prompts of one object with `count` masks, or fewer."""
        raise NotImplementedError
