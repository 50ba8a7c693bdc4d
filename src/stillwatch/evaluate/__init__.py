"""Simulated worlds in, measured power and false accusations out."""
