"""After an upgrade that changed what sketches mean: those of the release before are not mixed with this one's."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.model.tables import ACCOUNT_DAYS, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.pipeline.health import examine
from stillwatch.python_api import Stillwatch
from tests.lifecycle.world import CLOCK, OTHERS, made, opened, refresh, rows_of

OLD_DAY, NEW_DAY = "2026-04-22", "2026-04-23"
OF_CONTENT = {"skeleton", "shingle", "system", "tools"}


@pytest.fixture
def upgraded(tmp_path: Path) -> Path:
    """A workspace whose first day the release before sketched and aggregated."""
    folder = made(tmp_path / "kept", OTHERS[:3])

    def aged(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("sketch_version")
        return rows.set_column(at, rows.schema.field(at), pa.repeat(pa.scalar(1, pa.int16()), rows.num_rows))

    with opened(folder) as watch, watch.workspace.lake.write() as writer:
        writer.rewrite(PROMPT_SKETCHES, OLD_DAY, aged, says_the_same=True)
        writer.set_sketch_version(1)
        writer.commit()
    return folder


def kinds(watch: Stillwatch) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows_of(watch, TOKEN_USES):
        found.setdefault(str(row["day"]), set()).add(row["token_kind"])
    return found


def said(watch: Stillwatch) -> Any:
    return next(one for one in examine(watch.workspace, watch.config, clock=lambda: CLOCK) if one.name == "sketches")


def test_aggregates_of_old_sketches_are_made_anew_without_them_and_only_once(upgraded: Path) -> None:
    with opened(upgraded) as watch:
        before, volumes = kinds(watch), rows_of(watch, ACCOUNT_DAYS)
        assert before[OLD_DAY] == before[NEW_DAY] > {"skeleton", "address"}
        refresh(watch)
        after = kinds(watch)
        assert after[OLD_DAY] == before[OLD_DAY] - OF_CONTENT
        assert after[NEW_DAY] == before[NEW_DAY]
        assert [row["n"] for row in rows_of(watch, ACCOUNT_DAYS)] == [row["n"] for row in volumes]
        version = watch.workspace.lake.snapshot().version
        refresh(watch)
        assert watch.workspace.lake.snapshot().version == version


def test_doctor_says_how_many_exchanges_count_without_content_and_until_when(upgraded: Path) -> None:
    with opened(upgraded) as watch:
        found = said(watch)
        assert found.state == "warn"
        assert found.detail.startswith("12 are of another release")
        assert found.fix.endswith("by 2026-04-25")
    shutil.rmtree(upgraded)


def test_without_an_upgrade_nothing_is_made_anew(tmp_path: Path) -> None:
    with opened(made(tmp_path / "kept", OTHERS[:2])) as watch:
        version = watch.workspace.lake.snapshot().version
        refresh(watch)
        assert watch.workspace.lake.snapshot().version == version
        assert said(watch).state == "ok"
