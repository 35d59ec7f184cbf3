import numpy as np

from napari_sam.ops.blocks import BlockGrid
from napari_sam.workflows.blocks.stitching import BlockObjects, number_objects

GRID = BlockGrid((8, 24), (8, 12), 3)  # windows of columns 0 to 18 and 6 to 24


def objects(block, *boxes):
    """Objects that are boxes of the plane, with their middle as deepest point."""
    labels = np.zeros((8, block.window[3] - block.window[1]), np.int32)
    points = []
    for number, (r0, c0, r1, c1) in enumerate(boxes, start=1):
        left = block.window[1]
        labels[r0:r1, max(0, c0 - left) : max(0, c1 - left)] = number
        points.append(((r0 + r1) // 2, (c0 + c1) // 2))
    count = len(boxes)
    return BlockObjects(
        labels, np.array(points, np.int64).reshape(-1, 2), np.ones(count, np.float32)
    )


def numbers(left, right):
    blocks = GRID.blocks
    found = [objects(blocks[0], *left), objects(blocks[1], *right)]
    tables, count = number_objects(GRID, lambda index: found[index])
    return [table.tolist() for table in tables], count


def test_what_both_see_is_one_object():
    assert numbers([(1, 9, 4, 14)], [(1, 10, 4, 14)]) == ([[0, 1], [0, 1]], 1)


def test_objects_side_by_side_at_the_border_stay_two():
    boxes = [(1, 8, 4, 12), (1, 12, 4, 16)]
    assert numbers(boxes, boxes) == ([[0, 1, 0], [0, 0, 2]], 2)


def test_an_object_that_the_window_cuts_belongs_to_the_whole():
    # The left block sees two ends of a fork that the right block sees as one.
    tables, count = numbers([(0, 9, 2, 18), (6, 9, 8, 18)], [(0, 9, 8, 24)])
    assert count == 1
    assert tables == [[0, 1, 1], [0, 1]]


def test_one_that_only_one_block_has_seen_counts_where_its_middle_is():
    assert numbers([(1, 9, 4, 14)], []) == ([[0, 1], [0]], 1)
    assert numbers([(1, 11, 4, 18)], []) == ([[0, 0], [0]], 0)


def test_two_halves_of_what_the_other_block_takes_for_one_do_not_join_it():
    left = [(0, 9, 8, 14)]
    right = [(0, 9, 3, 14), (3, 9, 8, 14)]
    tables, count = numbers(left, right)
    assert count == 1
    assert tables == [[0, 1], [0, 0, 1]]
    assert numbers([], []) == ([[0], [0]], 0)


def test_what_is_saved_is_read_back(tmp_path):
    found = objects(GRID.blocks[0], (1, 2, 3, 4))
    path = tmp_path / "deep" / "0.npz"
    assert not BlockObjects.is_saved(path)
    found.save(path)
    assert BlockObjects.is_saved(path)
    again = BlockObjects.load(path)
    np.testing.assert_array_equal(again.labels, found.labels)
    path.write_bytes(path.read_bytes()[:-10])
    assert not BlockObjects.is_saved(path)
