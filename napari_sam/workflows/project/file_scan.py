"""What a look at the files of a project found."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FileScan"]


@dataclass(frozen=True)
class FileScan:
    """What a look at the files of a project found.

    Attributes
    ----------
    added
        Names of images that are new in its folder, and belong to it now.
    missing
        Names of images of which the file is nowhere.
    unfit
        Why files of its folder, or images of it, cannot be annotated: a sentence each.
    changed_elsewhere
        Names of images of which another program has changed the label file.
    hidden
        How many hidden files of a new project's folder were left out.
    """

    added: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    changed_elsewhere: list[str] = field(default_factory=list)
    hidden: int = 0
