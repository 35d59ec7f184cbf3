from dataclasses import replace

import pytest

from napari_sam.plugin.annotator.hints import Facts, next_hint

READY = Facts(has_image=True, embedding_state="ready")


@pytest.mark.parametrize(
    ("changes", "words", "kind"),
    [
        ({"has_image": False}, "Open an image", "do"),
        ({"is_3d_view": True}, "Leave the 3D view", "problem"),
        ({"plane_shown": False}, "Roll the axes", "problem"),
        ({"output_problem": "Choose another."}, "Choose another.", "problem"),
        (
            {"model_state": "missing", "model_name": "SAM"},
            "SAM is not on this",
            "problem",
        ),
        ({"model_state": "failed", "model_error": "Bad."}, "Bad.", "problem"),
        ({"embedding_state": "stopped"}, "Try again", "problem"),
        ({"embedding_state": "failed", "embedding_error": "No."}, "No.", "problem"),
        ({}, "Click an object", "do"),
        ({"tool": "box"}, "Drag a box", "do"),
        ({"tool": "lasso"}, "Draw around", "do"),
        ({"tool": "brush"}, "Paint over", "do"),
        ({"tool": ""}, "Press a tool", "do"),
        ({"polarity": False}, "where the object is not", "do"),
        ({"committed": 3}, "3 objects. Next: click an object", "do"),
        ({"has_prompts": True, "waiting": True}, "Segmenting", "wait"),
        ({"has_prompts": True, "candidates": 3}, "Q shows the next", "do"),
        ({"has_prompts": True, "candidates": 1}, "N keeps it. Or click", "do"),
        ({"has_prompts": True, "mask_is_empty": True}, "Nothing found", "do"),
        ({"has_prompts": True, "editing": 4, "candidates": 1}, "the change", "do"),
    ],
)
def test_each_state_has_its_next_step(changes, words, kind):
    hint = next_hint(replace(READY, **changes))
    assert words in hint.text
    assert hint.kind == kind


def test_prompts_given_while_the_model_loads_are_acknowledged():
    facts = replace(READY, has_prompts=True, waiting=True)
    assert "Loading" in next_hint(replace(facts, model_state="loading")).text
    assert "looks at" in next_hint(replace(facts, embedding_state="working")).text


def test_one_can_click_before_the_model_is_there():
    facts = Facts(has_image=True, model_state="loading")
    assert "Click an object" in next_hint(facts).text
