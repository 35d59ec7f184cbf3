"""What a search asks of the workflows, and where sieving starts."""

from types import SimpleNamespace

import numpy as np
import pytest
from fake_search import FakeSearch, record_of
from napari.components import ViewerModel

from napari_sam import configs
from napari_sam.configs import (
    GridConfig,
    SegmentConfig,
    SelectionRule,
    read_settings,
)
from napari_sam.io.samples import load_sample
from napari_sam.ops.planes import Plane
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.plugin.model.long_task import Clock
from napari_sam.plugin.search.search import (
    Search,
    resolve_mode,
    search_plane,
    start_rule,
)
from napari_sam.plugin.search.search_options import MODES, OPTIONS
from napari_sam.workflows.objects import segment
from napari_sam.workflows.objects.grid_masks import grid_defaults

SHAPE = (40, 50)
SEARCHED_DOWN_TO = {
    "grid": {"pred_iou_thresh", "stability_score_thresh"},
    "instances": {"confidence_thresh", "min_area"},
    "refined": {"confidence_thresh", "min_area"},
}


def model(has_head):
    return SimpleNamespace(
        name="model", has_dense_head=has_head, has_quick_maps=has_head
    )


def search_for(mode, **options):
    image = np.zeros(SHAPE, np.uint8)
    layer = ViewerModel().add_image(image, contrast_limits=(0, 255))
    return Search(
        layer,
        layer.data,
        Plane.whole(),
        lambda: image,
        SHAPE,
        (0, 255),
        mode,
        {mode: options},
    )


def box(top, left, bottom, right, iou=0.9, stability=0.97):
    mask = np.zeros(SHAPE, bool)
    mask[top:bottom, left:right] = True
    return record_of(mask, iou, stability)


@pytest.mark.parametrize("has_head", [True, False])
def test_the_window_and_the_workflow_agree_on_what_automatic_means(has_head):
    chosen = segment.choose_mode("auto", model(has_head))
    assert resolve_mode("auto", model(has_head)) == chosen
    assert {name for name, _ in MODES} == set(configs.MODES)


@pytest.mark.parametrize("mode", sorted(OPTIONS))
def test_the_form_starts_with_the_defaults_of_the_configurations(mode):
    values = {
        option.name: option.default
        for option in OPTIONS[mode]
        if not (option.nothing and option.default == option.low)
    }
    made = read_settings(mode, values)
    for config in (made.grid, made.instances, made.refine):
        defaults = type(config)()
        for name in config.model_fields_set:
            given, usual = getattr(config, name), getattr(defaults, name)
            if name in SEARCHED_DOWN_TO[mode]:
                assert given <= usual
            else:
                assert given == pytest.approx(usual)


@pytest.mark.parametrize("mode", sorted(OPTIONS))
def test_every_number_of_the_form_is_accepted(mode):
    for option in OPTIONS[mode]:
        for value in (option.low, option.high):
            if not (option.nothing and value == option.low):
                read_settings(mode, {option.name: value})


def test_sieving_starts_where_a_plain_call_would():
    assert start_rule("grid", model(False)) == SelectionRule(
        min_iou=0.88, min_stability=0.95
    )
    cautious = grid_defaults(model(True))
    assert start_rule("grid", model(True)) == SelectionRule(
        min_iou=cautious.pred_iou_thresh, min_stability=cautious.stability_score_thresh
    )
    assert start_rule("instances", model(True)).min_area == 20


def test_duplicates_come_back_when_the_better_one_does_not_pass():
    better, stabler = box(5, 5, 20, 20, 0.95, 0.9), box(5, 5, 20, 21, 0.9, 0.99)
    found = search_plane(
        model(False), search_for("grid"), FakeSearch([better, stabler])
    )
    selection = found.selection

    def passing(rule):
        return [selection.records[i] for i in selection.keep(rule)]

    assert passing(SelectionRule()) == [better]
    assert passing(found.start) == [stabler]
    assert found.total == 1


def test_in_the_grid_the_smaller_mask_is_on_top():
    around, within = box(5, 5, 30, 40, 0.97), box(10, 10, 14, 15, 0.9)
    found = search_plane(model(False), search_for("grid"), FakeSearch([around, within]))
    plane = found.selection.paint(found.selection.keep(found.start))
    assert plane[12, 12] == 1 and plane[20, 20] == 2
    found = search_plane(
        model(True), search_for("instances"), FakeSearch([around, within])
    )
    plane = found.selection.paint(found.selection.keep(found.start))
    assert (plane[5:30, 5:40] == 1).all()


def test_a_typed_duplicate_threshold_counts():
    some, other = box(5, 5, 20, 20, 0.95), box(5, 5, 20, 26, 0.9)  # IoU of 0.70
    for threshold, count in ((0.5, 1), (0.9, 2)):
        search = search_for("grid", box_nms_thresh=threshold)
        found = search_plane(model(False), search, FakeSearch([some, other]))
        assert found.total == count


def test_the_clock_starts_afresh_with_a_new_phase():
    now = [0.0]
    clock = Clock(now=lambda: now[0])
    assert clock.left(0, 10) < 0
    now[0] = 2.0
    assert clock.left(2, 10) == pytest.approx(8.0)
    now[0] = 10.0
    assert clock.left(1, 5) < 0  # the refinement has begun
    now[0] = 11.0
    assert clock.left(3, 5) == pytest.approx(1.0)


@pytest.mark.parametrize("mode", ["grid", "instances"])
def test_what_passes_at_first_is_what_a_plain_call_finds(mode, cells):
    image = load_sample("nuclei_2d")[200:360, 100:260]
    limits = (float(image.min()), float(np.percentile(image, 99.5)))
    options = {
        option.name: int(option.default) if option.is_whole else option.default
        for option in OPTIONS[mode]
        if not (option.nothing and option.default == option.low)
    }
    plain = {}
    if mode == "grid":
        options["points_per_side"] = 12
        plain["grid"] = GridConfig(points_per_side=12)
    search = Search(
        None,
        None,
        Plane.whole(),
        lambda: image,
        (160, 160),
        limits,
        mode,
        {mode: options},
    )
    found = search_plane(cells, search)
    passing = [found.selection.records[i] for i in found.selection.keep(found.start)]
    wanted = segment.find_objects(
        image,
        model=cells,
        mode=mode,
        config=SegmentConfig(**plain),
        scope=Scope(contrast_limits=limits),
    )
    assert len(wanted) > 3
    assert found.total >= len(wanted) + (mode == "grid")
    assert {r.bbox for r in passing} == {r.bbox for r in wanted}
    scores = sorted(r.predicted_iou for r in wanted)
    assert sorted(r.predicted_iou for r in passing) == pytest.approx(scores)
