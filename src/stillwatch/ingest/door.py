"""The door: raw telemetry rows in, rows that may be stored out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.intake import Stamp
from stillwatch.ingest.keyset import Flags, Keys
from stillwatch.ingest.known import KnownKeys
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.ingest.redaction import redact, redact_attributes, redact_lists
from stillwatch.model.tables import EXCHANGE_RECORDS, PROMPT_SKETCHES
from stillwatch.sketches import SKETCH_VERSION, hash_texts, record_keys, sketch_prompts
from stillwatch.sources.base import Reject

DAY_US = 86_400_000_000
LATEST_DAY = 84_006
"""2200-01-01 in days since 1970: a record of that day or later, or of before 1970, has no usable time."""
LATEST_US = LATEST_DAY * DAY_US
MAX_TOKENS = 1 << 40
"""Token counts from here on, and below zero, are taken as not reported: no call has a trillion tokens."""

IDENTITIES = ("account_id", "org_id", "end_user_id", "api_key_id")
REFERENCES = ("source_record_id", "call_id", "conversation_id", "response_id")
TOKEN_COUNTS = (
    "input_tokens", "output_tokens", "reasoning_output_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens", "request_max_tokens",
)  # fmt: skip
TEXT_LISTS = ("finish_reasons", "tool_definition_names", "tool_call_names")
REDACTED = (
    "operation_name", "provider_name", "request_model", "response_model", "error_type", "client_geo_country",
    "user_agent_original", "tls_client_ja3", "tls_client_ja4", "server_address", "cloud_region", "access_channel",
)  # fmt: skip
STATUSES = pa.array(["ok", "error", "blocked", "cancelled"])
CAPTURES = pa.array(["full", "truncated", "redacted", "hash_only", "none"])
TEXTS_READ = ("prompt", "system_instructions", "tool_definitions")


@dataclass(frozen=True, slots=True)
class Door:
    """One chunk behind the door: rows of the tables, the raw rows that they came from, and what was left out."""

    records: pa.RecordBatch
    sketches: pa.RecordBatch
    raw: pa.RecordBatch
    n_duplicates: int
    rejects: tuple[Reject, ...]


def admit_records(
    raw: pa.RecordBatch,
    stamp: Stamp,
    *,
    source: str,
    identity_order: Sequence[str],
    names: Pseudonymiser,
    known: KnownKeys,
    ahead: timedelta | None = None,
) -> Door:
    """The rows of one RAW_RECORDS chunk that are usable and new: pseudonymised, redacted, sketched.

    (1) Rows without id or usable time, or that start `ahead` or more after the clock, are rejected. (2) Rows known by
    (source, source_record_id) are duplicates. (3) Identities become pseudonyms or aliases, secrets leave. (4) Prompts
    become sketches.
    """
    usable, rejects = _usable(raw, LATEST_US if ahead is None else _micros(stamp.ingested_at + ahead))  # (1)
    n_usable = usable.num_rows
    ids = names.references(usable["source_record_id"])
    keys = record_keys(source, ids)
    is_new = known.add(np.asarray(keys), _days(usable))  # (2)
    if not is_new.all():
        mask = pa.array(is_new)
        usable, ids, keys = usable.filter(mask), ids.filter(mask), keys.filter(mask)
    columns = _columns(usable, stamp, source, names) | _identities(usable, identity_order, names)  # (3)
    columns |= {"source_record_id": ids, "record_key": keys}
    columns["exchange_key"] = pc.coalesce(hash_texts(columns["call_id"]), keys)
    columns["alias_keys"] = _alias_keys(usable["call_aliases"], names)
    records = pa.RecordBatch.from_arrays(
        [columns[name] for name in EXCHANGE_RECORDS.schema.names], schema=EXCHANGE_RECORDS.schema
    )
    return Door(records, _sketches(usable, records), usable, n_usable - usable.num_rows, rejects)  # (4)


def _usable(raw: pa.RecordBatch, before_us: int) -> tuple[pa.RecordBatch, tuple[Reject, ...]]:
    """The rows that have an id and a time before `before_us` (microseconds since 1970), and rejects for the others.

    A source rejects what it cannot read together with its raw bytes; here only their number is left, so that
    `n_bytes` is 0 and `digest` is empty.
    """
    no_id = np.asarray(pc.fill_null(pc.equal(pc.binary_length(raw["source_record_id"]), 0), True))
    no_time = np.asarray(pc.is_null(raw["start_time"]))
    days = _days(raw)
    bad_time = ~no_time & ((days < 0) | (days >= LATEST_DAY))
    is_ahead = ~no_time & ~bad_time & (_starts(raw) >= before_us)
    is_bad: Flags = no_id | no_time | bad_time | is_ahead
    if not is_bad.any():
        return raw, ()
    lines = raw["line_no"].to_numpy()
    rejects = [Reject(int(line), "missing_field", "field source_record_id is missing", 0, "") for line in lines[no_id]]
    rejects += [
        Reject(int(line), "missing_field", "field start_time is missing", 0, "") for line in lines[no_time & ~no_id]
    ]
    rejects += [
        Reject(int(line), "bad_time", "field start_time: not between 1970 and 2200", 0, "")
        for line in lines[bad_time & ~no_id]
    ]
    rejects += [
        Reject(int(line), "future_time", "field start_time: too far ahead of the clock", 0, "")
        for line in lines[is_ahead & ~no_id]
    ]
    return raw.filter(pa.array(~is_bad)), tuple(rejects)


def _days(raw: pa.RecordBatch) -> Keys:
    """Days since 1970 of start_time; 0 for null."""
    return _starts(raw) // DAY_US


def _starts(raw: pa.RecordBatch) -> Keys:
    """Microseconds since 1970 of start_time; 0 for null."""
    return np.asarray(pc.fill_null(raw["start_time"].cast(pa.int64()), 0))


def _micros(moment: datetime) -> int:
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).cast(pa.int64()).as_py())


def _columns(raw: pa.RecordBatch, stamp: Stamp, source: str, names: Pseudonymiser) -> dict[str, pa.Array]:
    n = raw.num_rows
    columns = {name: raw[name] for name in raw.schema.names}
    columns |= {name: names.references(_no_blanks(raw[name])) for name in REFERENCES if name != "source_record_id"}
    columns |= {name: redact(raw[name]) for name in REDACTED}
    columns |= {name: redact_lists(raw[name]) for name in TEXT_LISTS}
    columns |= {name: _counts(raw[name]) for name in TOKEN_COUNTS}
    columns |= {name: _finite(raw[name]) for name in ("request_temperature", "request_top_p")}
    columns["client_address"], columns["client_prefix"] = names.addresses(_no_blanks(raw["client_address"]))
    columns["tls_client_ja4_hash"] = hash_texts(columns["tls_client_ja4"])
    columns["attributes"] = redact_attributes(raw["attributes"])
    columns["status"] = _status(raw)
    columns["content_capture"] = _content_capture(raw)
    columns["day"] = pa.array(_days(raw).astype(np.int32), pa.int32()).cast(pa.date32())
    columns["end_time"] = _sane_times(raw["end_time"])
    for name, value in (("source", source), ("ingest_batch_id", stamp.ingest_batch_id)):
        columns[name] = pa.repeat(pa.scalar(value, pa.string()), n)
    columns["ingested_at"] = stamped(stamp.ingested_at, n)
    for name in ("system_instructions_ref", "input_messages_ref", "output_messages_ref", "tool_definitions_ref"):
        columns[name] = pa.nulls(n, pa.string())
    return columns


def _identities(raw: pa.RecordBatch, order: Sequence[str], names: Pseudonymiser) -> dict[str, pa.Array]:
    """Identity columns as they may be stored; `account_id` is the first present of `order`."""
    clean = {name: names.aliases(_no_blanks(raw[name]), may_be_key=name == "api_key_id") for name in IDENTITIES}
    levels = [clean[name] if name in clean else names.aliases(_no_blanks(raw[name])) for name in order]
    return clean | {"account_id": pc.coalesce(*levels)}


def _alias_keys(aliases: pa.Array, names: Pseudonymiser) -> pa.Array:
    """Hashes of the names in each list; one that holds an identity or a secret is left out, and joins nothing."""
    kind = EXCHANGE_RECORDS.schema.field("alias_keys").type
    if aliases.null_count == len(aliases):
        return pa.nulls(len(aliases), kind)
    texts = aliases.flatten()
    is_plain = np.asarray(pc.fill_null(pc.equal(names.references(texts), texts), False))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(aliases), 0))
    rows = np.repeat(np.arange(len(aliases)), lengths)[is_plain]
    ends = pa.array(np.searchsorted(rows, np.arange(len(aliases) + 1)), pa.int32())
    hashes = hash_texts(texts.filter(pa.array(is_plain)))
    return pa.ListArray.from_arrays(ends, hashes, type=kind, mask=aliases.is_null())


def _no_blanks(texts: pa.Array) -> pa.Array:
    is_blank = pc.equal(pc.binary_length(texts), 0)
    return pc.if_else(is_blank, pa.scalar(None, texts.type), texts) if pc.any(is_blank).as_py() else texts


def _counts(counts: pa.Array) -> pa.Array:
    if counts.null_count == len(counts):
        return counts
    is_sane = pc.and_(pc.greater_equal(counts, 0), pc.less(counts, MAX_TOKENS))
    return counts if pc.all(is_sane).as_py() else pc.if_else(is_sane, counts, pa.scalar(None, counts.type))


def _finite(reals: pa.Array) -> pa.Array:
    is_finite = pc.is_finite(reals)
    return (
        reals if pc.all(is_finite).as_py() is not False else pc.if_else(is_finite, reals, pa.scalar(None, reals.type))
    )


def _sane_times(times: pa.Array) -> pa.Array:
    days = pc.divide(times.cast(pa.int64()), DAY_US)
    is_sane = pc.and_(pc.greater_equal(days, 0), pc.less(days, LATEST_DAY))
    return times if pc.all(is_sane).as_py() is not False else pc.if_else(is_sane, times, pa.scalar(None, times.type))


def _status(raw: pa.RecordBatch) -> pa.Array:
    """The reported status; without a known one, `error` from HTTP 400 on and else `ok`."""
    failed = pc.fill_null(pc.greater_equal(raw["http_status_code"], 400), False)
    return _known_or(raw["status"], STATUSES, pc.if_else(failed, "error", "ok"))


def _content_capture(raw: pa.RecordBatch) -> pa.Array:
    """The reported capture; without a known one, `full` where there is any text and else `none`."""
    has_text = pc.is_valid(pc.coalesce(*(raw[name] for name in (*TEXTS_READ, "output"))))
    return _known_or(raw["content_capture"], CAPTURES, pc.if_else(has_text, "full", "none"))


def _known_or(values: pa.Array, known: pa.Array, otherwise: pa.Array) -> pa.Array:
    is_known = pc.is_in(values, value_set=known)
    return values if pc.all(is_known).as_py() else pc.if_else(is_known, values, otherwise)


def stamped(moment: datetime, n: int) -> pa.Array:
    """`n` times one moment."""
    return pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), n)


def _sketches(raw: pa.RecordBatch, records: pa.RecordBatch) -> pa.RecordBatch:
    """Sketches of the rows that have a prompt, system instructions or tools."""
    has_text = pc.is_valid(pc.coalesce(*(raw[name] for name in TEXTS_READ)))
    if not pc.all(has_text).as_py():
        raw, records = raw.filter(has_text), records.filter(has_text)
    sketched = sketch_prompts(*(raw[name] for name in TEXTS_READ))
    columns = {name: sketched[name] for name in sketched.schema.names}
    columns |= {name: records[name] for name in ("day", "record_key", "exchange_key", "ingested_at")}
    columns["sketch_version"] = pa.repeat(pa.scalar(SKETCH_VERSION, pa.int16()), raw.num_rows)
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in PROMPT_SKETCHES.schema.names], schema=PROMPT_SKETCHES.schema
    )
