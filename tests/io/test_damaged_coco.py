"""COCO files with mutated contents: a ValueError, or masks that can be painted."""

import json

import numpy as np
import pytest
from damaged_content import JUNK, swap

from napari_sam.io.coco import read_coco, records_to_coco
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord

SHAPE = (24, 30)
MORE = (
    *JUNK,
    3,
    24,
    2**31,
    -(2**63),
    "",
    "a.png",
    float("nan"),
    [[1e9, 2, 3, 4, 5, 6]],
)


def whole_file():
    """Masks as run lengths, compressed and not, and as polygons."""
    mask = np.zeros(SHAPE, np.bool_)
    mask[2:9, 3:12] = True
    rle = Rle.encode(mask)
    record = MaskRecord(rle, rle.area, rle.bbox, 0.7, 0.5, (3.5, 4.0), (0, 0, *SHAPE))
    told = records_to_coco([record] * 3, SHAPE, "a.png")
    first, second, _ = told["annotations"]
    first["segmentation"] = rle.to_coco()
    second["segmentation"] = [[3.0, 2.0, 12.0, 2.0, 12.0, 9.0, 3.0, 9.0]]
    return told


def mutate(count, seed, folder):
    """Read mutated files; return how many were errors."""
    rng = np.random.default_rng(seed)
    content, path = json.dumps(whole_file()).encode(), folder / "a.json"
    failures = 0
    for _ in range(count):
        changed = content
        for _ in range(rng.integers(1, 3)):
            changed = swap(changed, rng, MORE)
        path.write_bytes(changed)
        try:
            found = read_coco(path)
        except ValueError as error:
            assert str(path) in str(error)
            failures += 1
            continue
        for records in found.values():
            shapes = {record.rle.shape for record in records}
            for shape in shapes:
                assert min(shape) >= 0
            if shapes == {SHAPE}:
                labels = records_to_labels(records, SHAPE)
                assert labels.shape == SHAPE and labels.max() <= len(records)
    return failures


def test_mutated_files_are_an_error_or_masks(tmp_path):
    assert 10 < mutate(60, 1, tmp_path) < 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_thousand_mutated_files(tmp_path, seed):
    assert 50 < mutate(500, seed, tmp_path) < 500
