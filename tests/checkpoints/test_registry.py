import dataclasses
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.registry import (
    DECODERS,
    REGISTRY,
    format_size,
    get_spec,
    suggest_names,
)
from napari_sam.checkpoints.sam2 import SAM2_SIZES
from napari_sam.model.build import ARCHITECTURES

HEX_DIGITS = {"sha256": 64, "xxh128": 32, "md5": 32}
EVERY = {**REGISTRY, **DECODERS}


def test_all_that_is_promised_is_listed():
    assert set(REGISTRY) == {
        "cells",
        *("vit_b", "vit_l", "vit_h", "vit_t"),
        *("vit_b_hq", "vit_l_hq", "vit_h_hq", "vit_t_hq"),
        *("vit_t_lm", "vit_b_lm", "vit_l_lm"),
        *("vit_t_em_organelles", "vit_b_em_organelles", "vit_l_em_organelles"),
        *("vit_b_histopathology", "vit_l_histopathology", "vit_h_histopathology"),
        "vit_b_medical_imaging",
        *("sam2.1_tiny", "sam2.1_small", "sam2.1_base_plus", "sam2.1_large"),
        "sam3",
    }
    assert next(iter(REGISTRY)) == "cells"


@pytest.mark.parametrize("name", EVERY)
def test_entries_are_complete(name):
    spec = EVERY[name]
    assert spec.name == name
    assert get_spec(name) is spec
    for text in (spec.title, spec.good_for, spec.licence, spec.citation):
        assert text.strip()
    if spec.bundled:
        assert (spec.url, spec.mirrors, spec.hash) == (None, (), None)
        return
    assert spec.size > 0
    assert spec.size_text
    if spec.gate:
        assert (spec.url, spec.mirrors, spec.hash) == (None, (), None)
        assert urlsplit(spec.gate).scheme == "https"
        return
    algorithm, _, digits = spec.hash.partition(":")
    assert re.fullmatch(f"[0-9a-f]{{{HEX_DIGITS[algorithm]}}}", digits)
    for url in (spec.url, *spec.mirrors):
        assert urlsplit(url).scheme == "https"


@pytest.mark.parametrize("field", ["filename", "url", "hash"])
def test_no_two_entries_share_a_file(field):
    fetched = [one for one in EVERY.values() if not (one.bundled or one.gate)]
    values = [getattr(spec, field) for spec in fetched]
    assert len(values) == len(set(values))


def test_models_can_be_built_and_decoders_belong_to_models():
    built = {*ARCHITECTURES, *SAM2_SIZES, "sam3"}
    assert {spec.architecture for spec in REGISTRY.values()} <= built
    linked = [spec.decoder for spec in REGISTRY.values() if spec.decoder]
    assert sorted(linked) == sorted(DECODERS)
    assert {spec.architecture for spec in DECODERS.values()} == {"unetr"}


def test_only_a_model_with_a_decoder_or_a_head_finds_instances():
    for spec in REGISTRY.values():
        if "instances" in spec.everything:
            assert spec.decoder or spec.name == "cells"
        assert ("fused" in spec.volumes) == ("instances" in spec.everything)
    assert REGISTRY["vit_b_medical_imaging"].everything == ("grid",)


def test_official_files_carry_the_published_digits():
    # Meta's file names end in the first digits of the MD5; sizes are those of the
    # float32 weights and a little more.
    assert REGISTRY["vit_b"].url.endswith("sam_vit_b_01ec64.pth")
    for name, elements in {
        "vit_b": 93_735_728,
        "vit_l": 312_343_088,
        "vit_h": 641_090_864,
        "vit_t": 10_140_231,
    }.items():
        assert 0 < REGISTRY[name].exact_size - 4 * elements < 400_000


def test_specs_and_tables_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REGISTRY["cells"].name = "other"
    with pytest.raises(TypeError):
        REGISTRY["mine"] = REGISTRY["cells"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "1 kB"), (33_000, "33 kB"), (375_042_383, "375 MB"), (10**9, "1.0 GB")],
)
def test_sizes_for_people(size, text):
    assert format_size(size) == text


def test_a_size_that_was_worked_out_says_so():
    assert REGISTRY["vit_b_lm"].size_text == "about 375 MB"
    assert REGISTRY["vit_b_lm"].exact_size is None
    assert REGISTRY["cells"].size_text == ""


def test_suggestions():
    assert suggest_names("vit_b_ml")[0] == "vit_b_lm"
    assert suggest_names("MobileSAM") == ["vit_t"]
    assert suggest_names("qqqq") == []
    with pytest.raises(CheckpointError, match="did you mean cells"):
        get_spec("cels")


def test_looking_up_and_downloading_needs_no_torch():
    code = "import sys, napari_sam.checkpoints.store; print('torch' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"
