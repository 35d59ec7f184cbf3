"""The line that says what is chosen is cut to any width."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.plugin.widgets.dock_header import _cut, _FoldLine


@given(st.text("ab …", min_size=2, max_size=20), st.data())
@settings(max_examples=100, deadline=None)
def test_a_name_that_is_cut_is_as_long_as_wanted_or_cut(name, data):
    length = data.draw(st.integers(1, len(name)))
    assert len(_cut(name, length)) <= max(length, 3)


@pytest.mark.parametrize("width", [60, 200, 280])
@pytest.mark.parametrize(
    "labels", ["stack, objects of the whole volume", "stack", "… a … b", "of others"]
)
def test_names_of_every_kind_are_cut_to_the_width(qtbot, labels, width):
    line = _FoldLine()
    qtbot.addWidget(line)
    line.resize(width, 24)
    line.show_choices(["stack", labels], "Cells · CPU")
    assert line.text().endswith("Cells · CPU")
