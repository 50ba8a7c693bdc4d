"""Which models a campaign used, and how fast it turned to new ones."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.exposure.settings import Settings
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import EXPOSURE_MODELS

if TYPE_CHECKING:
    import ibis.expr.types as ir


def exposure_models(rows: "ir.Table", tables: Tables, run: Run, settings: Settings) -> "ir.Table":
    """EXPOSURE_MODELS rows: each model of each campaign, and whether the campaign took it up as it was released.

    Releases are dated by day from ACCOUNT_DAYS, so that "at once" is 24 to 48 hours.
    """
    inside = rows.filter(rows.is_flagged & rows.is_core)
    used = inside.mutate(model=inside.request_model.fill_null(""), number=_day_number(inside.day))
    sums = used.group_by("campaign_id", "model").agg(n_flagged=used.count(), output_tokens=used.output_tokens.sum())
    released = releases(tables["account_days"], settings)
    dated = used.select("campaign_id", "number", used_model="model").cross_join(released)
    first = dated.filter((dated.number == dated.released) | (dated.number == dated.released + 1))
    early = first.group_by("campaign_id", "model").agg(
        n_first_days=(first.used_model == first.model).cast("int64").sum(), n_first_days_any=first.count()
    )
    others = _others_share(tables, released)
    joined = sums.left_join(released, "model").drop("model_right")
    joined = joined.left_join(early, ["campaign_id", "model"]).drop("campaign_id_right", "model_right")
    joined = joined.left_join(others, ["campaign_id", "model"]).drop("campaign_id_right", "model_right")
    known = joined.mutate(
        run_id=ibis.literal(run.run_id),
        n_first_days=joined.n_first_days.fill_null(0),
        n_first_days_any=joined.n_first_days_any.fill_null(0),
    )
    return known.select(*EXPOSURE_MODELS.schema.names)


def releases(account_days: "ir.Table", settings: Settings) -> "ir.Table":
    """`model, released_on, released` (days since 1970) of each model that was new in the window."""
    days = account_days.select(
        "account_id", "day", number=_day_number(account_days.day), model=account_days.models.unnest()
    )
    adopted = days.group_by("model", "account_id").agg(day=days.day.min(), number=days.number.min())
    place = ibis.row_number().over(group_by=adopted.model, order_by=[adopted.number, adopted.account_id])
    ranked = adopted.mutate(place=place, earliest=adopted.number.min().over(group_by=adopted.model))
    known = ranked.filter(ranked.place == settings.min_testers - 1)
    first = days.aggregate(first_day=days.number.min())
    dated = known.cross_join(first)
    new = dated.filter(dated.earliest >= dated.first_day + settings.history_days)
    return new.select("model", released_on="day", released="number")


def _others_share(tables: Tables, released: "ir.Table") -> "ir.Table":
    """`campaign_id, model, others_share`: of other accounts that were active on these days, those that used it."""
    account_days = tables["account_days"]
    days = account_days.select("account_id", "models", number=_day_number(account_days.day)).cross_join(released)
    near = days.filter((days.number == days.released) | (days.number == days.released + 1))
    uses = near.models.contains(near.model).cast("int64")
    active = near.group_by("model", "account_id").agg(turned=uses.max())
    members = tables["campaign_members"].select("campaign_id", "account_id").distinct()
    everyone = active.cross_join(members.select("campaign_id").distinct())
    others = everyone.anti_join(members, ["campaign_id", "account_id"])
    return others.group_by("campaign_id", "model").agg(others_share=others.turned.mean())


def _day_number(day: "ir.DateValue") -> "ir.IntegerValue":
    """Days since 1970: engines disagree on what a date plus a number of days is."""
    return day.delta(ibis.date("1970-01-01"), unit="day").cast("int64")
