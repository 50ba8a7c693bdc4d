"""The detector, as shipped, on a world that stillwatch's simulator had no part in.

Prompts come from real prompt sets, volumes, hours and networks from plain laws that are written down here and were not
fitted to anything. Crowds that look alike stand beside four campaigns. The whole way is the command line: ingest,
ingest accounts, detect, accounts. Prints one Markdown row a class: how many accounts were accused and sent to review.

    python benchmarks/other_world.py [--data ../shared/data] [--seed 1] [--days 30] [--accounts 4000]
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CALL = "from stillwatch.cli.app import script; script()"
START = datetime(2026, 5, 1, tzinfo=UTC)
HONEST_SETS = ("benign-dolly15k", "benign-sgd", "benign-clinc150", "benign-arena-hard", "benign-eval-gsm8k")
HONEST_SHARES = (0.4, 0.25, 0.2, 0.05, 0.1)
ATTACK_SETS = ("distill-evol-code", "distill-codealpaca", "distill-alpaca52k")
OFFICE_HOURS = (3, 9, 17)
N_PRODUCTS = 20
Texts = npt.NDArray[np.object_]
Reals = npt.NDArray[np.float64]


@dataclass
class Telemetry:
    """Exchanges and accounts as they are made up."""

    rng: np.random.Generator
    n_days: int
    sets: dict[str, Texts]
    attack: Texts
    rows: list[tuple[str, float, str, str | None, str, str]] = field(default_factory=list)
    accounts: list[dict[str, object]] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)

    def address(self) -> str:
        """An IPv4 address of a network of its own."""
        return ".".join(str(part) for part in self.rng.integers(11, 250, 4))

    def account(self, label: str, created: float, address: str, *, payment: str = "", owner: str | None = None) -> str:
        """A new account, created so many days after the start; the payment is its own unless one is given."""
        name = f"account-{len(self.accounts)}"
        self.accounts.append(
            {
                "account_id": name,
                "created_at": START + timedelta(days=created),
                "payment_fingerprint": payment or f"pay-{name}",
                "signup_client_address": address,
                "verified_owner": owner,
            }
        )
        self.truth[name] = label
        return name

    def send(
        self, name: str, address: str, hours: Reals, prompts: Sequence[str], systems: Sequence[str | None]
    ) -> None:
        """Exchanges at these hours after the start; an hour of silence begins a new conversation."""
        conversation = np.cumsum(np.r_[0, np.diff(hours) > 1.0])
        at = zip(hours.tolist(), prompts, systems, conversation.tolist(), strict=True)
        self.rows.extend((name, hour, text, system, address, f"{name}/{n}") for hour, text, system, n in at)

    def habits(self) -> Texts:
        """Two hundred prompts that one person asks from."""
        texts = self.sets[self.rng.choice(HONEST_SETS, p=HONEST_SHARES)]
        first = int(self.rng.integers(0, max(len(texts) - 200, 1)))
        return texts[first : first + 200]

    def office(self, days: Reals, middle: int) -> Reals:
        """Hours on these days around the middle of a working day."""
        of_day = (self.rng.vonmises(0, 2, len(days)) / np.pi * 12 + middle) % 24
        return np.sort(np.clip(np.floor(days), 0, self.n_days - 1) * 24.0 + of_day)


def add_people(made: Telemetry, n: int) -> None:
    """Unrelated people: log-normal volumes, a few active days, shared carriers and exits, popular products."""
    rng = made.rng
    carriers, exits = ([made.address() for _ in range(k)] for k in (60, 25))
    shares = 1 / np.arange(1, N_PRODUCTS + 1) ** 1.1
    for _ in range(n):
        created = -rng.exponential(300) if rng.random() < 0.75 else rng.uniform(-10, made.n_days - 2)
        place = rng.random()
        address = rng.choice(carriers) if place < 0.3 else rng.choice(exits) if place < 0.35 else made.address()
        name = made.account("people", float(created), str(address))
        size = int(min(1200, np.exp(rng.normal(np.log(10), 1.3)))) + 1
        first = max(0, int(created))
        active = rng.choice(np.arange(first, made.n_days), min(made.n_days - first, int(1 + size**0.6)), replace=False)
        days = rng.choice(active, size, p=rng.dirichlet(np.full(len(active), 0.7))).astype(float)
        hours = made.office(days, int(rng.choice(OFFICE_HOURS)))
        if rng.random() < 0.15:
            hours = np.sort(rng.uniform(first * 24, made.n_days * 24, size))
        opening = (
            f"Task list {rng.integers(10**6)} of my project, please do this with care: " if rng.random() < 0.2 else ""
        )
        product = int(rng.choice(N_PRODUCTS, p=shares / shares.sum()))
        system = f"You are the assistant of product {product}. Answer briefly." if rng.random() < 0.45 else None
        made.send(
            name, str(address), hours, [opening + text for text in rng.choice(made.habits(), size)], [system] * size
        )


@dataclass(frozen=True)
class Crowd:
    """Honest accounts that look alike; `pool` prompts are shared by all, 0: each asks from its own."""

    label: str
    n_groups: int
    sizes: tuple[int, int]
    exchanges: float
    span: float
    opening: str
    pool_of: str = ""
    pool: int = 0
    system: str | None = None
    n_exits: int = 0
    is_young: bool = True
    sigma: float = 0.7


CROWDS = (
    Crowd("class", 6, (20, 80), 25, 20, "Exercise sheet {}. Solve this and show every step: ", "benign-eval-gsm8k", 40,
          n_exits=2),
    Crowd("viral", 3, (60, 200), 2, 10, "Pretend to be a pirate who speaks in rhymes {}. ", "benign-dolly15k", 3,
          is_young=False),
    Crowd("quickstart", 3, (50, 200), 6, 25, "Quickstart {}: call the API and print the answer. ", "benign-arena-hard",
          10, "You are the demo assistant of the documentation {}."),
    Crowd("hackathon", 2, (40, 120), 40, 2.5, "Hackathon helper {}: we build a prototype in one weekend. ", n_exits=2),
    Crowd("saas", 3, (30, 120), 25, 1e3, "", system="You are the writing assistant of {}. Keep the tone of the user.",
          is_young=False, sigma=1.2),
)  # fmt: skip


def add_crowd(made: Telemetry, crowd: Crowd) -> None:
    """Every group of a crowd, each with its own template, system prompt and exits."""
    rng = made.rng
    for _ in range(crowd.n_groups):
        mark, middle = int(rng.integers(10**5)), int(rng.choice(OFFICE_HOURS))
        span = min(crowd.span, made.n_days)
        begin = float(rng.uniform(0, made.n_days - span))
        pool = rng.choice(made.sets[crowd.pool_of], crowd.pool, replace=False) if crowd.pool else None
        exits = [made.address() for _ in range(crowd.n_exits)]
        system = crowd.system.format(mark) if crowd.system else None
        for _ in range(int(rng.integers(*crowd.sizes))):
            created = begin - rng.exponential(2) if crowd.is_young else -rng.exponential(200)
            address = str(rng.choice(exits)) if exits else made.address()
            name = made.account(crowd.label, float(created), address)
            size = max(1, int(crowd.exchanges * np.exp(crowd.sigma * rng.normal())))
            hours = made.office(begin + rng.exponential(1.0) + rng.uniform(0, span, size), middle)
            texts = rng.choice(made.habits() if pool is None else pool, size)
            made.send(name, address, hours, [crowd.opening.format(mark) + text for text in texts], [system] * size)


def add_fleets(made: Telemetry) -> None:
    """Two load-balanced fleets of one verified owner each: only who owns them tells them from a campaign."""
    rng = made.rng
    for number in range(2):
        for _ in range(int(rng.integers(10, 40))):
            address = made.address()
            name = made.account("owned fleet", -40, address, payment=f"fleet-{number}", owner=f"Owner {number}")
            size = int(rng.poisson(170))
            texts = rng.choice(made.sets["benign-clinc150"], size)
            prompts = [
                f"Fleet {number}, ticket {rng.integers(10**6)}: billing, shipping or other? {text}" for text in texts
            ]
            made.send(name, address, np.sort(rng.uniform(0, made.n_days * 24, size)), prompts, [None] * size)


@dataclass(frozen=True)
class Plot:
    """One campaign: a queue of attack prompts dealt to accounts."""

    label: str
    n_accounts: int
    dilution: float = 0.0
    is_aged: bool = False
    sigma: float = 0.0
    rewritten: float = 0.0
    has_system: bool = True


PLOTS = (
    Plot("campaign, plain", 100),
    Plot("campaign, 80 % cover", 100, dilution=0.8),
    Plot("campaign, heavy-tailed and aged", 80, is_aged=True, sigma=1.2),
    Plot("campaign, 60 % rewritten", 80, rewritten=0.6, has_system=False),
)
MANNERS = (
    "Work through the problem and justify each decision.", "Do not skip any step and check the result twice.",
    "Explain two alternatives before you choose one.", "List the tools and files that you need first.",
    "State assumptions, derive the plan, then carry it out.",
)  # fmt: skip


def add_campaign(made: Telemetry, plot: Plot) -> None:
    """Members of one campaign: 26 exchanges a day each, spread evenly over day and night."""
    rng, mark = made.rng, int(made.rng.integers(10**5))
    heads = [f"Curriculum {mark}. {manner} Act as an engineering agent, plan, then solve. Task: " for manner in MANNERS]
    system = f"You are expert agent {mark} for long engineering tasks." if plot.has_system else None
    shares = np.exp(plot.sigma * rng.normal(size=plot.n_accounts))
    for share in shares / shares.mean():
        address = made.address()
        created = -60 - rng.exponential(200) if plot.is_aged else -rng.exponential(5)
        name, size = made.account(plot.label, float(created), address), int(rng.poisson(26 * share * made.n_days))
        is_cover, is_bare = rng.random(size) < plot.dilution, rng.random(size) < plot.rewritten
        items = np.where(is_bare, "", rng.choice(heads, size)) + rng.choice(made.attack, size)
        prompts = np.where(is_cover, rng.choice(made.habits(), size), items)
        has_system = ~is_cover & (rng.random(size) < 0.6)
        hours = np.sort(rng.uniform(0, made.n_days * 24, size))
        made.send(name, address, hours, prompts.tolist(), [system if has else None for has in has_system])


def make_world(data: Path, *, seed: int, n_days: int, n_accounts: int) -> Telemetry:
    """The whole world."""
    rng = np.random.default_rng(seed)
    attack = np.concatenate([prompts_of(data, name)[:20_000] for name in ATTACK_SETS])
    made = Telemetry(rng, n_days, {name: prompts_of(data, name) for name in HONEST_SETS}, attack)
    add_people(made, n_accounts)
    for crowd in CROWDS:
        add_crowd(made, crowd)
    add_fleets(made)
    for plot in PLOTS:
        add_campaign(made, plot)
    return made


def prompts_of(data: Path, name: str) -> Texts:
    """The distinct user messages of a set."""
    rows = pq.read_table(data / name / "prompts.parquet", columns=["role", "text"])
    texts = rows.filter(pc.equal(rows["role"], "user"))["text"].drop_null()
    return np.array(pc.unique(texts).to_pylist(), dtype=object)


def write(made: Telemetry, folder: Path) -> None:
    """Canonical files of the world."""
    names = ("account_id", "hours", "prompt", "system_instructions", "client_address", "conversation_id")
    rows = pa.table(dict(zip(names, zip(*made.rows, strict=True), strict=True)))
    micros = pc.cast(pc.round(pc.multiply(rows["hours"], 3.6e9)), pa.int64())
    start = pc.cast(pc.add(micros, int(START.timestamp() * 1e6)), pa.timestamp("us", tz="UTC"))
    columns = {name: rows[name] for name in names if name != "hours"} | {
        "source_record_id": [f"r{number}" for number in range(rows.num_rows)],
        "start_time": start,
        "request_model": ["model"] * rows.num_rows,
        "input_tokens": pc.add(pc.divide(pc.utf8_length(rows["prompt"]), 4), 5),
        "output_tokens": made.rng.integers(50, 900, rows.num_rows),
    }
    pq.write_table(pa.table(columns), folder / "exchanges.parquet")
    pq.write_table(pa.Table.from_pylist(made.accounts), folder / "accounts.parquet")


def found_tiers(folder: Path) -> dict[str, str]:
    """The tier of each account, after every verb."""
    environ = os.environ | {"STILLWATCH_KEYS": str(folder / "keys.json")}
    found = folder / "found.parquet"
    for verb in (
        ["init"],
        ["ingest", str(folder / "exchanges.parquet")],
        ["ingest", "accounts", str(folder / "accounts.parquet")],
        ["detect"],
        ["accounts", "--format", "parquet", "-o", str(found)],
    ):
        print(" ".join(verb[:2]), file=sys.stderr, flush=True)
        call = [sys.executable, "-c", CALL, "--workspace", str(folder / "workspace"), "--quiet", *verb]
        subprocess.run(call, env=environ, check=True, stdout=subprocess.DEVNULL)
    rows = pq.read_table(found, columns=["account_id", "tier"]).to_pydict()
    return dict(zip(rows["account_id"], rows["tier"], strict=True))


def main() -> None:
    """Make the world, look at it, and print what was found in each class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--accounts", type=int, default=4000)
    given = parser.parse_args()
    made = make_world(given.data, seed=given.seed, n_days=given.days, n_accounts=given.accounts)
    with tempfile.TemporaryDirectory() as folder:
        write(made, Path(folder))
        tiers = found_tiers(Path(folder))
    counts = Counter((made.truth[name], tiers.get(name, "none")) for name in made.truth)
    print(f"seed {given.seed}, {given.days} days, {len(made.rows):,} exchanges, {platform.machine()}\n")
    print("| class | accounts | accused | review |\n| --- | ---: | ---: | ---: |")
    for label, n in Counter(made.truth.values()).items():
        print(f"| {label} | {n} | {counts[label, 'accuse']} | {counts[label, 'review']} |")


if __name__ == "__main__":
    main()
