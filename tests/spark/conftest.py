"""Fixtures of the parity tests."""

from tests.engines.fixtures import duckdb_engine, spark_engine, spark_session_engine

__all__ = ["duckdb_engine", "spark_engine", "spark_session_engine"]
