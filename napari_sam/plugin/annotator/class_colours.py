"""Objects in the colours of their classes: suggestions pale, the rest lilac."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["ClassColours"]

_CHOSEN = (1.0, 1.0, 1.0, 1.0)
_UNSORTED = (0.62, 0.53, 0.80, 0.55)
"""Gray would be no colour on a gray image, and no class has this one."""
_NOTHING = (0.0, 0.0, 0.0, 0.0)
_PALE = 0.4
"""Opacity of a suggestion, beside that of a class."""

_Rgba = tuple[float, float, float, float]


class ClassColours:
    """Colours one labels layer at a time, and gives it its own colours back."""

    def __init__(self) -> None:
        self._layer: Any = None
        self._plain: Any = None
        self._ours: Any = None
        self._shown: dict[int | None, _Rgba] = {}

    @property
    def is_shown(self) -> bool:
        """Whether a layer has these colours."""
        return self._layer is not None

    def show(self, layer: Any, session: AnnotationSession, chosen: int) -> None:
        """Colour the objects of a session.

        Parameters
        ----------
        layer
            With their labels.
        session
            Knows their classes, and what is suggested.
        chosen
            The object that is white; 0 for none.
        """
        from napari.utils.colormaps import DirectLabelColormap

        if layer is not self._layer or layer.colormap is not self._ours:
            self.hide()
            self._layer, self._plain = layer, layer.colormap
        wanted = _colours(session, chosen)
        if wanted != self._shown or self._ours is None:
            self._shown = wanted
            layer.colormap = DirectLabelColormap(color_dict=dict(wanted))
            self._ours = layer.colormap

    def hide(self) -> None:
        """Give the layer its colours back, unless somebody else changed them."""
        layer, self._layer = self._layer, None
        if layer is not None and layer.colormap is self._ours:
            layer.colormap = self._plain
        self._plain = self._ours = None
        self._shown = {}


def _colours(session: AnnotationSession, chosen: int) -> dict[int | None, _Rgba]:
    """Return the colour of each object that is not as all others are."""
    solid = {one.name: _rgba(one, 1.0) for one in session.classes}
    pale = {one.name: _rgba(one, _PALE) for one in session.classes}
    found: dict[int | None, _Rgba] = {None: _UNSORTED, 0: _NOTHING}
    for label, record in session.listed().items():
        if record.class_name in solid:
            found[label] = solid[record.class_name]
    found.update(_suggested(session, pale))
    if chosen:
        found[chosen] = _CHOSEN
    return found


def _suggested(
    session: AnnotationSession, pale: Mapping[str, _Rgba]
) -> dict[int | None, _Rgba]:
    return {
        label: pale[said.class_name]
        for label, said in session.suggestions.current.items()
        if said.class_name in pale
    }


def _rgba(one: ObjectClass, opacity: float) -> _Rgba:
    red, green, blue = one.colour
    return red / 255, green / 255, blue / 255, opacity
