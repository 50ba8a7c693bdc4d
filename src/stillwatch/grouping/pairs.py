"""Traffic merged over the window by token and account: what slices are made of."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.engines import Engine
from stillwatch.grouping.kinds import ACCOUNT_TOKENS, SHINGLE, SHINGLE_BUNDLE
from stillwatch.grouping.settings import Settings
from stillwatch.model.stage import Run, Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

PAIR = ("token_kind", "token", "account")
_MERGED = ("n", "input_tokens", "output_tokens", "first_seen_at", "last_seen_at", "onset", "n_prompts", "n_target")
_PRIME = 2_147_483_647  # 2**31 - 1: products of two residues fit in a signed 64-bit integer


def within_days(rows: "ir.Table", run: Run) -> "ir.Table":
    """The daily `rows` of no later day than the window's last; days before the window stay, as history."""
    return rows.filter(rows.day <= ibis.literal(list(run.window.days())[-1]))


def account_codes(token_uses: "ir.Table", account_days: "ir.Table") -> "ir.Table":
    """Every account with a dense integer `account` from 0, in the order of `account_id`."""
    ids = token_uses.select("account_id").union(account_days.select("account_id")).distinct()
    return ids.mutate(account=ibis.row_number().over(order_by=ids.account_id))


def merged(rows: "ir.Table", keys: tuple[str, ...], run: Run, settings: Settings) -> "ir.Table":
    """Daily `rows` added up by `keys` over the window; keys without an exchange inside of the window are dropped.

    `onset` is the first sight in all of `rows`, days before the window included. `n_prompts` counts classified
    prompts, `n_target` those with a target capability.
    """
    inside = rows.day >= ibis.literal(run.window.start.date())
    codes = [capability.code for capability in settings.target_capabilities]
    daily = rows.select(
        *keys,
        n=inside.ifelse(rows.n, 0),
        input_tokens=inside.ifelse(rows.input_tokens, 0),
        output_tokens=inside.ifelse(rows.output_tokens, 0),
        first_seen_at=inside.ifelse(rows.first_seen_at, ibis.null()),
        last_seen_at=rows.last_seen_at,
        onset=rows.first_seen_at,
        n_prompts=inside.ifelse(rows.capabilities.length(), 0),
        n_target=inside.ifelse(rows.capabilities.filter(lambda code: code.isin(codes)).length(), 0),
    )
    total = daily.group_by(*keys).agg(
        n=daily.n.sum(),
        input_tokens=daily.input_tokens.sum(),
        output_tokens=daily.output_tokens.sum(),
        first_seen_at=daily.first_seen_at.min(),
        last_seen_at=daily.last_seen_at.max(),
        onset=daily.onset.min(),
        n_prompts=daily.n_prompts.sum(),
        n_target=daily.n_target.sum(),
    )
    return total.filter(total.n > 0)


def traffic_pairs(
    token_uses: "ir.Table", codes: "ir.Table", run: Run, *, engine: Engine, settings: Settings
) -> "ir.Table":
    """One row for each token that several accounts used and each of its accounts; shingles folded to bundles.

    NOTE: tokens of one account are dropped before anything is added up, by comparing their smallest and largest
    account: that needs no distinct count, and they are most of the tokens.
    """
    seen = token_uses.group_by("token_kind", "token").agg(
        least=token_uses.account_id.min(), greatest=token_uses.account_id.max(), n_rows=token_uses.count()
    )
    floor = (seen.token_kind == SHINGLE).ifelse(settings.min_accounts, settings.min_adopters)
    shared = engine.materialize(
        seen.filter((seen.least != seen.greatest) & (seen.n_rows >= floor)).select("token_kind", "token")
    )
    uses = token_uses.semi_join(shared, ["token_kind", "token"]).inner_join(codes, "account_id")
    pairs = engine.materialize(merged(uses, PAIR, run, settings))
    kept = engine.materialize(kept_tokens(pairs, settings))
    folded = pairs.inner_join(kept, ["token_kind", "token"])
    named = folded.mutate(token_kind=(folded.token_kind == SHINGLE).ifelse(SHINGLE_BUNDLE, folded.token_kind))
    return named.select(*PAIR, *_MERGED, "df")


def kept_tokens(pairs: "ir.Table", settings: Settings) -> "ir.Table":
    """Tokens with enough adopters and their document frequency `df`; of equal shingles only the smallest.

    Shingles are equal when exactly the same accounts used them. Sets are compared by count, smallest and largest
    account and two sums of cubed residues, about 62 bits of them: every engine computes the same integers.
    """
    marked = pairs.select(
        "token_kind", "token", "account", left=_mixed(pairs.account, 1), right=_mixed(pairs.account, 7)
    )
    tokens = marked.group_by("token_kind", "token").agg(
        df=marked.count(),
        least=marked.account.min(),
        greatest=marked.account.max(),
        left=marked.left.sum(),
        right=marked.right.sum(),
    )
    is_shingle = tokens.token_kind == SHINGLE
    whole = tokens.filter(~is_shingle & (tokens.df >= settings.min_adopters)).select("token_kind", "token", "df")
    shingles = tokens.filter(is_shingle & (tokens.df >= settings.min_accounts))
    bundles = shingles.group_by("token_kind", "df", "least", "greatest", "left", "right").agg(
        token=shingles.token.min()
    )
    return whole.union(bundles.select("token_kind", "token", "df"))


def account_tokens(accounts: "ir.Table", codes: "ir.Table", run: Run) -> "ir.Table":
    """Tokens of whole accounts, `token_kind, token, account`, from the latest snapshot of each."""
    latest = latest_accounts(accounts, run)
    kinds = [
        latest.select("account_id", token_kind=ibis.literal(kind), token=latest[column])
        for kind, column in sorted(ACCOUNT_TOKENS.items())
    ]
    rows = ibis.union(*kinds)
    rows = rows.filter(rows.token.notnull()).distinct().inner_join(codes, "account_id")
    return rows.select("token_kind", "token", "account")


def latest_accounts(accounts: "ir.Table", run: Run) -> "ir.Table":
    """The latest snapshot of each account, its `account_id` at the level of the run (`org` takes the organisation)."""
    newest = ibis.row_number().over(
        group_by=accounts.account_id, order_by=[accounts.as_of.desc(), accounts.ingested_at.desc()]
    )
    ranked = accounts.mutate(nth=newest)
    latest = ranked.filter(ranked.nth == 0)
    if run.by == "org":
        latest = latest.mutate(account_id=latest.org_id)
    return latest.filter(latest.account_id.notnull())


def created_at(accounts: "ir.Table", run: Run) -> "ir.Table":
    """When each `account_id` was created, as far as known; an organisation is as old as its first account."""
    latest = latest_accounts(accounts, run)
    return latest.group_by("account_id").agg(created_at=latest.created_at.min())


def whole_account_pairs(
    tables: Tables, codes: "ir.Table", run: Run, *, engine: Engine, settings: Settings
) -> "ir.Table":
    """As `traffic_pairs`, for the tokens of whole accounts: each pair carries all of the account's traffic."""
    tokens = account_tokens(tables["accounts"], codes, run)
    days = within_days(tables["account_days"], run).inner_join(codes, "account_id")
    totals = merged(days, ("account",), run, settings)
    pairs = engine.materialize(tokens.inner_join(totals, "account"))
    sizes = pairs.group_by("token_kind", "token").agg(df=pairs.count())
    adopted = pairs.inner_join(sizes.filter(sizes.df >= settings.min_adopters), ["token_kind", "token"])
    return adopted.select(*PAIR, *_MERGED, "df")


def _mixed(account: "ir.IntegerValue", salt: int) -> "ir.IntegerValue":
    """Residue of a cubed, shifted account code: sums of it tell sets of accounts apart."""
    once = (account * 48_271 + salt) % _PRIME  # the multiplier of the minimal standard generator (Park, Miller 1988)
    return (once * once % _PRIME) * once % _PRIME
