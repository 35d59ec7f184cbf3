import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam.inference.preprocess import default_limits
from napari_sam.ops.planes import Plane
from napari_sam.plugin.annotator.object_features import merge_features
from napari_sam.plugin.viewer.layers import (
    display_range,
    looks_black,
    plane_shown,
    position_on_plane,
    shape_of,
    shifted_translate,
    spatial_metadata,
    stretch_contrast,
)
from napari_sam.plugin.viewer.settings import AnnotatorSettings, read_settings


def test_shape_leaves_colour_and_pyramids_out():
    assert shape_of(Image(np.zeros((5, 6, 3), np.uint8), rgb=True)) == (5, 6)
    pyramid = [np.zeros((8, 8)), np.zeros((4, 4))]
    assert shape_of(Image(pyramid, multiscale=True)) == (8, 8)


def test_display_range_is_what_is_shown():
    gray = Image(np.zeros((4, 4), np.uint16), contrast_limits=(5, 900))
    assert display_range(gray) == (5, 900)
    rgb = np.zeros((4, 4, 3))
    assert display_range(Image(rgb.astype(np.uint8), rgb=True)) == (0, 255)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("leading", [(), (3,)])
def test_deep_colour_is_seen_as_the_commands_see_it(bits, dtype, leading):
    values = np.random.default_rng(0).integers(0, 2**bits, (*leading, 40, 50, 3))
    layer = Image(values.astype(dtype), rgb=True)
    wanted = default_limits(layer.data.reshape(-1, 50, 3))
    assert display_range(layer) == pytest.approx(wanted)
    assert display_range(layer) == display_range(layer)
    assert 0.9 * 2**bits < wanted[1] < 2**bits


def test_the_plane_shown_follows_steps_order_scale_and_offset():
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((5, 6, 7)), scale=(2, 1, 0.5), translate=(10, 0, 0)
    )
    viewer.dims.set_point(0, 14)
    assert plane_shown(viewer, image) == Plane((2, None, None))
    viewer.dims.order = (2, 1, 0)
    viewer.dims.set_point(2, 1.5)
    assert plane_shown(viewer, image) == Plane((None, None, 3))
    viewer.dims.ndisplay = 3
    assert plane_shown(viewer, image) is None


def test_no_plane_is_shown_beside_the_image():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((20, 6, 7)))
    image = viewer.add_image(np.zeros((5, 6, 7)))
    viewer.dims.set_point(0, 12)
    assert plane_shown(viewer, image) is None


def test_world_positions_on_a_rotated_image():
    image = Image(np.zeros((40, 50)), scale=(2, 2), rotate=30, translate=(3, 4))
    world = image.data_to_world((12.25, 20.5))
    plane = Plane.whole()
    assert np.allclose(position_on_plane(image, plane, world), (12.25, 20.5))
    assert position_on_plane(image, plane, image.data_to_world((-3, 5))) is None


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
def test_a_layer_shifted_by_pixels_lies_on_them():
    place = {"scale": (2, 3, 1), "rotate": (10, 20, 30), "shear": [0.1, 0.2, 0.3]}
    image = Image(np.zeros((5, 6, 7)), translate=(1, 2, 3), **place)
    shifted = Image(np.zeros((1, 6, 7)), **spatial_metadata(image))
    shifted.translate = shifted_translate(image, (3, 0, 0))
    assert np.allclose(shifted.data_to_world((0, 4, 5)), image.data_to_world((3, 4, 5)))


def table(*labels):
    return pd.DataFrame(
        {"index": list(labels), "class": "a", "prompts": "{}", "score": 0.5}
    )


def test_columns_of_other_tools_stay_for_the_objects_that_there_are():
    features = pd.DataFrame({"index": [3, 4], "area": [10.0, 20.0]})
    merged = merge_features(features, table(4, 5))
    assert merged["index"].tolist() == [4, 5]
    assert merged["area"].tolist()[0] == 20


def test_features_by_row_number_get_their_index_and_the_background_keeps_its_row():
    merged = merge_features(pd.DataFrame({"area": [0.0, 7.0]}), table(1, 2))
    assert merged["index"].tolist() == [0, 1, 2]
    assert merged["area"].tolist()[:2] == [0, 7]


def test_settings_have_defaults():
    settings = read_settings()
    assert settings.model == AnnotatorSettings().model
    assert settings.planes_kept > 0


def picture(bright=60_000, pixels=1):
    """Cells of 200 to 300 in a field of 100, and a few outliers."""
    data = np.full((100, 100), 100, np.uint16)
    data[20:40, 20:40], data[60:80, 50:80] = 200, 300
    data.ravel()[:pixels] = bright
    return data


@pytest.mark.parametrize(
    ("layer", "is_black"),
    [
        (Image(picture()), True),
        (Image(picture(), contrast_limits=(0, 65535)), True),
        (Image(picture(), contrast_limits=(100, 300)), False),
        (Image(picture(bright=400)), False),
        (Image(picture(pixels=500)), False),  # those are objects
        (Image(np.full((9, 9), 3.0), contrast_limits=(0, 1000)), False),
        (Image(np.full((9, 9), np.nan), contrast_limits=(0, 1)), False),
        (Image(np.where(picture() > 300, 1e9, picture().astype(float))), True),
        (Image(np.zeros((9, 9, 3), np.uint8), rgb=True), False),
    ],
)
def test_a_plane_that_is_shown_black_is_told(layer, is_black):
    assert looks_black(layer, Plane((None, None))) == is_black


def test_the_contrast_is_stretched_to_a_plane_without_its_outliers():
    stack = np.stack([picture(), picture() * 2])
    layer = Image(stack, contrast_limits=(0, 65535))
    stretch_contrast(layer, Plane((0, None, None)))
    assert layer.contrast_limits == [100, 300]
    assert not looks_black(layer, Plane((0, None, None)))
    stretch_contrast(layer, Plane((1, None, None)))
    assert layer.contrast_limits == [200, 600]
    even = Image(np.full((9, 9), 3.0), contrast_limits=(0, 10))
    stretch_contrast(even, Plane((None, None)))
    assert even.contrast_limits == [0, 10]


def test_of_a_large_lazy_plane_the_middle_is_looked_at():
    import dask.array as da

    asked = []

    def block(block_info):
        asked.append(block_info[None]["chunk-location"])
        return np.full((512, 512), sum(asked[-1]), np.uint16)

    data = da.map_blocks(block, chunks=((512,) * 8, (512,) * 8), dtype=np.uint16)
    layer = Image(data, contrast_limits=(0, 60_000))
    asked.clear()
    assert looks_black(layer, Plane((None, None)))
    assert set(asked) == {(3, 3), (3, 4), (4, 3), (4, 4)}
