"""Engines for tests. A room's conftest imports the fixtures that it needs."""

from collections.abc import Iterator

import pytest

from stillwatch.engines import Engine, Settings, open_engine


@pytest.fixture
def duckdb_engine() -> Iterator[Engine]:
    engine = open_engine("duckdb", Settings(memory_limit="2GB", threads=2))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def spark_session_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One local Spark for the whole run: the first test that asks for it pays about 5 seconds."""
    folder = tmp_path_factory.mktemp("spark")
    engine = open_engine("local[2]", Settings(memory_limit="2GB", temp_directory=str(folder)))
    yield engine
    engine.close()


@pytest.fixture
def spark_engine(spark_session_engine: Engine) -> Iterator[Engine]:
    with spark_session_engine.scope():
        yield spark_session_engine


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn; Spark under its mark."""
    return request.getfixturevalue(f"{request.param}_engine")
