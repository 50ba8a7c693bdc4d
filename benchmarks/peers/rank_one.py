"""Run one peer over one world's telemetry: `python rank_one.py METHOD FOLDER OUT.parquet`."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from peer import method
from telemetry import Telemetry


def main() -> None:
    """Write one score for each account that sent something."""
    name, folder, out = sys.argv[1:]
    telemetry = Telemetry.read(Path(folder))
    scores = pa.array(method(name).rank(telemetry), from_pandas=False)
    pq.write_table(pa.table({"account_id": telemetry.account_ids, "score": scores}), out)


if __name__ == "__main__":
    main()
