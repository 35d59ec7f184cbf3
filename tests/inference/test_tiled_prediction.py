from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_predictor import IdealPredictor, grid_of_discs

from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.preprocess import binary_to_logits
from napari_sam.inference.tiled_prediction import add_mask, predict_tiles
from napari_sam.ops.types import Prompts

FRAME = 128


def tiled(image, scale, sam=None):
    sam = sam or IdealPredictor(FRAME)
    view = PlaneView.of(image, FRAME, (0.0, 1.0))
    whole = sam.embed(image, scale="whole")
    return replace(view, embedded=whole, tiles=tuple(view.tiles_at(scale)))


@st.composite
def planes_and_prompts(draw):
    shape = draw(st.integers(150, 400)), draw(st.integers(150, 400))
    place = st.tuples(
        st.floats(0, shape[0] - 1, width=32), st.floats(0, shape[1] - 1, width=32)
    )
    points = draw(st.lists(place, max_size=3))
    corners = draw(st.none() | st.tuples(place, place))
    box = None if corners is None else [*corners[0], *corners[1]]
    return shape, draw(st.floats(1, 4)), points, box


@settings(max_examples=100)
@given(planes_and_prompts())
def test_a_view_shows_all_that_was_said(drawn):
    shape, scale, points, box = drawn
    embedding = tiled(np.zeros(shape), scale)
    prompts = Prompts.make(points, box=box)
    view = embedding.tile_for(prompts)
    assert view == embedding.tile_for(prompts)
    assert view == (0, 0, *shape) or view in embedding.tiles
    said = [*points, *([] if box is None else np.reshape(box, (2, 2)))]
    for row, col in said:
        assert view[0] <= row <= view[2]
        assert view[1] <= col <= view[3]


@settings(max_examples=50)
@given(planes_and_prompts(), st.integers(0, 99))
def test_a_mask_prompt_stays_in_its_view(drawn, number):
    shape, scale, points, box = drawn
    embedding = tiled(np.zeros(shape), scale)
    own = embedding.tiles[number % len(embedding.tiles)]
    prompts = Prompts.make(points, box=box, mask_logits=np.zeros((8, 8)), view=own)
    corners = [*prompts.points, *([] if box is None else prompts.box.reshape(2, 2))]
    holds = all(
        own[0] <= row <= own[2] and own[1] <= col <= own[3] for row, col in corners
    )
    assert (embedding.tile_for(prompts) == own) >= holds


def test_tiles_answer_as_the_whole_does():
    image = grid_of_discs(300, 50, 12).astype(np.uint8)
    sam = IdealPredictor(FRAME)
    embedding = tiled(image, 1.0, sam)
    assert len(embedding.tiles) == 16
    centres = [(r, c) for r in range(25, 300, 50) for c in range(25, 300, 50)]
    prompts = [Prompts.make([centre]) for centre in centres]
    prompts += [
        Prompts.make(box=(r - 13, c - 13, r + 13, c + 13)) for r, c in centres[:5]
    ]
    by_tiles = predict_tiles(sam, embedding, prompts)
    assert max(sam.shapes[1:]) == (128, 128)
    at_once = sam.predict_batch(embedding.whole, prompts)
    for tile, whole in zip(by_tiles, at_once, strict=True):
        assert tile.masks.shape == whole.masks.shape
        assert (tile.masks == whole.masks).all()
        assert tile.view in embedding.tiles


def test_what_a_tile_cuts_is_answered_by_the_whole():
    image = np.zeros((300, 300), np.uint8)
    image[140:160, 20:280] = 1
    sam = IdealPredictor(FRAME)
    embedding = tiled(image, 1.0, sam)
    (answer,) = predict_tiles(sam, embedding, [Prompts.make([(150, 150)])])
    assert (answer.masks[0] == (image > 0)).all()
    assert answer.view == (0, 0, 300, 300)


def test_a_box_larger_than_a_tile_is_answered_by_the_whole():
    embedding = tiled(np.zeros((300, 300)), 1.0)
    large = Prompts.make(box=(100, 100, 200, 120))
    assert embedding.tile_for(large) == embedding.plane
    assert embedding.tile_for(Prompts.make(mask_logits=np.zeros((8, 8)))) == (
        embedding.plane
    )


def ramp(view, rows, cols):
    """Logits of a view that say where in the plane each of them lies."""
    height, width = view[2] - view[0], view[3] - view[1]
    scale = 32 / max(height, width)
    at = (np.arange(32) + 0.5) / scale
    return (
        rows * (at[:, None] + view[0]) + cols * (at[None, :] + view[1]) + 1000
    ).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 15), st.booleans())
def test_logits_move_to_the_same_places_of_another_view(number, from_whole):
    sam = IdealPredictor(FRAME)
    embedding = tiled(np.zeros((300, 260), np.uint8), 1.0, sam)
    tile = embedding.tiles[number % len(embedding.tiles)]
    source = embedding.plane if from_whole else tile
    # Points in opposite corners fit no tile, one in the middle of the tile does.
    middle = np.add(tile[:2], tile[2:]) / 2
    points = [middle] if from_whole else [(1, 1), (298, 258)]
    given_logits = ramp(source, 2.0, 3.0)
    prompts = Prompts.make(points, mask_logits=given_logits, view=None)
    if not from_whole:
        prompts = Prompts.make(points, mask_logits=given_logits, view=source)
    target = embedding.tile_for(prompts)
    assert (target == embedding.plane) != from_whole
    predict_tiles(sam, embedding, [prompts])
    heard, wanted = sam.asked[0].mask_logits, ramp(target, 2.0, 3.0)
    known = heard > 500
    assert known.any()
    # Next to where the source ends, the last values fade out.
    inner = known & np.isclose(heard, wanted, rtol=1e-3)
    rows, cols = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
    core = np.ix_(rows[1:-1], cols[1:-1])
    assert inner[core].all()
    assert (heard[~known] < 500).all()


def test_a_drawn_mask_is_given_to_its_tile():
    image = np.zeros((300, 300), np.uint8)
    mask = np.zeros((300, 300), bool)
    mask[100:120, 130:150] = True

    class Draws(IdealPredictor):
        def mask_to_logits(self, embedding, mask):
            self.drawn = mask
            return binary_to_logits(mask, embedding.geometry, 32)

    sam = Draws(FRAME)
    prompts = add_mask(sam, tiled(image, 1.0, sam), Prompts(), mask)
    top, left, bottom, right = prompts.view
    assert sam.drawn.shape == (128, 128)
    assert sam.drawn.sum() == mask.sum()
    assert (sam.drawn == mask[top:bottom, left:right]).all()
    with pytest.raises(ValueError, match="mask has shape"):
        add_mask(sam, tiled(image, 1.0, sam), Prompts(), mask[:, :200])
