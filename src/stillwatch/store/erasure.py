"""What the state database knows of one account, taken out of it. The ledger stays as it is and loses the salt."""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from stillwatch.model.table import Table
from stillwatch.model.tables import DECISIONS, POLICIES, TABLES, TEXT
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.renames import rename_in_decisions
from stillwatch.store.schema import STORED
from stillwatch.store.state import State

ERASED: Final = "account.erased"
RENAMED: Final = frozenset({"decisions", "decision_events", "holds"})
"""Tables whose rows say what was done and go on under a name that is nobody's."""
DROPPED: Final = tuple(name for name, table in STORED.items() if "account_id" in table.c and name not in RENAMED)
"""Tables whose rows about the account go as a whole."""
_READ_AS_WORDS: Final = tuple(
    (table, field.name)
    for table in TABLES
    if table.name in STORED and table not in (POLICIES, DECISIONS)
    for field in table.schema
    if field.type == TEXT and field.name not in table.key
)
"""Columns in which a person, a message or a call may have named the account; those of decisions are sealed."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out: sealed identities, rows about the account, rows that go on under another name."""

    n_identities: int
    n_rows: int
    n_renamed: int


def forget_account(
    state: State,
    ledger: Ledger,
    account_id: str,
    pseudonyms: Mapping[str, Collection[int]],
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> Forgotten:
    """Take an account out of the state database, in one transaction with the ledger's entry about it.

    `pseudonyms` maps classes of identity to those that are the account's alone. Decisions and holds go on under a name
    drawn at random; judgements, screening and events that name the account go; words of people in which it appears
    have that name in its place.
    """
    alias = f"erased-{secrets.token_hex(6)}"
    with state.writing() as connection:
        subject = ledger.pseudonymous(connection, f"account:{account_id}")
        n_identities = _forget_identities(connection, ledger, pseudonyms)
        n_rows = _drop(connection, account_id)
        n_renamed = rename_in_decisions(connection, ledger, {account_id: alias}, author=actor, why="erased", at=at)
        held = STORED["holds"]
        n_renamed += connection.execute(
            sa.update(held).where(held.c.account_id == account_id).values(account_id=alias)
        ).rowcount
        for table, column in _READ_AS_WORDS:
            _reword(connection, table, column, account_id, alias)
        body: Body = {
            "subject": subject,
            "actor": actor,
            "reason": reason,
            "n_identities": n_identities,
            "n_rows": n_rows,
            "n_renamed": n_renamed,
        }
        ledger.append_within(connection, ERASED, body, at)
        ledger.forget(connection, f"account:{account_id}")
    return Forgotten(n_identities, n_rows, n_renamed)


def names_account(state: State, account_id: str) -> bool:
    """Whether a row of the state database is about the account."""
    said = STORED["judgements"]
    judged = sa.select(said.c.subject_id).where((said.c.subject_kind == "account") & (said.c.subject_id == account_id))
    named = [
        sa.select(table.c.account_id).where(table.c.account_id == account_id)
        for table in STORED.values()
        if "account_id" in table.c
    ]
    with state.reading() as connection:
        return any(connection.execute(query.limit(1)).first() is not None for query in (judged, *named))


def _forget_identities(connection: sa.Connection, ledger: Ledger, pseudonyms: Mapping[str, Collection[int]]) -> int:
    sealed = STORED["identities"]
    n = 0
    for kind, values in sorted(pseudonyms.items()):
        for pseudonym in sorted(values):
            mine = (sealed.c.identity_class == kind) & (sealed.c.pseudonym == pseudonym)
            n += connection.execute(sa.delete(sealed).where(mine)).rowcount
            ledger.forget(connection, f"{kind}:{pseudonym}")
    return n


def _drop(connection: sa.Connection, account_id: str) -> int:
    said = STORED["judgements"]
    mine = (said.c.subject_kind == "account") & (said.c.subject_id == account_id)
    n = connection.execute(sa.delete(said).where(mine)).rowcount
    for name in DROPPED:
        table = STORED[name]
        n += connection.execute(sa.delete(table).where(table.c.account_id == account_id)).rowcount
    events, deliveries = STORED["webhook_events"], STORED["webhook_deliveries"]
    named = [
        event_id
        for event_id, body in connection.execute(sa.select(events.c.event_id, events.c.body))
        if _pattern(account_id).search(body)
    ]
    for table in (deliveries, events):
        n += connection.execute(sa.delete(table).where(table.c.event_id.in_(named))).rowcount
    return int(n)


def _reword(connection: sa.Connection, table: Table, column: str, account_id: str, alias: str) -> None:
    stored = STORED[table.name]
    pattern = _pattern(account_id)
    words, keys = stored.c[column], [stored.c[name] for name in table.key]
    for row in connection.execute(sa.select(*keys, words).where(words.contains(account_id, autoescape=True))).all():
        said = pattern.sub(alias, row[-1])
        if said != row[-1]:
            mine = sa.and_(*(key == value for key, value in zip(keys, row[:-1], strict=True)))
            connection.execute(sa.update(stored).where(mine).values({column: said}))


def _pattern(account_id: str) -> re.Pattern[str]:
    """The id as a word of its own: `a1` is not in `a12`, `x-a1` or `a1.b`."""
    return re.compile(rf"(?<![\w.@+-]){re.escape(account_id)}(?![\w@+-]|\.\w)")
