"""Other names for accounts in decisions, whose batches the ledger seals: after an erasure and after a new key."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from stillwatch.store.decisions import RENAMED, sealed_digest
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED

_DECISIONS, _EVENTS = STORED["decisions"], STORED["decision_events"]


def rename_in_decisions(
    connection: sa.Connection, ledger: Ledger, names: Mapping[str, str], *, author: str, why: str, at: datetime
) -> int:
    """Give accounts other names in all decisions and events and seal their batches anew; returns how many rows.

    The seal says who did it and why; everything else of a decision stays under its first seal's eyes: whoever kept the
    old rows can put the names back and recompute it.
    """
    touched = sa.select(_DECISIONS.c.batch_id).where(_DECISIONS.c.account_id.in_(sorted(names))).distinct()
    batches = sorted(connection.scalars(touched))
    n = 0
    for table in (_DECISIONS, _EVENTS):
        for old, new in sorted(names.items()):
            n += connection.execute(sa.update(table).where(table.c.account_id == old).values(account_id=new)).rowcount
    said: list[tuple[str, Body]] = []
    for batch_id in batches:
        rows = connection.execute(sa.select(_DECISIONS).where(_DECISIONS.c.batch_id == batch_id))
        digest = sealed_digest(dict(row._mapping) for row in rows)
        said.append((RENAMED, {"batch_id": batch_id, "digest": digest, "author": author, "why": why}))
    ledger.append_all_within(connection, said, at)
    return n
