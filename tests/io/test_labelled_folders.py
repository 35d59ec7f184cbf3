import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_sam.io.labelled_folders import list_labelled_images, list_labelled_volumes


def add(folder, name, image, labels, image_suffix=".png", labels_suffix=".png"):
    for part, suffix, data in (
        ("images", image_suffix, image),
        ("labels", labels_suffix, labels),
    ):
        (folder / part).mkdir(parents=True, exist_ok=True)
        path = folder / part / f"{name}{suffix}"
        if suffix.startswith(".tif"):
            tifffile.imwrite(path, data)
        else:
            iio.imwrite(path, data)


GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)
LABELS = GRAY.astype(np.uint16) * 5000


def test_kinds_and_names_are_sorted(tmp_path):
    for kind, name in (("b", "2"), ("b", "1"), ("a", "9")):
        add(tmp_path / kind, name, GRAY, LABELS)
    (tmp_path / "notes").mkdir()
    (tmp_path / "INDEX.md").write_text("about")
    found = list_labelled_images(tmp_path)
    assert [(item.kind, item.name) for item in found] == [
        ("a", "9"),
        ("b", "1"),
        ("b", "2"),
    ]


def test_one_kind_is_named_after_its_folder(tmp_path, monkeypatch):
    add(tmp_path / "nuclei", "x", GRAY, LABELS)
    assert [i.kind for i in list_labelled_images(tmp_path / "nuclei")] == ["nuclei"]
    monkeypatch.chdir(tmp_path / "nuclei")
    assert [i.kind for i in list_labelled_images(".")] == ["nuclei"]


def test_reading_keeps_the_image_and_widens_the_labels(tmp_path):
    add(tmp_path, "gray", GRAY, LABELS)
    add(tmp_path, "rgb", np.stack([GRAY] * 3, -1), LABELS)
    gray, rgb = (item.read() for item in list_labelled_images(tmp_path))
    np.testing.assert_array_equal(gray[0], GRAY)
    assert gray[0].dtype == np.uint8
    assert rgb[0].shape == (3, 4, 3)
    for _, labels in (gray, rgb):
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, LABELS)


def test_image_and_labels_may_have_different_formats(tmp_path):
    deep = GRAY.astype(np.uint16) * 3000
    add(tmp_path, "a", deep, LABELS, ".tif", ".tiff")
    add(tmp_path, "b", deep, LABELS, ".TIF", ".png")
    for item in list_labelled_images(tmp_path):
        image, labels = item.read()
        np.testing.assert_array_equal(image, deep)
        np.testing.assert_array_equal(labels, LABELS)


def test_other_files_are_passed_over(tmp_path):
    add(tmp_path, "a", GRAY, LABELS)
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "labels" / "a.json").write_text("{}")
    assert [item.name for item in list_labelled_images(tmp_path)] == ["a"]


def test_an_image_without_labels_is_named(tmp_path):
    add(tmp_path, "a", GRAY, LABELS)
    iio.imwrite(tmp_path / "images" / "lonely.png", GRAY)
    first, lonely = list_labelled_images(tmp_path)
    assert (first.name, lonely.name) == ("a", "lonely")
    first.read()
    with pytest.raises(OSError, match=r"lonely\.png has no label image in .*labels"):
        lonely.read()


def test_labels_without_an_image_are_named(tmp_path):
    add(tmp_path, "b", GRAY, LABELS)
    iio.imwrite(tmp_path / "labels" / "a.png", LABELS)
    iio.imwrite(tmp_path / "labels" / "b.bmp", GRAY)  # b.png is the same name
    orphan, _ = list_labelled_images(tmp_path)
    with pytest.raises(OSError, match=r"label image .*a\.png has no image in .*images"):
        orphan.read()


def test_no_image_with_labels_is_an_error_that_names_one(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b", "._a"):
        iio.imwrite(tmp_path / "images" / f"{name}.png", GRAY)
    told = (
        r"holds no labelled image: .*a\.png has no label image in .*, and 1 more are "
        r"without a partner; 1 hidden file left out; wanted KIND/images/NAME\.png"
    )
    with pytest.raises(ValueError, match=told):
        list_labelled_images(tmp_path)


def test_volumes_without_a_partner_are_named(tmp_path):
    for name, parts in (("a", ("image", "labels")), ("b", ("image",)), ("c", ())):
        (tmp_path / name).mkdir()
        for part in parts:
            ones = np.ones((2, 4, 5), np.uint8)
            tifffile.imwrite(tmp_path / name / f"{part}.tif", ones)
    whole, half = list_labelled_volumes(tmp_path)
    assert whole.read()[1].shape == (2, 4, 5)
    with pytest.raises(OSError, match=r"image\.tif has no labels\.tif beside it"):
        half.read()
    (tmp_path / "a" / "image.tif").unlink()
    told = r"holds no labelled volume: .*labels\.tif has no image\.tif beside it, and 1"
    with pytest.raises(ValueError, match=told):
        list_labelled_volumes(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kept", [0, 12, 150])
def test_a_damaged_file_is_an_oserror_that_names_it(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    add(tmp_path, "a", noise, noise.astype(np.uint16), suffix)
    path = tmp_path / "images" / f"a{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, noise, compression="zlib")
    path.write_bytes(path.read_bytes()[:kept])
    (item,) = list_labelled_images(tmp_path)
    with pytest.raises(OSError, match=rf"images.a{suffix} cannot be read"):
        item.read()


def test_sizes_must_agree(tmp_path):
    add(tmp_path, "a", GRAY, LABELS.T)
    (item,) = list_labelled_images(tmp_path)
    with pytest.raises(ValueError, match=r"shape \(4, 3\).*must have shape \(3, 4\)"):
        item.read()


def test_no_folder_and_no_images_are_errors(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        list_labelled_images(tmp_path / "missing")
    with pytest.raises(ValueError, match="holds no labelled image"):
        list_labelled_images(tmp_path)


def test_hidden_files_and_folders_are_left_out_and_counted(tmp_path):
    add(tmp_path / "a", "x", GRAY, LABELS)
    add(tmp_path / ".old", "y", GRAY, LABELS)
    for part in ("images", "labels"):
        (tmp_path / "a" / part / "._x.png").write_bytes(b"shadow")
    found = list_labelled_images(tmp_path)
    assert [(item.kind, item.name) for item in found] == [("a", "x")]
    assert found.hidden == 3  # of the folder .old no file is looked at


def test_a_name_may_be_written_in_two_ways(tmp_path):
    add(tmp_path, "\u00e9", GRAY, LABELS)
    wrong = tmp_path / "labels" / "\u00e9.png"
    wrong.rename(tmp_path / "labels" / "E\u0301.png")
    (item,) = list_labelled_images(tmp_path)
    np.testing.assert_array_equal(item.read()[1], LABELS)


def test_labels_are_whole_numbers_that_fit(tmp_path):
    add(tmp_path, "a", GRAY, LABELS, ".tif", ".tif")
    (item,) = list_labelled_images(tmp_path)
    path = tmp_path / "labels" / "a.tif"
    tifffile.imwrite(path, LABELS.astype(np.float32))
    np.testing.assert_array_equal(item.read()[1], LABELS)
    tifffile.imwrite(path, LABELS + 0.5)
    with pytest.raises(ValueError, match="wanted whole numbers"):
        item.read()
    tifffile.imwrite(path, LABELS.astype(np.int64) << 20)
    with pytest.raises(ValueError, match=r"labels from 0 to .* none above 2147483647"):
        item.read()


def test_a_channel_is_chosen_for_all(tmp_path):
    add(tmp_path, "a", np.stack([GRAY, GRAY + 1]), LABELS, ".tif", ".tif")
    path = tmp_path / "images" / "a.tif"
    tifffile.imwrite(path, np.stack([GRAY, GRAY + 1]), metadata={"axes": "CYX"})
    (item,) = list_labelled_images(tmp_path)
    with pytest.raises(ValueError, match="2 channels: 0 and 1"):
        item.read()
    (item,) = list_labelled_images(tmp_path, channels=(1,))
    np.testing.assert_array_equal(item.read()[0], GRAY + 1)
