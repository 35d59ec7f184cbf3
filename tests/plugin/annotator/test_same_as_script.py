"""The same prompts in a window and in a script give the same labels, bit by bit.

Both keep embeddings on disk, which rounds them, but not in the same folder. The network
is real, on random weights; the point is not what it finds.
"""

import numpy as np
import pytest
import torch
from dock_steps import settle
from skimage.data import coins

from napari_sam.inference.predictor import Predictor
from napari_sam.io.embedding_store import EmbeddingStore
from napari_sam.model.build import build_sam
from napari_sam.model.image_encoder import VitConfig
from napari_sam.model.sam import Architecture
from napari_sam.ops.boxes import to_napari
from napari_sam.workflows.session.annotation_session import AnnotationSession


def make_predictor():
    torch.manual_seed(5)
    encoder = VitConfig(32, 2, 2, (1,))
    sam = build_sam(Architecture("tiny", encoder, frame_size=256))
    with torch.no_grad():  # sharpen, so that masks are neither all nor nothing
        for mlp in sam.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(20)
    return Predictor(sam, name="tiny", digest="tiny", device="cpu")


@pytest.fixture
def image():
    return coins()[:120, :160]


def test_real_predictions_are_bit_identical(
    make_napari_viewer, open_dock, image, tmp_path
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    dock = open_dock(viewer, load=lambda source, device: make_predictor())
    window = dock.annotator
    sam = make_predictor()
    sam.cache.store = EmbeddingStore(tmp_path / "of the script")
    script = AnnotationSession(
        image,
        model=sam,
        overlap="overwrite",
        contrast_limits=tuple(layer.contrast_limits),
    )
    window.overlap = "overwrite"

    def say_point(position, positive=True):
        script.add_point(position, positive)
        window.use_tool("point", positive)
        window.layers.points.add(position)

    def both(action):
        settle(dock)
        getattr(script, action)()
        getattr(window, action)()
        settle(dock)

    say_point((30.25, 40.5))
    both("cycle")
    say_point((60.1, 80.7))
    say_point((90, 20), positive=False)
    both("commit")
    script.set_box((10, 10, 80, 120))
    window.layers.boxes.add_rectangles(to_napari((10, 10, 80, 120)))
    both("cycle")
    both("commit")
    window.layers.boxes.add_polygons([[20, 20], [20, 60], [50, 60], [50, 20]])
    settle(dock)
    script.set_mask(window.session.draft.question.mask)
    both("commit")
    both("undo")
    both("undo")
    both("redo")

    labels = np.asarray(window.sessions.output.data)
    assert len(np.unique(labels)) > 1
    assert np.array_equal(labels, script.labels)
    scores = window.sessions.output.features["score"].tolist()
    assert scores == script.table()["score"].tolist()
