"""Simulated provider windows with ground truth: honest accounts, their look-alikes, and campaigns."""

from stillwatch.simulate.aggregate import AggregateWorld, aggregate_world
from stillwatch.simulate.events import Settings, Simulated, simulate
from stillwatch.simulate.scenarios import SCENARIOS, Scenario, scenario
from stillwatch.simulate.world import Campaign, HonestMix, Hours, Lookalike, Network, World

__all__ = [
    "SCENARIOS",
    "AggregateWorld",
    "Campaign",
    "HonestMix",
    "Hours",
    "Lookalike",
    "Network",
    "Scenario",
    "Settings",
    "Simulated",
    "World",
    "aggregate_world",
    "scenario",
    "simulate",
]
