"""Every key of the plugin: one table, bound and unbound together.

napari resolves a key on the active layer before the viewer, so the annotator's keys
are bound on the viewer and on its own layers. None of them has a meaning on any
napari layer type; T, which Shapes layers use, is bound on the points layer alone. The
digits and F, with which every napari layer changes its mode, belong to the classes
while their page is seen: on whatever layer is active, and given back after that. In the
same way some of the annotator's keys are about tracks while these are corrected. napari
has no name for "?", which the window looks for itself.

napari binds no keys of a plugin's manifest. So the user's own choice of keys is among
the plugin's settings in napari's preferences, and `choose_keys` takes it up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari.utils.key_bindings import coerce_keybinding

from napari_sam.ops.message_text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "KEYS",
    "KeyBinder",
    "KeyHelp",
    "KeyPlace",
    "all_keys",
    "choose_keys",
    "key_of",
    "keys_of",
    "with_key",
]

KeyPlace = Literal["annotator", "points", "project", "classes", "tracks", "window"]
KeyTheme = Literal[
    "Objects", "Tools", "Correct", "Find", "Classes", "Tracks", "Folder", "Help"
]


@dataclass(frozen=True)
class KeyHelp:
    """A key and what it does.

    Attributes
    ----------
    key
        As napari writes it.
    action
        Name of what it calls, for the one who binds it.
    text
        What the user reads.
    where
        "annotator": wherever the annotator works; "points": there, but only while its
        points layer is active; "project": while a project is open; "classes": while
        the page "Classes" is seen; "tracks": while "Correct tracks" is; "window":
        wherever the dock is seen, and not bound through napari.
    theme
        What it is about.
    """

    key: str
    action: str
    text: str
    where: KeyPlace = "annotator"
    theme: KeyTheme = "Objects"

    @property
    def setting(self) -> str:
        """Name among the settings; "" for a key that cannot be changed."""
        if self.where == "window" or self.action.startswith("give_class_"):
            return ""
        return f"tracks_{self.action}" if self.where == "tracks" else self.action


def _about(
    theme: KeyTheme, *keys: tuple[str, str, str], where: KeyPlace = "annotator"
) -> tuple[KeyHelp, ...]:
    return tuple(KeyHelp(*key, where, theme) for key in keys)


KEYS = (
    KeyHelp("N", "commit", "keep the object, start the next"),
    KeyHelp("Q", "cycle", "next candidate"),
    KeyHelp("U", "undo", "undo"),
    KeyHelp("Shift-U", "redo", "redo"),
    KeyHelp("G", "reopen_under_cursor", "edit the object under the cursor"),
    KeyHelp("K", "delete_under_cursor", "delete the object under the cursor"),
    *_about(
        "Correct",
        ("Shift-M", "merge", "merge the selected and the one under the cursor"),
        ("Shift-C", "merge_along", "merge: draw a line across the objects"),
        ("Shift-S", "split", "split: draw across, or click both parts"),
        (".", "next_object", "select the next object"),
        (",", "previous_object", "select the object before"),
        ("Shift-N", "next_suspect", "go to the next object that looks wrong"),
    ),
    *_about(
        "Find",
        ("Shift-F", "like_under_cursor", "find all like the object there"),
        ("Shift-X", "unlike_under_cursor", "… but not like the object there"),
    ),
    KeyHelp("Escape", "clear", "drop the prompts, or end drawing lines"),
    *_about(
        "Tools",
        ("Shift-O", "use_object", "click objects"),
        ("Shift-T", "use_background", "click what is not the object"),
        ("Shift-B", "use_box", "box"),
        ("Shift-D", "use_lasso", "lasso: draw around the object"),
        ("Shift-R", "use_brush", "brush: paint roughly"),
        ("H", "toggle_hover", "preview under the cursor on or off"),
    ),
    *_about(
        "Tools",
        ("T", "toggle_polarity", "left click: object or background"),
        where="points",
    ),
    *_about(
        "Folder",
        ("J", "accept_proposal", "accept the proposal under the cursor"),
        ("W", "reject_proposal", "reject the proposal under the cursor"),
        ("Shift-J", "unsure_proposal", "go to the least sure proposal"),
        where="project",
    ),
    *_about(
        "Classes",
        *(
            (f"{n}", f"give_class_{n}", f"class {n} for the object")
            for n in range(1, 10)
        ),
        ("0", "take_class", "no class for the object"),
        ("F", "next_unsure", "go to the next unsure object"),
        where="classes",
    ),
    *_about(
        "Tracks",
        ("J", "join", "the selected track goes on as the object there"),
        ("H", "cut", "cut: a new track begins with the object there"),
        ("W", "swap", "swap with the selected track from here on"),
        ("G", "make_daughter", "the object there is a daughter of the selected track"),
        ("Shift-G", "part_daughter", "the object there is no daughter"),
        ("K", "delete_from_here", "delete the track there from here on"),
        ("Q", "fill_gap", "draw the track where it was missed"),
        ("Shift-K", "confirm", "the track there is right as it is"),
        ("U", "undo", "take the last correction back"),
        ("Shift-U", "redo", "make it again"),
        ("Shift-N", "next_suspect", "go to the next track that looks wrong"),
        where="tracks",
    ),
    *_about("Help", ("?", "show_keys", "show or hide all keys"), where="window"),
)
"""All of them as they come; the documentation lists them from here."""

_chosen: dict[str, str] = {}
"""By the names of their settings: the keys that the user has changed."""


def choose_keys(wanted: Mapping[str, str]) -> list[str]:
    """Take up the keys that the user chose; those bound before stay as they are.

    Parameters
    ----------
    wanted
        Keys as napari writes them, by the names of their settings.

    Returns
    -------
    list of str
        What is wrong with a choice: its key stays what it was then.
    """
    _chosen.clear()
    problems = []
    for entry in KEYS:
        key = wanted.get(entry.setting, entry.key).strip()
        if key == entry.key:
            continue
        name = _canonical(key)
        if not name:
            problems.append(f"“{key}” is no key, so “{entry.text}” keeps {entry.key}.")
        elif name != _canonical(entry.key):
            _chosen[entry.setting] = name.replace("+", "-")
    while twice := _taken_twice():
        entry = next(one for one in twice if one.setting in _chosen)
        key = _chosen.pop(entry.setting)
        names = listed([f"“{one.text}”" for one in twice])
        problems.append(f"{key} is wanted for {names}.")
    return problems


def _canonical(key: str) -> str:
    """Return how napari writes a key; "" if it is none."""
    try:
        name = str(coerce_keybinding(key))
    except (ValueError, TypeError, KeyError):
        return ""
    last = name.rpartition("+")[2] if name != "+" else name
    return "" if last in ("", "Shift", "Ctrl", "Alt", "Meta") else name


def _taken_twice() -> tuple[KeyHelp, ...]:
    """Return the first keys that mean several things at once, one of them chosen."""
    for is_of_tracks in (False, True):
        by_key: dict[str, list[KeyHelp]] = {}
        for entry in all_keys():
            if entry.setting and (entry.where == "tracks") == is_of_tracks:
                by_key.setdefault(_canonical(entry.key), []).append(entry)
        for some in by_key.values():
            if len(some) > 1 and any(one.setting in _chosen for one in some):
                return tuple(some)
    return ()


def all_keys() -> tuple[KeyHelp, ...]:
    """Return all keys as they are, in the order of the table."""
    return tuple(
        replace(entry, key=_chosen.get(entry.setting, entry.key)) for entry in KEYS
    )


def keys_of(*places: KeyPlace) -> tuple[KeyHelp, ...]:
    """Return the keys that hold in some places, in the order of the table."""
    return tuple(entry for entry in all_keys() if entry.where in places)


def key_of(action: str, *places: KeyPlace) -> str:
    """Return the key of an action, in places where it has one."""
    where = places or ("annotator", "points", "project", "classes", "window")
    return next(k.key for k in keys_of(*where) if k.action == action)


def with_key(text: str, action: str, *places: KeyPlace) -> str:
    """Return the text of a button, with the key that does the same.

    Examples
    --------
    >>> with_key("Split", "split")
    'Split (Shift-S)'
    """
    key = key_of(action, *places)
    return f"{text} ({'Esc' if key == 'Escape' else key})"


class KeyBinder:
    """Binds keys on things that have a keymap, and gives back what was there.

    Parameters
    ----------
    actions
        Callable without arguments by action name.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        self._actions = actions
        self._bound: list[tuple[Any, str, tuple[tuple[str, Any], ...]]] = []

    def bind(
        self, target: Any, keys: tuple[KeyHelp, ...] | None = None, role: str = ""
    ) -> None:
        """Bind keys, the annotator's by default, on what has a keymap; once."""
        if any(bound is target for bound, *_ in self._bound):
            return
        before = []
        for entry in keys_of("annotator") if keys is None else keys:
            call = self._caller(self._actions[entry.action])
            held = target.bind_key(entry.key, None)
            target.bind_key(entry.key, call, overwrite=True)
            before.append((entry.key, held))
        self._bound.append((target, role, tuple(before)))

    def unbind(self, target: Any) -> None:
        """Unbind the keys of one target."""
        self._unbind([entry for entry in self._bound if entry[0] is target])

    def unbind_role(self, role: str) -> None:
        """Unbind the keys of the targets that were bound in a role."""
        self._unbind([entry for entry in self._bound if entry[1] == role])

    def unbind_all(self) -> None:
        """Unbind every key on every target."""
        self._unbind(list(self._bound))

    def _unbind(self, entries: list[Any]) -> None:
        for entry in entries:
            target, _, before = entry
            for key, held in before:
                target.bind_key(key, None)
                if held is not None:
                    target.bind_key(key, held, overwrite=True)
            self._bound.remove(entry)

    @staticmethod
    def _caller(action: Callable[[], object]) -> Callable[[Any], None]:
        def call(_: Any) -> None:
            action()

        return call
