"""Actions that wrong labels take to mend, and the time of each edit.

A simulated user mends labels in which neighbours are merged, objects are in two halves,
missing, or have holes, until each object agrees with the truth by an IoU of 0.9:

- a merged pair by a stroke along the border between both (`split`); then by two clicks,
- halves by a stroke across them (`merge`),
- a hole by `fill_holes`,
- a missing object by a click; the best of the candidates; one more click; and if that
  does not do, by drawing around it.

An action is a click, a stroke, a choice, an undo, or the use of a tool. The key that
keeps an object counts too, and is told apart. The baseline deletes what is wrong and
clicks each object anew. ::

    python benchmarks/corrections.py DATA/fluo_nuclei DATA/phase_cells --max-images 4
    python benchmarks/corrections.py --times
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

import napari_sam
from napari_sam.evaluation.simulated_clicks import Target, interior_point, next_click
from napari_sam.io.labelled_folders import list_labelled_images

GOOD = 0.9
MOST_CORRECTIONS = 1


@dataclass
class Fault:
    """A fault: its kind, and the true objects that it concerns."""

    kind: str
    labels: tuple[int, ...]
    actions: int = 0
    keys: int = 0
    how: str = ""


@dataclass
class Damage:
    """Labels with faults, beside the truth."""

    truth: np.ndarray
    labels: np.ndarray
    faults: list[Fault] = field(default_factory=list)


def damage(truth, rng):
    """Merge 10 % of touching pairs, halve and drop 10 % of objects, pierce 5 %."""
    labels = truth.astype(np.int32).copy()
    made = Damage(truth, labels)
    windows = dict(enumerate(ndimage.find_objects(truth), 1))
    areas = {n: int((truth[w] == n).sum()) for n, w in windows.items() if w}
    free = [n for n, area in areas.items() if area >= 60]
    rng.shuffle(free)
    pairs = sorted(touching(truth))
    rng.shuffle(pairs)
    used = set()
    for one, other in pairs:
        if len(used) >= 2 * max(1, round(0.1 * len(pairs))):
            break
        if {one, other} & used or not {one, other} <= set(free):
            continue
        labels[labels == other] = one
        used |= {one, other}
        made.faults.append(Fault("merged", (int(one), int(other))))
    for kind, share in (("halves", 0.1), ("missing", 0.1), ("hole", 0.05)):
        for _ in range(max(1, round(share * len(areas)))):
            label = next((n for n in free if n not in used), None)
            if label is None:
                break
            used.add(label)
            if spoil(labels, truth == label, kind, rng):
                made.faults.append(Fault(kind, (int(label),)))
    return made


def touching(truth):
    """Pairs of objects that share an edge."""
    found = set()
    for one, other in ((truth[1:], truth[:-1]), (truth[:, 1:], truth[:, :-1])):
        both = (one != other) & (one > 0) & (other > 0)
        found |= set(zip(one[both].tolist(), other[both].tolist(), strict=True))
    return {(min(pair), max(pair)) for pair in found}


def spoil(labels, mask, kind, rng):
    """Halve an object, drop it, or pierce it; False where that leaves no fault."""
    if kind == "missing":
        labels[mask] = 0
        return True
    rows, cols = np.nonzero(mask)
    if kind == "halves":
        turn = rng.uniform(0, np.pi)
        side = np.cos(turn) * (rows - rows.mean()) + np.sin(turn) * (cols - cols.mean())
        far = side > 0
        labels[rows[far], cols[far]] = labels.max() + 1
        return True
    (row, col), depth = interior_point(mask)
    radius = 0.5 * depth
    hole = (rows - row) ** 2 + (cols - col) ** 2 < radius**2
    labels[rows[hole], cols[hole]] = 0
    return bool(hole.sum() >= 4)


class User:
    """Mends labels with the tools of a session."""

    def __init__(self, image, made, sam, rng):
        self.truth, self.rng = made.truth, rng
        self.session = napari_sam.AnnotationSession(
            image, made.labels, model=sam, rgb=image.ndim == 3
        )

    def is_good(self, label):
        """Whether some object agrees with the true one."""
        true = self.truth == label
        values, counts = np.unique(self.session.labels[true], return_counts=True)
        best = int(values[counts.argmax()])
        if best == 0:
            return False
        found = self.session.labels == best
        return (found & true).sum() / (found | true).sum() >= GOOD

    def mend(self, fault):
        """Mend a fault by the tool that is for it."""
        getattr(self, fault.kind)(fault)

    def merged(self, fault):
        """Draw a stroke along the border; else click in both; else make them anew."""
        one, other = (self.truth == label for label in fault.labels)
        label = int(np.bincount(self.session.labels[one]).argmax())
        tries = (
            ("stroke", lambda: self.session.edit.split(label, self.border(one, other))),
            (
                "snapped",
                lambda: self.session.edit.split(
                    label, self.border(one, other), snap="dark"
                ),
            ),
            (
                "two clicks",
                lambda: self.session.edit.split(
                    label, points=[interior_point(m)[0] for m in (one, other)]
                ),
            ),
        )
        for how, attempt in tries:
            fault.actions += 2 if how == "two clicks" else 1
            fault.how = how
            try:
                attempt()
            except ValueError:
                continue
            if all(self.is_good(n) for n in fault.labels):
                return
            self.session.undo()
            fault.actions += 1
        self.anew(fault)

    def border(self, one, other):
        """Two to four points along the border of two objects, a pixel off each."""
        near = ndimage.binary_dilation(one, np.ones((3, 3)), 2) & other
        near |= ndimage.binary_dilation(other, np.ones((3, 3)), 2) & one
        pixels = np.argwhere(near).astype(float)
        middle = pixels.mean(axis=0)
        along = np.linalg.svd(pixels - middle, full_matrices=False)[2][0]
        place = (pixels - middle) @ along
        edges = np.linspace(place.min(), place.max() + 1e-6, 5)
        points = [
            pixels[(place >= low) & (place <= high)].mean(axis=0)
            for low, high in itertools.pairwise(edges)
            if ((place >= low) & (place <= high)).any()
        ]
        if len(points) < 2:
            points = [middle - along, middle + along]
        return np.array(points) + self.rng.normal(0, 0.7, (len(points), 2))

    def halves(self, fault):
        """Draw a stroke from the middle of one half to that of the other."""
        mask = self.truth == fault.labels[0]
        parts = [n for n in np.unique(self.session.labels[mask]).tolist() if n]
        ends = [interior_point((self.session.labels == n) & mask)[0] for n in parts]
        fault.actions += 1
        fault.how = "stroke"
        if self.session.edit.merge(stroke=ends, preview=True).count != len(parts):
            fault.actions += 1
            fault.how = "two clicks"
            self.session.edit.merge(parts)
        else:
            self.session.edit.merge(stroke=ends)
        if not self.is_good(fault.labels[0]):
            self.anew(fault)

    def hole(self, fault):
        """Fill the holes of the object."""
        mask = self.truth == fault.labels[0]
        values = self.session.labels[mask]
        fault.actions += 1
        fault.how = "fill holes"
        self.session.edit.fill_holes(int(np.bincount(values[values > 0]).argmax()))
        if not self.is_good(fault.labels[0]):
            self.anew(fault)

    def missing(self, fault):
        """Click the object."""
        fault.how = "clicks"
        self.click(fault, fault.labels[0])

    def anew(self, fault):
        """Delete what lies on the true objects, and click each."""
        fault.how = "anew"
        whole = np.isin(self.truth, fault.labels)
        values, counts = np.unique(self.session.labels[whole], return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value and count > 0.5 * (self.session.labels == value).sum():
                self.session.delete(value)
                fault.actions += 1
        for label in fault.labels:
            self.click(fault, label)

    def click(self, fault, label):
        """Click until the object is good, and keep it; draw around it at the last."""
        session = self.session
        mask = self.truth == label
        window = ndimage.find_objects(mask.astype(int))[0]
        target = Target(label, window, mask[window])
        session.add_point(target.first_click())
        fault.actions += 1
        for _ in range(MOST_CORRECTIONS):
            ious = [target.iou(one) for one in session.candidates.masks]
            if max(ious) >= GOOD:
                if ious[session.choice] < GOOD:
                    session.choose(int(np.argmax(ious)))
                    fault.actions += 1
                break
            click = next_click(session.mask, target)
            if click is None:
                break
            session.add_point(click[0], bool(click[1]))
            fault.actions += 1
        if target.iou(session.mask) < GOOD or not self.keep():
            session.clear()
            session.prompting.edit_pixels(mask, ~mask)
            fault.actions += 1
            fault.how = "drawn around"
            self.keep()
        fault.keys += 1

    def keep(self):
        """Keep what is in hand; False where others have its pixels."""
        try:
            self.session.commit()
        except ValueError:
            return False
        return True


def correct(args):
    """Mend the images of folders, once with the tools and once by clicking anew."""
    sam = napari_sam.load_model(args.model)
    tools, anew, left, total = [], [], 0, 0
    for folder in args.data:
        pairs = list_labelled_images(folder)[: args.max_images]
        for number, pair in enumerate(pairs):
            image, truth = pair.read()
            for way, told in (("tools", tools), ("anew", anew)):
                rng = np.random.default_rng(number)
                made = damage(truth, rng)
                user = User(image, made, sam, rng)
                for fault in made.faults:
                    getattr(user, "mend" if way == "tools" else "anew")(fault)
                told += made.faults
                if way == "tools":
                    concerned = [n for one in made.faults for n in one.labels]
                    left += sum(not user.is_good(n) for n in concerned)
                    total += len(concerned)
            print(f"{pair.kind}/{pair.name}: {len(made.faults)} faults", flush=True)
    for name, faults in (("tools", tools), ("delete and click anew", anew)):
        tell(name, faults)
    print(f"{total - left} of {total} objects reach an IoU of {GOOD}")


def tell(name, faults):
    """Print the actions per fault, in all and for each kind."""
    if not faults:
        return
    print(f"\n{name}: {len(faults)} faults")
    for kind in ("merged", "halves", "missing", "hole", "all"):
        some = [one for one in faults if kind in (one.kind, "all")]
        if not some:
            continue
        actions = np.array([one.actions for one in some])
        keys = np.array([one.keys for one in some])
        spread = dict(sorted(Counter(actions.tolist()).items()))
        how = dict(Counter(one.how for one in some).most_common())
        print(
            f"  {kind:8} n {len(some):4}  mean {actions.mean():.2f} "
            f"(with the key that keeps {(actions + keys).mean():.2f})  {spread}  {how}"
        )


def grid(side, count):
    """Labels of a square plane with that many objects."""
    rows = round(count**0.5 * 0.98)
    cols = -(-count // rows)
    pitch = (side // rows, side // cols)
    r, c = np.indices((side, side))
    row, col = r // pitch[0], c // pitch[1]
    away = np.hypot(r % pitch[0] - pitch[0] / 2, c % pitch[1] - pitch[1] / 2)
    number = row * cols + col + 1
    good = (away < 0.45 * min(pitch)) & (row < rows) & (col < cols) & (number <= count)
    return np.where(good, number, 0).astype(np.int32)


def times(args):
    """Time each edit on a plane of 2,000 objects, and on an object of a stack."""
    session = napari_sam.AnnotationSession(labels=grid(2048, 2000))
    found = ndimage.find_objects(session.labels)
    print("2048 x 2048, 2,000 objects: processor seconds of an edit and of its undo")
    time_edits(session, 1000, found[999], 1001)
    print("the same, every object of the plane")
    for name in ("grow", "shrink", "smooth", "fill_holes", "pieces_to_objects"):
        timed(session, name, lambda name=name: getattr(session.edit, name)())
    timed(session, "remove_small", lambda: session.edit.remove_small(10**6))
    timed(session, "remove_at_border", lambda: session.edit.remove_at_border())
    timed(session, "suspects", lambda: session.suspects())
    stack = np.zeros((512, 1024, 1024), np.uint16)
    plane = grid(1024, 400)
    for z in range(40, 472):
        stack[z] = plane
    stack[200:260][:, 500:620, 500:640] = 900
    stack[230:250][:, 640:760, 500:640] = 901
    session = napari_sam.AnnotationSession(labels=stack)
    session.go_to((230, None, None))
    print("512 x 1024 x 1024, objects of 60 and 20 planes")
    time_edits(session, 900, (slice(500, 620), slice(500, 640)), 901)


def time_edits(session, label, window, other):
    """Time each edit of one object."""
    rows, cols = window
    middle = (cols.start + cols.stop) / 2
    stroke = [(rows.start + 3, middle), (rows.stop - 3, middle + 1)]
    points = [((rows.start + rows.stop) / 2, middle + d) for d in (-6, 6)]
    edit = session.edit
    timed(session, "merge", lambda: edit.merge([label, other], gap=True))
    timed(session, "split, stroke", lambda: edit.split(label, stroke))
    timed(session, "split, points", lambda: edit.split(label, points=points))
    timed(session, "grow", lambda: edit.grow(label, 2))
    timed(session, "shrink", lambda: edit.shrink(label, 2))
    timed(session, "smooth", lambda: edit.smooth(label))
    timed(session, "fill_holes", lambda: edit.fill_holes(label))
    timed(session, "keep_largest_piece", lambda: edit.keep_largest_piece(label))
    timed(session, "pieces_to_objects", lambda: edit.pieces_to_objects(label))
    timed(session, "remove_small", lambda: edit.remove_small(10**6, label))


def timed(session, name, act):
    """Print the processor time of an edit and its undo, the shortest of three."""
    there, back = [], []
    for _ in range(3):
        could = session.can_undo
        start = time.process_time()
        act()
        there.append(time.process_time() - start)
        start = time.process_time()
        if session.can_undo and not could:
            session.undo()
            back.append(time.process_time() - start)
    print(f"  {name:20} {min(there):.3f}  {min(back, default=0):.3f}", flush=True)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="*", help="folders of images with labels, see docs/files.md"
    )
    parser.add_argument("--model", default="cells")
    parser.add_argument("--max-images", type=int, default=4, help="of each folder")
    parser.add_argument("--times", action="store_true", help="time the edits")
    args = parser.parse_args()
    if args.data:
        correct(args)
    if args.times:
        times(args)


if __name__ == "__main__":
    main()
