"""Accounts and account events -> accounts, account_events."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.batches import BatchReport
from stillwatch.ingest.door import DAY_US, stamped
from stillwatch.ingest.intake import Admitted, Clock, ProgressCallback, Registrar, Stamp, ingest_files
from stillwatch.ingest.keyset import Keys as KeyArray
from stillwatch.ingest.known import KnownKeys, read_column
from stillwatch.ingest.pseudonyms import (
    email_shapes,
    normalise_email,
    normalise_name,
    normalise_phone,
    normalise_text,
)
from stillwatch.ingest.redaction import redact, redact_lists
from stillwatch.ingest.rows import REGISTER_SUFFIXES, RowShape, read_rows
from stillwatch.ingest.settings import Settings
from stillwatch.ingest.snapshots import AccountSnapshots
from stillwatch.model.tables import ACCOUNT_EVENTS, ACCOUNTS, TEXT, TEXTS, TIME
from stillwatch.sketches import hash_texts
from stillwatch.sources.base import Parsed
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake, Snapshot

if TYPE_CHECKING:
    from stillwatch.store.vault import Vault

RAW_ACCOUNTS = RowShape(
    {
        "account_id": TEXT, "as_of": TIME, "created_at": TIME, "org_id": TEXT, "plan": TEXT, "email": TEXT,
        "phone": TEXT, "name": TEXT, "payment_fingerprint": TEXT, "device_id": TEXT, "signup_client_address": TEXT,
        "verified_owner": TEXT, "contract_tags": TEXTS,
    },
    required=("account_id",),
)  # fmt: skip
RAW_EVENTS = RowShape(
    {"event_id": TEXT, "account_id": TEXT, "event_time": TIME, "event_name": TEXT},
    required=("event_id", "account_id", "event_time", "event_name"),
)


def ingest_accounts(
    paths: Sequence[Path],
    *,
    lake: Lake,
    keys: Keys,
    vault: "Vault | None",
    settings: Settings,
    clock: Clock,
    progress: ProgressCallback | None = None,
) -> list[BatchReport]:
    """Store snapshots of accounts from CSV, JSON lines or Parquet; one report a file.

    A row without `as_of` is true at the clock. A row with the account and `as_of` of a stored one, or that says the
    same as the account's latest snapshot, is a duplicate.

    Raises:
        UsageError: a path does not exist, or a folder holds no such file.
        LakeLocked: another writer holds the lake.
    """
    with lake.write() as writer:
        registrar = Registrar(lake, writer, keys=keys, vault=vault, settings=settings)
        return ingest_files(paths, Accounts(registrar), registrar=registrar, clock=clock, progress=progress)


def ingest_account_events(
    paths: Sequence[Path],
    *,
    lake: Lake,
    keys: Keys,
    vault: "Vault | None",
    settings: Settings,
    clock: Clock,
    progress: ProgressCallback | None = None,
) -> list[BatchReport]:
    """Store events of accounts from CSV, JSON lines or Parquet; one report a file. Known event ids are duplicates.

    Raises:
        UsageError: a path does not exist, or a folder holds no such file.
        LakeLocked: another writer holds the lake.
    """
    with lake.write() as writer:
        registrar = Registrar(lake, writer, keys=keys, vault=vault, settings=settings)
        return ingest_files(paths, AccountEvents(registrar), registrar=registrar, clock=clock, progress=progress)


class Accounts:
    """The intake of account snapshots."""

    name = "accounts"
    version = "1"
    suffixes = REGISTER_SUFFIXES
    table = ACCOUNTS

    def __init__(self, registrar: Registrar) -> None:
        self._names = registrar.names
        self._stored = AccountSnapshots(registrar.snapshot.files(ACCOUNTS))

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """The chunks of one file."""
        return read_rows(stream, RAW_ACCOUNTS, uri=uri)

    def admit(self, raw: pa.RecordBatch, stamp: Stamp) -> Admitted:
        """The snapshots of one chunk that say something new."""
        columns = self._columns(raw, stamp)
        rows = pa.RecordBatch.from_arrays([columns[name] for name in ACCOUNTS.schema.names], schema=ACCOUNTS.schema)
        fresh = rows.filter(pa.array(self._stored.add(rows)))
        return Admitted(fresh, (), rows.num_rows - fresh.num_rows, ())

    def committed(self, snapshot: Snapshot) -> None:
        """Nothing to do: what was added is known whether it is committed or not."""

    def _columns(self, raw: pa.RecordBatch, stamp: Stamp) -> Mapping[str, pa.Array]:
        names, n = self._names, raw.num_rows
        domain, shape = email_shapes(raw["email"])
        address, prefix = names.addresses(raw["signup_client_address"])
        return {
            "account_id": names.aliases(raw["account_id"]),
            "as_of": pc.coalesce(raw["as_of"], stamped(stamp.ingested_at, n)),
            "ingest_batch_id": pa.repeat(pa.scalar(stamp.ingest_batch_id), n),
            "ingested_at": stamped(stamp.ingested_at, n),
            "created_at": raw["created_at"],
            "org_id": names.aliases(raw["org_id"]),
            "plan": redact(raw["plan"]),
            "email": names.column("email", raw["email"], normalise_email),
            "email_domain": domain,
            "email_shape": shape,
            "email_shape_hash": hash_texts(pc.binary_join_element_wise(shape, domain, "@")),
            "phone": names.column("phone", raw["phone"], normalise_phone),
            "name": names.column("name", raw["name"], normalise_name),
            "payment_fingerprint": names.column("payment", raw["payment_fingerprint"], normalise_text),
            "device_id": names.column("device", raw["device_id"], normalise_text),
            "signup_client_address": address,
            "signup_client_prefix": prefix,
            "verified_owner": redact(raw["verified_owner"]),
            "contract_tags": redact_lists(raw["contract_tags"]),
        }


class AccountEvents:
    """The intake of account events."""

    name = "account-events"
    version = "1"
    suffixes = REGISTER_SUFFIXES
    table = ACCOUNT_EVENTS

    def __init__(self, registrar: Registrar) -> None:
        self._names = registrar.names
        self._known = KnownKeys(
            ACCOUNT_EVENTS, _event_keys, snapshot=registrar.snapshot, n_keys=registrar.settings.keys_in_memory
        )

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """The chunks of one file."""
        return read_rows(stream, RAW_EVENTS, uri=uri)

    def admit(self, raw: pa.RecordBatch, stamp: Stamp) -> Admitted:
        """The events of one chunk that are new."""
        names, n = self._names, raw.num_rows
        days = np.asarray(raw["event_time"].cast(pa.int64())) // DAY_US
        ids = names.references(raw["event_id"])
        rows = pa.RecordBatch.from_arrays(
            [
                pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32()),
                ids,
                names.aliases(raw["account_id"]),
                raw["event_time"],
                redact(raw["event_name"]),
                pa.repeat(pa.scalar(stamp.ingest_batch_id), n),
                stamped(stamp.ingested_at, n),
            ],
            schema=ACCOUNT_EVENTS.schema,
        )
        fresh = rows.filter(pa.array(self._known.add(np.asarray(hash_texts(ids)), days)))
        return Admitted(fresh, (), n - fresh.num_rows, ())

    def committed(self, snapshot: Snapshot) -> None:
        """All that was admitted so far is in `snapshot`."""
        self._known.committed(snapshot)


def _event_keys(files: Sequence[str]) -> KeyArray:
    return np.asarray(hash_texts(read_column(files, "event_id")))
