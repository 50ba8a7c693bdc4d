"""The published text hash."""

import pyarrow as pa

from stillwatch.sketches import TEXT_DOMAIN, hash_text, hash_texts


def test_the_hash_of_a_text_never_changes() -> None:
    assert TEXT_DOMAIN == "stillwatch/text/1"
    assert hash_text("") == -6099836733764452860
    assert hash_text("a") == 5167359394714300856
    assert hash_text("é中😀") == hash_texts(pa.array(["é中😀"]))[0].as_py()


def test_null_stays_null_and_empty_does_not() -> None:
    assert hash_texts(pa.array([None, ""])).to_pylist() == [None, hash_text("")]


def test_a_null_row_that_owns_bytes_stays_null() -> None:
    validity, offsets, content = pa.array(["secret", "b"]).buffers()
    assert validity is None
    masked = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), offsets, content])
    assert hash_texts(masked).to_pylist() == [None, hash_text("b")]


def test_hashes_are_spread_over_both_signs() -> None:
    values = hash_texts(pa.array([str(k) for k in range(2000)])).to_pylist()
    assert 850 < sum(value < 0 for value in values) < 1150
    assert len(set(values)) == 2000
