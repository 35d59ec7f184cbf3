"""What is known of a checkpoint before it is here, and what its model can do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DENSE_MODES",
    "DENSE_VOLUMES",
    "SIZE_TITLES",
    "CheckpointSpec",
    "format_size",
]

SIZE_TITLES = {"vit_t": "ViT-T", "vit_b": "ViT-B", "vit_l": "ViT-L", "vit_h": "ViT-H"}
"""How people call the encoders."""

DENSE_MODES = ("grid", "instances", "refined")
"""How a model with dense maps finds objects without a prompt."""

DENSE_VOLUMES = ("follow", "planes", "fused")
"""What it does in a volume."""


def format_size(size: int) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> format_size(375_042_383)
    '375 MB'
    >>> format_size(2_564_550_879)
    '2.6 GB'
    """
    if size >= 10**9:
        return f"{size / 1e9:.1f} GB"
    if size >= 10**6:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e3:.0f} kB"


@dataclass(frozen=True)
class CheckpointSpec:
    """One checkpoint that can be had by name.

    Attributes
    ----------
    name
        What the user writes.
    title
        What the user reads.
    architecture
        Key of `napari_sam.model.build.ARCHITECTURES`; ``"unetr"`` for the
        instance decoders.
    filename
        Name of the file in the cache, or in the package when bundled.
    good_for
        One sentence on what it segments well.
    licence, citation
        Of the weights.
    url, mirrors
        Where the file is published, and other copies of the same file. The url is
        None for a bundled file.
    hash
        ``"sha256:<hex>"`` or ``"xxh128:<hex>"``; None for a bundled file, which
        the package's own installation has verified.
    size
        Bytes; None for a bundled file.
    size_is_exact
        False where the size was worked out from the number of weights.
    decoder
        Name in `DECODERS` of the instance decoder trained with it, or None.
    bundled
        Whether the file lies inside the package.
    prompts
        What it can be asked with: "points", "boxes", "masks" or "text".
    everything
        Modes of `napari_sam.segment` that find objects without a prompt.
    volumes
        What it does in a volume or a film: "follow" an object from plane to plane, or
        by a "memory" of its own, segment "planes" and link them, or part "fused" maps
        in 3D.
    text
        Whether texts find objects with what ships with the package.
    trainable
        Whether ``napari-sam train --from`` takes it.
    extra
        Extra of the package that has to be installed for it, or None.
    gate
        Page on which its publisher has to be asked first, or None.
    is_high_quality
        Whether its mask decoder is that of SAM-HQ.
    """

    name: str
    title: str
    architecture: str
    filename: str
    good_for: str
    licence: str
    citation: str
    url: str | None = None
    mirrors: tuple[str, ...] = ()
    hash: str | None = None
    size: int | None = None
    size_is_exact: bool = True
    decoder: str | None = None
    bundled: bool = False
    prompts: tuple[str, ...] = ("points", "boxes", "masks")
    everything: tuple[str, ...] = ("grid",)
    volumes: tuple[str, ...] = ("follow", "planes")
    text: bool = False
    trainable: bool = True
    extra: str | None = None
    gate: str | None = None
    is_high_quality: bool = False

    @property
    def has_instances(self) -> bool:
        """Whether it finds instances without a prompt."""
        return "instances" in self.everything

    @property
    def exact_size(self) -> int | None:
        """Bytes of the file where they are known for certain."""
        return self.size if self.size_is_exact else None

    @property
    def size_text(self) -> str:
        """The size for people; empty where the registry does not hold it."""
        if self.size is None:
            return ""
        return ("" if self.size_is_exact else "about ") + format_size(self.size)
