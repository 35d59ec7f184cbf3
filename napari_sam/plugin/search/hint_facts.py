"""What the hint line of "Segment everything" depends on, read from its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.configs import SelectionRule
from napari_sam.plugin.annotator.hints import Facts
from napari_sam.plugin.search.hints import EverythingFacts
from napari_sam.plugin.search.query_parts import known_words
from napari_sam.plugin.viewer.layers import display_range, looks_black
from napari_sam.plugin.viewer.sample_data import advice_on

if TYPE_CHECKING:
    from napari_sam.plugin.search.segment_everything import Everything

__all__ = ["FactReader"]


class FactReader:
    """Reads the facts; what takes time is looked at once for each state.

    Parameters
    ----------
    everything
        Whose state is read.
    """

    def __init__(self, everything: Everything) -> None:
        self._everything = everything
        self._seen: tuple[Any, ...] = ()
        self._is_black = False

    def read(self) -> EverythingFacts:
        """Return the facts as they are now."""
        everything = self._everything
        results, found, image = everything.results, everything.found, everything.image
        common = Facts(
            has_image=image is not None,
            is_3d_view=everything.viewer.dims.ndisplay == 3,
            plane_shown=everything.plane is not None,
            output_problem=everything.problem,
            model_state=everything.model_host.model_state,
            model_error=everything.model_host.model_error,
        )
        return EverythingFacts(
            common=common,
            working=everything.runner.is_working,
            has_begun=everything.runner.has_begun,
            region_problem=self._region_problem(),
            is_black=self._looks_black(),
            advice=advice_on(image),
            found=None if found is None else found.total,
            left_out=0 if found is None else found.left_out,
            passing=len(results.passing),
            best_score=float(found.selection.iou.max(initial=0)) if found else 0.0,
            is_sure=found is None or found.start != SelectionRule(),
            is_shown=results.preview.is_shown,
            is_here=results.is_here,
            kept=results.kept,
            skipped=results.skipped,
            output_name="" if everything.output is None else everything.output.name,
            **self._query_facts(),
        )

    def _query_facts(self) -> dict[str, Any]:
        """Read how it stands with what is looked for."""
        results, query = self._everything.results, self._everything.query
        answer, said = results.answer, query.query
        unknown = () if said is None else said.unknown
        is_lost = said is not None and said.nothing_understood
        return {
            "is_reading": query.is_reading,
            "is_looking": query.is_looking,
            "is_waiting": results.is_waiting,
            "is_asked": not query.is_empty,
            "unknown": unknown,
            "known": known_words() if is_lost else "",
            "refusal": results.refusal,
            "notes": () if answer is None else answer.notes,
            "among": 0 if answer is None else len(answer.question.among),
            "is_ranked": answer is not None and answer.is_ranked,
            "lacks_kind": answer is not None and answer.lacks_kind,
        }

    def _region_problem(self) -> str:
        everything = self._everything
        if everything.choices.where != "region":
            return ""
        if everything.choices.region is None:
            return (
                "Press Draw, and drag a rectangle over the region; then press Find "
                "objects."
            )
        if not len(everything.choices.region.data):
            return "Drag a rectangle over the region; then press Find objects."
        return ""

    def _looks_black(self) -> bool:
        """Whether the displayed plane looks black."""
        image, plane = self._everything.image, self._everything.plane
        if plane is None:
            return False
        seen = (image, image.data, plane, display_range(image))
        if not _are_same(seen, self._seen):
            self._seen, self._is_black = seen, looks_black(image, plane)
        return self._is_black


def _are_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Compare a layer and its data by what they are, the rest by value."""
    same = [a is b for a, b in zip(one[:2], other[:2], strict=False)]
    return same == [True, True] and one[2:] == other[2:]
