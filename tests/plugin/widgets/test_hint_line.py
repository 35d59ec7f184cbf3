"""The line at the top of the docks: its colours, its notices, its height."""

import pytest
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.widgets.hint_line import HintLine, Notice

LONGEST = (
    "24 kept in “Fluorescence nuclei (2D) objects”. Point at a wrong one: K deletes "
    "it, G edits it. U takes all of them back."
)


@pytest.fixture
def dock(qtbot):
    """A line of the usual width with something below it."""
    dock = QWidget()
    dock.line, dock.below = HintLine(), QWidget()
    layout = QVBoxLayout(dock)
    layout.addWidget(dock.line)
    layout.addWidget(dock.below, 1)
    dock.resize(330, 300)
    qtbot.addWidget(dock)
    dock.show()
    return dock


def test_nothing_below_moves_and_what_does_not_fit_is_in_the_tooltip(dock, qtbot):
    places, cut = set(), []
    for text, button in [
        ("Press Find objects.", ""),
        (LONGEST, ""),
        ("The 24 objects found lie on another plane.", "Show again"),
        ("word " * 100, ""),
        ("word " * 100, "Try again"),
    ]:
        dock.line.show_hint(Hint(text), button)
        qtbot.wait(1)
        places.add((dock.below.y(), dock.width(), dock.height()))
        assert dock.line.text == text
        cut.append(dock.line.label.is_cut)
        assert dock.line.label.toolTip() == (text if cut[-1] else "")
        label = dock.line.label
        assert label.heightForWidth(label.width()) <= label.height()
    assert len(places) == 1
    assert cut == [False, False, False, True, True]
    dock.resize(3000, 300)
    qtbot.wait(1)
    assert not dock.line.label.is_cut


def test_a_name_in_angle_brackets_is_text(dock):
    dock.line.show_hint(Hint("The file <b>cells</b> & more is damaged."))
    assert dock.line.label.textFormat().name == "PlainText"


def test_good_news_is_not_orange(dock):
    notice, colors = Notice(), {}
    for kind in ("problem", "done", "info"):
        notice.say("Something.", kind)
        assert notice.text_at("facts") == "Something." and notice.kind == kind
        dock.line.show_hint(Hint("Something.", notice.kind))
        colors[kind] = dock.line.styleSheet().split("solid ")[1].split(";")[0]
    assert colors["problem"] == "#e8912d"
    assert colors["done"] == "#3a9d5d"
    assert colors["info"] not in (colors["problem"], colors["done"])


def test_a_notice_goes_when_the_facts_change():
    notice = Notice()
    notice.say("It could not be saved.")
    assert notice.kind == "problem"
    assert notice.text_at(1) == notice.text_at(1) == "It could not be saved."
    assert notice.text_at(2) == "" and notice.text_at(1) == ""
