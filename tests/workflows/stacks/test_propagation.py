"""Objects through a volume, with a model that sees bright components exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_predictor import IdealPredictor
from tubes import draw_tubes, tubes

from napari_sam.configs import PropagationConfig
from napari_sam.ops.mask_patches import Patch
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.growing.plane_following import Track
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks.propagation import propagate
from napari_sam.workflows.stacks.seeds import Seeds
from napari_sam.workflows.stacks.stack import Stack

QUICK = settings(max_examples=12)
WHOLE = PropagationConfig(scale=0.1)  # planes are never tiled


def seeds_of(labels, planes):
    """Labels on the seed planes of each object alone."""
    seeds = np.zeros_like(labels)
    for label, some in planes.items():
        for plane in some:
            seeds[plane][labels[plane] == label] = label
    return seeds


def run(labels, seeds, axis=0, *, sam=None, progress=None, **options):
    known = {
        k: options.pop(k) for k in ("existing", "absent", "previous") if k in options
    }
    return propagate(
        Stack((labels > 0) * 100.0, axis=axis),
        Seeds(seeds, **known),
        model=sam or IdealPredictor(),
        config=WHOLE.model_copy(update=options),
        progress=progress,
    )


@QUICK
@given(tubes())
def test_every_object_is_followed_to_its_ends_and_no_further(drawn):
    labels, planes = drawn

    found = run(labels, seeds_of(labels, planes))

    np.testing.assert_array_equal(found.labels, labels)
    for label, sure in found.confidence.items():
        assert {p for p, c in sure.items() if c == 1} >= set(planes[label])
        assert all(0 <= c <= 1 for c in sure.values())


@QUICK
@given(tubes(), st.permutations([0, 1, 2]))
def test_a_transposed_volume_gives_transposed_labels(drawn, order):
    labels, planes = drawn
    seeds = seeds_of(labels, planes)
    expected = run(labels, seeds).labels

    turned = run(labels.transpose(order), seeds.transpose(order), order.index(0))

    np.testing.assert_array_equal(turned.labels, expected.transpose(order))


@QUICK
@given(tubes(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_what_is_there_stays_and_is_not_taken(drawn, random, share):
    labels, planes = drawn
    walls = np.where(
        np.random.default_rng(random).random(labels.shape) < share, 99, 0
    ).astype(np.int32)
    seeds = seeds_of(labels, planes)

    found = run(labels, seeds, existing=walls)
    merged = walls.copy()
    found.write(merged)

    np.testing.assert_array_equal(merged[walls > 0], 99)
    assert not found.labels[walls > 0].any()
    assert np.isin(found.labels, [0, *planes]).all()
    owned = found.labels > 0
    np.testing.assert_array_equal(found.labels[owned], labels[owned])


def test_two_objects_that_become_one_share_its_pixels_and_overwrite_none():
    labels = draw_tubes([(0, 8, 4, 0), (0, 8, 4, 0)])
    image = (labels > 0) * 1.0
    image[5:, 4:9, :] = 1  # a bridge joins them
    seeds = {0: labels[0]}

    found = propagate(image, seeds, model=IdealPredictor(), config=WHOLE)

    for present in found.planes.values():
        taken = sum(one.patch.decode((32, 32)).astype(int) for one in present.values())
        assert taken.max() <= 1
    np.testing.assert_array_equal(found.labels[:5], labels[:5])


@QUICK
@given(tubes(), st.data())
def test_a_corrected_seed_gives_what_a_full_run_gives(drawn, data):
    labels, planes = drawn
    seeds = seeds_of(labels, planes)
    first = run(labels, seeds)
    changed = seeds.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        plane = data.draw(st.integers(0, len(labels) - 1))
        label = data.draw(st.integers(1, len(planes)))
        part = labels[plane] == label
        if data.draw(st.booleans()):
            part &= np.arange(32)[:, None] > 5  # a rough mask
        changed[plane][changed[plane] == label] = 0
        changed[plane][part] = label
    if not changed.any():
        return

    again = run(labels, changed, previous=first)
    full = run(labels, changed)

    np.testing.assert_array_equal(again.labels, full.labels)
    assert again.confidence == full.confidence


def test_only_the_span_of_a_changed_seed_is_looked_at():
    labels = draw_tubes([(0, 8, 4, 0), (0, 8, 4, 0)])
    seeds = seeds_of(labels, {1: [0, 4, 8], 2: [0, 8]})
    first = run(labels, seeds)
    seeds[6][labels[6] == 1] = 1
    sam = IdealPredictor()

    run(labels, seeds, sam=sam, previous=first)

    assert len(sam.shapes) == 2  # planes 5 and 7
    again = IdealPredictor()
    run(labels, seeds, sam=again, previous=run(labels, seeds))
    assert not again.shapes


def test_an_object_that_is_absent_between_seeds_ends_and_begins_anew():
    labels = draw_tubes([(0, 8, 4, 0)])
    image = (labels > 0) * 1.0
    image[2:7] = 0
    seeds = seeds_of(labels, {1: [0, 8]})
    kept = run(labels, seeds)

    blind = propagate(
        image, Seeds(seeds, absent={1: {4}}), model=IdealPredictor(), config=WHOLE
    )
    seen = run(labels, seeds, absent={1: {4}})
    again = run(labels, seeds, absent={1: {4}}, previous=kept)

    assert sorted(blind.planes) == [0, 1, 7, 8]  # no shape is interpolated
    assert sorted(seen.planes) == [0, 1, 2, 3, 5, 6, 7, 8]
    np.testing.assert_array_equal(again.labels, seen.labels)
    assert again.confidence == seen.confidence


def test_where_the_model_is_blind_between_seeds_shapes_are_interpolated():
    labels = draw_tubes([(0, 8, 4, 3)])
    image = (labels > 0) * 1.0
    image[2:7] = 0

    found = propagate(
        image, seeds_of(labels, {1: [0, 8]}), model=IdealPredictor(), config=WHOLE
    )

    assert (found.labels == 1).any(axis=(1, 2)).all()
    overlap = ((found.labels == 1) & (labels == 1)).sum() / (labels == 1).sum()
    assert overlap > 0.8
    assert found.least_confident()[0] in range(2, 7)


def test_bounds_and_directions_are_kept():
    labels = draw_tubes([(0, 8, 4, 0)])
    seeds = seeds_of(labels, {1: [4]})

    def planes(**options):
        return sorted(run(labels, seeds, **options).planes)

    assert planes(direction="forward") == [4, 5, 6, 7, 8]
    assert planes(direction="backward") == [0, 1, 2, 3, 4]
    assert planes(until=(3, 6)) == [3, 4, 5, 6]
    assert planes(direction="forward", until=(0, 5)) == [4, 5]


@pytest.mark.parametrize("shape", [(1, 32, 32), (32, 1, 32), (32, 32, 1)])
def test_a_volume_of_one_plane_gives_back_its_seeds(shape):
    axis = shape.index(1)
    seeds = np.zeros((32, 32), np.uint8)
    seeds[3:9, 4:8] = 5

    found = propagate(
        Stack(np.ones(shape), axis=axis),
        {0: seeds},
        model=IdealPredictor(),
        config=WHOLE,
    )

    assert found.labels.shape == shape
    np.testing.assert_array_equal(found.labels.reshape(32, 32), seeds)


def test_an_array_of_more_axes_is_followed_along_one_and_read_by_planes():
    labels = draw_tubes([(1, 7, 4, 0)])

    class Film:
        shape = (9, 2, 32, 32)

        def __getitem__(self, index):
            assert sum(isinstance(i, slice) for i in index) == 2
            plane = labels[index[0]] > 0
            return plane * 1.0 if index[1] == 1 else np.zeros((32, 32))

    film = Film()
    found = propagate(
        Stack(film, at=(None, 1, None, None)),
        {4: labels[4]},
        model=IdealPredictor(),
        config=WHOLE,
    )

    np.testing.assert_array_equal(found.labels[:, 1], labels)
    assert not found.labels[:, 0].any()


def test_it_stops_when_asked_and_tells_how_far_it_is():
    labels = draw_tubes([(0, 8, 4, 0)])
    told = []
    with pytest.raises(Cancelled):
        run(
            labels,
            seeds_of(labels, {1: [4]}),
            progress=Progress(lambda *steps: told.append(steps), lambda: len(told) > 2),
        )
    assert told[0] == (0, 8)


@pytest.mark.parametrize(
    ("seeds", "options", "message"),
    [
        ({}, {}, "no object in the seeds"),
        ({9: np.ones((32, 32), int)}, {}, "seeds on plane 9"),
        ({0: np.ones((30, 32), int)}, {}, "wanted \\(32, 32\\)"),
        ({0: np.ones((32, 32))}, {}, "must be integers"),
        ({0: -np.ones((32, 32), int)}, {}, "0 or greater"),
        (np.ones((8, 32, 32), int), {}, "seeds have shape"),
        ({0: np.ones((32, 32), int)}, {"until": (3, 9)}, "until must be"),
        (
            {0: np.ones((32, 32), int)},
            {"direction": "up"},
            "(?s)direction.*'both', 'forward'",
        ),
        ({0: np.ones((32, 32), int)}, {"axis": 3}, "axis 3 does not run"),
    ],
)
def test_what_does_not_fit_is_refused(seeds, options, message):
    with pytest.raises(ValueError, match=message):
        stack = Stack(np.zeros((9, 32, 32)), options.pop("axis", 0))
        config = PropagationConfig(**options)
        propagate(stack, seeds, model=IdealPredictor(), config=config)


def test_a_frame_in_which_all_is_dark_is_passed_over_if_that_is_allowed():
    labels = np.zeros((6, 20, 30), np.int32)
    labels[:, 4:12, 3:11], labels[:, 6:14, 16:26] = 1, 2
    labels[3] = 0
    seeds = labels * 0
    seeds[0] = labels[0]
    lost = run(labels, seeds).labels
    np.testing.assert_array_equal(lost[:3], labels[:3])
    assert not lost[3:].any()
    found = run(labels, seeds, max_gap=1)
    np.testing.assert_array_equal(found.labels, labels)
    labels[4] = 0
    np.testing.assert_array_equal(run(labels, seeds, max_gap=1).labels[5], 0)
    np.testing.assert_array_equal(run(labels, seeds, max_gap=2).labels, labels)


def test_a_memory_holds_the_median_area_of_the_seed_and_the_last_masks():
    def square(side):
        return Patch.of(np.ones((side, side), bool))

    masks = {1: square(3), 2: square(5), 3: square(6)}
    track = Track(1, 0, 1, square(2), masks, reach=3)
    assert [track.usual_area(k) for k in (1, 2, 3)] == [20.0, 25.0, 17.0]
    missed = replace(track, reach=5, missed=2)
    assert missed.last.area == 36
