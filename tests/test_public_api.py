"""One voice: what is exported, how it is called, and that its examples run."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ideal_predictor import IdealPredictor

import napari_sam
from napari_sam import Scope
from napari_sam.inference import loaded_models

FUNCTIONS = [
    name for name in napari_sam.__all__ if inspect.isfunction(getattr(napari_sam, name))
]
ELSEWHERE = {"Any", "ArrayLike", "Callable", "Mapping", "NDArray", "None", "Path"}
ELSEWHERE |= {"DataFrame", "Sequence", "IsCancelled", "Box", "Answers"}
"""What a signature may name beside the package's own types, and aliases of builtins."""

READ_FILES = {"load_model", "load_sample", "read_image", "read_labels"}
READ_FILES |= {"write_labels", "write_overlay", "read_objects", "write_objects"}
READ_FILES |= {"read_tracks", "write_tracks"}
NO_IMAGE = READ_FILES | {"read_text", "find_suspects", "measure", "measure_folder"}
NO_IMAGE |= {"find_track_suspects", "export_model"}
NO_CONFIG = {"embed_objects"}
NO_MODEL = {"unsaved_work"}


def test_importing_is_light_and_all_names_are_there():
    code = """
import sys, napari_sam
heavy = {"torch", "numpy", "pydantic", "napari"} & set(sys.modules)
assert not heavy, heavy
assert dir(napari_sam) == sorted(napari_sam.__all__)
print(*dir(napari_sam))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not told.stderr
    stub = Path(napari_sam.__file__).with_suffix(".pyi").read_text("utf-8")
    named = re.findall(r" as (\w+)$", stub, re.MULTILINE)
    assert len(named) == len(set(named)) and "segment_large" in named
    assert sorted([*named, "__version__"]) == told.stdout.split()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_few_parameters_and_names_exported_types(name):
    parameters = inspect.signature(getattr(napari_sam, name)).parameters
    assert len(parameters) <= 7
    signature = str(inspect.signature(getattr(napari_sam, name)))
    types = set(re.findall(r"\b[A-Z]\w+", re.sub(r"= [^,)]*", "", signature)))
    assert types - ELSEWHERE <= set(napari_sam.__all__)


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - NO_IMAGE))
def test_the_image_comes_first_and_the_rest_by_name(name):
    parameters = inspect.signature(getattr(napari_sam, name)).parameters
    given = [p.name for p in parameters.values() if p.kind != p.KEYWORD_ONLY]
    assert given[0] in ("image", "volume", "frames", "data")
    assert len(given) <= 2
    asked = () if name in NO_MODEL else ("model", "config", "progress")
    asked = ("model",) if name == "looks_like" else asked  # it looks once, in a moment
    for wanted in asked:
        if wanted == "config" and name in NO_CONFIG:
            continue
        assert parameters[wanted].kind == parameters[wanted].KEYWORD_ONLY
    sections = inspect.getdoc(getattr(napari_sam, name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n---" in sections


class Colourful(IdealPredictor):
    """Sees what is bright in any channel."""

    def embed(self, image, **options):
        bright = image if image.ndim == 2 else image.max(axis=2)
        return super().embed(bright, **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda image, **given: napari_sam.segment(image, mode="instances", **given),
        lambda image, **given: napari_sam.segment_points(image, [(20, 20)], **given),
        lambda image, **given: napari_sam.segment_boxes(
            image, [(8, 8, 33, 33)], **given
        ),
    ],
)
def test_channels_may_lie_along_any_axis(call):
    plane = np.zeros((40, 60), np.uint8)
    plane[8:33, 8:33] = 1
    last = np.stack([plane, plane, plane], axis=-1)
    wanted = call(last, model=Colourful())
    assert wanted.shape == (40, 60) and wanted.any()
    for axis in (0, 1, -1, 2):
        image = np.moveaxis(last, -1, axis)
        found = call(image, model=Colourful(), channel_axis=axis)
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ValueError, match=r"channel_axis is 0, .* has 40 channels"):
        call(last, model=IdealPredictor(), channel_axis=0)
    with pytest.raises(ValueError, match="three axes"):
        call(plane, model=IdealPredictor(), channel_axis=0)


def test_a_stack_with_channels_anywhere_gives_planes_with_channels_last():
    array = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)  # z, c, y, x
    stack = napari_sam.Stack(array, channel_axis=1)
    assert stack.labels_shape == (2, 4, 5) and len(stack) == 2
    np.testing.assert_array_equal(stack.plane(1), np.moveaxis(array[1], 0, -1))
    across = napari_sam.Stack(array, axis=2, channel_axis=1)
    np.testing.assert_array_equal(across.plane(4), np.moveaxis(array[..., 4], 1, -1))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_channels_deeper_than_8_bit_are_each_stretched_by_themselves(count):
    plane = np.zeros((40, 60), np.uint16)
    plane[8:33, 8:33] = 1
    image = np.stack([plane * 10**c for c in range(count - 1)] + [plane * 0])
    found = napari_sam.segment(
        image, model=Colourful(), channel_axis=0, mode="instances"
    )
    np.testing.assert_array_equal(found > 0, plane > 0)
    stack = napari_sam.Stack(np.stack([image, image]), channel_axis=1)
    assert stack.labels_shape == (2, 40, 60)
    assert stack.plane(1).shape == (40, 60, 3)
    assert stack.plane(1).max() == 255
    session = napari_sam.AnnotationSession(
        np.stack([image, image]), model=Colourful(), channel_axis=1
    )
    assert session.labels.shape == (2, 40, 60)


@pytest.mark.parametrize("task", ["segment_boxes", "segment_points", "detect_edges"])
def test_a_region_where_it_cannot_count_is_refused(task):
    what = {"segment_boxes": [[]], "segment_points": [[]]}.get(task, [])
    scope = Scope(roi=np.ones((20, 20), bool))
    with pytest.raises(ValueError, match=f"{task} looks at the whole image"):
        getattr(napari_sam, task)(np.zeros((20, 20)), *what, scope=scope)


def test_a_loop_loads_a_model_by_name_once(monkeypatch):
    loaded = []

    def load_model(source, *, device="auto"):
        loaded.append(source)
        return IdealPredictor()

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_model)
    for _ in range(3):
        napari_sam.segment_points(np.zeros((20, 20)), [], model="cells")
    assert loaded == ["cells"]
    model = loaded_models.find_loaded("cells")
    napari_sam.segment_points(np.zeros((20, 20)), [], model="other")
    assert loaded_models.find_loaded("cells") is model  # still in use here
    del model
    assert loaded_models.find_loaded("cells") is None
    with pytest.raises(ValueError, match="model must be a name such as 'cells'"):
        napari_sam.segment_points(np.zeros((20, 20)), [], model=3)


def _documented():
    root = Path(napari_sam.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in ("plugin", "__main__") or ">>>" not in path.read_text("utf-8"):
            continue
        yield ".".join(("napari_sam", *parts)).removesuffix(".__init__")


@pytest.mark.parametrize("module", list(_documented()))
def test_the_examples_of_docstrings_run(module, tmp_path, monkeypatch, cells_by_name):
    monkeypatch.chdir(tmp_path)
    options = doctest.NORMALIZE_WHITESPACE
    found = doctest.testmod(importlib.import_module(module), optionflags=options)
    assert not found.failed
