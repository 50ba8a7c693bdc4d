"""What peers name, on a simulated week: who is looked at because of it, and what `explain` says."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.cli.app import main
from stillwatch.model.tables import TOKEN_USES
from stillwatch.python_api import Stillwatch
from stillwatch.sharing.extensions import INDICATOR
from stillwatch.sharing.inbox import Inbox
from tests.guard.objects import indicator
from tests.small_world import END, LATER, copied, found_world, small_world

__all__ = ["found_world", "small_world"]

CLIENT = "t13d1516h2_8daaf6152771_02713d6af862"
PERIOD = {"valid_from": "2026-04-22T00:00:00Z", "valid_until": "2026-06-01T00:00:00Z"}


def tell(watch: Stillwatch, token: int, *, at: datetime = LATER) -> str:
    """Take in an indicator of lab-b that names a client whose token here is `token`; returns its id."""
    extension = {INDICATOR: {"extension_type": "property-extension", "ja4": [CLIENT]}}
    sent = indicator(random.Random(5), extensions=extension, **PERIOD)
    inbox = Inbox(watch.workspace.state, watch.sharing.guard, {"ja4": lambda value: token})
    inbox.receive([sent], peer="lab-b", channel="taxii", at=at)
    return str(sent["id"])


def crowd(watch: Stillwatch) -> tuple[int, list[str]]:
    """The client that most accounts without a finding share, and these accounts."""
    files = watch.workspace.lake.snapshot().files(TOKEN_USES)
    uses = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    uses = uses.filter(pc.equal(uses["token_kind"], "ja4")).select(["token", "account_id"])
    accounts = watch.accounts().table
    quiet = accounts.filter(pc.equal(accounts["tier"], "none"))["account_id"].combine_chunks()
    uses = uses.filter(pc.is_in(uses["account_id"], value_set=quiet)).group_by(["token", "account_id"]).aggregate([])
    counted = uses.group_by("token").aggregate([("account_id", "count")]).sort_by([("account_id_count", "descending")])
    token = counted["token"][0].as_py()
    return token, uses.filter(pc.equal(uses["token"], token))["account_id"].to_pylist()


@pytest.fixture(scope="module")
def told(found_world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that a peer told about the commonest honest client before the week was over."""
    folder = tmp_path_factory.mktemp("told") / "workspace"
    with copied(found_world, folder, small_world) as watch:
        tell(watch, crowd(watch)[0], at=END - timedelta(days=1))
    return folder


def test_an_honest_crowd_stays_unflagged_whatever_a_peer_says(told: Path, small_world: Path, tmp_path: Path) -> None:
    with copied(told, tmp_path / "w", small_world) as watch:
        before = watch.accounts().table.select(["account_id", "tier"])
        watch.detect()
        assert watch.accounts().table.select(["account_id", "tier"]).equals(before)


def test_explain_names_the_indicator_although_nothing_was_found(
    told: Path, small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(told, tmp_path / "w", small_world) as watch:
        (account_id, *_) = crowd(watch)[1]
        found = watch.explain(account_id)
        assert found.finding is None
        assert [(row["peer"], row["kind"], row["value"]) for row in found.indicators] == [("lab-b", "ja4", CLIENT)]
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    main(["--workspace", str(tmp_path / "w"), "explain", account_id])
    said = " ".join(capsys.readouterr().err.split())
    assert f"lab-b names its client {CLIENT}" in said
    assert "nothing was found against this account" in said


def test_what_came_in_after_the_run_is_not_known_to_it(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    with copied(found_world, tmp_path / "w", small_world) as watch:
        token, accounts = crowd(watch)
        tell(watch, token)
        assert watch.explain(accounts[0]).indicators == []
