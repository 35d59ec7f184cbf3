"""Other contents of files: bytes changed, values of JSON replaced."""

from __future__ import annotations

import json

__all__ = ["JUNK", "damage", "swap"]

JUNK = (None, -1, 0, 2**70, 1e300, "junk", [], {}, [1, "x"], {"name": 3}, True, "../..")


def damage(content, rng):
    """Return other bytes: some changed, cut off, doubled or blanked."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        ends = rng.random() < 0.7  # headers and directories lie at the ends
        reach = min(len(content), 400 if ends else len(content))
        place = int(rng.integers(0, max(1, reach)))
        if ends and rng.random() < 0.5:
            place = len(content) - 1 - place
        how = rng.integers(0, 6)
        if how == 0:
            content = content[: max(1, place)]
        elif how == 1:
            content[place : place + 4] = rng.bytes(4)
        elif how == 2:
            content[place : place + 8] = bytes(8)
        elif how == 3:
            content[place : place + 2] = b"\xff\xff"
        else:
            content[place : place + 1] = rng.bytes(1)
        content = content or bytearray(b"x")
    return bytes(content)


def swap(content, rng, junk=JUNK):
    """Put something else for a value of JSON, or damage what is none."""
    try:
        told = json.loads(content)
    except ValueError:
        return damage(content, rng)
    if rng.random() < 0.2:
        return damage(content, rng)
    places = []

    def walk(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            places.append((value, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(told)
    if not places:
        return damage(content, rng)
    value, key = places[int(rng.integers(len(places)))]
    if rng.random() < 0.3 and isinstance(value, dict):
        del value[key]
    else:
        value[key] = junk[int(rng.integers(len(junk)))]
    return json.dumps(told).encode()
