"""The rows "Image" and "Labels" of the docks: what they choose by themselves."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_sam.plugin.viewer.layer_pairs import (
    MADE_HERE,
    OF_OBJECTS,
    lie_together,
    note_pair,
)
from napari_sam.plugin.widgets.layer_choice import LabelsChoice, LayerChoice

SHAPE = (20, 30)


@pytest.fixture
def viewer(qapp):
    return ViewerModel()


@pytest.fixture
def images(viewer, qtbot):
    choice = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
    qtbot.addWidget(choice)
    choice.told = []
    choice.chosen.connect(choice.told.append)
    yield choice
    choice.stop()


@pytest.fixture
def labels(viewer, qtbot):
    choice = LabelsChoice(viewer, lambda layer: isinstance(layer, Labels), "none yet")
    qtbot.addWidget(choice)
    yield choice
    choice.stop()


def add(viewer, name, shape=SHAPE, **options):
    return viewer.add_image(np.zeros(shape, np.uint8), name=name, **options)


def draw(viewer, name, shape=SHAPE, **options):
    return viewer.add_labels(np.zeros(shape, np.int32), name=name, **options)


def by_hand(choice, text):
    """Choose the line of the list that reads so."""
    choice.setCurrentIndex(choice.findText(text))
    choice.activated.emit(choice.currentIndex())


def test_a_hidden_image_is_not_preset(viewer, images):
    seen = add(viewer, "seen")
    add(viewer, "hidden", visible=False)
    draw(viewer, "labels")
    images.start()
    assert images.layer is seen


def test_the_selected_image_is_preset(viewer, images):
    low = add(viewer, "low")
    add(viewer, "high")
    viewer.layers.selection.active = low
    images.start()
    assert images.layer is low


def test_hidden_images_are_better_than_none(viewer, images):
    hidden = add(viewer, "hidden", visible=False)
    images.start()
    assert images.layer is hidden


def test_it_follows_to_what_is_opened_or_selected(viewer, images, qtbot):
    images.start()
    assert images.layer is None
    first = add(viewer, "first")
    qtbot.wait(1)
    second = add(viewer, "second")
    qtbot.wait(1)
    draw(viewer, "labels")
    add(viewer, "hidden", visible=False)
    qtbot.wait(1)
    assert images.layer is second
    viewer.layers.selection.active = first
    images.choose(second)  # the dock shows what it has not been told to change yet
    assert images.layer is first
    qtbot.wait(1)
    assert images.told == [first, second, first]
    images.choose(second)
    assert images.layer is second and images.told == [first, second, first]


def test_what_the_user_chose_stays_until_it_goes(viewer, images, qtbot):
    images.start()
    first, second = add(viewer, "first"), add(viewer, "second")
    by_hand(images, "first")
    viewer.layers.selection.active = None
    viewer.layers.selection.active = second
    third = add(viewer, "third")
    qtbot.wait(1)
    assert images.layer is first
    images.stop()
    images.start()
    assert images.layer is first
    viewer.layers.remove(first)
    assert images.layer is third
    viewer.layers.selection.active = second
    assert images.layer is second


def test_behind_a_tab_the_choice_stays(viewer, images, qtbot):
    images.start()
    first = add(viewer, "first")
    qtbot.wait(1)
    images.stop()
    second = add(viewer, "second")
    viewer.layers.selection.active = draw(viewer, "labels")
    images.start()
    assert images.layer is first
    images.stop()
    viewer.layers.selection.active = second
    images.start()
    assert images.layer is second


def test_work_at_hand_holds_the_choice(viewer, images, qtbot):
    images.start()
    first = add(viewer, "first")
    images.is_held = lambda: True
    add(viewer, "second")
    qtbot.wait(1)
    assert images.layer is first


def test_an_image_that_a_tool_made_is_not_followed_to(viewer, images, qtbot):
    images.start()
    first = add(viewer, "first")
    add(viewer, "first edges", metadata={MADE_HERE: True})
    qtbot.wait(1)
    assert images.layer is first
    images.stop()
    images.start()
    assert images.layer is first
    viewer.layers.remove(first)
    assert images.layer.name == "first edges"


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        ({}, False),
        ({"scale": (2, 2)}, False),
        ({"scale": (2, 2), "translate": (5, 0)}, True),
        ({"scale": (2, 2), "translate": (5, 0), "units": ("um", "um")}, True),
        ({"scale": (2, 2), "translate": (5, 0), "rotate": 10}, False),
    ],
)
def test_labels_lie_with_their_image(viewer, place, fits):
    image = add(viewer, "image", scale=(2, 2), translate=(5, 0))
    assert lie_together(image, draw(viewer, "labels", **place)) == fits


def test_units_that_differ_are_another_place(viewer):
    image = add(viewer, "image", units=("um", "um"))
    assert not lie_together(image, draw(viewer, "labels", units=("mm", "mm")))
    color = viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), rgb=True)
    assert lie_together(color, draw(viewer, "labels"))
    assert not lie_together(color, draw(viewer, "labels", shape=(30, 20)))


def test_labels_read_with_their_objects_are_taken_up_under_any_name(viewer, qtbot):
    choice = LabelsChoice(
        viewer, lambda layer: isinstance(layer, Labels), "none yet", is_for_writing=True
    )
    qtbot.addWidget(choice)
    cells, other = add(viewer, "cells"), add(viewer, "other")
    draw(viewer, "regions")
    read = draw(viewer, "Tuesday", metadata={OF_OBJECTS: True})
    choice.start()
    choice.follow(cells)
    assert choice.layer is read
    read.name = "cells objects"
    choice.follow(other)
    assert choice.layer is None
    choice.follow(cells)
    assert choice.layer is read
    choice.stop()


def test_labels_follow_the_image(viewer, labels, qtbot):
    cells, other = add(viewer, "cells"), add(viewer, "other", shape=(9, 9))
    far = add(viewer, "far", translate=(100, 0))
    drawn = draw(viewer, "cells objects")
    draw(viewer, "regions")
    small = draw(viewer, "small", shape=(9, 9))
    labels.start()
    for image, expected in ((cells, drawn), (other, small), (far, None), (None, None)):
        labels.follow(image)
        assert labels.layer is expected
    mine = draw(viewer, "mine", translate=(100, 0))
    assert labels.layer is None
    labels.follow(far)
    assert labels.layer is mine


def test_labels_that_come_later_are_taken_up(viewer, labels, qtbot):
    cells = add(viewer, "cells")
    labels.start()
    labels.follow(cells)
    told = []
    labels.chosen.connect(told.append)
    drawn = draw(viewer, "cells objects")
    qtbot.waitUntil(lambda: told == [drawn])
    by_hand(labels, "none yet")
    draw(viewer, "cells others")
    qtbot.wait(1)
    assert labels.layer is None


def test_the_labels_that_were_used_last_come_back(viewer, labels):
    cells, other = add(viewer, "cells"), add(viewer, "other", shape=(9, 9))
    draw(viewer, "cells objects")
    mine = draw(viewer, "mine")
    labels.start()
    labels.follow(cells)
    by_hand(labels, "mine")
    labels.follow(other)
    assert labels.layer is None
    labels.follow(cells)
    assert labels.layer is mine
    note_pair(cells, viewer.layers["cells objects"])
    labels.follow(other)
    labels.follow(cells)
    assert labels.layer.name == "cells objects"


def test_nothing_is_written_to_labels_that_happen_to_lie_there(viewer, qtbot):
    choice = LabelsChoice(
        viewer, lambda layer: isinstance(layer, Labels), "New", is_for_writing=True
    )
    qtbot.addWidget(choice)
    cells = add(viewer, "cells")
    draw(viewer, "regions")
    choice.start()
    choice.follow(cells)
    assert choice.layer is None
    drawn = draw(viewer, "cells objects")
    assert choice.layer is drawn
    choice.stop()


def test_the_preview_of_the_annotator_is_no_choice(dock):
    assert "SAM preview" in dock.viewer.layers
    for visible in (True, False):
        dock.setVisible(visible)
        choice = dock.header.labels
        listed = [choice.itemText(i) for i in range(choice.count())]
        assert listed == ["New labels layer"]
