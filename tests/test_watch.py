"""`stillwatch watch`: what is new is said once, whatever happens in between."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cloudevents.v1.http import from_json

from stillwatch.cli.app import main
from stillwatch.config import Config, WatchSettings
from stillwatch.errors import ConfigError, LakeError, LakeLocked
from stillwatch.model.decision import Action, DecisionRequest
from stillwatch.pipeline.response import Responder
from stillwatch.pipeline.schedule import keep_watch, span
from stillwatch.pipeline.watch import Ended, Round, Stopped, Watch
from stillwatch.python_api import Stillwatch, now
from stillwatch.response import Policy, Snapshot
from stillwatch.response.webhooks import Endpoint, new_secret
from stillwatch.response.webhooks import Settings as WebhookSettings
from stillwatch.store.workspace import Workspace
from tests.api.served import as_protobuf, spans
from tests.response.webhooks.receiver import Receiver, receiving
from tests.response.worlds import CONFIG as SMALL
from tests.response.worlds import NOON, SLOW, SUCCESSORS, Clock, Found, policy, store
from tests.response.worlds import workspace as found_workspace
from tests.small_world import END, new_workspace, small_world

__all__ = ["small_world"]

SECRET = new_secret(bytes(range(32)))
PATIENCE_SECONDS = 240.0
UNATTENDED = "max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.5; unattended = true"
MORNING_NS = int((NOON - timedelta(hours=6)).timestamp()) * 1_000_000_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def config(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    endpoint = Endpoint("siem", receiver.url, ("env:HOOK_SECRET",))
    hooks = WebhookSettings((endpoint,), link="https://console.example/campaigns/{campaign_id}")
    return msgspec.structs.replace(SMALL, webhooks=hooks)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Workspace]:
    with found_workspace(tmp_path / "workspace") as made:
        arrive(made, 1)
        yield made


def arrive(opened: Workspace, number: int) -> None:
    """One more record, so that a run is worth its cost."""
    file = opened.path / f"{number}.pb"
    file.write_bytes(as_protobuf(spans(number, at=MORNING_NS)))
    Stillwatch(opened, SMALL, clock=Clock()).ingest([file], source="otlp")


class Scripted(Watch):
    """A watch whose runs find what a test says: everything behind them is real."""

    finds: list[Found | Exception]

    def _detect(self, at: object) -> str:
        found = self.finds.pop(0)
        self._check()
        if isinstance(found, Exception):
            raise found
        store(self._workspace, found)
        return found.run_id


def scripted(opened: Workspace, config: Config, *finds: Found | Exception, clock: object = now) -> Scripted:
    watch = Scripted(opened, config, clock=clock)
    watch.finds = list(finds)
    return watch


def kinds(receiver: Receiver) -> list[str]:
    return [str(document["type"]).removeprefix("stillwatch.") for document in receiver.documents(SECRET)]


def test_an_alarm_is_announced_once_signed_and_as_a_cloud_event(
    opened: Workspace, config: Config, receiver: Receiver
) -> None:
    done = scripted(opened, config, Found()).round(NOON)
    assert (done.ended, done.n_events) == (Ended.ANNOUNCED, 1)
    again = scripted(opened, config)
    assert again.deliver().n_delivered == 1
    [(headers, body)] = receiver.received
    event = from_json(body)
    assert (event["id"], event["type"]) == (headers["webhook-id"], "stillwatch.campaign.alarm")
    assert event.data["n_accused"] == 24
    assert event.data["link"] == "https://console.example/campaigns/c-1"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert "bad-0" not in body.decode(), "an account is named"
    skipped = again.round(NOON + timedelta(hours=1))
    assert skipped.ended is Ended.SKIPPED
    assert "nothing new" in skipped.why
    assert again.deliver().n_delivered == 0


def test_a_round_without_traffic_is_skipped_and_says_why(opened: Workspace, config: Config) -> None:
    done = scripted(opened, config).round(NOON + timedelta(days=100))
    assert (done.ended, "no traffic" in done.why) == (Ended.SKIPPED, True)


def test_a_day_without_news_is_looked_at_all_the_same(opened: Workspace, config: Config) -> None:
    watch = scripted(opened, config, Found(), Found(run_id="run-2"))
    watch.round(NOON)
    assert watch.round(NOON + timedelta(hours=25)).ended is Ended.ANNOUNCED


def test_a_watch_that_dies_between_run_and_announcement_announces_it_when_it_is_back(
    opened: Workspace, config: Config, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = scripted(opened, config, Found())
    with monkeypatch.context() as dying:
        dying.setattr(watch.outbox, "put_within", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            watch.round(NOON)
    back = scripted(opened, config, Found(run_id="run-2"))
    assert back.deliver().n_delivered == 0
    assert back.round(NOON + timedelta(hours=1)).n_events == 1
    back.deliver()
    assert kinds(receiver) == ["campaign.alarm"]


def test_failing_runs_are_told_once_and_the_next_good_one_goes_on(
    opened: Workspace, config: Config, receiver: Receiver
) -> None:
    fault = LakeError("secret words of an error")
    watch = scripted(opened, config, fault, fault, Found())
    endings = [watch.round(NOON + timedelta(minutes=number)).ended for number in range(3)]
    assert endings == [Ended.FAILED, Ended.FAILED, Ended.ANNOUNCED]
    watch.deliver()
    assert kinds(receiver) == ["run.failed", "campaign.alarm"]
    assert b"secret words" not in receiver.received[0][1]


def test_a_busy_lake_puts_the_round_off_and_is_no_failure(opened: Workspace, config: Config) -> None:
    watch = scripted(opened, config, LakeLocked("another writer"), Found())
    assert watch.round(NOON).ended is Ended.BUSY
    assert watch.outbox.deliveries().num_rows == 0
    assert watch.round(NOON).ended is Ended.ANNOUNCED


def test_a_watch_that_is_told_to_end_stores_nothing_of_the_run(opened: Workspace, config: Config) -> None:
    watch = Scripted(opened, config, clock=now, is_over=lambda: True)
    watch.finds = [Found()]
    with pytest.raises(Stopped):
        watch.round(NOON)
    assert watch.watched.last() is None


def test_what_policy_allows_unattended_is_applied_and_published(
    opened: Workspace, config: Config, receiver: Receiver
) -> None:
    watch = scripted(opened, config, Found(run_id="run-2"))
    people = Responder(opened, config, clock=now)
    mild = policy(SLOW, limits=UNATTENDED)
    people.apply(Policy.parse(mild.body.replace("slow", "other"), "t"), author="ana")
    people = Responder(opened, config, clock=now)
    people.apply(mild, author="ana")
    store(opened, Found(run_id="run-1", accused=()))
    done = watch.round(NOON)
    watch.deliver()
    assert done.n_events >= 1
    served = Snapshot.read(people.snapshot_path, people.public_key)
    assert served.decide(DecisionRequest("bad-05")).action is Action.RATE_LIMIT


@pytest.mark.parametrize("limits", [UNATTENDED, UNATTENDED.replace("true", "false")])
def test_what_takes_people_is_announced_and_not_applied(
    opened: Workspace, config: Config, receiver: Receiver, limits: str
) -> None:
    strict = policy(SUCCESSORS, SLOW, limits=limits)
    store(opened, Found(run_id="run-1", is_silent=True))
    Responder(opened, config, clock=now).apply(strict, author="ana", second="ben")
    watch = scripted(opened, config, Found(run_id="run-2"), Found(run_id="run-3"))
    watch.round(NOON)
    arrive(opened, 2)
    watch.round(NOON + timedelta(hours=1))
    watch.deliver()
    assert sorted(kinds(receiver)) == ["campaign.alarm", "response.waiting"], "it is told once while nothing changes"
    assert Responder(opened, config, clock=now).history().num_rows == 0


def test_the_loop_backs_off_after_faults_and_keeps_its_pace_without() -> None:
    clock = Clock()
    at: list[float] = []
    endings = [Ended.FAILED, Ended.BUSY, Ended.FAILED, Ended.ANNOUNCED, Ended.SKIPPED]

    class Rounds(Watch):
        def __init__(self) -> None:
            """No workspace is needed."""

        def round(self, as_of: object = None) -> Round:
            at.append((clock() - NOON).total_seconds())
            return Round(endings[len(at) - 1])

        def deliver(self) -> object:
            return None

        def next_delivery_at(self) -> None:
            return None

    keep_watch(
        Rounds(), WatchSettings(every="1h", first_backoff_seconds=30), clock=clock,
        wait=lambda seconds: clock.advance(seconds=seconds), is_over=lambda: len(at) == len(endings),
        tell=lambda _: None,
    )  # fmt: skip
    assert at == [0, 30, 90, 210, 3810]


def test_a_span_of_time_is_read_or_refused() -> None:
    assert [span(text).total_seconds() for text in ("45s", "15m", "1h", "1d")] == [45, 900, 3600, 86400]
    for wrong in ("", "0h", "1", "1w", "-1h"):
        with pytest.raises(ConfigError):
            span(wrong)


def test_status_and_webhooks_show_what_waits_and_what_is_dead(
    opened: Workspace,
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted(opened, config, Found()).round(NOON)
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(opened.path))
    monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / "workspace-keys.json"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["watch", "--status", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["last_run_id"], said["n_pending"], said["n_dead"]) == ("run-1", 1, 0)
    assert [campaign["campaign_id"] for campaign in said["campaigns"]] == ["c-1"]
    assert main(["watch", "--status"]) == 0
    assert main(["webhooks", "list", "--status", "dead", "--format", "json"]) == 0
    assert main(["webhooks", "retry", "siem"]) == 0
    assert main(["webhooks", "retry", "nobody"]) == 2
    assert main(["watch", "--as-of", "2026-05-01"]) == 2
    capsys.readouterr()
    assert main(["webhooks", "secret"]) == 0
    assert capsys.readouterr().out.startswith("whsec_")


# -- as a process -----------------------------------------------------------------------------------------------------


def started(workspace: Path, settings: Path, *more: str, keys: Path) -> subprocess.Popen[bytes]:
    environ = os.environ | {"STILLWATCH_KEYS": str(keys), "HOOK_SECRET": SECRET}
    return subprocess.Popen(
        [sys.executable, "-c", "from stillwatch.cli.app import script; script()", "--workspace", str(workspace),
         "--config", str(settings), "watch", *more],
        env=environ, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(claim: object) -> None:
    assert callable(claim)
    until = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.05)


def test_a_watch_killed_before_its_alarm_was_taken_delivers_it_later_with_the_same_id(
    small_world: Path, tmp_path: Path, receiver: Receiver
) -> None:
    folder = tmp_path / "workspace"
    with new_workspace(folder, small_world) as watch:
        watch.ingest([small_world / "exchanges"])
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[detect]\nwindow_days = 7\nalpha = 5e-3\n[engines]\nmemory_limit = "1GB"\nthreads = 2\n'
        f'[[webhooks.endpoints]]\nname = "siem"\nurl = "{receiver.url}"\nsecrets = ["env:HOOK_SECRET"]\n'
    )
    as_of = (END - timedelta(hours=2)).isoformat()
    held = threading.Event()
    take = receiver.take

    def slow(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        answer = take(headers, body)
        held.wait(PATIENCE_SECONDS)
        return answer

    receiver.take = slow  # type: ignore[method-assign]
    keys = small_world / "keys.json"
    first = started(folder, settings, "--once", "--as-of", as_of, keys=keys)
    wait_for(lambda: receiver.received or first.poll() is not None)
    first.send_signal(signal.SIGKILL)
    _, said = first.communicate()
    assert receiver.received, said.decode()
    held.set()
    with closing(sqlite3.connect(folder / "state.sqlite")) as database:
        assert database.execute("SELECT status FROM webhook_deliveries").fetchall() == [("pending",)]
    second = started(folder, settings, "--every", "1h", keys=keys)
    wait_for(lambda: len(receiver.received) >= 2 or second.poll() is not None)
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, said.decode()
    assert len(receiver.received) == 2
    assert len(set(receiver.ids)) == 1
    assert set(kinds(receiver)) == {"campaign.alarm"}
