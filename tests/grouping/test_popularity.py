import numpy as np

from stillwatch.grouping import Settings
from tests.grouping.worlds import Bench, Grouped, names, use


def whole(grouped: Grouped, token: int) -> dict[str, object]:
    return next(group for group in grouped.of("token") if group["token"] == token)


def test_a_token_born_with_its_group_has_no_strata(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    days = np.where(rng.random(300) < 0.95, rng.integers(0, 8, 300), rng.integers(15, 20, 300))
    uses = [
        use(account, "skeleton", 1, day=int(day), hours=[1] * 8) for account, day in zip(names(300), days, strict=True)
    ]
    grouped = bench.group(uses)
    assert whole(grouped, 1)["is_whole_popular"] is False
    assert grouped.of("stratum") == []


def test_a_cohort_that_joins_an_established_token_is_a_stratum_of_it(bench: Bench) -> None:
    old = [use(account, "system", 1, day=0, hours=[1] * 8, code=7) for account in names(150)]
    new = [use(account, "system", 1, day=40, hours=[1] * 8, code=0) for account in names(30, "new")]
    grouped = bench.group(old + new)
    assert whole(grouped, 1)["is_whole_popular"] is True
    late = next(group for group in grouped.of("stratum") if "onset 3/3" in str(group["stratum"]))
    assert grouped.members(late) == set(names(30, "new"))
    assert late["stratum"] == "onset 3/3, target >=0.67, volume 4-32"
    assert {group["n_tests"] for group in grouped.of("stratum")} == {len(grouped.of("stratum"))}


def test_adopters_of_three_kinds_make_a_token_popular(bench: Bench) -> None:
    uses = [
        use(account, "system", 1, hours=[1] * (40 if place % 3 == 0 else 2), code=7 if place % 2 else 0)
        for place, account in enumerate(names(120))
    ]
    assert whole(bench.group(uses), 1)["is_whole_popular"] is True


def test_fewer_adopters_than_the_floor_are_never_popular(bench: Bench) -> None:
    uses = [use(account, "system", 1, day=place % 45, code=place % 8) for place, account in enumerate(names(99))]
    assert whole(bench.group(uses), 1)["is_whole_popular"] is False


def test_adopters_on_days_before_the_window_make_a_token_popular(bench: Bench) -> None:
    older = [use(account, "system", 1, day=-20) for account in names(100)]
    uses = older + [use(account, "system", 1, day=1) for account in names(120)]
    grouped = bench.group(uses)
    assert whole(grouped, 1)["is_whole_popular"] is True
    before = next(group for group in grouped.of("stratum") if str(group["stratum"]).startswith("onset before"))
    assert before["n_accounts"] == 100


def test_small_strata_are_no_groups(bench: Bench) -> None:
    uses = [use(account, "system", 1, hours=[1] * (40 if place < 4 else 2)) for place, account in enumerate(names(150))]
    uses += [use(account, "system", 1, day=40) for account in names(20, "late")]
    assert min(group["n_accounts"] for group in bench.group(uses).of("stratum")) >= 5


def test_the_floor_of_popularity_is_a_setting(bench: Bench) -> None:
    uses = [use(account, "system", 1, day=place % 45) for place, account in enumerate(names(60))]
    assert whole(bench.group(uses, settings=Settings(popular_accounts=20)), 1)["is_whole_popular"] is True
