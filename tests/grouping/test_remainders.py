"""Tokens whose adopters are partly accused are judged again without them."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from stillwatch.engines import Engine
from stillwatch.grouping import Settings, remainders
from stillwatch.model.tables import GROUP_MEMBERS, GROUP_SCORES, GROUPS, SLICES
from tests.grouping.worlds import Bench

START = datetime(2026, 5, 1, tzinfo=UTC)
KNOWN = tuple(f"a{n:02d}" for n in range(40))


@pytest.fixture
def engine(bench: Bench) -> Engine:
    return bench.engine


class Case:
    """Groups that were scored. Slices are of one exchange, the n-th account's n days after the start."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, object]]] = {
            table.name: [] for table in (SLICES, GROUPS, GROUP_MEMBERS, GROUP_SCORES)
        }

    def group(self, group_id: str, accounts: tuple[str, ...], *, tier: str = "none", proposal: str = "token") -> "Case":
        row: dict[str, object] = dict.fromkeys(GROUPS.schema.names)
        row.update(
            group_id=group_id, proposal=proposal, token_kind="skeleton", token=1, is_whole_popular=True, is_mixed=False,
            n_accounts=len(accounts), n_exchanges=len(accounts), first_seen_at=START, last_seen_at=START, n_tests=1,
        )  # fmt: skip
        self.rows["groups"].append(row)
        for account_id in accounts:
            slice_id, at = len(self.rows["slices"]), START + timedelta(days=KNOWN.index(account_id))
            self.rows["slices"].append({
                "slice_id": slice_id, "account_id": account_id, "token_kind": "skeleton", "token": 1, "n": 1,
                "input_tokens": 1, "output_tokens": 1, "first_seen_at": at, "last_seen_at": at, "age_days": 1.0,
            })  # fmt: skip
            self.rows["group_members"].append({"group_id": group_id, "slice_id": slice_id, "account_id": account_id})
        self.rows["group_scores"].append({
            "group_id": group_id, "signals": [], "p_values": [], "contributions": [], "baseline": 0.0, "score": 0.0,
            "p_value": 1.0, "q_value": 1.0, "tier": tier, "nearest_lookalike": "class", "margin": 0.0,
            "calibration_id": "c", "is_near": False, "is_lifted": False,
        })  # fmt: skip
        return self

    def left(self, engine: Engine, **settings: object) -> dict[str, set[str]]:
        """Accounts of each remainder."""
        members = engine.to_arrow(self.made(engine, **settings)["group_members"]).to_pylist()
        found: dict[str, set[str]] = {}
        for row in members:
            found.setdefault(row["group_id"], set()).add(row["account_id"])
        return found

    def made(self, engine: Engine, **settings: object):
        tables = {
            table.name: engine.from_arrow(table, pa.Table.from_pylist(self.rows[table.name], schema=table.schema))
            for table in (SLICES, GROUPS, GROUP_MEMBERS, GROUP_SCORES)
        }
        return remainders(tables, Settings(**settings))


def test_the_others_of_a_shared_token_stand_without_those_who_are_accused(engine):
    case = Case().group("g1", KNOWN).group("g2", KNOWN[:12], tier="accuse")
    assert case.left(engine) == {"g1-rest": set(KNOWN[12:])}


def test_a_remainder_counts_only_its_own_accounts_exchanges_and_times(engine):
    case = Case().group("g1", KNOWN).group("g2", KNOWN[:12], tier="accuse")
    (row,) = engine.to_arrow(case.made(engine)["groups"]).to_pylist()
    assert (row["n_accounts"], row["n_exchanges"], row["n_tests"], row["proposal"]) == (28, 28, 2, "remainder")
    assert (row["first_seen_at"], row["last_seen_at"]) == (START + timedelta(days=12), START + timedelta(days=39))


@pytest.mark.parametrize("tier", ["none", "review"])
def test_without_an_accusation_nothing_is_judged_again(engine, tier):
    assert Case().group("g1", KNOWN).group("g2", KNOWN[:12], tier=tier).left(engine) == {}


@pytest.mark.parametrize("of", [{"tier": "accuse"}, {"proposal": "stratum"}, {"proposal": "linked"}])
def test_only_whole_tokens_that_are_not_accused_have_a_remainder(engine, of):
    assert Case().group("g1", KNOWN, **of).group("g2", KNOWN[:12], tier="accuse").left(engine) == {}


def test_so_few_accused_that_the_group_is_the_same_leave_no_remainder(engine):
    assert Case().group("g1", KNOWN).group("g2", KNOWN[:4], tier="accuse").left(engine) == {}
    assert Case().group("g1", KNOWN).group("g2", KNOWN[:5], tier="accuse").left(engine, remainder_share=0.3) == {}


def test_a_few_who_happen_on_a_token_of_the_accused_are_no_remainder(engine):
    assert Case().group("g1", KNOWN).group("g2", KNOWN[:15], tier="accuse").left(engine, remainder_share=0.7) == {}


@pytest.mark.parametrize(("n_accused", "n_remainders"), [(20, 1), (21, 0)])
def test_fewer_than_twenty_are_no_remainder(engine, n_accused, n_remainders):
    case = Case().group("g1", KNOWN).group("g2", KNOWN[:n_accused], tier="accuse")
    assert len(case.left(engine)) == n_remainders
