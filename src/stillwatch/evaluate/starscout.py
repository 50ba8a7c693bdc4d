"""The suite `starscout`: real coordinated accounts of another kind, fake stars for repositories, through our groups.

A repository stands for a token and a star for an exchange. The data holds stars of throw-away accounts only, so there
are no honest stars to hold them against; groups in which the same stars are dealt to repositories at random take their
place.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import rankdata

from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.recall import bootstrap_interval
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, judge
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, TOKEN_USES
from stillwatch.model.tier import Tier
from stillwatch.model.window import Window

DATA_SET: Final = "coordinated-starscout"
FIRST_DAY: Final = np.datetime64("2022-01-01", "us")
WINDOW_DAYS: Final = 45
WINDOW: Final = Window(datetime(2022, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=WINDOW_DAYS))
"""Where all windows are laid over one another."""
STANDS_FOR: Final = "system"
"""Repositories stand for system prompts: one thing that many accounts name in the same way."""
NOTES: Final = (
    (
        "The labels are a study's heuristic for throw-away accounts, not ground truth, and every star in the data is "
        "of such an account. Stars for one repository are therefore not held against innocent ones, but against as "
        "many stars drawn at random from the same 45 days."
    ),
    (
        "Missing: texts, network, accounts with their age, and every star of other accounts. Most accounts gave one "
        "star in the window, and members who acted once cannot be compared: below two exchanges an account a group is "
        "at most reviewed. Hours and days of the stars are there."
    ),
)


def measure(seed: int, bench: Bench) -> Part:
    """The stars as they were given, and with their repositories dealt at random within each window.

    Raises:
        UsageError: the folder of real data sets was not given, or the set is not in it.
    """
    stars = read_stars(bench.data_set(DATA_SET))
    found = _scores(stars, bench)
    chance = _scores(shuffled(stars, np.random.default_rng([seed, 88])), bench)
    return Part(
        seed=seed,
        values={
            "auc": area_under_curve(found["score"].to_numpy(), chance["score"].to_numpy()),
            "groups": found.num_rows,
            "random_groups": chance.num_rows,
            "flagged": _share(found, Tier.REVIEW) + _share(found, Tier.ACCUSE),
            "accused": _share(found, Tier.ACCUSE),
            "random_flagged": _share(chance, Tier.REVIEW) + _share(chance, Tier.ACCUSE),
        },
    )


def read_stars(folder: Path) -> pa.Table:
    """The stars: window, token, account_id, at.

    Windows of 45 days follow one another and are laid over the first one. Repositories and accounts of different
    windows are different ones, as no detection run sees two windows.
    """
    rows = pq.read_table(folder / "fake_star_events.parquet")
    at = np.asarray(pc.strptime(rows["starred_at"], format="%Y-%m-%dT%H:%M:%SZ", unit="us"))
    window = (at - FIRST_DAY) // np.timedelta64(WINDOW_DAYS, "D")
    names = rows["repo"].dictionary_encode().combine_chunks()
    tokens = np.array([int(name, 16) for name in names.dictionary.to_pylist()], dtype=np.uint64)
    token = tokens[np.asarray(names.indices)].view(np.int64) ^ window
    accounts = pc.binary_join_element_wise(rows["account"], pa.array(window).cast(pa.string()), "-")
    overlaid = at - window * np.timedelta64(WINDOW_DAYS, "D")
    return pa.table({"window": window, "token": token, "account_id": accounts, "at": pa.array(overlaid)})


def shuffled(stars: pa.Table, rng: np.random.Generator) -> pa.Table:
    """The stars with the repositories of each window dealt to them in random order."""
    window, token = stars["window"].to_numpy(), stars["token"].to_numpy().copy()
    for number in np.unique(window):
        rows = np.flatnonzero(window == number)
        token[rows] = token[rng.permutation(rows)]
    return stars.set_column(stars.schema.get_field_index("token"), "token", pa.array(token))


def scene_of(stars: pa.Table) -> Scene:
    """Stars in the tables that grouping reads; a star is an exchange without text."""
    nobody = pa.table({"account_id": pa.array([], pa.string())})
    return Scene(
        token_uses=_daily(stars, ["day", "account_id", "token"], TOKEN_USES.schema),
        account_days=_daily(stars, ["day", "account_id"], ACCOUNT_DAYS.schema),
        accounts=ACCOUNTS.empty(),
        truth=Truth(
            memberships=nobody.append_column("honest_class", pa.array([], pa.string())),
            campaigns=nobody.append_column("campaign", pa.array([], pa.string())),
            managed=nobody,
        ),
        window=WINDOW,
    )


def _daily(stars: pa.Table, keys: list[str], schema: pa.Schema) -> pa.Table:
    """Daily aggregates of stars in the shape of `schema`: lists that need text are empty, counts of errors zero."""
    rows = stars.append_column("day", pc.cast(stars["at"], pa.date32())).append_column("hour", pc.hour(stars["at"]))
    rows = rows.sort_by([*((key, "ascending") for key in keys), ("hour", "ascending"), ("at", "ascending")])
    grouped = rows.group_by(keys, use_threads=False).aggregate(
        [([], "count_all"), ("hour", "list"), ("at", "min"), ("at", "max")]
    )
    known = {
        **{key: grouped[key] for key in keys},
        "n": grouped["count_all"],
        "openings": grouped["hour_list"],
        "first_seen_at": pc.assume_timezone(grouped["at_min"], "UTC"),
        "last_seen_at": pc.assume_timezone(grouped["at_max"], "UTC"),
        "token_kind": pa.repeat(pa.scalar(STANDS_FOR), grouped.num_rows),
    }
    return pa.table([_column(known, field, grouped.num_rows) for field in schema], schema=schema)


def _column(known: dict[str, pa.ChunkedArray], field: pa.Field, n_rows: int) -> pa.ChunkedArray | pa.Array:
    """The known column as the field's type, else empty lists or zeros."""
    if field.name in known:
        return known[field.name].cast(field.type)
    nothing = pa.scalar([] if pa.types.is_list(field.type) else 0, field.type)
    return pa.repeat(nothing, n_rows)


def _scores(stars: pa.Table, bench: Bench) -> pa.Table:
    judged = judge(scene_of(stars), bench.calibration, engine=bench.engine, config=bench.config)
    return judged.scores.select(["score", "tier"])


def _share(scores: pa.Table, tier: Tier) -> float:
    return float(scores["tier"].to_pylist().count(tier.value) / max(scores.num_rows, 1))


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive's score is above a negative's, ties half; 0.5 without either."""
    if not len(positive) or not len(negative):
        return 0.5
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    n = len(positive)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(negative)))


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """How well our score tells groups of fake stars from random ones."""
    rows = []
    for key, said in (
        ("auc", "area under the curve, groups of one repository against random ones"),
        ("flagged", "groups of one repository flagged"),
        ("accused", "of these accused"),
        ("random_flagged", "random groups flagged"),
    ):
        values = [part.values[key] for part in parts]
        low, high = bootstrap_interval(values)
        rows.append((said, float(np.mean(values)), f"{low:.3f} to {high:.3f}"))
    n, n_random = (int(np.mean([part.values[key] for part in parts])) for key in ("groups", "random_groups"))
    return Body(
        tables=(Table("Fake stars", ("figure", "mean of seeds", "95 % interval"), tuple(rows)),),
        notes=(f"{n} groups of stars for one repository, {n_random} random groups a seed.", *NOTES),
    )


SUITE: Final = Suite(
    name="starscout",
    question="Does the score see coordinated accounts that nobody simulated?",
    measure=measure,
    report=report,
    n_accounts=0,
)
