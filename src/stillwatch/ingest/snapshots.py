"""Which account snapshots say something that is not stored yet."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.ingest.keyset import Flags, KeySet
from stillwatch.model.tables import ACCOUNTS
from stillwatch.sketches import hash_texts

STAMPS = ("account_id", "as_of", "ingest_batch_id", "ingested_at")
SAID = tuple(name for name in ACCOUNTS.schema.names if name not in STAMPS)
"""The columns in which two snapshots of one account may differ."""


class AccountSnapshots:
    """All stored snapshots by (account, as_of), and what the latest one of each account says. About 200 bytes each."""

    def __init__(self, files: Sequence[str]) -> None:
        self._moments = KeySet()
        self._latest: dict[int, tuple[int, int]] = {}
        for file in files:
            for rows in pq.ParquetFile(file).iter_batches(columns=ACCOUNTS.schema.names):
                self.add(rows)

    def add(self, rows: pa.RecordBatch) -> Flags:
        """Which rows of ACCOUNTS are new: neither known at their `as_of` nor equal to the latest snapshot before it."""
        accounts = hash_texts(rows["account_id"]).to_pylist()
        as_of = rows["as_of"].cast(pa.int64())
        joined = pc.binary_join_element_wise(rows["account_id"], as_of.cast(pa.string()), "\0")
        is_new = self._moments.add(np.asarray(hash_texts(joined)))
        said = _said(rows).to_pylist()
        for at, (account, moment, content) in enumerate(zip(accounts, as_of.to_pylist(), said, strict=True)):
            latest = self._latest.get(account)
            if not is_new[at] or (latest is not None and latest[0] > moment):
                continue
            is_new[at] = latest is None or latest[1] != content
            self._latest[account] = (moment, content)
        return is_new


def _said(rows: pa.RecordBatch) -> pa.Array:
    """A hash of everything that a snapshot says of its account."""
    tags = pc.binary_join(rows["contract_tags"], "\x1f")
    texts = [tags if name == "contract_tags" else rows[name].cast(pa.string()) for name in SAID]
    joined = pc.binary_join_element_wise(*texts, "\x1e", null_handling="replace", null_replacement="\x1d")
    return hash_texts(joined)
