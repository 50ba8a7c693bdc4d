"""Damages against worksheets that were computed by hand."""

from pathlib import Path

import msgspec
import pytest

from stillwatch.errors import ConfigError
from stillwatch.exposure.damages import (
    Assessment,
    CapabilityInput,
    HeadResult,
    Quantities,
    Range,
    Worksheet,
    as_rows,
    assess,
    blank_worksheet,
)

PRICES = {"input_price_per_million_usd": 3.0, "output_price_per_million_usd": 15.0, "paid_usd": 0.0}
SCORES = {"teacher_score": 0.8, "student_before_score": 0.4, "student_after_score": 0.6}


def taken(exchanges: float = 28.8e6, *, input_each: float = 2500, output_each: float = 1800) -> Quantities:
    """All of one capability, known exactly."""
    return Quantities(
        input_tokens={"tool_use": Range.of(exchanges * input_each)},
        output_tokens={"tool_use": Range.of(exchanges * output_each)},
        useful_exchanges={"tool_use": Range.of(exchanges)},
    )


def sheet(**said: object) -> Worksheet:
    return msgspec.convert(said, Worksheet, strict=False)


def of(assessed: Assessment, name: str) -> HeadResult:
    [result] = [result for result in assessed.heads if result.head.name == name]
    return result


def test_the_reference_case_at_list_price_is_about_a_million_dollars_and_its_avoided_data_cost_far_more() -> None:
    """28.8M exchanges of 2,500 in and 1,800 out: 72,000M x 3 + 51,840M x 15 = 216,000 + 777,600 dollars."""
    inputs = sheet(**PRICES, capabilities={"tool_use": CapabilityInput(cost_per_useful_exchange_usd=8.0)})
    assessed = assess(inputs, taken(), seed=1, n_draws=100)
    assert of(assessed, "usage_value").likely == pytest.approx(993_600)
    assert of(assessed, "avoided_data").likely == pytest.approx(230_400_000)
    assert {row["head"] for row in as_rows(assessed) if row["likely_usd"]} == {"usage_value", "avoided_data"}


def test_serving_research_and_head_start_by_hand() -> None:
    """1M exchanges: 2,500M x 0.5 + 1,800M x 2.5 = 5,750, and 100 h x 120; half of the lead; three months at 0 %."""
    own = CapabilityInput(rnd_cost_usd=10e6, monthly_profit_usd=1e6, **SCORES)
    inputs = sheet(
        input_cost_per_million_usd=0.5, output_cost_per_million_usd=2.5, enforcement_hours=100,
        enforcement_rate_usd=120, lead_months=3, monthly_discount_rate=0, capabilities={"tool_use": own},
    )  # fmt: skip
    assessed = assess(inputs, taken(1e6), seed=1, n_draws=100)
    assert of(assessed, "serving_cost").likely == pytest.approx(1_250 + 4_500 + 12_000)
    assert of(assessed, "avoided_rnd").likely == pytest.approx(5e6)
    assert of(assessed, "head_start").likely == pytest.approx(1.5e6)


def test_what_was_paid_is_taken_off_and_a_royalty_bears_its_premium_by_hand() -> None:
    """2M exchanges of 1,000 in and 500 out: 2,000M x 3 + 1,000M x 15 = 21,000; paid 6,000; premium 100 %."""
    inputs = sheet(**PRICES | {"paid_usd": 6_000}, royalty_premium=1.0)
    assessed = assess(inputs, taken(2e6, input_each=1000, output_each=500), seed=1, n_draws=100)
    assert of(assessed, "usage_value").likely == pytest.approx(15_000)
    assert of(assessed, "royalty").likely == pytest.approx(42_000)


def test_a_discounted_month_is_worth_less() -> None:
    own = CapabilityInput(monthly_profit_usd=1e6, **SCORES)
    inputs = sheet(lead_months=2, monthly_discount_rate=0.1, capabilities={"tool_use": own})
    assessed = assess(inputs, taken(), seed=1, n_draws=10)
    assert of(assessed, "head_start").likely == pytest.approx(0.5e6 * (1 / 1.1 + 1 / 1.21))


def test_a_student_that_was_no_worse_has_no_transferred_share() -> None:
    own = CapabilityInput(rnd_cost_usd=10e6, teacher_score=0.5, student_before_score=0.6, student_after_score=0.9)
    assessed = assess(sheet(capabilities={"tool_use": own}), taken(), seed=1, n_draws=10)
    assert of(assessed, "avoided_rnd").likely == 0.0


def test_missing_inputs_are_listed_and_nothing_is_computed_from_them() -> None:
    assessed = assess(sheet(input_price_per_million_usd=3.0), taken(), seed=1, n_draws=10)
    for result in assessed.heads:
        assert result.likely is result.low is result.high is None
        assert result.missing
    assert of(assessed, "usage_value").missing == ("output_price_per_million_usd", "paid_usd")
    assert "capabilities.tool_use.rnd_cost_usd" in of(assessed, "avoided_rnd").missing
    assert not assessed.combinations


def test_a_capability_without_inputs_is_named_as_left_out() -> None:
    both = Quantities(
        *({"tool_use": Range.of(5.0), "data_analysis": Range.of(7.0)} for _ in ("input", "output", "useful"))
    )
    inputs = sheet(capabilities={"tool_use": CapabilityInput(cost_per_useful_exchange_usd=2.0)})
    result = of(assess(inputs, both, seed=1, n_draws=10), "avoided_data")
    assert result.likely == pytest.approx(10.0)
    assert result.left_out == ("data_analysis",)


def test_nothing_is_counted_twice() -> None:
    own = CapabilityInput(cost_per_useful_exchange_usd=8.0, rnd_cost_usd=1.0, **SCORES)
    inputs = sheet(**PRICES, royalty_premium=0.0, capabilities={"tool_use": own})
    assessed = assess(inputs, taken(), seed=1, n_draws=100)
    amounts = {combination.heads: combination.median for combination in assessed.combinations}
    assert amounts == {
        ("usage_value", "avoided_data"): pytest.approx(230_400_000),
        ("usage_value", "avoided_rnd"): pytest.approx(993_600),
        ("royalty",): pytest.approx(993_600),
    }


def test_ranges_widen_with_their_inputs_and_the_likely_value_stays() -> None:
    narrow = of(assess(sheet(**PRICES), taken(), seed=1), "usage_value")
    wide = of(
        assess(sheet(**PRICES | {"output_price_per_million_usd": (5.0, 15.0, 40.0)}), taken(), seed=1), "usage_value"
    )
    assert narrow.low == narrow.high == narrow.likely == wide.likely
    assert wide.low is not None
    assert wide.high is not None
    assert narrow.low is not None
    assert wide.low < narrow.low < wide.high


def test_the_input_that_moves_a_head_most_comes_first() -> None:
    said = PRICES | {"output_price_per_million_usd": (5.0, 15.0, 40.0), "input_price_per_million_usd": (2.0, 3.0, 4.0)}
    swings = of(assess(sheet(**said), taken(), seed=1, n_draws=10), "usage_value").swings
    assert [swing.name for swing in swings] == ["output_price_per_million_usd", "input_price_per_million_usd"]
    assert (swings[0].at_low, swings[0].at_high) == (pytest.approx(475_200), pytest.approx(2_289_600))


def test_equal_seeds_give_equal_numbers_and_others_do_not() -> None:
    inputs = sheet(**PRICES | {"paid_usd": (0.0, 1e5, 3e5)})
    first, again, other = (assess(inputs, taken(), seed=seed, n_draws=500) for seed in (1, 1, 2))
    assert first == again
    assert first.combinations == again.combinations
    assert of(first, "usage_value").low != of(other, "usage_value").low


def test_the_blank_worksheet_says_nothing_and_each_of_its_lines_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "damages.toml"
    file.write_text(blank_worksheet())
    assert Worksheet.load(file).ranges() == {}
    lines = [
        line[2:]
        for line in blank_worksheet().splitlines()
        if line.startswith("# ") and (" = " in line or "[cap" in line)
    ]
    file.write_text("\n".join(lines))
    assert len(Worksheet.load(file).ranges()) == len(lines) - 1


@pytest.mark.parametrize(
    ("text", "says"),
    [("price = 3", "price"), ("paid_usd = [3, 2, 1]", "ascending"), ("paid_usd = 'much'", "paid_usd"), ("=", "valid")],
)
def test_a_wrong_worksheet_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "damages.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        Worksheet.load(tmp_path / "damages.toml")
