"""Fixtures of the parity tests."""

from tests.engines.fixtures import duckdb_engine, spark_engine, spark_session_engine
from tests.spark.cluster import cluster

__all__ = ["cluster", "duckdb_engine", "spark_engine", "spark_session_engine"]
