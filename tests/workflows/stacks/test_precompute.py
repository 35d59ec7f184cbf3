import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image
from tiny_network import count_encodings, tiny_sam

from napari_sam.inference.embedding_cache import EmbeddingCache
from napari_sam.inference.model_placement import PlacedModel
from napari_sam.inference.predictor import Predictor
from napari_sam.io.embedding_store import EmbeddingStore
from napari_sam.ops.planes import Plane
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks.precompute import (
    embed_plane,
    embed_planes,
    opening_limits,
    stack_planes,
)

LIMITS = (0.0, 999.0)


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 999, (3, 32, 40), np.uint16)


@pytest.fixture
def sam(tmp_path):
    cache = EmbeddingCache(store=EmbeddingStore(tmp_path / "store"))
    sam = Predictor(tiny_sam(), digest="tiny", device="cpu", cache=cache)
    sam.encoded = count_encodings(sam)
    return sam


def test_every_plane_is_in_the_store(sam, volume):
    told = []
    done = embed_planes(
        sam,
        volume,
        contrast_limits=LIMITS,
        progress=Progress(lambda *n: told.append(n)),
    )
    assert (done.planes, done.found, len(sam.encoded)) == (3, 0, 3)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert all(sam.encoder.key_of(plane, LIMITS) in sam.cache.store for plane in volume)
    assert sam.cache.store.image_nbytes(done.image) == sam.cache.store.nbytes


def test_a_second_run_finds_all_and_embeds_nothing(sam, volume):
    embed_planes(sam, volume, contrast_limits=LIMITS)
    sam.cache.clear()
    again = embed_planes(sam, volume, contrast_limits=LIMITS)
    assert (again.found, len(sam.encoded)) == (3, 3)
    assert len(sam.cache) == 0  # nothing was even read


def test_work_that_was_cancelled_goes_on(sam, volume):
    with pytest.raises(Cancelled):
        embed_planes(
            sam, volume, progress=Progress(is_cancelled=lambda: len(sam.encoded) == 2)
        )
    assert embed_planes(sam, volume).found == 2
    assert len(sam.encoded) == 3


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis_may_be_stepped_along(sam, volume, axis):
    small = volume[:, :4, :5]
    embed_planes(sam, small, contrast_limits=LIMITS, axis=axis)
    for plane in np.moveaxis(small, axis, 0):
        assert sam.encoder.key_of(plane, LIMITS) in sam.cache.store


def test_arrays_of_all_kinds_are_the_same(sam, volume, tmp_path):
    embed_planes(sam, volume, contrast_limits=LIMITS)
    stored = zarr.create_array(tmp_path / "a.zarr", data=volume)
    mapped = np.memmap(tmp_path / "a.bin", volume.dtype, "w+", shape=volume.shape)
    mapped[:] = volume
    for data in (da.from_array(volume, chunks=(1, 16, 16)), stored, mapped):
        assert embed_planes(sam, data, contrast_limits=LIMITS).found == 3
    assert len(sam.encoded) == 3


def test_chosen_planes_and_colour(sam):
    colour = np.random.default_rng(0).integers(0, 255, (4, 40, 48, 3), np.uint8)
    planes = [Plane((2, None, None)), Plane((0, None, None))]
    assert embed_planes(sam, colour, planes=planes).planes == 2
    assert sam.encoder.key_of(colour[2]) in sam.cache.store
    assert sam.encoder.key_of(colour[1]) not in sam.cache.store
    with pytest.raises(ValueError, match="lies outside"):
        embed_planes(sam, colour, planes=[Plane((4, None, None))])


def test_tiles_are_embedded_and_found(sam, volume):
    plane = volume[0]
    whole = sam.embed(plane, contrast_limits=LIMITS, scale="whole")
    sam.cache.note_scale(whole.key, 8.0)
    was_there, keys = embed_plane(sam, plane, LIMITS, tiles=True)
    tiles = sam.embed(plane, contrast_limits=LIMITS).tiles
    assert not was_there
    assert len(tiles) > 1
    assert len(sam.encoded) == len(keys) == 1 + len(tiles)
    sam.cache.clear()
    assert embed_plane(sam, plane, LIMITS, tiles=True) == (
        True,
        keys[:1]
        + [sam.encoder.key_of(plane[r0:r1, c0:c1], LIMITS) for r0, c0, r1, c1 in tiles],
    )
    assert embed_plane(sam, plane, LIMITS) == (True, keys[:1])


def test_what_stands_in_the_way_is_said(sam, volume, tmp_path):
    sam.cache.store = EmbeddingStore(tmp_path / "small", max_bytes=60_000)
    with pytest.raises(ValueError, match=r"limit of .*small"):
        embed_planes(sam, volume)
    (tmp_path / "file").write_text("in the way")
    sam.cache.store = EmbeddingStore(tmp_path / "file" / "store")
    with (
        pytest.warns(RuntimeWarning, match="not kept"),
        pytest.raises(OSError, match="0 of 3 planes are done"),
    ):
        embed_planes(sam, volume)
    sam.cache.store = None
    with pytest.raises(ValueError, match="no store"):
        embed_planes(sam, volume)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.data())
def test_the_planes_of_a_stack_cover_it_once(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    seen = np.zeros(shape, int)
    planes = stack_planes(shape, axis)
    for plane in planes:
        plane.shape_in(shape)
        seen[plane.slicer] += 1
    assert (seen == 1).all()
    if len(shape) > 2:
        assert all(plane.index[axis] is not None for plane in planes)


def test_a_stack_has_two_axes_or_more():
    with pytest.raises(ValueError, match="two axes"):
        stack_planes((5,))
    with pytest.raises(ValueError, match="no axis 3"):
        stack_planes((5, 6, 7), 3)


@pytest.mark.parametrize(
    "data",
    [
        np.arange(60 * 8 * 9).reshape(60, 8, 9).astype(np.uint16) * 3,
        np.linspace(-3, 5, 60 * 64).reshape(60, 64),
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.full((40, 50), 7, np.int16),
        np.zeros((4, 40, 50, 3), np.uint8),
        np.arange(3 * 2000 * 2000, dtype=np.uint32).reshape(3, 2000, 2000),
    ],
    ids=["stack", "float", "8 bit", "flat", "colour", "large"],
)
def test_limits_are_those_with_which_napari_opens(data):
    layer = Image(data)
    low, high = (0.0, 255.0) if layer.rgb else layer.contrast_limits
    assert opening_limits(data) == (low, high)


def test_limits_of_a_lazy_stack_are_of_the_plane_that_napari_looks_at_first():
    lazy = da.arange(7 * 5 * 6, dtype=np.uint16).reshape(7, 5, 6)
    layer = ViewerModel().add_image(lazy)
    assert opening_limits(lazy) == tuple(layer.contrast_limits)


def test_planes_that_go_together_are_each_told_and_kept(sam, volume, monkeypatch):
    monkeypatch.setattr(PlacedModel, "batch_size", lambda self, frame_size: 2)
    embed_planes(sam, volume, planes=[Plane((1, None, None))], contrast_limits=LIMITS)
    done = []
    made = embed_planes(
        sam,
        volume,
        contrast_limits=LIMITS,
        progress=Progress(lambda *told: done.append(told)),
    )
    assert (made.planes, made.found) == (3, 1)
    assert done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sam.cache.store.image_nbytes(made.image) > 0
    for plane in volume:
        assert sam.encoder.key_of(plane, LIMITS) in sam.cache.store
