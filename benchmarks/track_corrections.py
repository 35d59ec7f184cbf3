"""Actions that a simulated user takes to mend all tracks of a film.

Discs that wander and divide are drawn, some of them are left out, and the ids of each
frame are mixed (see `tracking.py`). What `track` finds is then mended object by object,
in the order of the frames, until each one comes from the right one:

- it goes on as another one: `join`, by a drag from where that was to the object;
- it is a daughter: `set_parent`, by a drag too;
- it comes from none: `cut`, by a key over it.

A wrong link is an object that comes from the wrong object, or from one where it comes
from none, or the other way round. Where the drag would mean another track, it counts,
and so do taking it back, a click on the right one, and the key. For suspects, it tells
how many are listed at first, and to how many of the wrong links one of them leads: it
is of one of the tracks, and at most a frame away. ::

    python benchmarks/track_corrections.py
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import numpy as np
from tracking import simulate

from napari_sam import TrackConfig, TrackSession, track
from napari_sam.workflows.stacks.track_places import track_last_at

MOST = 10_000


@dataclass
class Truth:
    """Where each object of a film comes from, as (frame, id)."""

    pixels: dict = field(default_factory=dict)
    origins: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)

    @classmethod
    def of(cls, film: np.ndarray, graph: dict[int, int]) -> Truth:
        """Read it from true labels."""
        made, last = cls(), {}
        for t, frame in enumerate(film):
            for one in np.unique(frame[frame > 0]).tolist():
                parent = graph.get(one)
                while one not in last and parent is not None and parent not in last:
                    parent = graph.get(parent)
                made.origins[t, one] = last.get(one, last.get(parent))
                made.pixels[t, one] = tuple(np.argwhere(frame == one)[0])
            last |= {n: (t, n) for _, n in [k for k in made.origins if k[0] == t]}
        for node, origin in made.origins.items():
            if origin is not None:
                made.after.setdefault(origin, []).append(node)
        return made


class User:
    """Mends tracks with the session."""

    def __init__(self, truth: Truth, session: TrackSession) -> None:
        self.truth, self.session = truth, session
        self.corrections = self.actions = self.missed = 0

    def track_of(self, node) -> int:
        """Return the track of a true object."""
        t, _ = node
        return int(self.session.labels[t][self.truth.pixels[node]])

    def found_origins(self) -> dict:
        """Return where each object comes from now, said as true objects."""
        names = {(n[0], self.track_of(n)): n for n in self.truth.pixels}
        origins = self.session.lineage.origins()
        return {names[n]: names.get(o) for n, o in origins.items() if n in names}

    def wrong(self) -> list:
        """Return the objects that come from a wrong one."""
        found = self.found_origins()
        return sorted(n for n, o in self.truth.origins.items() if found.get(n) != o)

    def mend(self) -> None:
        """Mend all, the first frames first."""
        while (wrong := self.wrong()) and self.corrections < MOST:
            self.mend_one(wrong[0])
        if wrong:
            raise RuntimeError(f"{len(wrong)} links are still wrong")

    def mend_one(self, node) -> None:
        """Bring one object to where it comes from."""
        self.corrections += 1
        self.actions += 1
        truth, session, t = self.truth, self.session, node[0]
        origin, here = truth.origins[node], self.track_of(node)
        if origin is None:
            session.cut(here, t)
            return
        other, lineage = self.track_of(origin), session.lineage
        if len(truth.after[origin]) > 1:
            after = lineage.after(other, origin[0] + 1)
            if after is not None and after < t:  # its sister, who is seen earlier
                session.cut(other, after)
                return
            self.point_at(other, origin, t, here)
            session.set_parent(here, other, t)
        else:
            self.point_at(other, origin, t, here)
            session.join(other, here, t)

    def point_at(self, track: int, origin, t: int, here: int) -> None:
        """Drag from where a track was; else click it, and press the key."""
        session = self.session
        place = session.position(track, origin[0])
        meant = track_last_at(session.lineage, session.tables, t, place, here)
        if meant != track:  # in vain: take it back, click, press the key
            self.actions += 3
            self.missed += 1


def suspects_that_lead(user: User, suspects) -> int:
    """Count the wrong links to which some suspect leads."""
    found, count = user.found_origins(), 0
    for node in user.wrong():
        ends = (node, user.truth.origins[node], found.get(node))
        tracks = {user.track_of(one) for one in ends if one is not None}
        frames = [one[0] for one in ends if one is not None]
        low, high = min(frames) - 1, max(frames) + 1
        count += any(s.track in tracks and low <= s.frame <= high for s in suspects)
    return count


def measure(seed: int, every: int, missed: float) -> None:
    """Mix the ids of a film, track it, mend it, and print a row."""
    rng = np.random.default_rng(seed)
    film, graph = simulate(seed)
    film = film[::every].copy()
    mixed = np.zeros_like(film)
    for t, frame in enumerate(film):
        for one in np.unique(frame[frame > 0]):
            if rng.random() < missed:
                frame[frame == one] = 0
        names = np.concatenate([[0], 1 + rng.permutation(int(film.max()))])
        mixed[t] = names[frame]
    found = track(mixed, config=TrackConfig())
    session = TrackSession(found.labels, found.graph)
    user = User(Truth.of(film, graph), session)
    wrong, suspects = len(user.wrong()), session.suspects()
    led = suspects_that_lead(user, suspects)
    user.mend()
    print(
        f"| simulated {seed} | {every} | {missed:.0%} | {len(user.truth.origins)} | "
        f"{wrong} | {len(suspects)} | {led} | {user.corrections} | {user.missed} | "
        f"{user.actions} | {user.actions / max(wrong, 1):.2f} |"
    )


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missed", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--films", type=int, default=3)
    args = parser.parse_args()
    print(
        "| film | every | missed | objects | wrong links | suspects | wrong links near "
        "one | corrections | drags in vain | actions | per wrong link |"
    )
    print("| --- |" + " ---: |" * 10)
    for seed in range(args.films):
        for every in args.every:
            for missed in args.missed:
                measure(seed, every, missed)


if __name__ == "__main__":
    main()
