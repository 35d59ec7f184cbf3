"""What is in the docks is not cut at the right."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QScrollArea

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.plugin.widgets.follow_stack import FollowWidget
from napari_sam.plugin.widgets.segment_everything import EverythingWidget
from napari_sam.plugin.widgets.train import TrainWidget


@pytest.mark.parametrize("kind", [EverythingWidget, TrainWidget, FollowWidget])
def test_the_content_has_room_beside_the_scroll_bar(qtbot, tmp_path, kind):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 9)))
    dock = kind(viewer, store=CheckpointStore(tmp_path))
    qtbot.addWidget(dock)
    dock.resize(330, 400)
    dock.show()
    qtbot.wait(1)
    (area,) = (one for one in dock.findChildren(QScrollArea) if one.widget())
    assert area.verticalScrollBar().maximum() > 0
    assert dock.width() <= 345
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()
