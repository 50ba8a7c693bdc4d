"""One row per exchange with everything that daily features need of it."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.errors import UsageError
from stillwatch.model.stage import Run

if TYPE_CHECKING:
    import ibis.expr.types as ir

PROMPT_SAMPLE = 4
"""One prompt in so many is kept for counting repeats, the same ones for every account."""
BIN_MASK = (1 << 15) - 1
IDENTITY_COLUMNS = {"account": "account_id", "org": "org_id", "end_user": "end_user_id"}


def exchange_tokens(exchanges: "ir.Table", sketches: "ir.Table", run: Run) -> "ir.Table":
    """Exchanges of the window with an identity, joined to their sketch, what describes the content thinned.

    `micro_cell`, `capability` and `prompt` (a bin of the prompt's hash, for a quarter of all prompts) are null on every
    exchange but the first of its (day, account, conversation, prompt): agent loops resend a prompt, and a resend is no
    new evidence of what is asked. Without a conversation the whole day counts as one.

    `opening` (the hour) and `materials` are null but on the first exchange of a conversation's day: a conversation goes
    on at its own pace and stays with its material whoever holds it, and only when the next one begins, and whether it
    comes back to the material, tells. Without a conversation each hour counts as one. An exchange with a prompt goes
    before those without.
    """
    identity = IDENTITY_COLUMNS.get(run.by)
    if identity is None:
        raise UsageError(f"unknown identity level {run.by!r}: expected one of {', '.join(IDENTITY_COLUMNS)}")
    known = exchanges.mutate(account_id=exchanges[identity])
    inside = known.filter(
        known.account_id.notnull(), known.start_time >= run.window.start, known.start_time < run.window.end
    )
    text = sketches.select(
        "exchange_key", "skeleton_hash", "system_hash", "tools_hash", "shingles", "materials", "prompt_hash",
        "micro_cell", "capability",
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
        materials=joined.materials,
        prompt_hash=joined.prompt_hash,
        micro_cell=joined.micro_cell,
        capability=joined.capability,
    )
    return _numbered(_thin_resends(dated))


def _thin_resends(exchanges: "ir.Table") -> "ir.Table":
    order = [exchanges.prompt_hash.isnull(), exchanges.start_time, exchanges.exchange_key]
    owner = [exchanges.day, exchanges.account_id, exchanges.conversation_id]
    hour = exchanges.conversation_id.isnull().ifelse(exchanges.hour, ibis.null("int16"))
    ranked = exchanges.mutate(
        n_same=ibis.row_number().over(group_by=[*owner, exchanges.prompt_hash], order_by=order),
        n_before=ibis.row_number().over(group_by=[*owner, hour], order_by=order),
    )
    has_prompt = ranked.prompt_hash.notnull()
    is_first = (ranked.n_same == 0) & has_prompt
    is_sampled = is_first & (ranked.prompt_hash % PROMPT_SAMPLE == 0)
    is_opening = ranked.n_before == 0
    thinned = ranked.mutate(
        opening=is_opening.ifelse(ranked.hour, ibis.null("int16")),
        micro_cell=is_first.ifelse(ranked.micro_cell, ibis.null("int16")),
        capability=is_first.ifelse(ranked.capability, ibis.null("int16")),
        prompt=is_sampled.ifelse(_bin_of(ranked.prompt_hash), ibis.null("int16")),
        materials=(is_opening & has_prompt).ifelse(ranked.materials, ibis.null("array<int16>")),
    )
    return thinned.drop("n_same", "n_before", "hour", "exchange_key", "conversation_id", "prompt_hash")


def _bin_of(prompt_hash: "ir.IntegerColumn") -> "ir.IntegerValue":
    """Bits 2 to 16 of the hash: those below decide which prompts are kept."""
    return ((prompt_hash >> 2) & BIN_MASK).cast("int16")


def _numbered(exchanges: "ir.Table") -> "ir.Table":
    """`exchanges` with `account_no`, the rank of the account's id: equal accounts have equal numbers."""
    accounts = exchanges.select("account_id").distinct()
    numbers = accounts.mutate(account_no=ibis.row_number().over(order_by=accounts.account_id))
    return exchanges.inner_join(numbers, "account_id")
