"""Texts of simulated prompts, all written for this project."""
