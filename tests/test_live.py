"""The whole way, live: telemetry in by OTLP, an alarm out by webhook, a campaign throttled, an appeal granted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.pipeline.response import Responder
from stillwatch.pipeline.watch import Watch
from stillwatch.python_api import now
from stillwatch.response.webhooks import Endpoint, new_secret
from stillwatch.response.webhooks import Settings as WebhookSettings
from tests.api.served import Served, serving, settings, wait_until
from tests.replay import between, export_requests, first_of_each, of_accounts
from tests.response.webhooks.receiver import Receiver, receiving
from tests.response.worlds import GREET, policy
from tests.small_world import CONFIG, END, START, new_workspace, small_world

__all__ = ["small_world"]

SECRET = new_secret(bytes(range(32)))
FIRST_DAY, FIFTH_DAY = START + timedelta(days=1), END - timedelta(days=2)
ROWS = ("account_id", "client_address", "tls_client_ja4", "prompt", "system_instructions", "tool_definitions")
LIMITS = "max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.5; unattended = true"
POLICY = policy(
    'slow | action = "rate_limit"; requests_per_minute = 1; mode = "enforce"',
    'successors | first_request = true; action = "rate_limit"; requests_per_minute = 1; min_token_kinds = 2; '
    'mode = "enforce"; expires_after = "3d"',
    GREET,
    limits=LIMITS,
)


@dataclass
class Live:
    """A server over a workspace, what it is sent, and who hears of alarms."""

    served: Served
    config: Config
    receiver: Receiver
    exchanges: pa.Table
    planted: frozenset[str]
    honest: frozenset[str]
    late: frozenset[str]
    """Accounts that send nothing before the fifth day: replacements of the campaign, and honest newcomers."""

    def watch(self) -> Watch:
        return Watch(self.served.workspace, self.config, clock=now)

    def replay(self, since: datetime, until: datetime) -> None:
        """Send what happened in between, and wait until it is ingested."""
        rows = of_accounts(between(self.exchanges, since, until), self.late, wanted=False)
        before = self.n_records()
        for body in export_requests(rows):
            assert self.served[Role.INGEST].post("/v1/traces", json=body).status_code == 200
        wait_until(lambda: self.n_records() - before >= rows.num_rows)

    def n_records(self) -> int:
        return self.served.workspace.lake.snapshot().n_rows(EXCHANGE_RECORDS)

    def decide(self, row: dict[str, object]) -> dict[str, object]:
        answer = self.served[Role.INGEST].post("/v1/decision", json=row)
        assert answer.status_code == 200
        return dict(answer.json())

    def first_requests(self, accounts: frozenset[str]) -> list[dict[str, object]]:
        """What an account sent first, for each of `accounts`."""
        return [
            {name: row[name] for name in ROWS if name in row}
            for row in first_of_each(of_accounts(self.exchanges, accounts))
        ]


@pytest.fixture
def live(small_world: Path, tmp_path: Path) -> Iterator[Live]:
    truth = pq.read_table(small_world / "truth.parquet")
    planted = sorted(truth.filter(truth["is_campaign"])["account_id"].to_pylist())
    honest = sorted(truth.filter(pc.invert(truth["is_campaign"]))["account_id"].to_pylist())
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with receiving() as receiver, new_workspace(tmp_path / "workspace", small_world) as watch:
        hooks = WebhookSettings((Endpoint("siem", receiver.url, (f"file:{secret}",)),))
        config = msgspec.structs.replace(settings(), detect=CONFIG.detect, engines=CONFIG.engines, webhooks=hooks)
        with serving(watch.workspace, config) as served:
            yield Live(
                served, config, receiver, pq.read_table(small_world / "exchanges"), frozenset(planted),
                frozenset(honest), frozenset([*planted[::5], *honest[::5]]),
            )  # fmt: skip


def test_a_campaign_is_alarmed_throttled_and_its_successors_recognised_and_an_appeal_restores(live: Live) -> None:
    watch = live.watch()
    # (1) People put a policy in force that the watch may apply by itself.
    live.replay(START, FIRST_DAY)
    watch.round(FIRST_DAY)
    responder = Responder(live.served.workspace, live.config, clock=now)
    responder.apply(POLICY, author="ana", second="ben")
    # (2) The campaign goes on, and the next round says so.
    live.replay(FIRST_DAY, FIFTH_DAY)
    watch.round(FIFTH_DAY)
    watch.deliver()
    kinds = [document["type"] for document in live.receiver.documents(SECRET)]
    assert "stillwatch.campaign.alarm" in kinds
    assert "stillwatch.response.applied" in kinds
    present = live.planted - live.late
    wait_until(lambda: any(live.decide({"account_id": name})["action"] == "rate_limit" for name in sorted(present)))
    # (3) Its accounts are throttled, (4) those that take over too, on their first request, and (5) nobody else is.
    throttled = {name for name in present if live.decide({"account_id": name})["action"] == "rate_limit"}
    assert len(throttled) >= 0.8 * len(present)
    answers = [live.decide(row) for row in live.first_requests(live.planted & live.late)]
    caught = [answer["action"] for answer in answers if answer["is_first_request"] and answer["action"] != "allow"]
    assert len(caught) >= 0.9 * len(answers) >= 20
    assert "rate_limit" in caught
    honest = [live.decide(row)["action"] for row in live.first_requests(live.honest)]
    assert len(honest) > 200
    assert set(honest) <= {"allow", "step_up"}, "an honest customer is throttled"
    assert honest.count("step_up") <= 3
    # (6) An appeal restores at once.
    [name, *_] = sorted(throttled)
    responder.appeal(name, author="cem", note="a class at a school")
    wait_until(lambda: live.decide({"account_id": name})["action"] == "allow")
    [other, *_] = sorted(throttled - {name})
    assert live.decide({"account_id": other})["action"] == "rate_limit"
