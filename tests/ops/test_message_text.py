import pytest

from napari_sam.ops.message_text import counted, listed


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 tracks"), (1, "1 track"), (2, "2 tracks"), (1200, "1,200 tracks")],
)
def test_one_thing_has_no_s(number, said):
    assert counted(number, "track") == said


def test_what_does_not_take_an_s():
    assert counted(1, "box", "boxes") == "1 box"
    assert counted(2, "box", "boxes") == "2 boxes"


def test_a_row_of_names_ends_in_and():
    assert listed(["a"]) == "a"
    assert listed([1, 2]) == "1 and 2"
    assert listed([1, 2, 3]) == "1, 2 and 3"
    assert listed(range(10), most=3) == "0, 1, 2 and 7 more"
    assert listed(range(3), most=3) == "0, 1 and 2"
