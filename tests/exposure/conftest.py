"""Fixtures of the exposure tests."""

from tests.engines.fixtures import duckdb_engine, engine, spark_engine, spark_session_engine

__all__ = ["duckdb_engine", "engine", "spark_engine", "spark_session_engine"]
