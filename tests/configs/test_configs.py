"""Every parameter says what it means, and what reads it believes it."""

import subprocess
import sys

import pytest

from napari_sam import configs
from napari_sam.configs import (
    MODES,
    Config,
    GridConfig,
    LinkConfig,
    SegmentConfig,
    TrackConfig,
    mode_settings,
    read_pairs,
    settings_of,
)

KINDS = [
    kind
    for name in configs.__all__
    if isinstance(kind := getattr(configs, name), type)
    and issubclass(kind, Config)
    and kind is not Config
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_described_and_every_number_has_a_least_value(kind):
    for name, one in settings_of(kind).items():
        assert len(one.description) > 5, name
        is_number = isinstance(one.default, int | float)
        if is_number and not isinstance(one.default, bool) and name != "seed":
            assert one.low is not None, name
            assert one.low <= one.default and one.default <= (one.high or one.default)


def test_it_is_light():
    code = "import sys, napari_sam.configs; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout.strip() == "False"


def test_a_setting_has_bounds_step_unit_and_choices():
    one = settings_of(GridConfig)["min_mask_region_area"]
    assert (one.low, one.high, one.step, one.unit) == (0, 100_000, 10, "px")
    assert settings_of(GridConfig)["stability"].choices == ("exact", "fast")
    assert settings_of(SegmentConfig)["order"].choices == ("score", "area")
    assert settings_of(LinkConfig)["fill"].choices == ()


def test_what_is_set_goes_over_what_a_task_prefers():
    cautious = GridConfig(pred_iou_thresh=0.6, points_per_side=28)
    assert GridConfig(points_per_side=8).over(cautious) == GridConfig(
        pred_iou_thresh=0.6, points_per_side=8
    )
    assert GridConfig().over(cautious) == cautious


def test_modes_have_the_parameters_of_their_parts():
    assert {mode for mode in MODES if "agreement_thresh" in mode_settings(mode)} == {
        "refined"
    }
    assert mode_settings("refined")["pred_iou_thresh"].default == 0.75
    assert mode_settings("auto").keys() == {
        *mode_settings("grid"),
        *mode_settings("instances"),
    }


def test_texts_become_values_and_wrong_names_are_told():
    assert read_pairs(LinkConfig, {"fill": "no", "max_gap": "2"}) == LinkConfig(
        fill=False, max_gap=2
    )
    with pytest.raises(ValueError, match="no parameter 'gap'; there are min_overlap"):
        read_pairs(LinkConfig, {"gap": "2"})
    with pytest.raises(ValueError, match="no parameter 'link'"):
        read_pairs(TrackConfig, {"link": "x"})
