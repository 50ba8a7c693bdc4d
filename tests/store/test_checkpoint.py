import base64
import hashlib
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stillwatch.errors import LedgerError
from stillwatch.store.checkpoint import Checkpoint, Checkpoints, open_note, sign, verifier_key
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import LEDGER, LEDGER_CHECKPOINTS
from stillwatch.store.state import State
from tests.store.conftest import NOON

KEYS = Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32)


@pytest.fixture
def ledger(state: State) -> Ledger:
    written = Ledger(state)
    for number in range(5):
        written.append("test", {"number": number}, NOON)
    return written


@pytest.fixture
def checkpoints(state: State) -> Checkpoints:
    return Checkpoints(state, KEYS)


def test_a_note_opens_with_the_verifier_key_and_says_size_root_and_time(
    ledger: Ledger, checkpoints: Checkpoints
) -> None:
    note = checkpoints.make(ledger, NOON)
    assert open_note(note, checkpoints.verifier) == Checkpoint("stillwatch/ledger/w1", 5, ledger.root(), NOON)


def test_the_note_is_a_signed_note_that_others_can_check_by_hand(ledger: Ledger, checkpoints: Checkpoints) -> None:
    text, signature = checkpoints.make(ledger, NOON).split("\n\n")
    dash, name, stamp = signature.rstrip("\n").split(" ")
    vname, key_id, encoded = checkpoints.verifier.split("+", 2)
    key, decoded = base64.b64decode(encoded), base64.b64decode(stamp)
    assert (dash, name, key[0]) == ("\N{EM DASH}", vname, 1)
    assert decoded[:4].hex() == key_id == hashlib.sha256(f"{name}\n".encode() + key).hexdigest()[:8]
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(decoded[4:], f"{text}\n".encode())
    assert text.splitlines()[:3] == [name, "5", base64.b64encode(ledger.root()).decode()]


@pytest.mark.parametrize(
    ("old", "new"), [("\n5\n", "\n6\n"), ("w1\n", "w2\n"), ("time 2026", "time 2025"), ("\n\n", "\n")]
)
def test_a_changed_note_does_not_open(ledger: Ledger, checkpoints: Checkpoints, old: str, new: str) -> None:
    note = checkpoints.make(ledger, NOON)
    assert note != note.replace(old, new, 1)
    with pytest.raises(LedgerError):
        open_note(note.replace(old, new, 1), checkpoints.verifier)


def test_a_note_signed_by_another_key_does_not_open(ledger: Ledger, checkpoints: Checkpoints) -> None:
    forged = sign(Checkpoint(checkpoints.origin, 5, ledger.root(), NOON), Ed25519PrivateKey.generate())
    with pytest.raises(LedgerError, match="not signed"):
        open_note(forged, checkpoints.verifier)


def test_lines_of_other_signers_beside_ours_are_passed_over(ledger: Ledger, checkpoints: Checkpoints) -> None:
    note = checkpoints.make(ledger, NOON)
    text, ours = note.split("\n\n")
    witnessed = f"{text}\n\n\N{EM DASH} witness.example AAAA\n{ours}"
    assert open_note(witnessed, checkpoints.verifier).size == 5


@pytest.mark.parametrize(
    "verifier", ["", "a+b", "a+00000000+AAAA", "w+12345678+" + base64.b64encode(b"\1" * 33).decode()]
)
def test_a_damaged_verifier_key_is_refused(ledger: Ledger, checkpoints: Checkpoints, verifier: str) -> None:
    note = checkpoints.make(ledger, NOON)
    with pytest.raises(LedgerError, match="verifier key"):
        open_note(note, verifier)


def test_the_key_of_another_workspace_signs_differently(state: State) -> None:
    other = Keys("k1", b"p" * 32, b"v" * 32, b"s" * 32)
    assert Checkpoints(state, KEYS).verifier != Checkpoints(state, other).verifier
    key = Ed25519PrivateKey.generate().public_key()
    assert verifier_key("a", key).startswith("a+")


def test_one_checkpoint_is_kept_for_each_size(ledger: Ledger, checkpoints: Checkpoints) -> None:
    first = checkpoints.make(ledger, NOON)
    assert checkpoints.make(ledger, NOON + timedelta(hours=1)) == first
    ledger.append("test", {}, NOON)
    assert checkpoints.make(ledger, NOON) == checkpoints.last() != first
    assert checkpoints.verify(ledger) == len(checkpoints.all()) == 2


def rewrite(state: State) -> Ledger:
    """The ledger with another first entry, all hashes made to fit: what somebody with the whole database can do."""
    with state.writing() as connection:
        bodies = [row.body for row in connection.execute(sa.select(LEDGER).order_by(LEDGER.c.seq))]
        connection.execute(sa.delete(LEDGER))
        connection.exec_driver_sql("DELETE FROM meta WHERE name = 'ledger_size'")
    forged = Ledger(state)
    for number in range(len(bodies)):
        forged.append("test", {"number": number + (number == 0) * 100}, NOON)
    return forged


def test_a_rewritten_log_that_verifies_in_itself_is_found_by_its_checkpoint(
    ledger: Ledger, checkpoints: Checkpoints, state: State
) -> None:
    checkpoints.make(ledger, NOON)
    forged = rewrite(state)
    forged.verify()
    with pytest.raises(LedgerError, match="not a continuation"):
        checkpoints.verify(forged)


def test_no_checkpoint_is_signed_over_a_rewritten_log(ledger: Ledger, checkpoints: Checkpoints, state: State) -> None:
    checkpoints.make(ledger, NOON)
    forged = rewrite(state)
    forged.append("test", {}, NOON)
    with pytest.raises(LedgerError, match="somebody rewrote it"):
        checkpoints.make(forged, NOON)
    assert len(checkpoints.all()) == 1


def test_a_forged_checkpoint_in_the_database_is_found(ledger: Ledger, checkpoints: Checkpoints, state: State) -> None:
    checkpoints.make(ledger, NOON)
    forged = sign(Checkpoint(checkpoints.origin, 5, ledger.root(), NOON), Ed25519PrivateKey.generate())
    with state.writing() as connection:
        connection.execute(sa.update(LEDGER_CHECKPOINTS).values(note=forged))
    with pytest.raises(LedgerError, match="not signed"):
        checkpoints.verify(ledger)


WRITER = """
import sys
from datetime import UTC, datetime
from stillwatch.store.checkpoint import Checkpoints
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.state import State

state = State.open(sys.argv[1])
ledger, at = Ledger(state), datetime(2026, 4, 22, 12, tzinfo=UTC)
checkpoints = Checkpoints(state, Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32))
number = 0
while True:
    number += 1
    entry = ledger.append("test", {"number": number}, at)
    print(entry.seq, flush=True)
    if number % 7 == 0:
        checkpoints.make(ledger, at)
"""


@pytest.mark.parametrize("n_acknowledged", [1, 9, 23])
def test_a_kill_at_any_moment_loses_no_acknowledged_entry(state: State, tmp_path: Path, n_acknowledged: int) -> None:
    url = f"sqlite:///{tmp_path / 'state.sqlite'}"
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(n_acknowledged)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    ledger, checkpoints = Ledger(state), Checkpoints(state, KEYS)
    ledger.verify()
    assert ledger.size() >= acknowledged[-1] == len(acknowledged)
    checkpoints.verify(ledger)
    assert open_note(checkpoints.make(ledger, NOON), checkpoints.verifier).size == ledger.size()


def test_a_transaction_that_fails_after_its_entry_leaves_no_entry(ledger: Ledger, state: State) -> None:
    def fail() -> None:
        with state.writing() as connection:
            ledger.append_within(connection, "test", {}, NOON)
            raise RuntimeError("stop")

    root = ledger.root()
    with pytest.raises(RuntimeError):
        fail()
    assert (ledger.size(), ledger.root()) == (5, root)
