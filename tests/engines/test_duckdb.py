"""What only the embedded engine does."""

import pyarrow as pa
import pytest

from stillwatch.engines import duckdb
from stillwatch.model.table import Home, Table, column

NUMBERS = Table(
    name="numbers",
    made_by="test",
    key=("k",),
    home=Home.RUN,
    schema=pa.schema([column("k", pa.int64(), required=True)]),
)
N_ROWS = 500_000


@pytest.fixture
def engine() -> duckdb.DuckDBEngine:
    return duckdb.DuckDBEngine(memory_limit="1GB", threads=1, temp_directory=None)


def table_bytes(engine: duckdb.DuckDBEngine) -> int:
    rows = engine._connection.execute(
        "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    ).fetchall()
    return int(rows[0][0])


def test_large_tables_are_compressed_when_no_rows_are_streaming(
    engine: duckdb.DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb, "COMPRESSED_AT", N_ROWS)
    numbers = engine.from_arrow(NUMBERS, pa.table({"k": pa.array(range(N_ROWS))}))
    stream = engine.to_batches(numbers, n_rows=1000)
    read = next(stream).num_rows
    during = engine.materialize(numbers)
    uncompressed = table_bytes(engine)
    read += sum(batch.num_rows for batch in stream)
    after = engine.materialize(numbers)
    assert table_bytes(engine) < uncompressed / 2
    assert read == N_ROWS
    assert engine.to_arrow(during).equals(engine.to_arrow(after))
    engine.close()
