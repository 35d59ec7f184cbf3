"""Rendered scenes: labelled images of kinds for which there are few real ones.

A scene is laid out (`cell_layouts`, `shapes`), given the looks of a stain or a contrast
(one module for each field of microscopy), and seen through `optics`.
"""

from napari_sam.training.rendering.kinds import KINDS, render_scene
from napari_sam.training.rendering.scene import Level, Scene

__all__ = ["KINDS", "Level", "Scene", "render_scene"]
