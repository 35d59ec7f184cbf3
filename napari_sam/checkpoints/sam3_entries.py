"""The registry's entry of SAM 3, which its publisher gives on request only."""

from __future__ import annotations

from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec

__all__ = ["SAM3_MODELS"]

SAM3_MODELS = (
    CheckpointSpec(
        name="sam3",
        title="SAM 3",
        architecture="sam3",
        filename="sam3",
        good_for="All objects that a phrase or example boxes name; wants a GPU.",
        licence="SAM License",
        citation="Carion et al., SAM 3: Segment Anything with Concepts, 2025, "
        "arXiv:2511.16719",
        size=3_450_000_000,
        size_is_exact=False,
        prompts=("points", "boxes", "masks", "text", "examples"),
        everything=("grid", "concept"),
        volumes=("follow", "memory", "planes"),
        text=True,
        trainable=False,
        extra="transformers",
        gate="https://huggingface.co/facebook/sam3",
    ),
)
"""SAM 3: a folder, not a file."""
