"""What ``napari-sam segment`` does with a text and with examples."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.cli.example_objects import FORM, ExampleObjects, read_examples
from napari_sam.configs import FindConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.configs import SegmentConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.queries.find import Found
    from napari_sam.workflows.queries.text_query import TextQuery

__all__ = ["Query", "add_arguments", "check_quotes", "read_query", "tell_notes"]


def _match(text: str) -> float:
    """Parse a number from -1 to 1, as argparse wants it."""
    try:
        number = float(text)
    except ValueError:
        number = 2.0
    if not -1 <= number <= 1:
        raise argparse.ArgumentTypeError(f"wanted a number from -1 to 1, got {text!r}")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which objects are wanted."""
    group = parser.add_argument_group("only some objects")
    group.add_argument(
        "--text",
        metavar="T",
        help="only what a text in English describes, such as 'large round nuclei away "
        "from the border'; sizes with a unit, as in 'larger than 50 um2', take the "
        "size of a pixel from the image's metadata or from --pixel-size",
    )
    group.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="EXAMPLES",
        help=f"only what looks like these objects: {FORM}, where IDS is such as 3,7 or "
        "3-9 and all objects if left out. LABELS alone are of the image itself, where "
        "there is one; may be repeated",
    )
    group.add_argument(
        "--unlike",
        action="append",
        default=[],
        metavar="EXAMPLES",
        help="and does not look like these; as --like",
    )
    group.add_argument(
        "--min-match",
        type=_match,
        metavar="M",
        help="least match of an object that is kept, -1 to 1: the chance of the kind "
        "that the text names, or the similarity to the examples "
        f"(default: {FindConfig().min_match})",
    )


@dataclass(frozen=True)
class Query:
    """Which objects are wanted.

    Attributes
    ----------
    text
        As it was given; None without one.
    query
        What was understood of it.
    like, unlike
        Examples and counter-examples.
    min_match
        Least match of what is kept.
    """

    text: str | None
    query: TextQuery | None
    like: tuple[ExampleObjects, ...]
    unlike: tuple[ExampleObjects, ...]
    min_match: float

    def settings(self) -> dict[str, Any]:
        """Return what a result depends on."""
        told: dict[str, Any] = {"min match": self.min_match}
        if self.query is not None:
            told["text"] = self.text
            told["understood"] = str(self.query)
            told["not understood"] = list(self.query.unknown)
        for name in ("like", "unlike"):
            told[name] = [one.settings() for one in getattr(self, name)]
        return told

    @property
    def has_sizes(self) -> bool:
        """Whether the text has sizes in a unit of length."""
        from napari_sam.workflows.queries.find import numbers_of

        numbers = [] if self.query is None else numbers_of(self.query)
        return any(not one.unit.startswith("px") for one in numbers)

    def on_its_level(self, config: SegmentConfig) -> SegmentConfig:
        """Look for the nuclei inside cells where the text names nuclei."""
        from napari_sam.workflows.queries.find import on_its_level

        return on_its_level(config, self.query)

    def tell(self, command: str) -> None:
        """Say what was understood of the text, and what was not."""
        from napari_sam.workflows.queries.find import unit_note

        if self.query is not None:
            batch.tell(command, unit_note(self.text or "", self.query))
            batch.tell(command, f"looks for: {self.query}")
            unknown = ", ".join(self.query.unknown)
            batch.tell(command, f"not understood: {unknown}" if unknown else "")

    def prepare(
        self, model: Predictor, read: Callable[[Path], NDArray[Any]]
    ) -> Chooser:
        """Embed the examples on other images.

        Parameters
        ----------
        model
            Embeds objects.
        read
            Reads a plane of an image.

        Raises
        ------
        OSError, ValueError
            If an example cannot be read, or is not there.
        """
        vectors = {
            one: one.vectors(model, read)
            for one in (*self.like, *self.unlike)
            if one.image is not None
        }
        return Chooser(self, model, vectors)


@dataclass(frozen=True, eq=False)
class Chooser:
    """Chooses among the objects of images.

    Attributes
    ----------
    query
        Which are wanted.
    model
        Embeds objects.
    vectors
        Of the examples on other images.
    """

    query: Query
    model: Predictor
    vectors: dict[ExampleObjects, NDArray[np.float32]]

    def choose(
        self,
        plane: NDArray[Any],
        labels: NDArray[np.int32],
        records: Sequence[MaskRecord],
        pixel_size: tuple[float, float] | None,
    ) -> tuple[Found, list[MaskRecord]]:
        """Keep the objects that are wanted, the best match first.

        Parameters
        ----------
        plane
            The image, (H, W) or (H, W, C).
        labels
            (H, W), 1 to n.
        records
            Their masks.
        pixel_size
            (row, col) in micrometres, if known.

        Returns
        -------
        found
            Labels, scores and notes.
        records
            The masks of what is kept, in the order of its labels.
        """
        import numpy as np

        from napari_sam.workflows.queries.find import ask_objects

        found = ask_objects(
            plane,
            labels,
            self.query.query,
            like=self._examples(self.query.like, plane),
            unlike=self._examples(self.query.unlike, plane),
            model=self.model,
            config=FindConfig(min_match=self.query.min_match, pixel_size=pixel_size),
        )
        before = np.zeros(len(found.scores) + 1, np.int64)
        before[found.labels.ravel()] = labels.ravel()
        kept = [records[number - 1] for number in before[1:]]
        return found, kept

    def _examples(
        self, given: Sequence[ExampleObjects], plane: NDArray[Any]
    ) -> NDArray[Any] | None:
        """Return labels of this image, or the vectors of all examples."""
        import numpy as np

        if not given:
            return None
        if len(given) == 1 and given[0].image is None:
            labels = given[0].read()
            given[0].check_shape(labels.shape, plane.shape[:2], "the image")
            return labels
        return np.concatenate(
            [
                self.vectors[one]
                if one in self.vectors
                else one.vectors(self.model, lambda _: plane)
                for one in given
            ]
        )


def check_quotes(args: argparse.Namespace) -> None:
    """Refuse a text of several words without quotes, the rest of which became inputs.

    Raises
    ------
    ValueError
        If words stand where images should.
    """
    from pathlib import Path

    words = [one for one in args.inputs if one.isalnum() and not Path(one).exists()]
    if args.text is not None and words:
        text = " ".join([args.text, *words])
        raise ValueError(
            f"there is no image {words[0]}; a text of several words stands in quotes, "
            f'as in --text "{text}"'
        )


def read_query(args: argparse.Namespace, images: int) -> Query | None:
    """Read the options of `add_arguments`; None where all objects are wanted.

    Parameters
    ----------
    args
        What was given.
    images
        How many images there are.

    Raises
    ------
    ValueError
        If they do not go together, nothing is understood of the text, or there is no
        such example.
    """
    if args.text is None and not args.like:
        for name in ("unlike", "min_match"):
            if getattr(args, name) not in (None, []):
                wanted = "--like" if name == "unlike" else "--text or --like"
                raise ValueError(f"--{name.replace('_', '-')} needs {wanted}")
        return None
    if args.unlike and not args.like:
        raise ValueError("--unlike needs --like: say also what to find")
    like = tuple(read_examples("--like", text) for text in args.like)
    unlike = tuple(read_examples("--unlike", text) for text in args.unlike)
    for one in (*like, *unlike):
        if one.image is None and images != 1:
            raise ValueError(
                f"{one.option} {one} names no image, and there are {images}; say of "
                f"which image its objects are: {one.option} IMAGE={one.labels}:…"
            )
        one.read()  # says at once what is wrong with it
    query = None if args.text is None else _understood(args.text)
    least = FindConfig().min_match if args.min_match is None else args.min_match
    return Query(args.text, query, like, unlike, least)


def tell_notes(
    command: str,
    source: Path,
    said: Sequence[str],
    notes: dict[Path, tuple[str, ...]],
) -> None:
    """Say what should be known of an image, unless it was said of one before.

    Parameters
    ----------
    command
        What begins each line.
    source
        The image.
    said
        A sentence each.
    notes
        What was said of each image; this one is added.
    """
    known = {note for others in notes.values() for note in others}
    notes[source] = tuple(said)
    for note in said:
        batch.tell(command, "" if note in known else f"{source.name}: {note}")


def _understood(text: str) -> TextQuery:
    from napari_sam.checkpoints.object_weights import load_object_head
    from napari_sam.workflows.queries.read_text import read_text

    try:
        query = read_text(text)
    except ValueError as error:
        raise ValueError(f"--text: {error}") from error
    if query.nothing_understood:
        unknown = ", ".join(query.unknown)
        known = ", ".join(load_object_head().concepts)
        raise ValueError(
            f"--text: nothing is understood of {unknown}. Say it in English; known "
            f"kinds are {known}"
        )
    return query
