"""Replacement accounts on a simulated week: recognised by their first request, and no honest customer with them."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.model.decision import Action, DecisionRequest
from stillwatch.model.tables import EXCHANGE_RECORDS, PROMPT_SKETCHES
from stillwatch.pipeline.response import Responder
from stillwatch.response import Snapshot
from tests.response.worlds import GREET, SUCCESSORS, Clock, policy
from tests.small_world import CONFIG, END, copied, found_world, small_world

__all__ = ["found_world", "small_world"]

SKETCHED = {"skeleton": "skeleton_hash", "system": "system_hash", "tools": "tools_hash"}
RECORDED = {"address": "client_address", "prefix": "client_prefix", "ja4": "tls_client_ja4_hash"}


@pytest.fixture(scope="module")
def asked(found_world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The first exchange of each account with its action, had the account been unknown: `is_campaign, action`.

    NOTE: the tokens were learned from the same week, so this shows the way and not the rate on customers to come.
    """
    folder = tmp_path_factory.mktemp("first") / "workspace"
    clock = Clock(END + timedelta(hours=1))
    with copied(found_world, folder, small_world, clock=clock()) as watch:
        responder = Responder(watch.workspace, CONFIG, clock=clock)
        responder.apply(policy(SUCCESSORS, GREET), author="ana", second="ben")
        served = Snapshot.read(responder.snapshot_path, responder.public_key, clock=clock.micros)
        lake = watch.workspace.lake.snapshot()
        records = pa.concat_tables([pq.read_table(file) for file in lake.files(EXCHANGE_RECORDS)])
        sketches = pa.concat_tables([pq.read_table(file) for file in lake.files(PROMPT_SKETCHES)])
    first: dict[str, dict[str, object]] = {}
    for row in records.sort_by("start_time").select(["account_id", "record_key", *RECORDED.values()]).to_pylist():
        first.setdefault(row["account_id"], row)
    wanted = pa.array([row["record_key"] for row in first.values()], pa.int64())
    sketched = sketches.filter(pc.is_in(sketches["record_key"], value_set=wanted)).to_pylist()
    by_key = {row["record_key"]: row for row in sketched}
    rows = [row | by_key[row["record_key"]] for row in first.values()]
    truth = pq.read_table(small_world / "truth.parquet")
    planted = set(truth.filter(truth["is_campaign"])["account_id"].to_pylist())
    actions = [served.decide(DecisionRequest(f"new-{number}", tokens(row))).action for number, row in enumerate(rows)]
    account_ids = list(first)
    return pa.table({"is_campaign": [name in planted for name in account_ids], "action": list(map(str, actions))})


def tokens(row: dict[str, object]) -> dict[str, list[int]]:
    sent = {kind: [row[name]] for kind, name in (SKETCHED | RECORDED).items() if row[name] is not None}
    return {**sent, "shingle": row["shingles"] or []}


def test_the_campaign_is_recognised_on_the_first_request(asked: pa.Table) -> None:
    campaign = asked.filter(asked["is_campaign"])
    assert pc.mean(pc.equal(campaign["action"], Action.SUSPEND.value)).as_py() > 0.5
    assert pc.mean(pc.not_equal(campaign["action"], Action.ALLOW.value)).as_py() > 0.95


def test_hardly_an_honest_account_is_asked_to_verify_and_none_gets_more(asked: pa.Table) -> None:
    honest = asked.filter(pc.invert(asked["is_campaign"]))
    assert honest.num_rows > 200
    assert set(honest["action"].to_pylist()) <= {Action.ALLOW.value, Action.STEP_UP.value}
    assert pc.sum(pc.not_equal(honest["action"], Action.ALLOW.value)).as_py() <= 3
