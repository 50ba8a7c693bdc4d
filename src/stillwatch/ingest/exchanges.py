"""The views that fold the records of one call into one exchange."""

from typing import TYPE_CHECKING

from stillwatch.model.tables import EXCHANGES, PROMPT_SKETCHES

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDENTITY_COLUMNS = (
    "account_id", "org_id", "end_user_id", "client_address", "client_prefix", "tls_client_ja4_hash",
)  # fmt: skip
"""From the record that saw the client: a gateway before an SDK."""

CONTENT_COLUMNS = ("conversation_id", "request_model")
"""From the record that has the prompt."""

LARGEST_COLUMNS = ("http_status_code", "input_tokens", "output_tokens")
"""The largest that any record reports."""

WORST_FIRST = ("blocked", "error", "cancelled", "ok")
"""A call that one reporter saw fail has failed."""


def call_names(records: "ir.Table") -> "ir.Table":
    """`exchange_key, joined_key`: keys that are an alias in records of one other call, with that call's own key.

    A key that several calls claim (a trace of many, a request id that a client made up) joins nothing, and neither does
    that of a record with aliases of its own. Which record came first changes nothing. Small: materialise it.
    """
    hubs = records.filter(records.alias_keys.length() > 0).select("exchange_key", "alias_keys")
    claims = hubs.select(joined_key=hubs.exchange_key, exchange_key=hubs.alias_keys.unnest())
    claims = claims.semi_join(records, "exchange_key").anti_join(hubs, "exchange_key").group_by("exchange_key")
    claims = claims.agg(joined_key=lambda them: them.joined_key.min(), last_key=lambda them: them.joined_key.max())
    return claims.filter(claims.joined_key == claims.last_key).select("exchange_key", "joined_key")


def under_one_key(rows: "ir.Table", names: "ir.Table") -> "ir.Table":
    """Records or sketches with the `exchange_key` of the whole call, by `names` as `call_names` gives them."""
    told = rows.left_join(names, "exchange_key")
    return told.mutate(exchange_key=told.joined_key.fill_null(told.exchange_key)).select(*rows.columns)


def exchanges(records: "ir.Table", sketches: "ir.Table") -> "ir.Table":
    """One row for each call: EXCHANGE_RECORDS with equal `exchange_key` folded, in the columns of EXCHANGES.

    `under_one_key` comes before, so that each call has one key.

    The earliest `start_time` gives the day. Of identity columns the first value counts in the order: records with a
    client address or TLS fingerprint, then with an API key, then others; of content columns: the record with the
    longest sketched prompt first. Ties go to the smaller record key, so that the order of arrival changes nothing.
    Status is the worst, counts are the largest. Only keys with several records are folded; the others pass.
    """
    repeated = _repeated(records)
    single = records.anti_join(repeated, "exchange_key").select(*EXCHANGES.schema.names)
    several = records.semi_join(repeated, "exchange_key")
    return single.union(_folded(several, sketches.semi_join(repeated, "exchange_key")))


def folded_sketches(sketches: "ir.Table") -> "ir.Table":
    """One row of PROMPT_SKETCHES for each exchange: that of the longest prompt, of equals the smaller record key."""
    import ibis

    repeated = _repeated(sketches)
    single = sketches.anti_join(repeated, "exchange_key").select(*PROMPT_SKETCHES.schema.names)
    several = sketches.semi_join(repeated, "exchange_key")
    order = [several.n_chars.fill_null(-1).desc(), several.record_key, several.day, several.ingested_at]
    ranked = several.mutate(position=ibis.row_number().over(group_by=several.exchange_key, order_by=order))
    return single.union(ranked.filter(ranked.position == 0).select(*PROMPT_SKETCHES.schema.names))


def _repeated(rows: "ir.Table") -> "ir.Table":
    """The exchange keys that come more than once."""
    counted = rows.group_by("exchange_key").agg(n_records=rows.count())
    return counted.filter(counted.n_records > 1).select("exchange_key")


def _folded(records: "ir.Table", sketches: "ir.Table") -> "ir.Table":
    ranked = _ranked(records, sketches)
    start_time = ranked.start_time.min()
    columns = {
        "start_time": start_time,
        "severity": ranked.severity.max(),
        **{name: _first(ranked, name, "identity_position") for name in IDENTITY_COLUMNS},
        **{name: _first(ranked, name, "content_position") for name in CONTENT_COLUMNS},
        **{name: ranked[name].max() for name in LARGEST_COLUMNS},
    }
    folded = ranked.group_by("exchange_key").agg(**columns)
    folded = folded.mutate(day=folded.start_time.date(), status=_status(folded))
    return folded.select(*EXCHANGES.schema.names)


def _first(ranked: "ir.Table", name: str, position: str) -> "ir.Value":
    """The value of the first record, by `position`, that has one."""
    return ranked[name].argmin(ranked[position], where=ranked[name].notnull())


def _ranked(records: "ir.Table", sketches: "ir.Table") -> "ir.Table":
    """Records with `severity` of their status, and their position within the call for identity and for content."""
    import ibis

    lengths = sketches.group_by("record_key").agg(prompt_length=sketches.n_chars.max())
    joined = records.left_join(lengths, "record_key").drop("record_key_right")
    saw_client = joined.client_address.notnull() | joined.tls_client_ja4_hash.notnull()
    reach = ibis.cases((saw_client, 0), (joined.api_key_id.notnull(), 1), else_=2)
    ties = [joined.record_key, joined.start_time, joined.ingested_at, joined.ingest_batch_id]
    by_reach = ibis.row_number().over(group_by=joined.exchange_key, order_by=[reach, *ties])
    longest = joined.prompt_length.fill_null(-1).desc()
    by_length = ibis.row_number().over(group_by=joined.exchange_key, order_by=[longest, *ties])
    severities = [(joined.status == status, len(WORST_FIRST) - at) for at, status in enumerate(WORST_FIRST)]
    return joined.mutate(
        severity=ibis.cases(*severities, else_=0), identity_position=by_reach, content_position=by_length
    )


def _status(folded: "ir.Table") -> "ir.Value":
    import ibis

    words = [(folded.severity == len(WORST_FIRST) - at, status) for at, status in enumerate(WORST_FIRST)]
    return ibis.cases(*words, else_="ok")
