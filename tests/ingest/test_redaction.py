import json

import pyarrow as pa
import pytest

from stillwatch.ingest.redaction import redact, redact_attributes, redact_lists


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abc.DEF-1",
        "basic dXNlcjpwYXNz",
        "sk-abc",
        "eyJhbGciOiJI.eyJzdWIi.sig",
        "ghp_" + "a1" * 10,
        "xoxb-1-2",
        "AIza" + "x" * 30,
    ],
)
def test_a_secret_in_text_is_replaced(secret):
    (clean,) = redact(pa.array([f"before {secret} after"])).to_pylist()
    assert clean == "before [secret] after"


def test_an_email_in_text_is_replaced():
    assert redact(pa.array(["bot/1.0 (ops@example.test)"])).to_pylist() == ["bot/1.0 ([email])"]


def test_plain_text_and_null_stay():
    plain = pa.array(["Mozilla/5.0 Chrome/120.0.0.0 task-sk desk-1", None])
    assert redact(plain).equals(plain)


def test_a_sliced_column_is_searched_where_it_is():
    assert redact(pa.array(["x", "sk-1", "y"])[2:]).to_pylist() == ["y"]
    assert redact(pa.array(["x", "sk-1", "y"])[1:]).to_pylist() == ["[secret]", "y"]


def test_lists_keep_their_shape():
    lists = pa.array([["a", "sk-1"], None, [], ["b"]])
    assert redact_lists(lists).to_pylist() == [["a", "[secret]"], None, [], ["b"]]
    assert redact_lists(lists[1:]).to_pylist() == [None, [], ["b"]]


def test_attributes_lose_members_with_telling_names_or_values():
    attributes = {
        "Authorization": "opaque", "x-forwarded-for": "9", "note": "mail me@x.test", "nested": {"api_key": "zzz"},
        "address": "203.0.113.9", "v6": "2001:db8::1:2", "key": "sk-1", "max_tokens": 5, "list": ["Bearer x"],
        "ok": [1, "two"],
    }  # fmt: skip
    (clean,) = redact_attributes(pa.array([json.dumps(attributes)])).to_pylist()
    assert json.loads(clean) == {"max_tokens": 5, "ok": [1, "two"]}


def test_attributes_without_suspects_are_not_rewritten():
    plain = pa.array(['{"a": 1,  "b": "x"}', None])
    assert redact_attributes(plain).equals(plain)


def test_attributes_that_are_no_object_and_suspect_become_null():
    assert redact_attributes(pa.array(['["sk-1"]', '{"a":', "{}"])).to_pylist() == [None, '{"a":', "{}"]
