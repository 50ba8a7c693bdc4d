"""One row per exchange with everything that daily features need of it."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.errors import UsageError
from stillwatch.model.stage import Run

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDENTITY_COLUMNS = {"account": "account_id", "org": "org_id", "end_user": "end_user_id"}


def exchange_tokens(exchanges: "ir.Table", sketches: "ir.Table", run: Run) -> "ir.Table":
    """Exchanges of the window with an identity, joined to their sketch, and `micro_cell` and `capability` thinned.

    Both are null on every exchange but the first of its (day, account, conversation, prompt): agent loops resend a
    prompt, and a resend is no new evidence of what is asked. Without a conversation the whole day counts as one.
    """
    identity = IDENTITY_COLUMNS.get(run.by)
    if identity is None:
        raise UsageError(f"unknown identity level {run.by!r}: expected one of {', '.join(IDENTITY_COLUMNS)}")
    known = exchanges.mutate(account_id=exchanges[identity])
    inside = known.filter(
        known.account_id.notnull(), known.start_time >= run.window.start, known.start_time < run.window.end
    )
    text = sketches.select(
        "exchange_key", "skeleton_hash", "system_hash", "tools_hash", "shingles", "prompt_hash", "micro_cell",
        "capability",
    )  # fmt: skip
    joined = inside.left_join(text, "exchange_key")
    dated = joined.select(
        day=joined.start_time.date(),
        account_id=joined.account_id,
        hour=joined.start_time.hour().cast("int16"),
        start_time=joined.start_time,
        exchange_key=joined.exchange_key,
        conversation_id=joined.conversation_id,
        request_model=joined.request_model,
        is_error=(joined.status == "error"),
        is_rate_limited=(joined.http_status_code == 429).fill_null(False),
        input_tokens=joined.input_tokens.fill_null(0),
        output_tokens=joined.output_tokens.fill_null(0),
        skeleton=joined.skeleton_hash,
        system=joined.system_hash,
        tools=joined.tools_hash,
        address=joined.client_address,
        prefix=joined.client_prefix,
        ja4=joined.tls_client_ja4_hash,
        shingles=joined.shingles,
        prompt_hash=joined.prompt_hash,
        micro_cell=joined.micro_cell,
        capability=joined.capability,
    )
    return _numbered(_thin_resends(dated))


def _thin_resends(exchanges: "ir.Table") -> "ir.Table":
    rank = ibis.row_number().over(
        group_by=[exchanges.day, exchanges.account_id, exchanges.conversation_id, exchanges.prompt_hash],
        order_by=[exchanges.start_time, exchanges.exchange_key],
    )
    ranked = exchanges.mutate(n_before=rank)
    is_first = (ranked.n_before == 0) & ranked.prompt_hash.notnull()
    thinned = ranked.mutate(
        micro_cell=ibis.ifelse(is_first, ranked.micro_cell, ibis.null("int16")),
        capability=ibis.ifelse(is_first, ranked.capability, ibis.null("int16")),
    )
    return thinned.drop("n_before", "exchange_key", "conversation_id", "prompt_hash")


def _numbered(exchanges: "ir.Table") -> "ir.Table":
    """`exchanges` with `account_no`, the rank of the account's id: equal accounts have equal numbers."""
    accounts = exchanges.select("account_id").distinct()
    numbers = accounts.mutate(account_no=ibis.row_number().over(order_by=accounts.account_id))
    return exchanges.inner_join(numbers, "account_id")
