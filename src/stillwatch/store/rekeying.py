"""The state database under new pseudonyms and a new vault key, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from stillwatch.errors import VaultError
from stillwatch.store.keys import FIRST_KEY_ID, Keys, linked
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.renames import rename_in_decisions
from stillwatch.store.schema import LEDGER_SALTS, META, STORED
from stillwatch.store.state import State
from stillwatch.store.vault import Sealer

ROTATED: Final = "keys.rotated"
KEY_ID: Final = "pseudonym_key_id"
ROWS_AT_ONCE: Final = 5_000
TOKEN_KINDS: Final = ("address", "prefix")
"""Kinds of peers' indicators whose tokens are pseudonyms."""
_IDENTITIES, _INDICATORS, _JUDGED = STORED["identities"], STORED["indicators"], STORED["judgements"]
_NAMING: Final = tuple(
    table for name, table in STORED.items() if "account_id" in table.c and name not in ("decisions", "decision_events")
)


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What a rotation changed in the state: identities sealed anew, and accounts that have another alias."""

    n_identities: int
    n_renamed: int


def key_id(state: State) -> str:
    """The pseudonym key that the state's rows are under."""
    with state.reading() as connection:
        found = connection.scalar(sa.select(META.c.value).where(META.c.name == KEY_ID))
    return FIRST_KEY_ID if found is None else str(found)


def check_vault(state: State, keys: Keys) -> None:
    """Nothing, where every sealed identity opens under the present keys; no value is kept.

    Raises:
        VaultError: one does not.
    """
    with state.reading() as connection:
        _opened(connection, keys)


def rekey_state(
    state: State,
    ledger: Ledger,
    keys: Keys,
    alias: Callable[[str], str],
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> Rekeyed:
    """Put every pseudonym of the state under the keys that `keys.next` brings, and seal every identity anew.

    No raw value leaves the transaction. `alias` gives an account's name after the rotation. Screening forgets what
    reviewers said of accounts whose pseudonyms are part of what was screened: they are screened again.

    Raises:
        VaultError: an identity does not open under the present key; nothing is changed then.
    """
    if keys.next is None:
        raise VaultError("no new keys are prepared; run `stillwatch keys rotate`")
    with state.writing() as connection:
        n_identities = _reseal(connection, keys)
        names = _renamed(connection, alias)
        n_renamed = _rename(connection, ledger, names, actor=actor, at=at)
        _relabel(connection, keys.next.link_key, names)
        state.insert_new(connection, META, [{"name": KEY_ID, "value": ""}])
        connection.execute(sa.update(META).where(META.c.name == KEY_ID).values(value=keys.next.key_id))
        body: Body = {
            "from": keys.pseudonym_key_id,
            "to": keys.next.key_id,
            "actor": actor,
            "reason": reason,
            "n_identities": n_identities,
            "n_renamed": n_renamed,
        }
        ledger.append_within(connection, ROTATED, body, at)
    return Rekeyed(n_identities, n_renamed)


def _reseal(connection: sa.Connection, keys: Keys) -> int:
    assert keys.next is not None
    new = Sealer(keys.next.vault_key)
    fresh = []
    for row, value in _opened(connection, keys):
        pseudonym = linked(keys.next.link_key, row.pseudonym)
        fresh.append(
            {
                "identity_class": row.identity_class,
                "pseudonym": pseudonym,
                "key_id": keys.next.key_id,
                "sealed": new.sealed(row.identity_class, pseudonym, keys.next.key_id, value),
                "expires_at": row.expires_at,
            }
        )
    connection.execute(sa.delete(_IDENTITIES))
    for start in range(0, len(fresh), ROWS_AT_ONCE):
        connection.execute(sa.insert(_IDENTITIES), fresh[start : start + ROWS_AT_ONCE])
    return len(fresh)


def _opened(connection: sa.Connection, keys: Keys) -> list[tuple[sa.Row[Any], str]]:
    present = Sealer(keys.vault_key)
    return [
        (row, present.opened(row.identity_class, row.pseudonym, row.key_id, row.sealed))
        for row in connection.execute(sa.select(_IDENTITIES))
    ]


def _renamed(connection: sa.Connection, alias: Callable[[str], str]) -> dict[str, str]:
    """Every name of an account that the state holds and that changes, to what it is from now on."""
    held: set[str] = set(connection.scalars(sa.select(_JUDGED.c.subject_id).where(_JUDGED.c.subject_kind == "account")))
    for table in STORED.values():
        if "account_id" in table.c:
            held |= set(connection.scalars(sa.select(table.c.account_id).distinct())) - {None}
    subjects = connection.scalars(
        sa.select(LEDGER_SALTS.c.subject).where(LEDGER_SALTS.c.subject.startswith("account:"))
    )
    held |= {subject.removeprefix("account:") for subject in subjects}
    return {name: alias(name) for name in sorted(held) if alias(name) != name}


def _rename(connection: sa.Connection, ledger: Ledger, names: dict[str, str], *, actor: str, at: datetime) -> int:
    n = rename_in_decisions(connection, ledger, names, author=actor, why="new key", at=at)
    audit = STORED["audit_entries"]
    for old, new in names.items():
        judged = (_JUDGED.c.subject_kind == "account") & (_JUDGED.c.subject_id == old)
        n += connection.execute(sa.update(_JUDGED).where(judged).values(subject_id=new)).rowcount
        n += connection.execute(sa.update(audit).where(audit.c.subject == old).values(subject=new)).rowcount
        for table in _NAMING:
            n += connection.execute(sa.update(table).where(table.c.account_id == old).values(account_id=new)).rowcount
    return int(n)


def _relabel(connection: sa.Connection, link_key: bytes, names: dict[str, str]) -> None:
    """Indicators' tokens, and the subjects under which the ledger keeps salts: erasing goes on to find them."""
    keyed = _INDICATORS.c.token_kind.in_(TOKEN_KINDS) & _INDICATORS.c.token.is_not(None)
    for token in set(connection.scalars(sa.select(_INDICATORS.c.token).where(keyed))):
        mine = keyed & (_INDICATORS.c.token == token)
        connection.execute(sa.update(_INDICATORS).where(mine).values(token=linked(link_key, token)))
    for (subject,) in connection.execute(sa.select(LEDGER_SALTS.c.subject)).all():
        kind, _, rest = subject.partition(":")
        if kind == "account":
            new = names.get(rest, rest)
        elif kind in {"address", "email", "payment", "device", "name", "phone"}:
            new = str(linked(link_key, int(rest)))
        else:
            continue
        if new != rest:
            salted = LEDGER_SALTS.c.subject == subject
            connection.execute(sa.update(LEDGER_SALTS).where(salted).values(subject=f"{kind}:{new}"))
