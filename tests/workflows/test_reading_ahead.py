import threading

import pytest

from napari_sam.workflows.reading_ahead import read_ahead


def test_all_is_read_once_and_comes_in_order():
    read = []
    found = list(read_ahead(lambda n: read.append(n) or n * n, range(5), ahead=3))
    assert found == [0, 1, 4, 9, 16]
    assert read == [0, 1, 2, 3, 4]
    assert list(read_ahead(lambda n: n, [])) == []


def test_the_next_one_is_read_while_one_is_worked_on():
    begun = threading.Event()
    coming = read_ahead(lambda n: begun.set() if n else None, [0, 1])
    next(coming)
    assert begun.wait(10)
    coming.close()


def test_what_fails_to_be_read_says_so_in_its_turn():
    coming = read_ahead(lambda n: 1 // n, [1, 0, 1])
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_nothing_more_is_read_once_the_work_ends():
    read = []
    coming = read_ahead(read.append, range(100))
    next(coming)
    coming.close()
    assert len(read) <= 3
