"""What is known of the tracks of a film, in a file beside its labels."""

import json

import pytest

from napari_sam.io.link_files import FilmLinks, link_path, read_links, write_links

LINKS = FilmLinks({5: [4], 6: [4]}, [(3, 5), (2, 2**40)])


def test_links_are_read_back(tmp_path):
    write_links(tmp_path / "film.tif", LINKS)
    assert read_links(tmp_path / "film.tif") == LINKS


def test_labels_without_such_a_file_have_no_links(tmp_path):
    assert not read_links(tmp_path / "film.tif")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"version": 2, "graph": [], "fixed": []}',
        '{"version": 1, "graph": [[]], "fixed": []}',
        '{"version": 1, "graph": [], "fixed": [[1]]}',
        '{"version": 1, "graph": [[1, "x"]], "fixed": []}',
    ],
)
def test_what_is_no_list_of_links_is_a_message(tmp_path, content):
    path = link_path(tmp_path / "film.tif")
    path.write_text(content)
    with pytest.raises(ValueError, match="holds no links of a film"):
        read_links(tmp_path / "film.tif")


def test_the_file_is_plain_json(tmp_path):
    path = write_links(tmp_path / "film.tif", LINKS)
    assert json.loads(path.read_text()) == {
        "version": 1,
        "graph": [[5, 4], [6, 4]],
        "fixed": [[3, 5], [2, 2**40]],
    }
