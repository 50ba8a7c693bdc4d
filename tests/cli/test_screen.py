"""`stillwatch screen` from a list file to a cleared pair."""

import csv
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from stillwatch.sharing.inbox import Inbox
from stillwatch.store.workspace import Workspace
from tests.guard.objects import indicator
from tests.sharing.worlds import sharing

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
LISTED = """id,name,type,aliases,country,address,end_date
1,"Zorvanek Quillbright Industries LLC",organisation,"Zorvanek QI",IR,"12 Salt Road, Tehran",
2,"Tamerlane Oxford Vexley",person,,SY,,
3,"Marrowdale Fintrey",person,,,,2026-05-09
"""
NAMES = {
    "acct-1": "Zorvanek Quilbright Industries Ltd",
    "acct-2": "Tamerlan Vexley Oxford",
    "acct-3": "Anna Example",
    "acct-4": "Marrowdale Fintrey",
}


class Clock:
    """A clock that a test sets."""

    at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settle(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Point the command line at the workspace in `folder`."""
    patch.chdir(folder)
    patch.setenv("STILLWATCH_KEYS", str(folder / "keys.json"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "configuration"))
    patch.setenv("STILLWATCH_WORKSPACE", str(folder / "workspace"))
    patch.setenv("STILLWATCH_ENGINES__MEMORY_LIMIT", "500MB")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace of four named accounts and some traffic; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("screen")
    with pytest.MonkeyPatch.context() as patch:
        settle(folder, patch)
        patch.setattr("stillwatch.python_api.now", Clock())
        assert main(["init"]) == 0
        write_accounts(folder, NAMES)
        (folder / "records.csv").write_text(
            "source_record_id,account_id,start_time,request_model,client_asn,client_geo_country,cloud_region,"
            "access_channel,org_id\n"
            + "".join(
                f"r{number}-{call},{account},2026-05-09T10:00:00Z,m,64500,{'FR' if number else 'XK'},"
                f"{'eu-west' if number % 2 else 'ap-south'},{'reseller' if number < 2 else 'first_party'},org-r\n"
                for number, account in enumerate(NAMES)
                for call in range(3)
            )
        )
        assert main(["ingest", "records.csv", "--source", "canonical"]) == 0
    (folder / "list.csv").write_text(LISTED)
    return folder


@pytest.fixture
def inside(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Path:
    """A copy of the folder, with a clock that the test sets."""
    folder = tmp_path / "copy"
    shutil.copytree(ingested, folder)
    settle(folder, monkeypatch)
    monkeypatch.setattr("stillwatch.python_api.now", clock)
    return folder


def write_accounts(folder: Path, names: dict[str, str]) -> None:
    with (folder / "accounts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["account_id", "created_at", "name", "device_id"])
        writer.writerows([account, "2026-05-01T00:00:00Z", name, f"d-{account}"] for account, name in names.items())
    assert main(["ingest", "accounts", str(folder / "accounts.csv")]) == 0


def screened(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[dict[str, dict[str, object]], str]:
    """Hits by account and object, and what was said on the way."""
    capsys.readouterr()
    assert main(["screen", "accounts", "--by", "ana", "--format", "json", *more]) == 0
    out, err = capsys.readouterr()
    return {f"{hit['account_id']} {hit['object_id']}": hit for hit in json.loads(out)}, err


def test_names_from_the_vault_are_compared_and_each_opening_is_recorded(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    hits, said = screened(capsys)
    assert set(hits) == {"acct-1 own:1", "acct-2 own:2"}
    assert "4 of 4 accounts compared" in said
    with Workspace.open(inside / "workspace") as workspace:
        opened = workspace.ledger.entries("vault.open")
        workspace.ledger.verify()
    assert len(opened) == 4
    assert all('"ana"' in entry.body and '"screening"' in entry.body for entry in opened)


def test_a_second_run_compares_nobody_and_keeps_what_stands(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    first, _ = screened(capsys)
    second, said = screened(capsys)
    assert "0 of 4 accounts compared" in said
    assert second == first


def test_only_what_changed_is_screened_again_and_a_removed_entry_takes_its_hit_along(
    inside: Path, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    screened(capsys)
    clock.at += timedelta(days=1)
    (inside / "list.csv").write_text(
        "\n".join(line for line in LISTED.splitlines() if not line.startswith("1,")) + "\n4,Anna Exampel,person,,,,\n"
    )
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    hits, _ = screened(capsys)
    assert set(hits) == {"acct-2 own:2", "acct-3 own:4"}
    write_accounts(inside, {"acct-4": "Tamerlane Vexley"})
    capsys.readouterr()
    hits, said = screened(capsys)
    assert "1 of 4 accounts compared" in said
    assert set(hits) == {"acct-2 own:2", "acct-3 own:4", "acct-4 own:2"}


def test_a_cleared_pair_stays_cleared_until_the_entry_or_the_account_changes(
    inside: Path, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    screened(capsys)
    assert main(["screen", "review", "acct-2", "own:2", "cleared", "--by", "ben", "--note", "born later"]) == 0
    hits, _ = screened(capsys, "--full")
    assert hits["acct-2 own:2"]["verdict"] == "cleared"
    write_accounts(inside, {"acct-1": "Zorvanek Quilbright Industry Ltd"})
    hits, _ = screened(capsys)
    assert hits["acct-2 own:2"]["verdict"] == "cleared"
    clock.at += timedelta(days=1)
    (inside / "list.csv").write_text(LISTED.replace("SY", "SY;LB"))
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    hits, _ = screened(capsys)
    assert hits["acct-2 own:2"]["verdict"] is None


def test_owners_that_hold_half_together_hold_the_account(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    (inside / "owners.csv").write_text(
        "owner,owned,percent\nown:1,acct-3,25\nTamerlane Oxford Vexley,acct-3,30\nown:1,acct-4,\n"
    )
    hits, _ = screened(capsys, "--owners", "owners.csv")
    assert hits["acct-3 acct-3"]["level"] == "hold"
    assert "55 %" in str(hits["acct-3 acct-3"]["reasons"])
    assert hits["acct-4 acct-4"]["level"] == "review"


def test_geography_alone_never_holds(
    inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLWATCH_SCREENING__UNSUPPORTED_COUNTRIES", '["XK"]')
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    hits, _ = screened(capsys)
    assert hits["acct-1 XK"]["level"] == "review"
    assert hits["acct-1 XK"]["cause"] == "region"


def test_many_unrelated_accounts_behind_a_listed_network_are_for_review(
    inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLWATCH_SCREENING__CROWD_ACCOUNTS", "4")
    (inside / "vpn.txt").write_text("AS64500 # Example Tunnel\n")
    (inside / "hosts.csv").write_text('ASN,Entity\n64500,"Example Tunnel, NL"\n')
    capsys.readouterr()
    call = ["screen", "network", "--vpn", "vpn.txt", "--hosting", "hosts.csv", "--by", "ana", "--format", "json"]
    assert main(call) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["network"], found["kind"], found["sureness"]) == ("AS64500", "vpn", "agreed")
    assert (found["n_accounts"], found["n_unrelated"], found["for_review"]) == (4, 4, True)


def test_channels_show_what_came_through_each_door(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["screen", "channels", "--format", "json"]) == 0
    rows = {(row["door"], row["channel"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["reseller", "org-r"]["n_accounts"] == 2
    assert rows["serving region", "eu-west"]["n_exchanges"] == 6
    assert rows["operator", "AS64500"]["n_accounts"] == 4
    assert rows["operator", "AS64500"]["flagged_share"] == 0.0
    assert main(["screen", "channels"]) == 0
    assert "0% (0-49)" in capsys.readouterr().out


def test_a_channel_says_which_peers_name_its_network(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace.open(inside / "workspace") as opened:
        inbox = Inbox(opened.state, sharing(opened).guard, {})
        for peer, number in (("lab-c", 64500), ("lab-b", 64500), ("lab-b", 64501)):
            sent = indicator(random.Random(f"{peer}{number}"), pattern=f"[autonomous-system:number = {number}]")
            inbox.receive([sent], peer=peer, channel="taxii", at=NOON)
    capsys.readouterr()
    assert main(["screen", "channels", "--format", "json"]) == 0
    rows = {row["channel"]: row["named_by"] for row in json.loads(capsys.readouterr().out)}
    assert (rows["AS64500"], rows["eu-west"]) == (["lab-b", "lab-c"], [])


def test_operators_of_records_without_a_network_come_from_opened_addresses(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "more.csv").write_text(
        "source_record_id,account_id,start_time,request_model,client_address\n"
        "m1,acct-1,2026-05-09T10:00:00Z,m,192.0.2.7\nm2,acct-2,2026-05-09T10:00:00Z,m,198.51.100.9\n"
    )
    assert main(["ingest", "more.csv", "--source", "canonical"]) == 0
    (inside / "asn.csv").write_text("start,end,asn,name\n192.0.2.0,192.0.2.255,64502,Example Hosting\n")
    assert main(["screen", "channels", "--ranges", "asn.csv"]) == 2
    assert "--by" in capsys.readouterr().err
    assert main(["screen", "channels", "--ranges", "asn.csv", "--by", "ana", "--format", "json"]) == 0
    rows = {row["channel"]: row["n_accounts"] for row in json.loads(capsys.readouterr().out)}
    assert rows["AS64502 Example Hosting (hosting, guessed)"] == 1
    with Workspace.open(inside / "workspace") as opened:
        assert len(opened.ledger.entries("vault.open")) == 2


def test_what_waits_can_be_listed_and_a_list_can_be_compared_with_its_past(
    inside: Path, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    screened(capsys)
    assert main(["screen", "review", "acct-2", "own:2", "confirmed", "--by", "ben"]) == 0
    capsys.readouterr()
    assert main(["screen", "review", "--format", "csv"]) == 0
    assert [row["account_id"] for row in csv.DictReader(capsys.readouterr().out.splitlines())] == ["acct-1"]
    clock.at += timedelta(days=1)
    (inside / "list.csv").write_text(LISTED.replace("Quillbright", "Quillbrite"))
    assert main(["screen", "lists", "add", "list.csv", "--list", "own"]) == 0
    capsys.readouterr()
    assert main(["screen", "lists", "diff", "own", "--format", "json"]) == 0
    assert [(row["change"], row["entry_id"]) for row in json.loads(capsys.readouterr().out)] == [("changed", "1")]
    assert main(["screen", "lists", "show"]) == 0
    assert "2026-05-11" in capsys.readouterr().out


def test_screening_without_a_list_says_what_to_do(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["screen", "accounts", "--by", "ana"]) == 4
    assert "screen lists add" in capsys.readouterr().err


def test_a_workspace_in_which_nobody_was_screened_has_nothing_to_review(inside: Path) -> None:
    file = inside / "review.json"
    assert main(["screen", "review", "--format", "json", "-o", str(file)]) == 0
    assert json.loads(file.read_text()) == []
