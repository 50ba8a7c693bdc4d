"""What the door makes of the further names of a call."""

import pyarrow as pa
import pytest
from tests.ingest.conftest import record, write_jsonl

from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.sketches.hashing import hash_text

NAMES = [["zz"], None, ["a", "b@c.test", "c"], [], ["sk-1234"], ["d"]]
KEPT = [["zz"], None, ["a", "c"], [], [], ["d"]]


@pytest.mark.parametrize("first", [0, 2, 5])
def test_each_plain_name_is_hashed_and_one_that_is_an_identity_or_a_secret_is_left_out(house, tmp_path, first):
    listed = [record(n, call_aliases=names) for n, names in enumerate(NAMES)][first:]
    house.ingest(write_jsonl(tmp_path / "calls.jsonl", listed))
    rows = house.rows(EXCHANGE_RECORDS).sort_by("source_record_id")
    assert rows["alias_keys"].type == pa.list_(pa.int64())
    wanted = [None if names is None else [hash_text(name) for name in names] for names in KEPT[first:]]
    assert rows["alias_keys"].to_pylist() == wanted
