"""What detection says after a rotation and after an erasure: the same, up to ids, and as if somebody had never been."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.python_api import Stillwatch
from tests.small_world import EARLY, copied, cut, found_world, new_workspace, opened, small_world

__all__ = ["found_world", "small_world"]


def told(watch: Stillwatch) -> list[dict[str, Any]]:
    """Campaigns of the latest run without what names rows of this run alone."""
    rows = watch.campaigns().table.to_pylist()
    return [{name: value for name, value in row.items() if name not in {"run_id", "best_group_id"}} for row in rows]


def people(watch: Stillwatch) -> list[tuple[Any, ...]]:
    names = ("account_id", "tier", "campaign_id", "n_exchanges", "n_flagged_exchanges", "reasons")
    return sorted(tuple(str(row[name]) for name in names) for row in watch.accounts().table.to_pylist())


def test_after_a_rotation_a_run_says_what_it_said_before(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "keys.json").write_bytes((small_world / "keys.json").read_bytes())
    (keys / "keys.json").chmod(0o600)
    copied(found_world, tmp_path / "kept", small_world).close()
    with opened(tmp_path / "kept", keys) as watch:
        before, seen = told(watch), people(watch)
        assert len(before) > 0
        Custodian(watch.workspace, watch.config, clock=lambda: EARLY).rotate(actor="ana", reason="yearly")
    with opened(tmp_path / "kept", keys) as watch:
        assert told(watch) == before
        watch.detect()
        after = told(watch)
        assert people(watch) == seen
    for old, new in zip(before, after, strict=True):
        for name, value in old.items():
            assert new[name] == (pytest.approx(value) if _is_real(value) else value), name


def _is_real(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, list) and all(isinstance(one, float) for one in value))


@pytest.mark.slow
def test_campaigns_after_an_erasure_are_those_of_a_world_without_the_account(
    found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with copied(found_world, tmp_path / "kept", small_world) as watch:
        accused = [row["account_id"] for row in watch.accounts().table.to_pylist() if row["tier"] == "accuse"]
        done = Custodian(watch.workspace, watch.config, clock=lambda: EARLY).erase(
            accused[0], actor="ana", reason="r 1"
        )
        assert done.runs
        watch.detect()
        erased = told(watch), people(watch)
    world = cut(small_world, tmp_path / "cut", lambda rows: rows.filter(pc.not_equal(rows["account_id"], accused[0])))
    with new_workspace(tmp_path / "never", small_world) as watch:
        Custodian(watch.workspace, watch.config, clock=lambda: EARLY).erase(accused[0], actor="ana", reason="r 1")
        watch.ingest([world])
        watch.detect()
        never = told(watch), people(watch)
    assert accused[0] not in str(erased)
    assert [row["n_accounts"] for row in erased[0]] == [row["n_accounts"] for row in never[0]]
    assert erased == never
