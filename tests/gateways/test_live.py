"""A campaign among honest customers of every look-alike class, live and in compressed time, through a real LiteLLM.

The proxy asks the server before each call and sends it each finished one; watch, people and customers do the rest.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch import simulate
from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.pipeline.response import Responder
from stillwatch.pipeline.watch import Watch
from stillwatch.python_api import now
from stillwatch.response.webhooks import Endpoint, new_secret
from stillwatch.response.webhooks import Settings as WebhookSettings
from stillwatch.simulate.lookalikes import LOOKALIKES
from stillwatch.store.spool import Settings as SpoolSettings
from tests.api.served import Served, serving, settings, wait_until
from tests.gateways.litellm_proxy import Proxy, litellm
from tests.replay import Exchange, between, chat_call, export_requests, first_of_each, of_accounts
from tests.response.webhooks.receiver import Receiver, receiving
from tests.response.worlds import GREET, policy
from tests.small_world import CONFIG, START, WORLD, new_workspace

pytestmark = pytest.mark.slow

SEED: Final = 5
WIDE: Final = msgspec.structs.replace(WORLD, honest=msgspec.structs.replace(WORLD.honest, lookalikes=LOOKALIKES))
HISTORY_ENDS: Final = START + timedelta(days=4, hours=18)
ALARM_AT: Final = START + timedelta(days=5)
CALLERS: Final = 6
PATIENCE_SECONDS: Final = 1800.0
"""How long telemetry may take into the lake: a busy machine gives the proxy a twentieth of its time."""
SECRET: Final = new_secret(bytes(range(32)))
POLICY: Final = policy(
    'slow | action = "rate_limit"; requests_per_minute = 0.01; mode = "enforce"',
    'replacements | first_request = true; action = "suspend"; min_token_kinds = 2; mode = "enforce"; '
    'expires_after = "3d"',
    GREET,
)
REFUSALS: Final = {
    "this account is limited for now": "throttled",
    "this account is suspended": "suspended",
    "this account has to be verified": "to be verified",
}


@dataclass
class Live:
    """A proxy that customers call, the server behind it, and who is who."""

    proxy: Proxy
    served: Served
    config: Config
    hooks: Receiver
    exchanges: pa.Table
    class_of: dict[str, str | None]
    """Honest class by account; None for the campaign's."""
    late: frozenset[str]
    """Accounts whose first call of all comes after the alarm: replacements of the campaign, and honest newcomers."""

    def history(self) -> int:
        """Send what happened before the proxy was there; returns how many records that is."""
        rows = between(self._early(), START, HISTORY_ENDS)
        for body in export_requests(rows):
            assert self.served[Role.INGEST].post("/v1/traces", json=body).status_code == 200
        return rows.num_rows

    def evening(self) -> list[Exchange]:
        """What customers ask for in the hours before the alarm."""
        return between(self._early(), HISTORY_ENDS, ALARM_AT).to_pylist()

    def call(self, rows: list[Exchange]) -> list[str]:
        """Make the calls, several at once and in this order; what became of each."""
        with ThreadPoolExecutor(CALLERS) as callers:
            return list(callers.map(lambda row: self._outcome(self._ask(row)), rows))

    def wait_for(self, n_records: int) -> None:
        """Wait until so many records are in the lake."""
        lake = self.served.workspace.lake
        wait_until(lambda: lake.snapshot().n_rows(EXCHANGE_RECORDS) >= n_records, seconds=PATIENCE_SECONDS)

    def _early(self) -> pa.Table:
        return of_accounts(self.exchanges, self.late, wanted=False)

    def _ask(self, row: Exchange) -> httpx.Response:
        at = str(row["start_time"].timestamp())
        return self.proxy.ask(row["account_id"], chat_call(row, "m-1"), **{"x-replayed-at": at})

    def _outcome(self, answer: httpx.Response) -> str:
        if answer.status_code == 200:
            return "served"
        assert answer.status_code == 400, answer.text
        return next(outcome for sentence, outcome in REFUSALS.items() if sentence in answer.text)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    world = tmp_path / "world"
    simulate.simulate(WIDE, seed=SEED, out_dir=world)
    truth = pq.read_table(world / "truth.parquet")
    class_of = dict(zip(truth["account_id"].to_pylist(), truth["honest_class"].to_pylist(), strict=True))
    by_side = [sorted(name for name, said in class_of.items() if (said is None) is side) for side in (True, False)]
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with receiving() as hooks, new_workspace(tmp_path / "workspace", world) as watch:
        endpoints = WebhookSettings((Endpoint("siem", hooks.url, (f"file:{secret}",)),))
        slow = SpoolSettings(free_bytes=0, seal_seconds=2.0)
        config = msgspec.structs.replace(
            settings(spool=slow), detect=CONFIG.detect, engines=CONFIG.engines, webhooks=endpoints
        )
        with serving(watch.workspace, config) as served:
            port, key = int(served.url.rpartition(":")[2]), served.keys[Role.INGEST]
            with litellm(tmp_path / "proxy", stillwatch=port, key=key, callback="litellm_replay.logger") as proxy:
                yield Live(
                    proxy, served, config, hooks, pq.read_table(world / "exchanges"), class_of,
                    frozenset(name for side in by_side for name in side[::5]),
                )  # fmt: skip


def test_a_campaign_among_every_look_alike_is_stopped_and_nobody_else_is(live: Live) -> None:
    # (1) Days of history, and an evening of calls through the proxy. No policy is in force: each call is a bypass.
    n_records = live.history()
    calls = live.evening()
    assert set(live.call(calls)) == {"served"}
    assert live.served.figure('stillwatch_decision_bypasses_total{reason="no_snapshot"}') == len(calls)
    live.wait_for(n_records + len(calls))
    # (2) The watch raises the alarm, and people answer it.
    watch = Watch(live.served.workspace, live.config, clock=now)
    watch.round(ALARM_AT)
    watch.deliver()
    assert "stillwatch.campaign.alarm" in [document["type"] for document in live.hooks.documents(SECRET)]
    responder = Responder(live.served.workspace, live.config, clock=now)
    responder.apply(POLICY, author="ana", second="ben")
    wait_until(lambda: live.served.figure("stillwatch_snapshot_loaded_timestamp_seconds") > 0)
    # (3) The campaign is throttled at the second call of an account; (4) its replacements are caught at their first.
    known = first_of_each(of_accounts(live.exchanges, live.late, wanted=False))
    live.call(known)
    told = dict(zip((row["account_id"] for row in known), live.call(known), strict=True))
    new = first_of_each(of_accounts(live.exchanges, live.late))
    told |= dict(zip((row["account_id"] for row in new), live.call(new), strict=True))
    outcomes = Counter((live.class_of[name] or "campaign", name in live.late, said) for name, said in told.items())
    for (group, is_late, said), n in sorted(outcomes.items()):
        print(f"{group:22} {'late' if is_late else 'known':6} {said:15} {n}")
    planted = {name for name in told if live.class_of[name] is None}
    throttled = [name for name in sorted(planted - live.late) if told[name] == "throttled"]
    assert len(throttled) >= 0.7 * len(planted - live.late) >= 80
    # NOTE: the proxy tells texts alone, no address and no JA4: who shows no two kinds of exclusive tokens is not known.
    caught = [name for name in planted & live.late if told[name] != "served"]
    assert len(caught) >= 0.75 * len(planted & live.late) >= 20
    # (5) Of the honest nobody is throttled or suspended, whatever class they are of.
    honest = Counter(told[name] for name in told if live.class_of[name] is not None)
    assert {kind.honest_class for kind in LOOKALIKES if not kind.joins} <= {live.class_of[name] for name in told}
    assert honest["throttled"] == honest["suspended"] == 0
    assert honest["to be verified"] <= 0.01 * honest.total()
    # (6) An appeal restores at once, and nobody but who appealed.
    restored, other = [row for row in known if row["account_id"] in throttled[:2]]
    responder.appeal(restored["account_id"], author="cem", note="a class at a school")
    wait_until(lambda: live.call([restored]) == ["served"])
    assert live.call([other, restored, restored]) == ["throttled", "served", "served"]
