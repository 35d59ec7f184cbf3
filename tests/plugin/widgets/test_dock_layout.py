"""How the docks are built."""

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.widgets.dock_layout import fill_dock


def takes_the_wheel(control):
    place = QPointF(control.rect().center())
    event = QWheelEvent(
        place,
        control.mapToGlobal(place),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)
    return event.isAccepted()


def test_the_wheel_over_a_choice_is_left_to_the_dock(qtbot):
    combo, number, slider = QComboBox(), QSpinBox(), QSlider()
    combo.addItems(["one", "two", "three"])
    number.setValue(5)
    slider.setValue(5)
    body = QWidget()
    layout = QVBoxLayout(body)
    for control in (combo, number, slider):
        layout.addWidget(control)
    dock = QWidget()
    fill_dock(dock, (), body)
    dock.resize(330, 300)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitExposed(dock)
    for control in (combo, number, slider):
        control.setFocus()
        assert not takes_the_wheel(control)
    assert combo.currentIndex() == 0
    assert number.value() == 5
    assert slider.value() == 5
