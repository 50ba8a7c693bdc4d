import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.ingest.keyset import KeySet

INT64 = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.lists(st.one_of(INT64.filter(bool), st.integers(1, 5)), max_size=60), max_size=6))
def test_a_key_is_new_once(batches):
    keys, seen = KeySet(), set()
    for batch in batches:
        expected = [key not in seen and not seen.add(key) for key in batch]
        assert keys.add(np.array(batch, dtype=np.int64)).tolist() == expected
    assert keys.n == len(seen)


def test_zero_is_a_key_like_any_other():
    assert KeySet().add(np.array([0, 0, 7], dtype=np.int64)).tolist() == [True, False, True]


def test_many_keys_grow_the_table():
    keys = KeySet()
    every = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 200_000)
    assert keys.add(every).all()
    assert not keys.add(every[::-1]).any()
