"""A window whose planes a Dask cluster embeds, which is killed in mid-work."""

from __future__ import annotations

import numpy as np
import pytest
from dock_steps import finish_work, is_embedded, look, settle, wait_until
from tiny_network import count_encodings, tiny_sam

pytest.importorskip("distributed")

from dask_cluster import Cluster

from napari_sam.inference.predictor import Predictor
from napari_sam.ops.remote_device import RemoteDevice
from napari_sam.plugin.search.search import find_objects

pytestmark = pytest.mark.filterwarnings("ignore:.*takes over:RuntimeWarning")

HOLDS_FRAMES = """
import time
from pathlib import Path

import napari_sam.inference.remote_worker as worker

embed = worker.embed_frame


def embed_when_let(request):
    while Path({folder!r}, "hold").exists():
        Path({folder!r}, "at work").touch()
        time.sleep(0.01)
    return embed(request)


embed_when_let.__module__, embed_when_let.__qualname__ = worker.__name__, "embed_frame"
worker.embed_frame = embed_when_let
"""
"""What makes a worker be at a frame for as long as a test wants."""


class HeldCluster:
    """A cluster with one worker, which can be held while it embeds a plane."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "sitecustomize.py").write_text(
            HOLDS_FRAMES.format(folder=str(folder))
        )
        self.running = Cluster()
        self.running.add_workers(folder=folder)

    def hold(self):
        (self.folder / "hold").touch()

    def wait_until_at_work(self):
        wait_until((self.folder / "at work").exists)


@pytest.fixture
def cluster(tmp_path):
    made = HeldCluster(tmp_path)
    yield made
    made.running.kill()


@pytest.fixture
def remote(cluster):
    """Return a small model whose planes the cluster embeds."""
    device = RemoteDevice(cluster.running.address, timeout=6)
    return Predictor(tiny_sam(), name="tiny", digest="t", device=device)


def films_of_blocks():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (3, 60, 80), dtype=np.uint8)


@pytest.mark.parametrize("what", ["kill_workers", "kill"])
def test_nothing_is_lost_when_the_cluster_is_killed_while_it_embeds(
    make_viewer, open_dock, cluster, remote, what
):
    viewer = make_viewer()
    viewer.add_image(films_of_blocks())
    viewer.dims.set_current_step(0, 0)
    dock = open_dock(viewer, load=lambda source, device: remote)
    annotator, made = dock.annotator, count_encodings(remote)
    assert dock.header.line.full_text.endswith("(1 worker)")
    annotator.layers.points.add((0, 30, 40))
    settle(dock)
    annotator.commit()
    settle(dock)
    kept = np.asarray(annotator.sessions.output.data).copy()
    assert kept.any()
    annotator.layers.points.add((0, 10, 10))
    settle(dock)
    preview = annotator.layers.preview.data.copy()
    cluster.hold()
    viewer.dims.set_current_step(0, 2)
    cluster.wait_until_at_work()
    annotator.layers.points.add((2, 20, 20))  # its answer waits for the plane
    getattr(cluster.running, what)()
    settle(dock)
    wait_until(lambda: "this machine's CPU takes over" in dock.hint.text)
    assert cluster.running.address in dock.hint.text
    assert is_embedded(dock) and len(made) == 1
    assert annotator.layers.preview.data.any()  # the click was answered here
    np.testing.assert_array_equal(annotator.sessions.output.data, kept)
    assert "worker" not in dock.header.line.full_text
    viewer.dims.set_current_step(0, 0)
    settle(dock)
    assert annotator.layers.points.data.tolist() == [[0, 10, 10]]
    np.testing.assert_array_equal(annotator.layers.preview.data, preview)
    viewer.dims.set_current_step(0, 1)
    wait_until(lambda: is_embedded(dock))
    assert len(made) == 2


def test_a_search_goes_on_here_and_the_window_says_why(
    make_viewer, open_dock, cluster, remote
):
    viewer = make_viewer()
    viewer.add_image(films_of_blocks()[0])
    dock = open_dock(viewer, "everything", load=lambda source, device: remote)
    dock.shown.everything.runner.find = find_objects
    cluster.hold()
    look(dock)
    dock.shown.find.click()
    cluster.wait_until_at_work()
    cluster.running.kill()
    finish_work(dock)
    wait_until(lambda: dock.shown.work() is None)
    assert remote.remote.problem
    assert "takes over" in dock.hint.text
