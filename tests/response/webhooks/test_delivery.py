"""Deliveries to a real server: signed, tried again, given up, and never sent where they must not go."""

import base64
import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from stillwatch.errors import ConfigError, UsageError
from stillwatch.response.webhooks import (
    Answer,
    Courier,
    Endpoint,
    Event,
    Settings,
    checked,
    new_secret,
    post,
    signatures,
    written,
)
from stillwatch.response.webhooks.delivery import pause_seconds
from stillwatch.store.outbox import Message, Outbox
from stillwatch.store.state import State
from tests.response.webhooks.receiver import Receiver, receiving
from tests.response.worlds import Clock

OLD, NEW = new_secret(bytes(range(32))), new_secret(bytes(range(32, 64)))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with State.create(f"sqlite:///{tmp_path / 'state.sqlite'}", workspace_id="w") as state:
        yield Outbox(state)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


def put(outbox: Outbox, clock: Clock, *causes: str, endpoints: tuple[str, ...] = ("siem",)) -> list[str]:
    events = [Event("campaign.alarm", cause, clock(), "c-1", {"n_accounts": 30}) for cause in causes]
    outbox.put([Message(e.event_id, e.kind, e.subject, e.happened_at, written(e, "w"), endpoints) for e in events])
    return [event.event_id for event in events]


def courier(outbox: Outbox, clock: Clock, *urls: str, secrets: tuple[str, ...] = (OLD,), **changes: object) -> Courier:
    endpoints = tuple(Endpoint(name, url, ("env:S",)) for name, url in zip(("siem", "chat"), urls, strict=False))
    settings = Settings(endpoints, **changes)
    return Courier(outbox, settings, {endpoint.name: secrets for endpoint in endpoints}, clock=clock)


def statuses(outbox: Outbox) -> list[str]:
    return outbox.deliveries()["status"].to_pylist()


def test_a_delivery_is_signed_as_the_published_package_checks_it(
    outbox: Outbox, clock: Clock, receiver: Receiver
) -> None:
    [event_id] = put(outbox, clock, "run-1")
    courier(outbox, clock, receiver.url).deliver()
    [document] = receiver.documents(OLD)
    assert (document["id"], receiver.ids) == (event_id, [event_id])
    with pytest.raises(WebhookVerificationError):
        receiver.documents(NEW)
    assert statuses(outbox) == ["delivered"]


def test_while_a_secret_is_replaced_receivers_may_hold_either(outbox: Outbox, clock: Clock, receiver: Receiver) -> None:
    put(outbox, clock, "run-1")
    courier(outbox, clock, receiver.url, secrets=(NEW, OLD)).deliver()
    assert receiver.documents(OLD) == receiver.documents(NEW)


def test_an_ed25519_key_signs_as_v1a() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    header = signatures(["whsk_" + base64.b64encode(bytes(range(32))).decode()], "evt_1", 1_700_000_000, b"{}")
    version, _, signature = header.partition(",")
    assert version == "v1a"
    private.public_key().verify(base64.b64decode(signature), b"evt_1.1700000000.{}")


@pytest.mark.parametrize(
    "wrong", ["", "secret", "whsec_", "whsec_short", "whsec_" + "A" * 200, "whsk_AAAA", "whsec_%%%"]
)
def test_what_is_no_secret_is_refused_without_being_repeated(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        signatures([wrong], "evt_1", 0, b"")
    assert not wrong.partition("_")[2] or wrong not in str(caught.value)


@given(body=st.text(max_size=50), secret=st.binary(min_size=24, max_size=64))
def test_every_body_and_secret_passes_the_published_package(body: str, secret: bytes) -> None:
    now = int(datetime.now(UTC).timestamp())
    shared = new_secret(secret)
    headers = {
        "webhook-id": "evt_1", "webhook-timestamp": str(now),
        "webhook-signature": signatures([shared], "evt_1", now, json.dumps(body).encode()),
    }  # fmt: skip
    assert Webhook(shared).verify(json.dumps(body), headers) == body


def test_a_failed_delivery_is_tried_again_with_the_same_id_and_a_fresh_time(
    outbox: Outbox, clock: Clock, receiver: Receiver
) -> None:
    put(outbox, clock, "run-1")
    receiver.answers = [(500, {}), (302, {"location": receiver.url})]
    sender = courier(outbox, clock, receiver.url)
    assert sender.deliver().n_failed == 1
    assert sender.deliver().n_failed == 0, "tried before its time"
    clock.advance(seconds=5)
    assert sender.deliver().n_failed == 1, "a redirect was followed"
    clock.advance(seconds=20)
    assert sender.deliver().n_delivered == 1
    assert len(set(receiver.ids)) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.received}) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_receiver_that_names_a_time_is_left_alone_until_then(
    outbox: Outbox, clock: Clock, receiver: Receiver, form: str
) -> None:
    put(outbox, clock, "run-1")
    said = "120" if form == "seconds" else format_datetime(clock() + timedelta(seconds=120), usegmt=True)
    receiver.answers = [(429, {"retry-after": said})]
    sender = courier(outbox, clock, receiver.url)
    sender.deliver()
    clock.advance(seconds=115)
    assert sender.deliver().n_delivered == 0
    clock.advance(seconds=6)
    assert sender.deliver().n_delivered == 1


def test_after_the_last_attempt_a_delivery_is_dead_until_somebody_takes_it_up(
    outbox: Outbox, clock: Clock, receiver: Receiver
) -> None:
    put(outbox, clock, "run-1")
    receiver.answers = [(503, {})] * 3
    sender = courier(outbox, clock, receiver.url, max_attempts=3)
    for _ in range(5):
        sender.deliver()
        clock.advance(hours=7)
    assert statuses(outbox) == ["dead"]
    assert len(receiver.received) == 3
    assert outbox.next_at(["siem"]) is None
    with pytest.raises(UsageError, match="webhooks list"):
        outbox.retry("nobody", clock())
    assert outbox.retry("siem", clock()) == 1
    assert sender.deliver().n_delivered == 1


def test_410_disables_the_endpoint_and_no_other(outbox: Outbox, clock: Clock, receiver: Receiver) -> None:
    with receiving() as other:
        put(outbox, clock, "run-1", "run-2", endpoints=("siem", "chat"))
        receiver.answers = [(410, {})]
        sender = courier(outbox, clock, receiver.url, other.url)
        sender.deliver()
        put(outbox, clock, "run-3", endpoints=("siem", "chat"))
        sender.deliver()
        assert (len(receiver.received), len(other.received)) == (1, 3)
        assert outbox.disabled()["endpoint"].to_pylist() == ["siem"]
        outbox.retry("siem", clock())
        assert sender.deliver().n_delivered == 3


def test_a_receiver_that_drips_or_says_nothing_holds_nobody(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def drip() -> None:
            connection, _ = server.accept()
            held.append(connection)
            try:
                for byte in b"HTTP/1.1 200 " * 100:
                    connection.send(bytes([byte]))
                    if threading.Event().wait(0.05):
                        return
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        answer = post(url, {}, b"{}", timeout_seconds=0.3, now=0.0)
        thread.join(30)
        held[0].close()
    assert not answer.is_taken


def test_a_receiver_that_is_away_is_a_fault_and_not_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = post(f"http://127.0.0.1:{port}/", {}, b"{}", timeout_seconds=5, now=0.0)
    assert answer == Answer(fault="ConnectionRefusedError")


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/x", "ftp://hooks.example", "hooks.example", "https://", "https://u:p@hooks.example/",
     "http://127.0.0.1.example/", "https://hooks.example/\r\nx: y", "https://hooks.example:x/"],
)  # fmt: skip
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="siem"):
        checked(Settings((Endpoint("siem", url, ("env:S",)),)), {"S": OLD})


@pytest.mark.parametrize(
    "url", ["https://hooks.example/x", "http://127.0.0.1:8/x", "http://[::1]/", "http://localhost/"]
)
def test_https_and_this_machine_are_taken(url: str) -> None:
    assert checked(Settings((Endpoint("siem", url, ("env:S",)),)), {"S": OLD}) == {"siem": (OLD,)}


def test_secrets_come_from_places_that_only_their_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD + "\n")
    file.chmod(0o644)
    settings = Settings((Endpoint("siem", "https://hooks.example", (f"file:{file}",)),))
    with pytest.raises(ConfigError, match="chmod 600"):
        checked(settings, {})
    file.chmod(0o600)
    assert checked(settings, {}) == {"siem": (OLD,)}
    for place in (OLD, "env:", "file:", "env:NONE"):
        with pytest.raises(ConfigError) as caught:
            checked(Settings((Endpoint("siem", "https://hooks.example", (place,)),)), {})
        assert OLD not in str(caught.value)


def test_no_secret_and_no_body_is_in_the_log(
    outbox: Outbox, clock: Clock, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put(outbox, clock, "run-1")
    receiver.answers = [(500, {})]
    courier(outbox, clock, receiver.url).deliver()
    assert "evt_" in caplog.text
    assert OLD not in caplog.text
    assert "n_accounts" not in caplog.text


@given(n_attempts=st.integers(1, 100), retry_after=st.none() | st.floats(0, 1e9))
def test_pauses_grow_stay_within_bounds_and_are_the_same_for_the_same_delivery(
    n_attempts: int, retry_after: float | None
) -> None:
    settings = Settings()
    pause = pause_seconds(settings, "evt_1", "siem", n_attempts, retry_after)
    assert pause == pause_seconds(settings, "evt_1", "siem", n_attempts, retry_after)
    usual = min(settings.max_retry_seconds, settings.first_retry_seconds * settings.retry_factor ** (n_attempts - 1))
    assert pause >= usual / 2
    assert pause <= max(usual, min(retry_after or 0, settings.max_retry_seconds))


def test_an_event_that_is_made_twice_is_one(outbox: Outbox, clock: Clock) -> None:
    assert put(outbox, clock, "run-1") == put(outbox, clock, "run-1")
    assert statuses(outbox) == ["pending"]
