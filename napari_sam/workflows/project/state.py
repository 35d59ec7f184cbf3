"""What is known of the images of a project; it follows from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Counts", "ImageState", "ObjectNote", "Stage", "choose_stage"]

Stage = Literal["assisted", "semi-automatic", "automatic"]
"""The stages of the SAM paper's data engine (section 4)."""

_LATEST_IMAGES = 3
_TRUSTED_SHARE = 0.9


@dataclass
class ObjectNote:
    """How an object came to be.

    Attributes
    ----------
    source
        "drawn" by the user's prompts or brush; "accepted" as the model proposed it;
        "corrected" after it was accepted.
    clicks
        Prompts, and changes after them.
    seconds
        Of the user's time.
    class_name
        What the user calls it.
    prompts
        As JSON, where the annotator knows them.
    """

    source: str = "drawn"
    clicks: int = 0
    seconds: float = 0.0
    class_name: str = ""
    prompts: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not empty."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass
class ImageState:
    """How far an image is.

    Attributes
    ----------
    status
        "new", "started" or "done".
    notes
        Of each object, by its label.
    proposals
        File of the model's proposals, "" for none.
    proposed
        How many there were.
    closed
        Those that were accepted, or that the user did not want.
    uncertainty
        0 (the model is sure) to 1; None where it was not asked.
    objects_uncertainty
        The same of each proposal, by its label, as far as it is known.
    planes_uncertainty
        The same of each plane of a stack, in order; () where it is not known.
    model
        Which model proposed them.
    axes
        Those of a stack as the user named them; "" for those of its file.
    is_stack
        Whether it has several planes, as far as its file was looked at.
    is_unclear
        Whether the user should say what the axes of a stack are.
    problem
        Why the image cannot be shown or learned from, "" if it can.
    """

    status: str = "new"
    notes: dict[int, ObjectNote] = field(default_factory=dict)
    proposals: str = ""
    proposed: int = 0
    closed: set[int] = field(default_factory=set)
    uncertainty: float | None = None
    objects_uncertainty: dict[int, float] = field(default_factory=dict)
    planes_uncertainty: tuple[float, ...] = ()
    model: str = ""
    axes: str = ""
    is_stack: bool = False
    is_unclear: bool = False
    problem: str = ""

    def forget_proposals(self) -> None:
        """Have none, as an image that no model was asked about."""
        self.proposals, self.proposed, self.closed = "", 0, set()
        self.uncertainty, self.model = None, ""
        self.objects_uncertainty, self.planes_uncertainty = {}, ()

    @property
    def untouched(self) -> float:
        """Share of the objects that are as the model proposed them."""
        if not self.notes:
            return 0.0
        accepted = sum(note.source == "accepted" for note in self.notes.values())
        return accepted / len(self.notes)


@dataclass(frozen=True)
class Counts:
    """How far a project is.

    Attributes
    ----------
    images, done, started
        Images in all, done, and begun.
    objects
        On all of them.
    accepted, corrected, drawn
        How these objects came to be.
    clicks_per_object, seconds_per_object
        Means over all objects; 0 where there is none.
    """

    images: int
    done: int
    started: int
    objects: int
    accepted: int
    corrected: int
    drawn: int
    clicks_per_object: float
    seconds_per_object: float

    @classmethod
    def of(cls, states: list[ImageState]) -> Counts:
        """Count."""
        notes = [note for state in states for note in state.notes.values()]
        sources = [note.source for note in notes]
        many = max(1, len(notes))
        return cls(
            images=len(states),
            done=sum(state.status == "done" for state in states),
            started=sum(state.status == "started" for state in states),
            objects=len(notes),
            accepted=sources.count("accepted"),
            corrected=sources.count("corrected"),
            drawn=sources.count("drawn"),
            clicks_per_object=sum(note.clicks for note in notes) / many,
            seconds_per_object=sum(note.seconds for note in notes) / many,
        )


def choose_stage(done: list[ImageState], trainings: int) -> Stage:
    """Say in which stage of the paper's data engine a project is.

    Assisted: the user prompts each object; until the model was trained once.
    Semi-automatic: the model proposes, the user corrects and adds. Automatic: on the
    latest three images nine in ten objects stayed as they were proposed.

    Parameters
    ----------
    done
        The images that are done, in the order in which they were finished.
    trainings
        How often the model was trained.
    """
    if trainings == 0:
        return "assisted"
    latest = done[-_LATEST_IMAGES:]
    if len(latest) == _LATEST_IMAGES and all(
        s.untouched >= _TRUSTED_SHARE for s in latest
    ):
        return "automatic"
    return "semi-automatic"
