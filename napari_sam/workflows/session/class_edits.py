"""Which classes there are, and which objects have them: each change is one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_sam.ops.object_classes import (
    checked_colour,
    checked_key,
    checked_name,
    with_class,
    with_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["ClassList", "give_classes", "set_class"]


class ClassList(Sequence["ObjectClass"]):
    """The classes of a session, in order; each change can be undone.

    A class that an object is given by name, or that a table names, is added by itself.

    Parameters
    ----------
    state
        Of the session.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.array([[1, 1, 0], [0, 2, 2]])
    >>> session = napari_sam.AnnotationSession(labels=labels)
    >>> session.classes.add("mitosis", colour=(230, 0, 0)).key
    1
    >>> session.set_class([1, 2], "interphase")
    >>> session.classes.names, session.classes.counts["interphase"]
    (('mitosis', 'interphase'), 2)
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state

    @property
    def _all(self) -> tuple[ObjectClass, ...]:
        return self._state.snapshot.classes

    @overload
    def __getitem__(self, which: int | str) -> ObjectClass: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[ObjectClass, ...]: ...

    def __getitem__(
        self, which: int | str | slice
    ) -> ObjectClass | tuple[ObjectClass, ...]:
        """Return a class by its place or its name; KeyError if there is none."""
        if isinstance(which, str):
            for one in self._all:
                if one.name == which:
                    return one
            raise KeyError(which)
        return self._all[which]

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, what: object) -> bool:
        return any(what in (one, one.name) for one in self._all)

    def __repr__(self) -> str:
        return f"ClassList({list(self._all)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(one.name for one in self._all)

    @property
    def counts(self) -> dict[str, int]:
        """How many objects each class has, by its name."""
        has = Counter(record.class_name for record in self._state.listed().values())
        return {one.name: has[one.name] for one in self._all}

    def of_key(self, key: int) -> ObjectClass | None:
        """Return the class of a key, 1 to 9, or None."""
        return next((one for one in self._all if one.key == key), None)

    def add(
        self, name: str, colour: Sequence[int] | None = None, key: int | None = None
    ) -> ObjectClass:
        """Add a class.

        Parameters
        ----------
        name
            Not empty, and of no other class.
        colour
            (red, green, blue), 0 to 255 each; one that no class has if None.
        key
            1 to 9; the first one that is free if None, and none where nine classes
            have theirs.

        Raises
        ------
        ValueError
            If the name is empty or that of another class, or colour or key are not as
            described.
        """
        self._do(with_class(self._all, name, colour, key))
        return self._all[-1]

    def add_names(self, names: Iterable[str]) -> None:
        """Add classes of these names, where they are not there yet; one step."""
        self._do(with_names(self._all, names))

    def rename(self, name: str, new_name: str) -> None:
        """Give a class another name; its objects keep the class.

        Raises
        ------
        ValueError
            If there is no such class, or another one has the new name.
        """
        old, wanted = self._known(name), checked_name(new_name)
        if wanted == name:
            return
        if wanted in self.names:
            raise ValueError(
                f"there is a class {wanted!r} already; to join them, remove {name!r} "
                f"and move its objects into {wanted!r}"
            )
        self._do(self._with(old, replace(old, name=wanted)), {name: wanted})

    def recolour(self, name: str, colour: Sequence[int]) -> None:
        """Give a class another colour, (red, green, blue), 0 to 255 each.

        Raises
        ------
        ValueError
            If there is no such class, or that is no colour.
        """
        old = self._known(name)
        self._do(self._with(old, replace(old, colour=checked_colour(colour))))

    def set_key(self, name: str, key: int | None) -> None:
        """Give a class another key, 1 to 9, or none; who had it gets the old one.

        Raises
        ------
        ValueError
            If there is no such class, or that is no such key.
        """
        old = self._known(name)
        if key is not None:
            key = checked_key(key)
        made = self._with(old, replace(old, key=key))
        other = None if key is None else self.of_key(key)
        if other is not None and other.name != name:
            swapped = replace(other, key=old.key)
            made = tuple(swapped if one == other else one for one in made)
        self._do(made)

    def remove(self, name: str, *, into: str = "") -> int:
        """Take a class away; its objects stay, and have no class then.

        Parameters
        ----------
        name
            The class.
        into
            Another class, which its objects get.

        Returns
        -------
        int
            How many objects had it.

        Raises
        ------
        ValueError
            If there is no such class, or `into` is none that stays.
        """
        old = self._known(name)
        if into and (into == name or into not in self.names):
            raise ValueError(f"objects of {name!r} cannot become {into!r}: no class")
        count = self.counts[name]
        self._do(tuple(one for one in self._all if one != old), {name: into})
        return count

    def adopt(self, classes: Iterable[ObjectClass]) -> None:
        """Take up classes that were kept; not a step of the history.

        Those of the same name as one that is there tell its colour and key, as long as
        no other class has that key.
        """
        known = {one.name: one for one in classes}
        free = [one for one in self._all if one.name not in known]
        used = {one.key for one in known.values()}
        rest = tuple(replace(one, key=None) if one.key in used else one for one in free)
        snapshot = replace(self._state.snapshot, classes=(*known.values(), *rest))
        self._state.snapshot = snapshot

    def _known(self, name: str) -> ObjectClass:
        if name not in self.names:
            there = ", ".join(repr(one) for one in self.names) or "none"
            raise ValueError(f"there is no class {name!r}; the classes are {there}")
        return self[name]

    def _with(self, old: ObjectClass, new: ObjectClass) -> tuple[ObjectClass, ...]:
        return tuple(new if one == old else one for one in self._all)

    def _do(
        self,
        classes: tuple[ObjectClass, ...],
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """Make a step of other classes, and of other names of them in the records."""
        state = self._state
        if classes == self._all:
            return
        snapshot = replace(state.snapshot, classes=classes)
        records = state.snapshot.records.values() if renamed else ()
        names = renamed or {}
        changed = [
            replace(record, class_name=names[record.class_name])
            for record in records
            if record.class_name in names
        ]
        state.do(snapshot.with_records(changed) if changed else snapshot, None)


def set_class(
    state: SessionState, labels: int | Iterable[int], class_name: str
) -> None:
    """Give one or several objects another class, in one step.

    Parameters
    ----------
    state
        Of the session.
    labels
        The object, or the objects.
    class_name
        Its name; a class that is not there yet is added. "" takes the class away.

    Raises
    ------
    ValueError
        If there is no such object; then none gets the class.
    """
    if isinstance(labels, int | np.integer):
        labels = [int(labels)]
    name = checked_name(class_name) if str(class_name).strip() else ""
    give_classes(state, dict.fromkeys((int(label) for label in labels), name))


def give_classes(state: SessionState, names: Mapping[int, str]) -> None:
    """Give objects classes, all in one step.

    Parameters
    ----------
    state
        Of the session.
    names
        Of the class of each object, by its label; "" for none.

    Raises
    ------
    ValueError
        If one of the objects is not there; nothing is changed then.
    """
    state.reconcile()
    for label in names:
        if label not in state.index:
            state.check_exists(label)
    listed = state.listed()
    changed = []
    for label, name in names.items():
        record = listed[label] if label in listed else state.record(label)
        if record.class_name != name:
            changed.append(replace(record, class_name=name))
    if not changed:
        return
    latest = changed[0].latest if len(changed) == 1 else None
    plane = state.plane if latest is None else latest.plane
    state.do(state.snapshot.with_records(changed), None, plane)
