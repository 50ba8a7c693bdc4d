from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.ingest.conftest import NOW, keys, record, write_jsonl

from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.tables import ACCOUNT_EVENTS, ACCOUNTS, EXCHANGE_RECORDS, INGEST_BATCHES, INGEST_REJECTS
from stillwatch.sketches import hash_text

RAW = {
    "account_id": "a1", "created_at": "2026-01-02T03:04:05Z", "org_id": "o1", "plan": "pro",
    "email": "Jo.Doe7@Mail.test", "phone": "+1 555 000 1111", "name": "Jo  Doe", "payment_fingerprint": "fp-1",
    "device_id": "dev-1",
    "signup_client_address": "203.0.113.9", "verified_owner": "Some Owner", "contract_tags": ["synthetic-data"],
}  # fmt: skip


def test_identities_of_an_account_become_pseudonyms_and_are_sealed(house, tmp_path):
    (report,) = house.accounts(write_jsonl(tmp_path / "a.jsonl", [RAW]))
    assert (report.source, report.rows_out) == ("accounts", 1)
    (row,) = house.rows(ACCOUNTS).to_pylist()
    names = Pseudonymiser(keys().pseudonym_key, sightings=None)
    assert row["email"] == names.of("email", "jo.doe7@mail.test")
    assert row["phone"] == names.of("phone", "+15550001111")
    assert row["name"] == names.of("name", "jo doe")
    assert row["payment_fingerprint"] == names.of("payment", "fp-1")
    assert row["device_id"] == names.of("device", "dev-1")
    assert row["signup_client_address"] == names.of("address", "203.0.113.9")
    assert (row["email_domain"], row["email_shape"]) == ("mail.test", "a.a9")
    assert row["email_shape_hash"] == hash_text("a.a9@mail.test")
    assert row["contract_tags"] == ["synthetic-data"]
    assert row["created_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert row["as_of"] == NOW
    said = {"actor": "tester", "reason": "test", "at": NOW}
    assert house.vault.open("email", row["email"], **said) == "jo.doe7@mail.test"
    assert house.vault.open("payment", row["payment_fingerprint"], **said) == "fp-1"


def test_an_account_and_its_traffic_share_alias_and_address(house, tmp_path):
    house.accounts(write_jsonl(tmp_path / "a.jsonl", [RAW | {"account_id": "me@x.test"}]))
    house.ingest(write_jsonl(tmp_path / "r.jsonl", [record(1, account_id="Me@x.test", client_address="203.0.113.9")]))
    (account,), (exchange,) = house.rows(ACCOUNTS).to_pylist(), house.rows(EXCHANGE_RECORDS).to_pylist()
    assert account["account_id"] == exchange["account_id"]
    assert account["account_id"].startswith("acct-")
    assert account["signup_client_address"] == exchange["client_address"]
    assert account["signup_client_prefix"] == exchange["client_prefix"]


def test_what_is_already_known_of_an_account_is_a_duplicate(house, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [RAW])
    house.accounts(path)
    house.clock = lambda: NOW + timedelta(days=1)
    (again,) = house.accounts(path)
    assert (again.rows_out, again.duplicates) == (0, 1)


def test_a_change_and_its_return_are_both_kept(house, tmp_path):
    for day, plan in enumerate(["free", "pro", "pro", "free"]):
        house.clock = lambda day=day: NOW + timedelta(days=day)
        house.accounts(write_jsonl(tmp_path / "a.jsonl", [RAW | {"plan": plan}]))
    rows = house.rows(ACCOUNTS).sort_by("as_of").to_pylist()
    assert [row["plan"] for row in rows] == ["free", "pro", "free"]


def test_snapshots_with_their_own_time_are_ingested_once(house, tmp_path):
    snapshots = [
        RAW | {"as_of": f"2026-02-0{day}T00:00:00Z", "plan": plan} for day, plan in [(1, "a"), (2, "b"), (3, "a")]
    ]
    path = write_jsonl(tmp_path / "a.jsonl", snapshots)
    assert house.accounts(path)[0].rows_out == 3
    assert house.accounts(path)[0].duplicates == 3


def test_bad_account_rows_are_quarantined(house, tmp_path):
    rows = [RAW, {"created_at": "2026-01-01"}, RAW | {"account_id": "a2", "created_at": "soon"}, b"{", b"[]"]
    (report,) = house.accounts(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (report.records_in, report.rows_out, report.rejected) == (5, 1, 4)
    reasons = house.rows(INGEST_REJECTS).sort_by("line_no")["reason"].to_pylist()
    assert reasons == ["missing_field", "bad_time", "bad_json", "not_an_object"]
    assert "soon" not in str(house.rows(INGEST_REJECTS).to_pylist())


def test_accounts_come_from_csv_and_parquet_too(house, tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("account_id,created_at,email,unknown\nc1,2026-01-01T00:00:00Z,x@y.test,1\nc2,,,\n")
    assert house.accounts(csv)[0].rows_out == 2
    pq.write_table(pa.table({"account_id": ["p1"], "contract_tags": [["x"]]}), tmp_path / "a.parquet")
    assert house.accounts(tmp_path / "a.parquet")[0].rows_out == 1
    assert house.rows(ACCOUNTS).num_rows == 3


def test_a_file_without_account_ids_is_one_reject(house, tmp_path):
    (tmp_path / "a.csv").write_text("id,email\n1,x@y.test\n")
    (report,) = house.accounts(tmp_path / "a.csv")
    assert (report.records_in, report.rejected) == (1, 1)


EVENT = {"event_id": "e1", "account_id": "a1", "event_time": "2026-06-01T23:00:00Z", "event_name": "signup"}


def test_events_are_stored_once_by_day(house, tmp_path):
    path = write_jsonl(tmp_path / "e.jsonl", [EVENT, EVENT, EVENT | {"event_id": "e2", "account_id": "me@x.test"}])
    (report,) = house.events(path)
    assert (report.source, report.rows_out, report.duplicates) == ("account-events", 2, 1)
    assert house.events(path)[0].duplicates == 3
    rows = house.rows(ACCOUNT_EVENTS).sort_by("event_id").to_pylist()
    assert [row["day"] for row in rows] == [date(2026, 6, 1)] * 2
    assert rows[1]["account_id"].startswith("acct-")
    assert house.rows(INGEST_BATCHES).num_rows == 2


@pytest.mark.parametrize("missing", ["event_id", "account_id", "event_time", "event_name"])
def test_an_event_needs_all_its_columns(house, tmp_path, missing):
    (report,) = house.events(write_jsonl(tmp_path / "e.jsonl", [EVENT | {missing: None}]))
    assert (report.rows_out, report.rejected) == (0, 1)
