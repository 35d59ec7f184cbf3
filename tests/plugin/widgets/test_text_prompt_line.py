"""Words beside clicks, in the window."""

from dock_steps import look, settle, wait_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest


def write(dock, text):
    line = dock.shown.text
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)
    wait_until(lambda: not line.is_reading)
    look(dock)


def test_what_is_written_is_said_beside_the_prompts(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    write(dock, "the nucleus, not the cell")
    session = dock.annotator.session
    assert session.text == "the nucleus, not the cell"
    write(dock, "xylophone quux")
    assert "xylophone" in dock.hint.label.text()
    assert session.text == "the nucleus, not the cell"
    QTest.keyClick(dock.shown.text, Qt.Key.Key_Escape)
    settle(dock)
    assert session.text == ""


def test_another_image_has_no_words_yet(make_viewer, open_dock, image):
    viewer = make_viewer()
    first = viewer.add_image(image, name="one")
    second = viewer.add_image(image[::-1], name="two")
    dock = open_dock(viewer)
    write(dock, "the nucleus")
    other = first if dock.annotator.image is second else second
    dock.layers.choose(other, None)
    settle(dock)
    look(dock)
    assert dock.annotator.session.text == "" and dock.shown.text.text() == ""
