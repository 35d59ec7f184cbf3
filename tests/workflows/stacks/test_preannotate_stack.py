"""What is proposed for a volume or a film, and how sure the model is of it."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_sam import load_sample
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.stacks.preannotate_stack import preannotate_stack


@pytest.fixture(scope="module")
def nuclei():
    return load_sample("nuclei_3d")[14:18, :96, :96]


def test_a_volume_is_proposed_object_by_object(cells, nuclei):
    told = []
    found = preannotate_stack(
        nuclei,
        "zyx",
        model=cells,
        spacing=(0.29, 0.26, 0.26),
        progress=Progress(lambda done, total: told.append((done, total))),
    )
    there = set(np.unique(found.labels)) - {0}
    assert found.labels.shape == nuclei.shape and there
    assert set(found.objects_uncertainty) == there
    unsure = [*found.objects_uncertainty.values(), *found.planes_uncertainty]
    assert 0 <= min(unsure) <= max(unsure) <= 1
    assert len(found.planes_uncertainty) == 4
    assert 0 < found.uncertainty < 1
    assert told[-1] == (4, 4)


def test_an_object_of_a_film_is_one_proposal_on_all_frames(cells, nuclei):
    film = da.from_array(np.stack([nuclei[1]] * 3), chunks=(1, 96, 96))
    found = preannotate_stack(film, "tyx", model=cells)
    np.testing.assert_array_equal(found.labels[0], found.labels[2])
    assert set(found.objects_uncertainty) == set(np.unique(found.labels)) - {0}
    assert len(set(found.planes_uncertainty)) == 1
    mean = np.mean([*found.objects_uncertainty.values()])
    assert found.planes_uncertainty[0] == pytest.approx(mean)


def test_nothing_is_proposed_for_a_stack_that_is_too_large(cells):
    with pytest.raises(ValueError, match="2000 x 300 x 300 voxels is too large"):
        preannotate_stack(da.zeros((2000, 300, 300), np.uint16), "zyx", model=cells)


def test_it_can_be_stopped(cells, nuclei):
    stop = Progress(is_cancelled=lambda: True)
    for axes in ("zyx", "tyx"):
        with pytest.raises(Cancelled):
            preannotate_stack(nuclei, axes, model=cells, progress=stop)
