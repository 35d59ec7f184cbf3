"""What suits a kind of images, and what the user sets himself."""

from typing import get_args

import pytest

from napari_sam import InstanceConfig
from napari_sam.configs.image_kinds import IMAGE_KINDS, for_kind


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_each_kind_prefers_thresholds_of_its_own(kind):
    settled = for_kind(InstanceConfig(), kind)
    assert settled.kind == kind
    plain = InstanceConfig(kind=kind)
    assert settled != plain


def test_what_is_set_stays_for_every_kind():
    asked = InstanceConfig(foreground_thresh=0.33, seed_depth=0.44)
    for kind in IMAGE_KINDS:
        settled = for_kind(asked, kind)
        assert (settled.foreground_thresh, settled.seed_depth) == (0.33, 0.44)


def test_a_default_that_is_set_on_purpose_stays():
    plain = InstanceConfig()
    asked = InstanceConfig(confidence_thresh=plain.confidence_thresh)
    settled = for_kind(asked, "organelles")
    assert settled.confidence_thresh == plain.confidence_thresh
    assert for_kind(plain, "organelles").confidence_thresh > plain.confidence_thresh


@pytest.mark.parametrize("kind", [None, "any"])
def test_without_a_kind_one_set_of_defaults_holds(kind):
    settled = for_kind(InstanceConfig(min_area=7), kind)
    assert settled == InstanceConfig(min_area=7, kind="any")


def test_a_kind_that_is_none_is_answered_with_the_list():
    with pytest.raises(ValueError, match=r"nuclei, tissue, cells.*got 'crystals'"):
        for_kind(InstanceConfig(), "crystals")


def test_a_configuration_takes_each_kind_and_two_words_more():
    annotation = InstanceConfig.model_fields["kind"].annotation
    assert set(get_args(annotation)) == {"auto", "any", *IMAGE_KINDS}


def test_settling_twice_changes_nothing():
    once = for_kind(InstanceConfig(min_area=9), "rods")
    assert for_kind(once, "rods") == once
