"""The campaigns stage on a small planted run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from stillwatch import campaigns
from stillwatch.engines import Engine, open_engine
from stillwatch.engines import Settings as EngineSettings
from stillwatch.model.stage import Run
from stillwatch.model.window import Window

START = datetime(2026, 4, 1, tzinfo=UTC)
RUN = Run(run_id="run-1", window=Window(START, START + timedelta(days=45)))
TABLES = {table.name: table for table in (*campaigns.READS, *campaigns.WRITES)}


@pytest.fixture
def engine() -> Iterator[Engine]:
    opened = open_engine("duckdb", EngineSettings())
    yield opened
    opened.close()


class Case:
    """A run in which groups of accounts were scored; everything not said is empty."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}
        self.rows["calibrations"] = [{"calibration_id": "cal", "kind": "shipped", "created_at": START, "body": "{}"}]

    def group(
        self,
        group_id: str,
        accounts: list[str],
        *,
        kind: str = "system",
        tier: str = "accuse",
        n: int = 5,
        score: float = 9.0,
        is_lifted: bool = False,
    ) -> "Case":
        token = sum(map(ord, group_id))
        self.rows["groups"].append({
            "group_id": group_id, "proposal": "token", "token_kind": kind, "token": token, "stratum": None,
            "is_whole_popular": False, "is_mixed": False, "n_accounts": len(accounts), "n_exchanges": n * len(accounts),
            "first_seen_at": START, "last_seen_at": START + timedelta(days=3), "n_tests": 1,
        })  # fmt: skip
        self.rows["group_scores"].append({
            "group_id": group_id, "signals": ["volume_dispersion", "youth"], "p_values": [1e-4, 0.7],
            "contributions": [6.0, 0.1], "baseline": score - 6.1, "score": score,
            "p_value": 0.01, "q_value": 0.001, "tier": tier, "nearest_lookalike": "hackathon", "margin": 2.0,
            "calibration_id": "cal", "is_near": tier != "none", "is_lifted": is_lifted,
        })  # fmt: skip
        for account_id in accounts:
            slice_id = self.slice(account_id, kind=kind, token=token, n=n)
            self.rows["group_members"].append({"group_id": group_id, "slice_id": slice_id, "account_id": account_id})
        return self

    def slice(self, account_id: str, *, kind: str, token: int, n: int = 5) -> int:
        slice_id = len(self.rows["slices"])
        self.rows["slices"].append({
            "slice_id": slice_id, "account_id": account_id, "token_kind": kind, "token": token, "n": n,
            "input_tokens": 100 * n, "output_tokens": 300 * n, "first_seen_at": START,
            "last_seen_at": START + timedelta(days=3), "age_days": 1.0,
        })  # fmt: skip
        self.rows["slice_bins"].append({"slice_id": slice_id, "axis": "capability", "bin": 1, "n": n})
        return slice_id

    def account(self, account_id: str, *, owner: str | None = None, tags: list[str] | None = None) -> "Case":
        row: dict[str, object] = dict.fromkeys(TABLES["accounts"].schema.names)
        row.update(account_id=account_id, as_of=START, ingest_batch_id="b", ingested_at=START, verified_owner=owner,
                   contract_tags=tags)  # fmt: skip
        self.rows["accounts"].append(row)
        return self

    def judged(self, kind: str, subject: str, verdict: str) -> "Case":
        self.rows["judgements"].append({
            "judgement_id": f"j{len(self.rows['judgements'])}", "subject_kind": kind, "subject_id": subject,
            "verdict": verdict, "author": "ana", "note": "", "judged_at": START,
        })  # fmt: skip
        return self

    def run(self, engine: Engine, run: Run = RUN) -> dict[str, pa.Table]:
        tables = {
            table.name: engine.from_arrow(table, pa.Table.from_pylist(self.rows[table.name], schema=table.schema))
            for table in campaigns.READS
        }
        found = campaigns.run(tables, run, engine=engine, settings=campaigns.Settings())
        return {name: engine.to_arrow(expression) for name, expression in found.items()}


CREW = [f"a{number:02}" for number in range(30)]


def tiers(found: dict[str, pa.Table]) -> dict[str, str]:
    findings = found["account_findings"]
    return dict(zip(findings["account_id"].to_pylist(), findings["tier"].to_pylist(), strict=True))


def test_without_flagged_groups_nothing_is_found(engine: Engine) -> None:
    found = Case().group("g1", CREW, tier="none").run(engine)
    assert [table.num_rows for table in found.values()] == [0, 0, 0, 0]
    assert {name: table.schema.names for name, table in found.items()} == {
        table.name: table.schema.names for table in campaigns.WRITES
    }


def test_a_finding_says_that_only_a_peer_lifted_it(engine: Engine) -> None:
    case = Case().group("g1", CREW, tier="review", is_lifted=True).group("g2", ["b1", "b2", "b3", "b4"], tier="review")
    findings = case.run(engine)["account_findings"].to_pylist()
    reasons = {row["account_id"]: row["reasons"] for row in findings}
    assert reasons["a00"] == ["peer_indicator", "volume_dispersion"]
    assert reasons["b1"] == ["volume_dispersion"]


def test_a_flagged_group_becomes_a_campaign_with_its_evidence(engine: Engine) -> None:
    found = Case().group("g1", CREW).run(engine)
    [campaign] = found["campaigns"].to_pylist()
    assert campaign["n_accounts"] == 30
    assert campaign["n_exchanges"] == 150
    assert campaign["output_tokens"] == 150 * 300
    assert campaign["capabilities"] == ["software_engineering"]
    assert campaign["signals"] == ["volume_dispersion"]
    assert campaign["calibration"] == "shipped"
    assert set(tiers(found).values()) == {"accuse"}


def test_one_exchange_and_one_kind_of_token_is_not_enough_to_be_a_member(engine: Engine) -> None:
    assert tiers(Case().group("g1", CREW, n=1).run(engine)) == {}


def test_two_independent_kinds_make_a_member_however_few_the_exchanges(engine: Engine) -> None:
    case = Case().group("g1", CREW, n=1).group("g2", CREW, kind="address", n=1)
    assert set(tiers(case.run(engine)).values()) == {"accuse"}


def test_two_kinds_of_the_same_prompt_text_are_not_independent(engine: Engine) -> None:
    case = Case().group("g1", CREW, kind="skeleton", n=1).group("g2", CREW, kind="shingle_bundle", n=1)
    assert tiers(case.run(engine)) == {}


def test_who_shares_only_a_borrowed_system_prompt_with_a_campaign_is_reviewed(engine: Engine) -> None:
    victims = [f"honest{number}" for number in range(10)]
    made = Case().group("g1", [*CREW, *victims]).group("g2", CREW, kind="skeleton").run(engine)
    found, reasons = tiers(made), held_back(made)
    assert {(found[account_id], reasons[account_id]) for account_id in CREW} == {("accuse", None)}
    assert {(found[account_id], reasons[account_id]) for account_id in victims} == {("review", "one_token_kind")}


def held_back(found) -> dict[str, str | None]:
    rows = found["account_findings"]
    return dict(zip(rows["account_id"].to_pylist(), rows["held_back"].to_pylist(), strict=True))


def test_who_shares_an_exit_with_accused_accounts_is_not_reviewed_for_it(engine: Engine) -> None:
    neighbours = ["neighbour1", "neighbour2"]
    found = tiers(Case().group("g1", CREW).group("g2", [*CREW, *neighbours], kind="address", tier="review").run(engine))
    assert set(found) == set(CREW)


def test_an_exit_that_few_accused_accounts_share_is_reviewed(engine: Engine) -> None:
    others = [f"other{number}" for number in range(20)]
    found = tiers(Case().group("g1", CREW).group("g2", [CREW[0], *others], kind="address", tier="review").run(engine))
    assert {found[account_id] for account_id in others} == {"review"}


def hours_of(case: Case, account_id: str, counts: dict[int, int]) -> None:
    """Give every slice of the account these exchanges by hour."""
    for row in case.rows["slices"]:
        if row["account_id"] == account_id:
            case.rows["slice_bins"].extend(
                {"slice_id": row["slice_id"], "axis": "hour", "bin": hour, "n": n} for hour, n in counts.items()
            )


def test_a_member_with_hours_of_its_own_is_reviewed_and_not_accused(engine: Engine) -> None:
    """An honest adopter of a token that a campaign uses around the clock."""
    case = Case().group("g1", [*CREW, "person"])
    for number, account_id in enumerate(CREW):
        hours_of(case, account_id, {hour: 2 + (hour + number) % 3 for hour in range(24)})
    hours_of(case, "person", {9: 20, 10: 25, 11: 18})
    made = case.run(engine)
    found = tiers(made)
    assert (found["person"], held_back(made)["person"]) == ("review", "unlike_members")
    assert {found[account_id] for account_id in CREW} == {"accuse"}


def test_a_member_with_hardly_any_of_the_volume_is_reviewed_and_not_accused(engine: Engine) -> None:
    case = Case().group("g1", [*CREW, "visitor"])
    for account_id in CREW:
        hours_of(case, account_id, dict.fromkeys(range(24), 3))
    hours_of(case, "visitor", {4: 1, 20: 2})
    made = case.run(engine)
    assert (tiers(made)["visitor"], held_back(made)["visitor"]) == ("review", "unlike_members")


def test_an_account_is_only_reviewed_when_the_accusing_groups_alone_say_too_little(engine: Engine) -> None:
    case = Case().group("g1", CREW, n=2).group("g2", CREW, n=2, tier="review")
    made = case.run(engine)
    assert set(tiers(made).values()) == {"review"}
    assert set(held_back(made).values()) == {"few_exchanges"}


def test_one_verified_owner_goes_to_the_account_manager(engine: Engine) -> None:
    case = Case().group("g1", CREW)
    for account_id in CREW:
        case.account(account_id, owner="Example Fleet")
    found = case.run(engine)
    assert set(tiers(found).values()) == {"review"}
    assert set(found["account_findings"]["queue"].to_pylist()) == {"account_manager"}
    assert set(held_back(found).values()) == {"account_manager"}


def test_fleets_of_two_owners_that_share_a_tool_both_go_to_the_account_manager(engine: Engine) -> None:
    case = Case().group("g1", CREW)
    for number, account_id in enumerate(CREW):
        case.account(account_id, owner=f"Fleet {number % 2}")
    assert set(tiers(case.run(engine)).values()) == {"review"}


def test_many_different_verified_owners_do_not_hide_a_campaign(engine: Engine) -> None:
    case = Case().group("g1", CREW)
    for account_id in CREW:
        case.account(account_id, owner=f"owner of {account_id}")
    assert set(tiers(case.run(engine)).values()) == {"accuse"}


def test_what_a_person_judged_honest_is_not_found_again(engine: Engine) -> None:
    first = Case().group("g1", CREW).run(engine)
    campaign_id = first["campaigns"]["campaign_id"][0].as_py()
    again = Case().group("g1", CREW).judged("campaign", campaign_id, "honest")
    again.rows["campaign_members"] = first["campaign_members"].to_pylist()
    assert tiers(again.run(engine)) == {}
    one = Case().group("g1", CREW).judged("account", "a00", "honest").run(engine)
    assert set(tiers(one)) == set(CREW) - {"a00"}


def test_an_exclusive_token_brings_in_a_new_account_for_review_only(engine: Engine) -> None:
    case = Case().group("g1", CREW)
    case.slice("newcomer", kind="system", token=case.rows["groups"][0]["token"], n=1)
    found = case.run(engine)
    assert tiers(found)["newcomer"] == "review"
    row = found["account_findings"].to_pylist()[-1]
    assert row["reasons"] == ["exclusive_token"]


def test_a_campaign_counts_the_accounts_that_exclusive_tokens_bring_in(engine: Engine) -> None:
    case = Case().group("g1", CREW).group("g2", CREW, kind="address")
    for group in case.rows["groups"][:2]:
        case.slice("newcomer", kind=str(group["token_kind"]), token=int(str(group["token"])), n=2)
    [campaign] = case.run(engine)["campaigns"].to_pylist()
    assert campaign["n_accounts"] == len(CREW) + 1
    assert campaign["n_exchanges"] == 5 * len(CREW) + 2
    assert (campaign["input_tokens"], campaign["output_tokens"]) == (100 * (150 + 2), 300 * (150 + 2))


def test_an_account_that_was_judged_honest_is_not_counted_when_a_token_would_bring_it_in(engine: Engine) -> None:
    case = Case().group("g1", CREW).judged("account", "newcomer", "honest")
    case.slice("newcomer", kind="system", token=int(str(case.rows["groups"][0]["token"])), n=2)
    [campaign] = case.run(engine)["campaigns"].to_pylist()
    assert (campaign["n_accounts"], campaign["n_exchanges"]) == (len(CREW), 5 * len(CREW))


def test_two_exclusive_kinds_take_over_the_tier_of_the_campaign(engine: Engine) -> None:
    case = Case().group("g1", CREW).group("g2", CREW, kind="address")
    for number in range(2):
        case.slice(
            "newcomer", kind=case.rows["groups"][number]["token_kind"], token=case.rows["groups"][number]["token"], n=1
        )
    assert tiers(case.run(engine))["newcomer"] == "accuse"


def test_a_borrowed_honest_token_takes_no_honest_adopter_with_it(engine: Engine) -> None:
    case = Case().group("g1", CREW)
    for member in CREW:
        case.slice(member, kind="tools", token=7)
    for number in range(40):
        case.slice(f"honest{number}", kind="tools", token=7)
    assert set(tiers(case.run(engine))) == set(CREW)


def test_tokens_of_a_crowd_under_review_are_not_exclusive_to_the_campaign(engine: Engine) -> None:
    crowd = [f"honest{number}" for number in range(25)]
    case = Case().group("g1", [*CREW, *crowd]).group("g2", CREW, kind="skeleton")
    for member in [*crowd, "newcomer"]:
        case.slice(member, kind="tools", token=7, n=1)
        case.slice(member, kind="ja4", token=8, n=1)
    found = tiers(case.run(engine))
    assert {found[member] for member in crowd} == {"review"}
    assert "newcomer" not in found


def test_a_campaign_keeps_its_id_and_first_date_in_the_next_run(engine: Engine) -> None:
    first = Case().group("g1", CREW[:20]).run(engine)
    later = Case().group("g1", CREW)
    for name in ("campaign_members", "account_findings"):
        later.rows[name] = first[name].to_pylist()
    window = Window(RUN.window.start + timedelta(days=1), RUN.window.end + timedelta(days=1))
    second = later.run(engine, Run(run_id="run-2", window=window))
    assert second["campaigns"]["campaign_id"] == first["campaigns"]["campaign_id"]
    dates = dict(
        zip(*(second["account_findings"][c].to_pylist() for c in ("account_id", "first_flagged_at")), strict=True)
    )
    assert dates["a00"] == RUN.window.end
    assert dates["a29"] == window.end


def test_the_order_of_rows_changes_nothing(engine: Engine) -> None:
    case = Case().group("g1", CREW).group("g2", CREW[5:], kind="tools")
    plain = case.run(engine)
    for rows in case.rows.values():
        rows.reverse()
    assert {name: table.to_pylist() for name, table in case.run(engine).items()} == {
        name: table.to_pylist() for name, table in plain.items()
    }
