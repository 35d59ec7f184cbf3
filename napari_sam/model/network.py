"""The networks that can be asked for masks, by one name."""

from __future__ import annotations

from napari_sam.model.sam import Sam
from napari_sam.model.sam2 import Sam2

__all__ = ["Network"]

Network = Sam | Sam2
"""Both have an architecture, an image encoder, a prompt encoder and a mask decoder of
the same names, and take and give tensors of the same meaning."""
