"""Findings as STIX 2.1 for peers, authorities and the public, and what peers send as indicators."""

from stillwatch.sharing.settings import Settings

__all__ = ["Settings"]
