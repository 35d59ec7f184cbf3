"""The links of a film, kept with its labels layer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari_sam.io.link_files import FilmLinks, links_from_json, read_links
from napari_sam.plugin.viewer.saved_labels import saved_path

__all__ = ["keep_links", "links_of"]

_LINKS = "napari-sam links"
"""In the metadata of a labels layer: its links."""


def links_of(layer: Any) -> FilmLinks:
    """Return what is known of the links of a film.

    It is kept with the layer; of labels that were opened from a file, it is read from
    beside that file, once.
    """
    if _LINKS not in layer.metadata:
        path, links = saved_path(layer), FilmLinks()
        with suppress(ValueError, OSError):  # what is there is of somebody else
            links = FilmLinks() if path is None else read_links(path)
        keep_links(layer, links)
    with suppress(ValueError):  # somebody else wrote there
        return links_from_json(layer.metadata[_LINKS])
    return FilmLinks()


def keep_links(layer: Any, links: FilmLinks) -> None:
    """Keep the links of a film with its labels layer, and tell who listens."""
    content = links.to_json()
    if content != layer.metadata.get(_LINKS):
        layer.metadata = {**layer.metadata, _LINKS: content}
