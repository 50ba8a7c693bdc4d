"""Bedrock invocation logs: bodies of several makers, bodies that lie apart, and who the account is."""

import json

from stillwatch.sources import source
from stillwatch.sources.settings import BedrockSettings, Settings
from tests.sources.golden import FOLDER, rows_of
from tests.sources.parsing import parse_bytes, rows

SAMPLE = FOLDER / "bedrock" / "sample.jsonl"
FIRST = json.loads(SAMPLE.read_text().splitlines()[0])


def row_of(log: object, settings: Settings | None = None) -> dict[str, object]:
    return rows(parse_bytes(source("bedrock", settings), json.dumps(log).encode(), "x.json"))[0]


def test_a_body_that_lies_apart_has_no_text_and_says_so() -> None:
    apart = {"inputBodyS3Path": "s3://logs/x_input.json.gz", "inputTokenCount": 90_000}
    row = row_of({**FIRST, "input": apart})
    assert (row["prompt"], row["output"], row["content_capture"]) == (None, "The left one.", "truncated")


def test_the_same_messages_body_by_two_operations_has_the_same_texts() -> None:
    found = rows_of("bedrock", SAMPLE)
    assert [(row["prompt"], row["system_instructions"], row["output"]) for row in found[:2]] == [
        ("Which valve first?", "Answer briefly.", "The left one.")
    ] * 2


def test_one_role_may_serve_many_accounts() -> None:
    settings = Settings(bedrock=BedrockSettings(account_fields=("requestMetadata.tenant", "identity.arn")))
    named, unnamed = (row_of({**FIRST, "requestMetadata": held}, settings) for held in ({"tenant": "t-1"}, {}))
    assert (named["account_id"], unnamed["account_id"]) == ("t-1", FIRST["identity"]["arn"])


def test_request_metadata_that_is_not_named_is_not_kept() -> None:
    assert "not-a-real" not in repr(row_of(FIRST))


def test_the_request_id_can_name_the_call_to_join_cloudtrail() -> None:
    second = json.loads(SAMPLE.read_text().splitlines()[1])
    settings = Settings(bedrock=BedrockSettings(call_id_order=("request_id",)))
    assert (row_of(second)["call_id"], row_of(second, settings)["call_id"]) == ("msg_bdrk_2", second["requestId"])
