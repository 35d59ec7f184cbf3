"""The simulated user of the demonstration, with a stand-in for the model."""

from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
from fake_predictor import FakePredictor
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.io.samples import load_sample
from napari_sam.plugin.demo import DemoWindow
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.demo_script import DEMO_OBJECTS, DEMO_SAMPLE, replay


class EverythingIsHere(CheckpointStore):
    def path(self, spec):
        return self.cache_dir / "weights"

    def is_available(self, spec):
        return True


@pytest.fixture
def window(make_napari_viewer, npe2pm, tmp_path):
    (tmp_path / "weights").write_bytes(b"weights")
    with npe2pm.tmp_plugin(package="napari-sam"):
        yield DemoWindow(
            make_napari_viewer(show=True),
            load=lambda source, device: FakePredictor(source),
            store=EverythingIsHere(tmp_path),
        )


def test_mouse_and_keys_make_the_objects_that_a_script_makes(window, tmp_path):
    window.play()
    session = AnnotationSession(load_sample(DEMO_SAMPLE), model=FakePredictor())
    answers = list(replay(session))
    assert window.labels.max() == session.labels.max() == len(answers) - 1
    for label in range(1, len(answers)):
        mine, theirs = window.labels == label, session.labels == label
        # A mouse points at a pixel of the screen, a script at one of the image.
        assert (mine & theirs).sum() >= 0.8 * (mine | theirs).sum()

    window.write_screenshot(tmp_path / "new" / "annotator.png")
    picture = iio.imread(tmp_path / "new" / "annotator.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 300


def test_a_box_is_dragged_and_a_right_click_is_said(window):
    boxed = next(item for item in DEMO_OBJECTS if item.box is not None)
    window.mark(replace(boxed, background=((390, 310),)))
    prompts = window.annotator.session.draft.question.prompts
    np.testing.assert_allclose(prompts.box, boxed.box, atol=1)
    np.testing.assert_allclose(prompts.points, [(390, 310)], atol=1)
    assert prompts.labels.tolist() == [0]


def said_and_answered(window):
    """Return what the clicks say that are answered, None while one waits."""
    session = window.annotator.session
    if session.candidates is None:
        return None
    return session.draft.question.prompts.labels.tolist()


def test_an_answer_that_comes_while_the_button_is_down_changes_nothing(window):
    right = Qt.MouseButton.RightButton
    window.use_tool("point")
    window.click((273, 231))
    window.press((256, 252), right)
    window.wait_until(lambda: said_and_answered(window) == [1])
    window.annotator.refresh()
    QTest.qWait(100)
    window.release((256, 252), right)
    window.wait_until(lambda: said_and_answered(window) == [1, 0])


def test_who_waits_for_nothing_is_told_what_the_annotator_says(window):
    with pytest.raises(TimeoutError, match="Click an object"):
        window.wait_until(lambda: False, patience=0.1)
