"""A Spark that already runs in the process, as in a notebook: joined, not changed, not stopped."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stillwatch.engines import Engine, Settings, open_engine
from stillwatch.errors import UsageError
from tests.engines.test_conformance import POINTS, points

pytestmark = pytest.mark.spark


@pytest.fixture
def running(spark_session_engine: Engine) -> Any:
    """The session that somebody started before us."""
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def test_times_are_utc_and_the_session_keeps_its_own_zone(running: Any, tmp_path: Path) -> None:
    before = running.conf.get("spark.sql.session.timeZone")
    running.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    engine = open_engine("spark", Settings(temp_directory=str(tmp_path)))
    try:
        at = datetime(2026, 4, 22, 23, 30, tzinfo=UTC)
        times = engine.from_arrow(POINTS, points(k=[1], at=[at]))
        hours = engine.to_arrow(times.select(hour=times.at.hour()))
        assert hours["hour"].to_pylist() == [23]
        assert running.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
        assert running.catalog.listTables() == []
    finally:
        engine.close()
        running.conf.set("spark.sql.session.timeZone", before)


def test_closing_an_engine_that_joined_leaves_spark_running(running: Any, tmp_path: Path) -> None:
    open_engine("spark", Settings(temp_directory=str(tmp_path))).close()
    assert running.range(3).count() == 3
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_the_running_one_is_refused(running: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"already runs Spark on local\[2\], so spark://127\.0\.0\.1:7077 cannot be used"
    ):
        open_engine("spark://127.0.0.1:7077", Settings(temp_directory=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
