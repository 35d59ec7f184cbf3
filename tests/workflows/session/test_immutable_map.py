import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from napari_sam.workflows.session.immutable_map import ImmutableMap

numbers = st.integers(0, 9)
changes = st.lists(
    st.tuples(st.integers(0, 30), st.dictionaries(numbers, numbers), st.sets(numbers)),
    max_size=30,
)


@given(changes, st.lists(st.integers(0, 60), max_size=20))
def test_every_version_stays_what_it_was(changes, looks):
    made, expected = [ImmutableMap({0: 0})], [{0: 0}]
    for at, added, gone in changes:
        at %= len(made)
        made.append(made[at].updated(added))
        expected.append(expected[at] | added)
        made.append(made[-1].without(gone))
        expected.append({k: v for k, v in expected[-1].items() if k not in gone})
    for at in [*looks, *range(len(made))]:
        at %= len(made)
        assert dict(made[at]) == expected[at]
        assert list(made[at]) == sorted(expected[at])
        assert len(made[at]) == len(expected[at])
        assert (5 in made[at]) == (5 in expected[at])


def test_a_version_takes_the_room_of_its_difference():
    versions = [ImmutableMap()]
    tracemalloc.start()
    for i in range(3000):
        versions.append(versions[-1].updated({i: i}))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3000 * 600  # a whole map of them takes 150,000
    assert len(versions[0]) == 0
    assert len(versions[3000]) == 3000
