"""The column types that tables are made of."""

import pyarrow as pa

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
TIME = pa.timestamp("us", tz="UTC")
DAY = pa.date32()
HASH = pa.int64()
COUNT = pa.int64()
REAL = pa.float64()
FLAG = pa.bool_()
BINS = pa.list_(pa.int16())
