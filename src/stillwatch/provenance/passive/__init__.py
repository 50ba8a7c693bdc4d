"""Passive attribution (grade B): a suspect's answers beside those of a provider and of unrelated models."""

from stillwatch.provenance.passive.attribution import Attribution, Scores
from stillwatch.provenance.passive.design import Suspect, outside_suspect, pool_member
from stillwatch.provenance.passive.pool import Pool, PoolModel, build_pool
from stillwatch.provenance.passive.run import attribute

__all__ = [
    "Attribution",
    "Pool",
    "PoolModel",
    "Scores",
    "Suspect",
    "attribute",
    "build_pool",
    "outside_suspect",
    "pool_member",
]
