"""Two laboratories compare what they are about to suspect: by files and over a real server, within their budgets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from stillwatch.cli.app import main
from stillwatch.errors import ConfigError, ExternalServiceError, GuardRefused, UsageError
from stillwatch.guard import load_policy, shipped_policy
from stillwatch.guard.channel import Peer, write_step
from stillwatch.guard.matching import ClearedStep, session_of
from stillwatch.model.role import Role
from stillwatch.model.tables import NEAR_TOKENS
from stillwatch.pipeline.matching import Matchmaker
from stillwatch.pipeline.sharing import Sharing
from stillwatch.sharing.matching.kept import Matches
from stillwatch.sharing.settings import Partner, Settings
from stillwatch.sketches import prompt_tokens
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace
from tests.api.served import serving, settings
from tests.response.worlds import CONFIG, Clock, Found, workspace
from tests.sharing.worlds import EXPIRED, LATER

ALICE, BOB = range(100, 130), range(120, 150)
COMMON = set(range(120, 130))


@dataclass
class Lab:
    """A laboratory with its near tokens."""

    opened: Workspace
    sharing: Sharing

    @property
    def maker(self) -> Matchmaker:
        return self.sharing.matchmaker

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.opened.ledger.entries() if entry.kind.startswith("match.")]

    def tokens(self) -> set[int]:
        return {row["token"] for row in self.sharing.inbox.indicators(LATER + timedelta(hours=1)).to_pylist()}


def hold(opened: Workspace, tokens: range | list[int], kind: str = "skeleton") -> None:
    """Let the latest run have found these tokens near."""
    rows = [{"run_id": Found().run_id, "token_kind": kind, "token": token, "n_accounts": 9} for token in tokens]
    with opened.lake.write() as writer:
        writer.replace(NEAR_TOKENS, Found().run_id, pa.Table.from_pylist(rows, schema=NEAR_TOKENS.schema))
        writer.commit()


def key_of(opened: Workspace) -> str:
    bare = Sharing(opened, CONFIG, version="0.1.0", clock=Clock(LATER))
    return bare.matchmaker.signer.public_key.hex()


def joined(opened: Workspace, name: str, partner: Partner, *, clock: Clock | None = None, **said: object) -> Lab:
    chosen = Settings(laboratory=name, partners=(partner,), **said)
    config = msgspec.structs.replace(CONFIG, sharing=chosen)
    return Lab(opened, Sharing(opened, config, version="0.1.0", clock=clock or Clock(LATER)))


@contextmanager
def two_labs(folder: Path, a: object = ALICE, b: object = BOB, **said: object) -> Iterator[tuple[Lab, Lab]]:
    """Labs that are partners of each other; `said` are settings of the second."""
    with workspace(folder / "a") as alice, workspace(folder / "b") as bob:
        hold(alice, a)
        hold(bob, b)
        yield (
            joined(alice, "lab-a", Partner("lab-b", key_of(bob))),
            joined(bob, "lab-b", Partner("lab-a", key_of(alice)), **said),
        )


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[tuple[Lab, Lab]]:
    with two_labs(tmp_path) as both:
        yield both


def counted(alice: Lab, bob: Lab, kind: str = "skeleton") -> str:
    """Both count; returns the session."""
    step: ClearedStep | None = alice.maker.offer("lab-b", kind)
    assert step is not None
    session, turn = step.step.session, bob
    while step is not None:
        step = turn.maker.take(step.body, "lab-a" if turn is bob else "lab-b")
        turn = alice if turn is bob else bob
    return session


def revealed(alice: Lab, bob: Lab, kind: str = "skeleton") -> str:
    session = counted(alice, bob, kind)
    asked = alice.maker.consent(session, author="Ana Quill")
    assert bob.maker.take(asked.body, "lab-a") is None
    told = bob.maker.consent(session, author="Ben Ode")
    last = alice.maker.take(told.body, "lab-b")
    assert last is not None
    assert bob.maker.take(last.body, "lab-a") is None
    return session


def test_what_both_hold_becomes_an_indicator_of_the_other_at_each(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    session = revealed(alice, bob)
    assert alice.tokens() == bob.tokens() == COMMON
    rows = alice.sharing.inbox.indicators(LATER).to_pylist()
    assert {(row["peer"], row["token_kind"]) for row in rows} == {("lab-b", "skeleton")}
    for lab in labs:
        assert (lab.maker.matches.row(session)["status"], lab.maker.matches.row(session)["counted"]) == (
            "revealed",
            "10",
        )


def test_one_comparison_of_all_texts_finds_a_template_with_its_system_prompt_and_tools(tmp_path: Path) -> None:
    with two_labs(tmp_path) as (alice, bob):
        for lab in (alice, bob):
            rows = [
                {"run_id": Found().run_id, "token_kind": kind, "token": 7, "n_accounts": 9}
                for kind in ("skeleton", "system", "tools", "prefix")
            ]
            with lab.opened.lake.write() as writer:
                writer.replace(NEAR_TOKENS, Found().run_id, pa.Table.from_pylist(rows, schema=NEAR_TOKENS.schema))
                writer.commit()
        revealed(alice, bob, "texts")
        told = alice.sharing.inbox.indicators(LATER).to_pylist()
    assert {(row["token_kind"], row["token"]) for row in told} == {("skeleton", 7), ("system", 7), ("tools", 7)}


def test_every_step_of_both_sides_is_in_the_ledger_with_the_commitments(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    session = revealed(alice, bob)
    for lab in labs:
        entries = [msgspec.json.decode(e.body) for e in lab.opened.ledger.entries("match.step")]
        assert [entry["step"] for entry in entries] == [
            "offer", "commit", "commit", "blinded", "answer", "reblinded", "consent", "reveal", "reveal",
        ]  # fmt: skip
        assert {entry["session"] for entry in entries} == {session}
        assert sum("commitment" in entry for entry in entries) == 2
    authors = [msgspec.json.decode(e.body)["author"] for e in bob.opened.ledger.entries("match.consent")]
    assert authors == ["Ben Ode"]


def test_below_the_agreed_number_nobody_learns_more_than_that(tmp_path: Path) -> None:
    with two_labs(tmp_path, a=range(100, 122), b=BOB) as (alice, bob):
        session = counted(alice, bob)
        assert alice.maker.matches.row(session)["counted"] == bob.maker.matches.row(session)["counted"] == "<3"
        with pytest.raises(GuardRefused, match="<3"):
            alice.maker.consent(session, author="Ana")
        assert alice.tokens() == set()


def test_a_message_that_comes_twice_gets_the_same_answer(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    first = alice.maker.offer("lab-b", "skeleton")
    once, twice = (bob.maker.take(first.body, "lab-a") for _ in range(2))
    assert once is not None
    assert twice is not None
    assert once.body == twice.body
    assert bob.kinds().count("match.step") == 2


def test_a_fault_ends_the_session_and_is_recorded_on_the_side_that_saw_it(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    first = alice.maker.offer("lab-b", "skeleton")
    commit = bob.maker.take(first.body, "lab-a")
    assert commit is not None
    answer = alice.maker.take(commit.body, "lab-b")
    assert answer is not None
    with pytest.raises(GuardRefused):  # Bob's own commitment sent back to him
        bob.maker.take(commit.body, "lab-a")
    assert bob.maker.matches.row(first.step.session)["status"] == "refused"
    with pytest.raises(GuardRefused, match="over"):
        bob.maker.take(answer.body, "lab-a")
    assert "match.refused" in bob.kinds()


@pytest.mark.parametrize(
    "spoil", [lambda body: b"{}", lambda body: body[:-9], lambda body: body.replace(b"sig", b"gis")]
)
def test_what_is_no_signed_message_is_refused_and_recorded(labs: tuple[Lab, Lab], spoil: object) -> None:
    alice, bob = labs
    body = alice.maker.offer("lab-b", "skeleton").body
    with pytest.raises(GuardRefused):
        bob.maker.take(spoil(body), "lab-a")  # type: ignore[operator]
    assert bob.kinds() == ["match.refused"]


def test_a_message_signed_by_somebody_else_is_refused(labs: tuple[Lab, Lab]) -> None:
    alice, _ = labs
    body = alice.maker.offer("lab-b", "skeleton").body
    with pytest.raises(GuardRefused, match="names another key"):
        alice.maker.take(body, "lab-b")


def test_a_partner_uses_its_sessions_and_points_up(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    for few in ("max_sessions = 2", "max_points = 100"):
        name, value = few.split(" = ")
        text = shipped_policy()
        assert f"{name} = " in text
        line = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        policy.write_text(text.replace(line, few))
        with two_labs(tmp_path / name, policy=str(policy)) as (alice, bob):
            for _ in range(int(value) if name == "max_sessions" else 100 // 32):
                counted(alice, bob)
            with pytest.raises(GuardRefused, match="has used"):
                counted(alice, bob)
            assert bob.kinds()[-1] == "match.refused"


def test_a_set_that_is_large_beside_the_own_one_could_be_a_dictionary(tmp_path: Path) -> None:
    with (
        two_labs(tmp_path, a=range(2000), b=range(3)) as (alice, bob),
        pytest.raises(GuardRefused, match="dictionary"),
    ):
        counted(alice, bob)


def test_a_partner_that_matches_a_canary_is_frozen_until_somebody_releases_it(tmp_path: Path) -> None:
    canaries = tmp_path / "canaries.txt"
    guess = "Write a haiku about the moon and a frog."
    canaries.write_text(f"skeleton {guess}\n")
    with two_labs(tmp_path, a=[*ALICE, prompt_tokens(guess).skeleton], canaries=str(canaries)) as (alice, bob):
        session = revealed(alice, bob)
        assert bob.maker.matches.row(session)["status"] == "canary"
        assert bob.tokens() == set()
        with pytest.raises(GuardRefused, match="canary"):
            counted(alice, bob)
        assert bob.maker.matches.release("lab-a", author="Ben", note="their test set", at=LATER) == 1
        counted(alice, bob)


def test_without_a_legal_basis_no_identity_is_compared_and_tokens_are(labs: tuple[Lab, Lab], tmp_path: Path) -> None:
    alice, bob = labs
    late = Clock(EXPIRED)
    strict = joined(alice.opened, "lab-a", Partner("lab-b", key_of(bob.opened)), clock=late)
    with pytest.raises(GuardRefused, match="identities"):
        strict.maker.offer("lab-b", "address", opener="Ana")
    with pytest.raises(GuardRefused, match="no tokens of kind"):
        strict.maker.offer("lab-b", "email", opener="Ana")
    assert strict.maker.offer("lab-b", "skeleton").step.session


def test_identities_are_opened_one_by_one_in_the_ledger_and_match_over_other_pseudonyms(tmp_path: Path) -> None:
    cards = [f"card-{number}" for number in range(8)]
    with two_labs(tmp_path) as (alice, bob):
        for lab, first in ((alice, 0), (bob, 1000)):
            numbers = [first + number for number in range(len(cards))]
            lab.opened.vault.seal("payment", pa.array(numbers, pa.int64()), pa.array(cards))
            hold(lab.opened, numbers, "payment")
        with pytest.raises(UsageError, match="opened-by"):
            alice.maker.offer("lab-b", "payment")
        step: ClearedStep | None = alice.maker.offer("lab-b", "payment", opener="Ana")
        assert step is not None
        session, turn = step.step.session, bob
        while step is not None:
            step = turn.maker.take(step.body, "lab-a" if turn is bob else "lab-b", opener="Ben")
            turn = alice if turn is bob else bob
        assert alice.maker.matches.row(session)["counted"] == "8"
        assert len(alice.opened.ledger.entries("vault.open")) == len(cards)


def test_secrets_of_a_session_are_sealed_and_go(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    session = counted(alice, bob)
    raw = (alice.opened.path / "state.db").read_bytes() if (alice.opened.path / "state.db").exists() else b""
    kept = alice.maker.matches.get(session)
    assert kept is not None
    assert kept.session.key not in raw
    later = joined(alice.opened, "lab-a", Partner("lab-b", key_of(bob.opened)), clock=Clock(LATER + timedelta(days=91)))
    later.maker.offer("lab-b", "skeleton")
    assert alice.maker.matches.get(session) is None


def test_a_session_under_a_key_that_was_rotated_is_over(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    session = counted(alice, bob)
    rotated = Matches(alice.opened.state, alice.opened.ledger, bytes(32))
    assert rotated.get(session) is None
    assert alice.maker.matches.get(session) is not None


def test_a_laboratory_without_name_or_partner_compares_nothing(labs: tuple[Lab, Lab]) -> None:
    alice, _ = labs
    with pytest.raises(ConfigError, match="no partner"):
        alice.maker.offer("lab-c", "skeleton")
    nameless = Sharing(alice.opened, CONFIG, version="0.1.0", clock=Clock(LATER))
    with pytest.raises(ConfigError, match="laboratory"):
        nameless.matchmaker.offer("lab-b", "skeleton")


def test_an_offer_ends(labs: tuple[Lab, Lab]) -> None:
    alice, bob = labs
    body = alice.maker.offer("lab-b", "skeleton").body
    late = joined(bob.opened, "lab-b", Partner("lab-a", key_of(alice.opened)), clock=Clock(LATER + timedelta(days=8)))
    with pytest.raises(GuardRefused, match="beyond its time"):
        late.maker.take(body, "lab-a")


@pytest.mark.parametrize("answers", [("skeleton",), ()])
def test_over_a_server_the_count_is_answered_where_settings_say_so_and_a_reveal_by_a_person(
    tmp_path: Path, answers: tuple[str, ...]
) -> None:
    with workspace(tmp_path / "a") as alice, workspace(tmp_path / "b") as bob:
        hold(alice, ALICE)
        hold(bob, BOB)
        now = Clock(datetime.now(UTC))  # that of the server
        a = joined(alice, "lab-a", Partner("lab-b", key_of(bob)), clock=now)
        partner = Partner("lab-a", key_of(alice), answers=answers)
        config = msgspec.structs.replace(
            settings(drain=False), sharing=Settings(laboratory="lab-b", partners=(partner,))
        )
        key = ApiKeys(bob.state, bob.keys).create(Role.PEER, name="lab-a", created_at=now())
        with serving(bob, config) as running:
            peer = Peer(running.url, key)
            first = a.maker.offer("lab-b", "skeleton")
            if not answers:
                with pytest.raises(ExternalServiceError, match="409"):
                    a.maker.converse(first, "lab-b", peer)
                return
            a.maker.converse(first, "lab-b", peer)
            session = first.step.session
            assert a.maker.matches.row(session)["counted"] == "10"
            asked = a.maker.consent(session, author="Ana")
            a.maker.converse(asked, "lab-b", peer)
            assert a.maker.matches.row(session)["status"] == "counted"
            b = joined(bob, "lab-b", partner, clock=now)
            b.maker.consent(session, author="Ben")
            again = a.maker.consent(session, author="Ana")
            assert again.body == asked.body
            a.maker.converse(again, "lab-b", peer)
        assert {row["token"] for row in a.sharing.inbox.indicators(now()).to_pylist()} == COMMON
        assert b.maker.matches.row(session)["status"] == "revealed"


def test_channels_take_nothing_but_cleared_steps(tmp_path: Path) -> None:
    with pytest.raises(GuardRefused):
        write_step(b"{}", tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(GuardRefused):
        Peer("https://lab.example").match((), b"{}")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="clear_step"):
        ClearedStep(None, None, b"")  # type: ignore[arg-type]


def test_the_whole_way_by_files_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with two_labs(tmp_path) as (alice, bob):
        keys = {"lab-a": key_of(alice.opened), "lab-b": key_of(bob.opened)}

    def say(lab: str, *arguments: str) -> int:
        other = "lab-b" if lab == "lab-a" else "lab-a"
        folder = tmp_path / lab[-1]
        monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / f"{folder.name}-keys.json"))
        file = tmp_path / f"{lab}.toml"
        file.write_text(
            f'[sharing]\nlaboratory = "{lab}"\n[[sharing.partners]]\nname = "{other}"\npublic_key = "{keys[other]}"\n'
        )
        return main(["--workspace", str(folder), "--config", str(file), "share", "match", *arguments])

    paths = [str(tmp_path / f"{number}.json") for number in range(9)]
    assert say("lab-a", "offer", "--to", "lab-b", "--kind", "skeleton", "-o", paths[0]) == 0
    session = session_of(Path(paths[0]).read_bytes())
    for number in range(5):
        lab, other = ("lab-b", "lab-a") if number % 2 == 0 else ("lab-a", "lab-b")
        assert say(lab, "answer", paths[number], "--from", other, "-o", paths[number + 1]) == 0
    assert say("lab-a", "answer", paths[5], "--from", "lab-b") == 0
    assert say("lab-a", "consent", session, "--by", "Ana", "-o", paths[6]) == 0
    assert say("lab-b", "answer", paths[6], "--from", "lab-a") == 0
    assert say("lab-b", "consent", session, "--by", "Ben", "-o", paths[7]) == 0
    assert say("lab-a", "answer", paths[7], "--from", "lab-b", "-o", paths[8]) == 0
    assert say("lab-b", "answer", paths[8], "--from", "lab-a") == 0
    capsys.readouterr()
    assert say("lab-b", "list", "--format", "json") == 0
    assert '"revealed"' in capsys.readouterr().out


def test_a_policy_whose_matching_stands_on_nothing_does_not_load() -> None:
    with pytest.raises(ConfigError, match="matching"):
        load_policy(shipped_policy().replace('[matching]\nprofile = "peer"', '[matching]\nprofile = "inbound"'))
