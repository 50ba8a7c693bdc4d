"""Clocks that are wrong and records that come late."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from stillwatch.errors import ConfigError
from stillwatch.ingest import Settings
from stillwatch.model.tables import EXCHANGE_RECORDS, TOKEN_USES
from tests.lifecycle.world import CLOCK, CONFIG, OTHERS, START, exchanges, made, opened, refresh, rows_of, write_lines


def dated(day: int, n: int) -> list[dict[str, object]]:
    """`n` exchanges of one account, all on the day so many days after START."""
    at = (START + timedelta(days=day)).isoformat()
    rows = exchanges(OTHERS[:1])[:n]
    return [
        {**row, "source_record_id": f"d{day}-{row['source_record_id']}", "call_id": None, "start_time": at}
        for row in rows
    ]


def test_records_of_the_future_go_to_quarantine_and_the_others_stay(tmp_path: Path) -> None:
    ahead = (CLOCK - START).days + 2
    folder = made(tmp_path / "world", OTHERS[:1])
    with opened(folder) as watch:
        (report,) = watch.ingest(
            [write_lines(folder / "skewed.jsonl", [*dated(3, 2), *dated(ahead + 1, 1), *dated(400, 2)])]
        )
        assert (report.records_in, report.rows_out, report.rejected) == (5, 2, 3)
        assert {row["reason"] for row in watch.rejects().table.to_pylist()} == {"future_time"}
        assert max(str(row["day"]) for row in rows_of(watch, EXCHANGE_RECORDS)) == "2026-04-25"


def test_a_clock_that_is_a_day_ahead_is_borne(tmp_path: Path) -> None:
    folder = made(tmp_path / "world", OTHERS[:1])
    with opened(folder) as watch:
        (report,) = watch.ingest([write_lines(folder / "skewed.jsonl", dated((CLOCK - START).days + 1, 2))])
    assert (report.rows_out, report.rejected) == (2, 0)


def test_the_bound_can_be_lifted(tmp_path: Path) -> None:
    config = msgspec.structs.replace(CONFIG, ingest=Settings(ahead_days=0))
    folder = made(tmp_path / "world", OTHERS[:1])
    with opened(folder, config=config) as watch:
        (report,) = watch.ingest([write_lines(folder / "skewed.jsonl", dated(400, 2))])
    assert (report.rows_out, report.rejected) == (2, 0)


def test_late_records_make_only_their_day_and_its_neighbours_anew(tmp_path: Path) -> None:
    folder = made(tmp_path / "world", OTHERS[:1])
    with opened(folder) as watch:
        watch.ingest([write_lines(folder / f"{day}.jsonl", dated(day, 2)) for day in range(2, 9)])
        refresh(watch)
        before = watch.workspace.lake.snapshot()
        watch.ingest([write_lines(folder / "late.jsonl", [{**dated(4, 1)[0], "source_record_id": "late"}])])
        refresh(watch)
        after = watch.workspace.lake.snapshot()
    made_anew = {
        day
        for day in after.partitions(TOKEN_USES)
        if after.generation(TOKEN_USES, day) != before.generation(TOKEN_USES, day)
    }
    assert made_anew == {"2026-04-25", "2026-04-26", "2026-04-27"}


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises((ConfigError, ValueError), match="ahead_days"):
        Settings(ahead_days=-1)
