"""The links of a film beside the file of its labels.

Which tracks of ``film.tif`` are daughters of others, and which links somebody has
decided on, is in ``film.links.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "FilmLinks",
    "link_filler",
    "link_path",
    "links_from_json",
    "read_links",
    "write_links",
]

_VERSION = 1


@dataclass(frozen=True)
class FilmLinks:
    """What is known of the links of labels, besides that a number is a track.

    Attributes
    ----------
    graph
        {daughter: [parent]}.
    fixed
        (frame, track) of the objects whose origin somebody has decided on.
    """

    graph: Mapping[int, Sequence[int]] = field(default_factory=dict)
    fixed: Sequence[tuple[int, int]] = ()

    def __bool__(self) -> bool:
        return bool(self.graph or self.fixed)

    def to_json(self) -> dict[str, Any]:
        """Return the same in lists."""
        pairs = [[daughter, *parents] for daughter, parents in self.graph.items()]
        return {"graph": pairs, "fixed": [list(one) for one in self.fixed]}


def links_from_json(content: Any) -> FilmLinks:
    """Read what `FilmLinks.to_json` has returned.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        graph = {int(d): [int(p) for p in parents] for d, *parents in content["graph"]}
        fixed = [(int(t), int(track)) for t, track in content["fixed"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"these are no links of a film: {error!r}") from error
    return FilmLinks(graph, fixed)


def link_path(labels: str | Path) -> Path:
    """Return where the links of a file of labels are.

    Examples
    --------
    >>> link_path("film.tif").name
    'film.links.json'
    """
    return Path(labels).with_suffix(".links.json")


def write_links(labels: str | Path, links: FilmLinks) -> Path:
    """Write the links of a file of labels beside it.

    Raises
    ------
    OSError
        If they cannot be written; what was there before stays.
    """
    return write_atomically(link_path(labels), link_filler(links))


def link_filler(links: FilmLinks) -> Callable[[Path], object]:
    """Return what fills a file with the links of a film; see `write_links`."""
    text = json.dumps({"version": _VERSION, **links.to_json()})
    return lambda path: path.write_text(text, "utf-8")


def read_links(labels: str | Path) -> FilmLinks:
    """Read the links of a file of labels; none where no file is.

    Raises
    ------
    ValueError
        If the file holds no links.
    OSError
        If it cannot be read.
    """
    path = link_path(labels)
    if not path.is_file():
        return FilmLinks()
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content["version"]
        if version != _VERSION:
            raise ValueError(f"its version is {version!r}, not {_VERSION}")
        return links_from_json(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} holds no links of a film: {error}") from error
