"""Who gets which pixel where several objects are followed through a stack.

Tracks know nothing of each other. Here the tracks from two seeds of an object are made
one, and every pixel is given to one object at the most: a seed keeps its own, then
what was there before keeps its own, then the object that is surest has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.mask_patches import Patch, blend_patches, interpolate_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from napari_sam.configs import PropagationConfig
    from napari_sam.workflows.growing.plane_following import Track

    ExistingLabels = Callable[[int], NDArray[Any] | None]

__all__ = ["OwnedPatch", "assign_pixels"]


@dataclass(frozen=True, eq=False)
class OwnedPatch:
    """An object on a plane.

    Attributes
    ----------
    patch
        Where it is.
    confidence
        How sure that is, 0 to 1; 1 for a seed.
    is_seed
        Whether it was given.
    """

    patch: Patch
    confidence: float
    is_seed: bool = False


@dataclass(frozen=True, eq=False)
class _Claim:
    """What an object wants on a plane; `track` is the track that ends if it fails."""

    label: int
    patch: Patch
    confidence: float
    track: Track | None


def assign_pixels(
    seeds: Mapping[int, Mapping[int, Patch]],
    tracks: Mapping[tuple[int, int, int], Track],
    until: tuple[int, int],
    absent: Mapping[int, Collection[int]],
    shape: tuple[int, int],
    config: PropagationConfig,
    existing: ExistingLabels,
) -> dict[int, dict[int, OwnedPatch]]:
    """Give every pixel to one object.

    Parameters
    ----------
    seeds
        By label and plane.
    tracks
        By label, plane of the seed, and step.
    until
        First and last plane, inclusive.
    absent
        By label, planes on which an object is not.
    shape
        (H, W) of the planes.
    config
        See `PropagationConfig`.
    existing
        Returns the (H, W) labels that are on a plane already, or None. Their pixels
        are free for the object of the same label alone.

    Returns
    -------
    dict
        By plane and label.
    """
    claims: dict[int, list[_Claim]] = {}
    for label, own in seeds.items():
        gone = absent.get(label, ())
        for plane, claim in _claims(label, own, tracks, until, gone, shape, config):
            claims.setdefault(plane, []).append(claim)
    owned: dict[int, dict[int, OwnedPatch]] = {}
    seeded = sorted({plane for own in seeds.values() for plane in own})
    open_planes = sorted({*claims, *seeded})
    while open_planes:
        failed: list[tuple[int, _Claim]] = []
        for plane in open_planes:
            given = {k: own[plane] for k, own in seeds.items() if plane in own}
            wanted = claims.get(plane, [])
            won, lost = _share(given, wanted, existing(plane), shape, config)
            owned[plane] = won
            failed += [(plane, claim) for claim in lost]
        open_planes = _drop_failed(failed, claims)
    return {plane: won for plane, won in sorted(owned.items()) if won}


def _claims(
    label: int,
    own: Mapping[int, Patch],
    tracks: Mapping[tuple[int, int, int], Track],
    until: tuple[int, int],
    gone: Collection[int],
    shape: tuple[int, int],
    config: PropagationConfig,
) -> list[tuple[int, _Claim]]:
    """List what an object wants on the planes where it has no seed."""
    at = sorted(own)
    found: list[tuple[int, _Claim]] = []
    outward, whole = [(at[0], -1), (at[-1], 1)], []
    for low, high in pairwise(at):
        if any(low < plane < high for plane in gone):
            # It ends in between and begins anew: nothing leads from seed to seed.
            outward += [(low, 1), (high, -1)]
        else:
            whole.append((low, high))
    for start, step in outward:
        track = tracks.get((label, start, step))
        for plane, patch in track.patches.items() if track else ():
            beyond = any(start * step < g * step <= plane * step for g in gone)
            if until[0] <= plane <= until[1] and not beyond:
                sure = track.scores[plane] if track else 0.0
                found.append((plane, _Claim(label, patch, sure, track)))
    for low, high in whole:
        tracks_between = tracks.get((label, low, 1)), tracks.get((label, high, -1))
        for plane in range(max(low + 1, until[0]), min(high - 1, until[1]) + 1):
            weight = (plane - low) / (high - low)
            ends = own[low], own[high]
            patch, sure = _between(plane, weight, tracks_between, ends, shape, config)
            if patch.area:
                found.append((plane, _Claim(label, patch, sure, None)))
    return found


def _between(
    plane: int,
    weight: float,
    tracks_between: tuple[Track | None, Track | None],
    ends: tuple[Patch, Patch],
    shape: tuple[int, int],
    config: PropagationConfig,
) -> tuple[Patch, float]:
    """Say where an object is between two seeds, and how sure that is."""
    drawn = interpolate_patches(*ends, weight, shape)
    came = [
        (track.patches[plane], track.scores[plane], share)
        for track, share in zip(tracks_between, (1 - weight, weight), strict=True)
        if track is not None and plane in track.patches
    ]
    if len(came) == 2:
        (first, one, _), (second, two, _) = came
        alike = first.iou(second)
        if alike >= config.agreement:
            blend = blend_patches(first, second, weight)
            return blend, ((1 - weight) * one + weight * two) * alike
    fits = [(patch, sure, share, patch.iou(drawn)) for patch, sure, share in came]
    good = [
        (sure * share, patch, sure * fit)
        for patch, sure, share, fit in fits
        if sure >= config.sure_score and fit >= config.agreement
    ]
    if good:
        _, patch, sure = max(good, key=lambda item: item[0])
        return patch, sure
    return drawn, max((sure * fit for _, sure, _, fit in fits), default=0.0) / 2


def _share(
    given: Mapping[int, Patch],
    wanted: list[_Claim],
    existing: NDArray[Any] | None,
    shape: tuple[int, int],
    config: PropagationConfig,
) -> tuple[dict[int, OwnedPatch], list[_Claim]]:
    """Give out the pixels of a plane; return who is there, and whose claim failed."""
    owner = np.zeros(shape, np.int64) if existing is None else existing.astype(np.int64)
    won = {}
    for label, patch in sorted(given.items()):
        part = owner[patch.window]
        mask = patch.mask & ((part == 0) | (part == label))
        part[mask] = label
        won[label] = OwnedPatch(Patch.of(mask, corner=patch.corner), 1.0, True)
    best = np.zeros(shape, np.int8)
    taker = np.zeros(shape, np.int64)
    for claim in sorted(wanted, key=lambda claim: claim.label):
        window = claim.patch.window
        free = (owner[window] == 0) | (owner[window] == claim.label)
        surest = free & (claim.patch.logits > best[window])
        best[window][surest] = claim.patch.logits[surest]
        taker[window][surest] = claim.label
    lost = []
    for claim in wanted:
        window = claim.patch.window
        mask = claim.patch.mask & (taker[window] == claim.label)
        kept = int(np.count_nonzero(mask))
        if kept < max(1, config.min_share * claim.patch.area):
            lost.append(claim)
            continue
        share = kept / claim.patch.area
        patch = Patch.of(mask, corner=claim.patch.corner)
        won[claim.label] = OwnedPatch(patch, claim.confidence * share)
    return won, lost


def _drop_failed(
    failed: list[tuple[int, _Claim]], claims: dict[int, list[_Claim]]
) -> list[int]:
    """Drop claims that failed, and all that follow on their track; list the planes."""
    touched = set()
    for plane, claim in failed:
        track = claim.track
        for other, present in claims.items():
            beyond = other == plane
            if track is not None:
                beyond = (other - plane) * track.step >= 0
            gone = [
                c
                for c in present
                if beyond and c.label == claim.label and c.track is track
            ]
            if gone:
                touched.add(other)
                claims[other] = [c for c in present if c not in gone]
    return sorted(touched)
