"""Benchmarks that have parts worth a test."""
