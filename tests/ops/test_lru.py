import threading
from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.lru import BoundedCache


def test_what_was_not_used_for_longest_goes_first():
    cache = BoundedCache(max_items=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c"), len(cache)) == (1, 3, 2)


def test_looking_is_no_use():
    cache = BoundedCache(max_items=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert "a" in cache
    assert cache.peek("a") == 1
    cache.replace("a", 4)
    cache.put("c", 3)
    assert (cache.peek("a"), cache.peek("b"), cache.peek("c")) == (None, 2, 3)


def test_bytes_are_bounded_and_the_latest_stays():
    cache = BoundedCache(max_bytes=100)
    cache.put("a", np.zeros(60, np.uint8))
    cache.put("b", np.zeros(40, np.uint8))
    assert (len(cache), cache.nbytes) == (2, 100)
    cache.put("a", np.zeros(61, np.uint8))
    assert ("b" in cache, cache.nbytes) == (False, 61)
    cache.put("c", np.zeros(500, np.uint8))
    assert ("a" in cache, "c" in cache, cache.nbytes) == (False, True, 500)
    assert cache.pop("c").nbytes == 500
    assert (cache.pop("c"), cache.nbytes) == (None, 0)


@given(
    st.lists(st.tuples(st.sampled_from("gpx"), st.integers(0, 4), st.integers(0, 9))),
    st.integers(1, 3),
    st.integers(0, 20),
)
def test_it_holds_what_a_list_of_uses_says(steps, most, limit):
    cache = BoundedCache(max_items=most, max_bytes=limit, size=lambda value: value)
    used = OrderedDict()
    for what, key, value in steps:
        if what == "p":
            cache.put(key, value)
            used[key] = value
            used.move_to_end(key)
            while len(used) > most or (len(used) > 1 and sum(used.values()) > limit):
                used.popitem(last=False)
        elif what == "g":
            assert cache.get(key) == used.get(key)
            if key in used:
                used.move_to_end(key)
        else:
            assert cache.pop(key) == used.pop(key, None)
        assert cache.nbytes == sum(used.values())
        assert [cache.peek(key) for key in range(5)] == [used.get(k) for k in range(5)]
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


def test_threads_do_not_lose_count():
    cache = BoundedCache(max_items=8)

    def work(start):
        for number in range(2000):
            cache.put((start + number) % 24, np.zeros(1 + number % 5, np.uint8))
            cache.get(number % 24)

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 7, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [cache.peek(key) for key in range(24)]
    assert len(cache) == 8
    assert cache.nbytes == sum(value.nbytes for value in held if value is not None)
