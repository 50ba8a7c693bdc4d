"""Milliseconds a page of a listing of a million accounts, anywhere in it, over HTTP; and of a large campaign's graph.

Run: python benchmarks/listing_pages.py [--accounts 1000000] [--members 25000] [--pages 60] [--limit 200] [--seed 1]
"""

import argparse
from collections.abc import Callable

import numpy as np

from large_world import CAMPAIGN, Caller, asked, serving
from stillwatch.api.paging import ARROW


def line(name: str, seconds: list[float]) -> None:
    p50, p99, most = (1000 * np.quantile(seconds, q) for q in (0.5, 0.99, 1.0))
    print(f"| {name} | {len(seconds)} | {p50:.0f} | {p99:.0f} | {most:.0f} |", flush=True)


def report(caller: Caller, wanted: argparse.Namespace) -> None:
    rng = np.random.default_rng(wanted.seed)
    first, answer = caller.seconds("/v1/accounts", limit=wanted.limit)
    assert answer.json()["total"] == wanted.accounts
    print("| pages | calls | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|")
    line("the first, as soon as the server is up: it waits for what puts all accounts in order", [first])
    ways: dict[str, Callable[[], dict[str, object]]] = {
        "anywhere": lambda: {"at": rng.integers(wanted.accounts)},
        "anywhere, in Arrow": lambda: {"at": rng.integers(wanted.accounts), "accept": ARROW},
        "anywhere among the accounts without a finding": lambda: {
            "at": rng.integers(wanted.accounts - wanted.members), "tier": "none",
        },
        "anywhere, most exchanges first": lambda: {"at": rng.integers(wanted.accounts), "sort": "-n_exchanges"},
    }  # fmt: skip
    for name, query in ways.items():
        if "first" in name:
            line(f"{name}: the order is made", [caller.seconds("/v1/accounts", limit=wanted.limit, **query())[0]])
        line(name, [caller.seconds("/v1/accounts", limit=wanted.limit, **query())[0] for _ in range(wanted.pages)])
    line("the next by cursor, from anywhere", list(followed(caller, rng, wanted)))
    graph = f"/v1/campaigns/{CAMPAIGN}/graph"
    laid, answer = caller.seconds(graph, level="accounts")
    assert answer.json()["accounts_shown"] == answer.json()["accounts_total"] == wanted.members
    line(f"graph of {wanted.members:,} accounts: laid out", [laid])
    for accept, name in (("application/json", "JSON"), (ARROW, "Arrow, nodes")):
        line(f"the same graph again, {name}", [caller.seconds(graph, accept, level="accounts")[0] for _ in range(10)])
    line("its groups", [caller.seconds(graph, level="groups")[0] for _ in range(10)])


def followed(caller: Caller, rng: np.random.Generator, wanted: argparse.Namespace) -> list[float]:
    found = []
    for _ in range(wanted.pages):
        _, answer = caller.seconds("/v1/accounts", limit=wanted.limit, at=rng.integers(wanted.accounts - wanted.limit))
        following = answer.json()["next"]
        if following is not None:
            found.append(caller.seconds("/v1/accounts", limit=wanted.limit, cursor=following)[0])
    return found


if __name__ == "__main__":
    wanted = asked(__doc__, 1_000_000, pages=60, limit=200)
    with serving(wanted) as served:
        report(Caller(served), wanted)
