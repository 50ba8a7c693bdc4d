"""Served answers against twins (grade A-): answers to the same prompts, of the same model, that nobody was given."""
