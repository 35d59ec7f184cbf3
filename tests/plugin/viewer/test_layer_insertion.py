"""A layer that comes in beside those that are worked on."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_sam.plugin.viewer.layer_insertion import insert_unselected


@pytest.mark.parametrize("selected", [[], [0], [1], [0, 1]])
def test_what_is_selected_stays_selected_and_nobody_hears_of_it(qapp, selected):
    viewer = ViewerModel()
    both = [viewer.add_image(np.zeros((4, 5)), name=name) for name in "ab"]
    selection = viewer.layers.selection
    selection.clear()
    selection.update([both[i] for i in selected])
    active, told = selection.active, []
    selection.events.changed.connect(told.append)
    selection.events.active.connect(told.append)
    labels = Labels(np.zeros((4, 5), int), name="labels")
    insert_unselected(viewer.layers, 1, labels)
    assert [layer.name for layer in viewer.layers] == ["a", "labels", "b"]
    assert set(selection) == {both[i] for i in selected}
    assert selection.active is active
    assert not told
    selection.active = labels
    assert told and selection.active is labels
