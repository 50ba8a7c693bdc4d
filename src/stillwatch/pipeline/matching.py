"""Private matching on a workspace: which tokens are compared, with whom, and what becomes of those that both hold."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from stillwatch.config import Config
from stillwatch.errors import ConfigError, ExternalServiceError, GuardRefused, UsageError
from stillwatch.guard import Policy
from stillwatch.guard.channel import Peer
from stillwatch.guard.envelope import Signer
from stillwatch.guard.matching import (
    TEXTS,
    ClearedStep,
    Commit,
    Consent,
    Offer,
    Reveal,
    Step,
    clear_step,
    digest_of,
    matching_terms,
    read_step,
    session_of,
)
from stillwatch.pipeline.runs import near_tokens
from stillwatch.sharing.inbox import Inbox
from stillwatch.sharing.matching import Item, MatchRefused, Progress, Session, answer, consent, offer
from stillwatch.sharing.matching.kept import FROZEN, Kept, Matches
from stillwatch.sharing.matching.session import START, bucket, receive
from stillwatch.sharing.settings import Partner
from stillwatch.sketches import prompt_tokens, text_tokens
from stillwatch.store.schema import microseconds
from stillwatch.store.vault import IdentityClass
from stillwatch.store.workspace import Workspace

OFFER_LASTS: Final = timedelta(days=7)
MATCHED_LASTS: Final = timedelta(days=90)
"""How long detection looks for what a partner holds too; prompt templates live for months."""
OK: Final = 200
ACCEPTED: Final = 202
"""A person has to consent first, or nothing more is due."""
UNREADABLE: Final = "unreadable"
"""Stands for the session of messages that name none."""
_HASH_MASK: Final = (1 << 64) - 1


class Matchmaker:
    """Sessions of one workspace with its partners. `randomness` gives bytes that nobody can foresee."""

    def __init__(
        self,
        workspace: Workspace,
        config: Config,
        *,
        policy: Policy,
        inbox: Inbox,
        clock: Callable[[], datetime],
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._workspace = workspace
        self._settings = config.sharing
        self._window_days = config.detect.window_days
        self._policy = policy
        self._inbox = inbox
        self._clock = clock
        self._randomness = randomness

    @cached_property
    def matches(self) -> Matches:
        """Every session."""
        keys = self._workspace.keys
        return Matches(self._workspace.state, self._workspace.ledger, keys.derived("matching-sessions/1"))

    @cached_property
    def signer(self) -> Signer:
        """What signs this laboratory's messages."""
        key = Ed25519PrivateKey.from_private_bytes(self._workspace.keys.derived("matching/1"))
        return Signer(key.public_key().public_bytes_raw(), key.sign)

    def partner(self, name: str) -> Partner:
        """The partner of that name.

        Raises:
            ConfigError: the settings name no such partner, or not this laboratory.
        """
        if not self._settings.laboratory:
            raise ConfigError("set `laboratory` under [sharing]: partners must know whom they compare with")
        for known in self._settings.partners:
            if known.name == name:
                return known
        raise ConfigError(f"there is no partner {name!r}; name it under [[sharing.partners]] with its public key")

    def offer(self, name: str, token_kind: str, *, reveal_at: int | None = None, opener: str = "") -> ClearedStep:
        """The first message of a new session with a partner about the latest run's near tokens of a kind.

        `opener` is who answers for opening identities in the vault; each opening is recorded.

        Raises:
            GuardRefused: the policy in force lets no such tokens be compared, or the partner's budget is used up.
            UsageError: too few hits would reveal, or there are too many tokens.
        """
        partner, at = self.partner(name), self._clock()
        limits, _ = matching_terms(self._policy, token_kind, at)
        chosen = limits.least_reveal if reveal_at is None else reveal_at
        if chosen < limits.least_reveal:
            raise UsageError(f"the policy reveals from {limits.least_reveal} hits on, not from {chosen}")
        items = self._items(token_kind, opener)
        terms = Offer(
            session=f"m-{self._randomness(16).hex()}", previous=START, sender=self._settings.laboratory,
            receiver=partner.name, token_kind=token_kind, size=bucket(len(items)), reveal_at=chosen,
            expires_at=microseconds(at + OFFER_LASTS),
        )  # fmt: skip
        self.matches.admit(name, terms.session, limits, n_points=0, n_own=len(items), at=at)
        return self._sent(name, offer(terms, items, self._randomness), None)

    def take(self, body: bytes, name: str, *, opener: str = "", is_unattended: bool = False) -> ClearedStep | None:
        """The answer to a partner's message; None where a person has to consent first, or nothing more is due.

        A message that comes twice gets the same answer. Any fault ends the session and is recorded. Unattended, offers
        are answered only for the kinds that the settings name for this partner.

        Raises:
            GuardRefused: the message does not fit; `MatchRefused` says how.
        """
        partner = self.partner(name)
        session_id = session_of(body)
        try:
            step = read_step(body, bytes.fromhex(partner.public_key))
            known = self.matches.get(session_id)
            if known is None:
                return self._begun(step, partner, opener, is_unattended=is_unattended)
            if known.peer != name:
                raise MatchRefused("a message is of another partner's session")
            if digest_of(step) == known.received:
                return None if known.reply is None else self._cleared(known.reply, known.session)
            return self._taken(known, step)
        except GuardRefused as refused:
            self.matches.refuse(session_id or UNREADABLE, name, str(refused), self._clock())
            raise

    def consent(self, session_id: str, *, author: str) -> ClearedStep:
        """A person lets both sides learn which items match; returns the message that says so.

        Given again it returns the same message: so the asking side hears whether the other one consented meanwhile.

        Raises:
            UsageError: there is no such session, or nobody answers for it.
            MatchRefused: too few items match, or it is not this side's turn.
        """
        known = self.matches.get(session_id)
        if known is None:
            raise UsageError(f"there is no open session {session_id!r}; `stillwatch share match list` shows them")
        if not author.strip():
            raise UsageError("consent needs the name of who answers for it; give it with --by NAME")
        if isinstance(known.reply, Consent | Reveal):
            return self._cleared(known.reply, known.session)
        made = consent(known.session)
        self._workspace.ledger.append("match.consent", {"session": session_id, "author": author.strip()}, self._clock())
        return self._sent(known.peer, made, None, received=known.received)

    def converse(self, first: ClearedStep, name: str, peer: Peer) -> None:
        """Send a message to a partner's server and go on until the other side waits for a person, or is done.

        Raises:
            ExternalServiceError: the server does not answer, or refuses.
        """
        step: ClearedStep | None = first
        while step is not None:
            told = peer.match(("v1", "matching"), step)
            if told.status == ACCEPTED:
                return
            if told.status != OK:
                raise ExternalServiceError(f"{name} refused a step of private matching with {told.status}")
            step = self.take(told.body, name)

    # -- one step -----------------------------------------------------------------------------------------------------

    def _begun(self, step: Step, partner: Partner, opener: str, *, is_unattended: bool) -> ClearedStep:
        at = self._clock()
        if not isinstance(step, Offer):
            raise MatchRefused("a message is of a session that is not known, or is over")
        if (step.sender, step.receiver) != (partner.name, self._settings.laboratory):
            raise MatchRefused("an offer is between others")
        if step.expires_at <= microseconds(at):
            raise MatchRefused("an offer is beyond its time")
        if is_unattended and step.token_kind not in partner.answers:
            raise MatchRefused(f"offers about {step.token_kind} are answered by a person here")
        limits, _ = matching_terms(self._policy, step.token_kind, at)
        if step.reveal_at < limits.least_reveal:
            raise MatchRefused(f"the policy reveals from {limits.least_reveal} hits on, not from {step.reveal_at}")
        items = self._items(step.token_kind, opener)
        self.matches.admit(partner.name, step.session, limits, n_points=step.size, n_own=len(items), at=at)
        begun = answer(step, items, self._randomness)
        counted = Progress(replace(begun.session, peer_size=step.size), begun.reply)  # its budget is used from now on
        return self._sent(partner.name, counted, step)

    def _taken(self, known: Kept, step: Step) -> ClearedStep | None:
        at, session = self._clock(), known.session
        limits, _ = matching_terms(self._policy, session.terms.token_kind, at)
        if session.terms.expires_at <= microseconds(at):
            raise MatchRefused("a session is beyond its time")
        if isinstance(step, Commit):
            n_own = len(session.items)
            self.matches.admit(known.peer, step.session, limits, n_points=step.size, n_own=n_own, at=at)
        made = receive(session, step)
        if made.reply is not None:
            return self._sent(known.peer, made, step)
        self._kept(Kept(known.peer, made.session, digest_of(step)), step)
        return None

    def _sent(self, peer: str, made: Progress, step: Step | None, *, received: str = "") -> ClearedStep:
        """The reply as bytes that a channel takes, after the session and both steps are kept."""
        assert made.reply is not None
        cleared = self._cleared(made.reply, made.session)
        digest = digest_of(step) if step is not None else received
        steps = (made.reply,) if step is None else (step, made.reply)
        self._kept(Kept(peer, made.session, digest, made.reply), *steps)
        return cleared

    def _cleared(self, step: Step, session: Session) -> ClearedStep:
        return clear_step(step, self._policy, session.terms.token_kind, self.signer, self._clock())

    def _kept(self, kept: Kept, *steps: Step) -> None:
        at, session = self._clock(), kept.session
        self.matches.put(kept, *steps, at=at)
        if session.hits is None:
            return
        hits = [session.items[place] for place in session.hits]
        if any(item.is_canary for item in hits):
            why = "a canary matches, which was never seen here: the other side tries guesses"
            self.matches.refuse(session.session_id, kept.peer, why, at, status=FROZEN)
            return
        _, terms = matching_terms(self._policy, session.terms.token_kind, at)
        self._inbox.matched(
            [(item.token_kind, item.token) for item in hits],
            peer=kept.peer, session_id=session.session_id, terms=terms,
            since=at - timedelta(days=self._window_days), until=at + MATCHED_LASTS, at=at,
        )  # fmt: skip

    # -- what is compared ---------------------------------------------------------------------------------------------

    def _items(self, token_kind: str, opener: str) -> list[Item]:
        """The near tokens of a kind in the latest run, and the canaries of that kind, as items.

        Raises:
            UsageError: no run is stored, there are too many tokens, or identities are asked for and nobody opens them.
        """
        limits = self._policy.matching
        kinds = limits.technical if token_kind == TEXTS else (token_kind,)
        found = {item.text: item for kind in kinds for item in self._items_of(kind, opener)}
        if len(found) > limits.max_items:
            raise UsageError(
                f"{len(found):,} tokens of kind {token_kind} are more than the policy's {limits.max_items:,}; "
                "detect over a shorter window"
            )
        return [found[text] for text in sorted(found)]

    def _items_of(self, token_kind: str, opener: str) -> list[Item]:
        tokens = near_tokens(self._workspace.lake.snapshot(), token_kind)
        if token_kind in self._policy.matching.identities:
            texts = self._opened(token_kind, tokens, opener)
        else:
            texts = {token: _told(token) for token in tokens}
        known = set(texts.values())
        canaries = [text for text in self._canaries(token_kind) if text not in known]
        return [
            *(Item(f"{token_kind}:{text}", token_kind, token) for token, text in texts.items()),
            *(Item(f"{token_kind}:{text}", token_kind, 0, is_canary=True) for text in canaries),
        ]

    def _opened(self, token_kind: str, tokens: list[int], opener: str) -> dict[int, str]:
        if not opener.strip():
            raise UsageError(f"{token_kind} is an identity; say who answers for opening it with --opened-by NAME")
        values = self._workspace.vault.open_many(
            IdentityClass(token_kind), tokens, actor=opener, reason="private matching", at=self._clock()
        )
        return {token: value.strip().casefold() for token, value in values.items()}

    def _canaries(self, token_kind: str) -> list[str]:
        if not self._settings.canaries:
            return []
        try:
            lines = Path(self._settings.canaries).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the file of canaries cannot be read ({type(error).__name__})") from error
        values = [value for kind, _, value in (line.partition(" ") for line in lines) if kind == token_kind and value]
        return [self._text(token_kind, value) for value in values]

    def _text(self, token_kind: str, value: str) -> str:
        """What a raw value is compared as."""
        if token_kind in self._policy.matching.identities:
            return value.strip().casefold()
        is_prompt = token_kind == "skeleton"  # noqa: S105  a kind of token, no password
        hashed = prompt_tokens(value).skeleton if is_prompt else text_tokens([value])[0]
        return _told(hashed)


def _told(token: int) -> str:
    """A hash of text as both sides write it."""
    return f"{token & _HASH_MASK:016x}"
