"""Findings become decisions: policy, plan, appeal, and the snapshot that gateways decide from."""

from stillwatch.response import webhooks
from stillwatch.response.backtest import BackTest, PastRun, Replayed, back_test
from stillwatch.response.exclusive import exclusive_tokens
from stillwatch.response.findings import Honest, facts, honest, managed
from stillwatch.response.indicated import PEER_CASE, peer_tokens
from stillwatch.response.plan import Facts, Line, Outcome, Plan, make_plan
from stillwatch.response.policy import Limits, Policy, Rule, duration
from stillwatch.response.refusals import Gateway, refusals
from stillwatch.response.rules import Case, Choice, choose
from stillwatch.response.settings import Settings
from stillwatch.response.signing import public_key, signing_key
from stillwatch.response.snapshot import Snapshot
from stillwatch.response.snapshot_file import Body, Contents, build, carried_over, sign, verified, write

__all__ = [
    "PEER_CASE",
    "BackTest",
    "Body",
    "Case",
    "Choice",
    "Contents",
    "Facts",
    "Gateway",
    "Honest",
    "Limits",
    "Line",
    "Outcome",
    "PastRun",
    "Plan",
    "Policy",
    "Replayed",
    "Rule",
    "Settings",
    "Snapshot",
    "back_test",
    "build",
    "carried_over",
    "choose",
    "duration",
    "exclusive_tokens",
    "facts",
    "honest",
    "make_plan",
    "managed",
    "peer_tokens",
    "public_key",
    "refusals",
    "sign",
    "signing_key",
    "verified",
    "webhooks",
    "write",
]
