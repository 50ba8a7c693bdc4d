"""`stillwatch watch` on a simulated week: what is new is said once, whatever happens in between."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cloudevents.v1.http import from_json

from stillwatch.config import Config
from stillwatch.pipeline.watch import Ended, Watch
from stillwatch.python_api import now
from stillwatch.response.webhooks import Endpoint, new_secret
from stillwatch.response.webhooks import Settings as WebhookSettings
from stillwatch.store.workspace import Workspace
from tests.response.webhooks.receiver import Receiver, receiving
from tests.small_world import CONFIG, END, copied, found_world, new_workspace, small_world

__all__ = ["found_world", "small_world"]

SECRET = new_secret(bytes(range(32)))
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def ingested(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that holds the whole small world, with no run."""
    folder = tmp_path_factory.mktemp("watched") / "workspace"
    with new_workspace(folder, small_world) as watch:
        watch.ingest([small_world / "exchanges"])
    return folder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def config(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    endpoint = Endpoint("siem", receiver.url, ("env:HOOK_SECRET",))
    hooks = WebhookSettings((endpoint,), link="https://console.example/campaigns/{campaign_id}")
    return msgspec.structs.replace(CONFIG, webhooks=hooks)


@pytest.fixture
def workspace(ingested: Path, small_world: Path, tmp_path: Path) -> Iterator[Workspace]:
    with copied(ingested, tmp_path / "workspace", small_world) as watch:
        yield watch.workspace


def kinds(receiver: Receiver) -> list[str]:
    return [str(document["type"]).removeprefix("stillwatch.") for document in receiver.documents(SECRET)]


def test_an_alarm_is_announced_once_signed_and_as_a_cloud_event(
    workspace: Workspace, config: Config, receiver: Receiver
) -> None:
    watch = Watch(workspace, config, clock=now)
    done = watch.round(END - timedelta(hours=2))
    assert (done.ended, done.n_events) == (Ended.ANNOUNCED, 1)
    assert watch.deliver().n_delivered == 1
    [document] = receiver.documents(SECRET)
    [(headers, body)] = receiver.received
    event = from_json(body)
    assert event["id"] == headers["webhook-id"]
    assert event["type"] == "stillwatch.campaign.alarm"
    assert event.data["n_accused"] >= 100
    assert event.data["link"] == f"https://console.example/campaigns/{event['subject']}"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert document["data"]["tier"] == "accuse"
    again = Watch(workspace, config, clock=now)
    skipped = again.round(END - timedelta(hours=1))
    assert skipped.ended is Ended.SKIPPED
    assert "nothing new" in skipped.why
    assert again.deliver().n_delivered == 0
