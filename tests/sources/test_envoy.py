"""Envoy's response flags, codes and addresses."""

import json

import pytest

from stillwatch.sources import source
from stillwatch.sources.envoy import address_without_port
from tests.sources.parsing import parse_bytes, rows


def row(**entry: object) -> dict[str, object]:
    line = json.dumps({"start_time": "2026-04-22T08:00:00Z", "x-request-id": "r"} | entry).encode()
    return rows(parse_bytes(source("envoy"), line, "x.jsonl"))[0]


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"response_code": 403, "response_flags": "UAEX"}, "blocked"),
        ({"response_code": 403, "response_code_details": "rbac_access_denied_matched_policy[x]"}, "blocked"),
        ({"response_code": 403}, "error"),
        ({"response_code": 429, "response_flags": "RL"}, "error"),
        ({"response_code": 200, "response_flags": "UF,DC"}, "cancelled"),
        ({"response_code": 0}, "error"),
        ({"response_code": 200, "response_flags": "-"}, "ok"),
    ],
)
def test_the_status_follows_flags_and_code(entry: dict[str, object], status: str) -> None:
    assert row(**entry)["status"] == status


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("pipe", "pipe"),
    ],
)
def test_ports_are_left_out_of_addresses(address: str, bare: str) -> None:
    assert address_without_port(address) == bare


def test_a_response_id_of_the_gateway_comes_before_the_request_id() -> None:
    assert row(**{"gen_ai.response.id": "msg_1"})["call_id"] == "msg_1"


def test_a_line_without_request_id_has_an_id_that_is_the_same_each_time() -> None:
    found = [row(**{"x-request-id": None, "response_code": code}) for code in (200, 200, 201)]
    assert found[0]["source_record_id"] == found[1]["source_record_id"] != found[2]["source_record_id"]
