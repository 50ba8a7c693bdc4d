"""The suite `real`: real prompt sets dealt to simulated accounts, from telemetry to findings."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import pipeline, simulate
from stillwatch.evaluate.calibrate import MANAGED_SHARE
from stillwatch.evaluate.demonstration import DEMO_CLOCK
from stillwatch.evaluate.innocents import people_note
from stillwatch.evaluate.labels import Truth, label_groups
from stillwatch.evaluate.outcomes import Part, campaign_fate
from stillwatch.evaluate.recall import Case, recall_bars, recall_table
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite, honest_part
from stillwatch.evaluate.worlds import Judged, read_truth
from stillwatch.model.tables import ACCOUNT_FINDINGS, GROUP_MEMBERS, GROUP_SCORES, GROUPS, JUDGEMENTS
from stillwatch.python_api import Stillwatch
from stillwatch.simulate import Campaign, Simulated
from stillwatch.simulate.library import LibraryMix
from stillwatch.store.lake import Lake
from stillwatch.store.workspace import Workspace

N_DAYS: Final = 14
N_ACCOUNTS: Final = 4_000
HONEST: Final = "honest"
HONEST_SHARE: Final = 0.3
"""Share of honest prompts that come from the real honest sets; the others are about an account's own material, to which
real honest accounts come back and which a set of single prompts does not have."""


@dataclass(frozen=True, slots=True)
class Deal:
    """One set of prompts, and who it is dealt to. Without a data set the simulator's own prompts stay."""

    name: str
    data_set: str
    kind: str = "attack set"
    n_accounts: int = 60
    exchanges_per_day: float = 26.0

    def campaign(self) -> Campaign:
        """The accounts that the set is dealt to."""
        return Campaign(
            name=self.name, n_accounts=self.n_accounts, exchanges_per_day=self.exchanges_per_day, dilution=0.0,
            p_share=0.0,
        )  # fmt: skip


DEALS: Final = (
    Deal("general instructions", "distill-alpaca52k"),
    Deal("coding instructions", "distill-evol-code"),
    Deal("tool requests", "distill-metatool"),
    Deal("logic puzzles", "distill-logic-rl"),
    Deal("control: school maths", "benign-eval-gsm8k", kind="honest set"),
    Deal("control: hand-written prompts", "benign-dolly15k", kind="honest set"),
    Deal("reference: simulated prompts", "", kind="grammar"),
    Deal("one account", "distill-alpaca52k", n_accounts=1, exchanges_per_day=300.0),
)
CASES: Final = tuple(Case(deal.campaign(), None) for deal in DEALS)
NOTES: Final = (
    f"{N_DAYS} days, with texts through the whole pipeline. The p-value is among the best groups of honest windows.",
    (
        "The texts are dealt as they are, each once until the set is used up, behind a system prompt and tools that "
        "the accounts of one campaign have in common. No feature of the content is fitted to any of these sets, so "
        "none has to be left out; content never decides alone."
    ),
    (
        "An honest set that is dealt to many accounts is a dealt queue, as a customer's evaluation spread over bought "
        "accounts would be: the detector judges how prompts are handed out, not what they ask, so a control is "
        "expected to look like an attack. What separates them is a verified owner or a contract."
    ),
    "One account is no group: nothing here can see it, whatever it sends.",
)


def measure(seed: int, bench: Bench) -> Part:
    """A small world with every deal, ingested and judged in a temporary workspace.

    Raises:
        UsageError: the folder of real data sets was not given, or a set is not in it.
    """
    sets = {deal.name: _prompts(bench.data_set(deal.data_set)) for deal in DEALS if deal.data_set}
    with tempfile.TemporaryDirectory(prefix="stillwatch-real-") as scratch:
        folder = Path(scratch)
        bench.progress("simulate", 0, 3)
        world = bench.world([deal.campaign() for deal in DEALS], n_days=N_DAYS)
        settings = simulate.Settings(
            prompts=str(bench.data), prompt_mix=LibraryMix(share=HONEST_SHARE, honest_from_campaign_kinds=0.0)
        )
        made = simulate.simulate(world, seed=seed, out_dir=folder / "world", settings=settings)
        truth = pq.read_table(made.truth)
        streams, accounts = pq.read_table(made.truth_groups), pq.read_table(made.accounts)
        dealt = deal_prompts(made.exchanges, truth, sets, seed=seed)
        bench.progress("ingest and detect", 1, 3)
        judged = judged_telemetry(made, read_truth(truth, streams, accounts), folder, bench)
        bench.progress("compare", 2, 3)
    values = {f"{name} dealt": float(n) for name, n in dealt.items()}
    values |= {f"{name} size": float(len(prompts)) for name, prompts in sets.items()}
    for who, (score, p_value) in best_scores(judged).items():
        values |= {f"{who} score": score, f"{who} p": p_value}
    return honest_part(seed, [judged], [campaign_fate(judged, deal.name) for deal in DEALS], **values)


def _prompts(folder: Path) -> pa.Array:
    """The distinct user prompts of a set, in their order."""
    rows = pa.concat_tables([pq.read_table(p, columns=["role", "text"]) for p in sorted(folder.glob("*.parquet"))])
    return pc.unique(rows.filter(pc.equal(rows["role"], "user"))["text"])


def _members(truth: pa.Table, campaign: str) -> pa.Array:
    return truth.filter(pc.equal(truth["campaign_name"], campaign))["account_id"].combine_chunks()


def deal_prompts(exchanges: Path, truth: pa.Table, sets: dict[str, pa.Array], *, seed: int) -> dict[str, int]:
    """Put the prompts of the sets in place of the campaigns' own; how many distinct ones each campaign sent.

    `sets` maps a campaign's name to its prompts, which are dealt in a random order: every prompt that the simulator
    made becomes the next of the set, so that a prompt that was sent again is sent again. A set that is used up starts
    anew. The files under `exchanges` are written over.
    """
    rng = np.random.default_rng([seed, 77])
    queues = {name: prompts.take(pa.array(rng.permutation(len(prompts)))) for name, prompts in sets.items()}
    dealt = dict.fromkeys(sets, 0)
    for path in sorted(exchanges.glob("*.parquet")):
        rows = pq.read_table(path)
        text = rows["prompt"].combine_chunks()
        for name, queue in queues.items():
            is_own = pc.is_in(rows["account_id"], value_set=_members(truth, name)).combine_chunks()
            own = text.filter(is_own).dictionary_encode()
            place = (dealt[name] + np.asarray(own.indices)) % len(queue)
            text = pc.replace_with_mask(text, is_own, queue.take(pa.array(place)))
            dealt[name] += len(own.dictionary)
        pq.write_table(rows.set_column(rows.schema.get_field_index("prompt"), "prompt", text), path)
    return dealt


def judged_telemetry(made: Simulated, truth: Truth, folder: Path, bench: Bench) -> Judged:
    """The simulated telemetry after ingest and every detection stage, in a workspace below `folder`."""
    workspace = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    with closing(Stillwatch(workspace, bench.config, clock=lambda: DEMO_CLOCK)) as watch:
        watch.ingest([made.exchanges])
        watch.ingest_accounts([made.accounts])
        watch.ingest_account_events([made.account_events])
        return judge_lake(workspace.lake, truth, bench)


def judge_lake(lake: Lake, truth: Truth, bench: Bench) -> Judged:
    """The lake's whole traffic after every detection stage; nothing is stored."""
    engine, config, question = bench.engine, bench.config, pipeline.Question()
    pipeline.refresh_features(lake, engine=engine, config=config)
    snapshot = lake.snapshot()
    run = question.resolve(snapshot, config)
    with engine.scope():
        inputs = pipeline.run_inputs(snapshot, JUDGEMENTS.empty(), question, run, engine=engine, config=config)
        tables = pipeline.run_stages(inputs, run, engine=engine, config=config)
        members = engine.to_arrow(tables[GROUP_MEMBERS.name])
        return Judged(
            groups=engine.to_arrow(tables[GROUPS.name]),
            members=members,
            labels=label_groups(members, truth),
            scores=engine.to_arrow(tables[GROUP_SCORES.name]),
            findings=engine.to_arrow(tables[ACCOUNT_FINDINGS.name]),
            truth=truth,
        )


def best_scores(judged: Judged) -> dict[str, tuple[float, float]]:
    """Score and p-value of the best group that is mostly of each campaign; of the best honest group under `honest`."""
    rows = judged.scores.select(["group_id", "score", "p_value"]).join(judged.labels, "group_id", join_type="inner")
    named = rows.append_column("who", pc.fill_null(rows["campaign"], HONEST))
    free = named.filter(pc.or_(pc.less(named["managed_share"], MANAGED_SHARE), pc.is_valid(named["campaign"])))
    best = free.group_by("who").aggregate([("score", "max"), ("p_value", "min")])
    return {row["who"]: (row["score_max"], row["p_value_min"]) for row in best.to_pylist()}


def report(parts: Sequence[Part], bench: Bench) -> Body:
    """How each dealt set fared, attacks beside controls."""
    rows = tuple(
        (
            deal.name,
            deal.data_set,
            deal.kind,
            int(np.mean([part.values.get(f"{deal.name} dealt", 0.0) for part in parts])),
            int(parts[0].values.get(f"{deal.name} size", 0.0)),
            *_score_cells(parts, deal.name),
        )
        for deal in DEALS
    )
    rows = (*rows, ("best honest group", "", "honest accounts", 0, 0, *_score_cells(parts, HONEST)))
    columns = ("case", "data set", "kind", "prompts dealt", "prompts in the set", "best score", "p-value")
    return Body(
        tables=(Table("Real prompt sets", columns, rows), recall_table("Accounts", CASES, parts)),
        notes=(*NOTES, people_note(parts, bench.calibration)),
        bars=recall_bars(CASES, parts),
    )


def _score_cells(parts: Sequence[Part], who: str) -> tuple[str, str]:
    """Mean over seeds of the best score, and the worst p-value; empty where no group is mostly of this kind."""
    found = [part for part in parts if f"{who} score" in part.values]
    if not found:
        return "", ""
    score = float(np.mean([part.values[f"{who} score"] for part in found]))
    return f"{score:.2f}", f"{max(part.values[f'{who} p'] for part in found):.3f}"


SUITE: Final = Suite(
    name="real",
    question="Are real attack prompts seen when they are dealt to accounts, and honest prompts dealt the same way?",
    measure=measure,
    report=report,
    seeds=(9001,),
    n_accounts=N_ACCOUNTS,
)
