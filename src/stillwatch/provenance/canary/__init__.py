"""Keyed canaries (grade A): what is served carries a secret key that only a model made from it can repeat."""
