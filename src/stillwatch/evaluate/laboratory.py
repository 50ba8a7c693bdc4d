"""A laboratory of the suite `joint`: its part of a world under pseudonyms of its own, and a workspace that compares."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.config import Config
from stillwatch.evaluate.worlds import Judged, Scene
from stillwatch.grouping.kinds import ACCOUNT_TOKENS
from stillwatch.guard.matching import TEXTS, ClearedStep
from stillwatch.model.tables import DETECTION_RUNS, NEAR_TOKENS
from stillwatch.pipeline.matching import Matchmaker
from stillwatch.pipeline.sharing import Sharing
from stillwatch.sharing.matching import Session
from stillwatch.sharing.settings import Partner
from stillwatch.sharing.settings import Settings as SharingSettings
from stillwatch.store.workspace import Workspace

IDENTITIES: Final = ("address", "payment", "device")
"""What is compared as sealed values."""
KINDS: Final = (TEXTS, *IDENTITIES)
PERSON: Final = "evaluate"
"""Stands for the people who open identities and consent to a reveal."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """One laboratory: its part of the world, and its workspace. `mask` makes its pseudonyms differ from the others'."""

    name: str
    scene: Scene
    mask: int
    workspace: Workspace

    def hold(self, judged: Judged) -> None:
        """Keep what a run found near, and seal the identities among it as ingest would have."""
        rows = near_tokens(judged)
        run = {
            "run_id": "run", "as_of": self.scene.window.end, "window_start": self.scene.window.start, "by": "account",
            "engine": "", "alpha": 0.0, "calibration_id": "", "n_accounts": 0, "n_exchanges": 0, "n_groups": 0,
            "notes": [],
        }  # fmt: skip
        with self.workspace.lake.write() as writer:
            writer.replace(DETECTION_RUNS, "run", pa.Table.from_pylist([run], schema=DETECTION_RUNS.schema))
            writer.replace(NEAR_TOKENS, "run", rows)
            writer.commit()
        for kind in IDENTITIES:
            tokens = rows.filter(pc.equal(rows["token_kind"], kind))["token"].combine_chunks()
            known = pc.bit_wise_xor(tokens, self.mask).cast(pa.string())
            self.workspace.vault.seal(kind, tokens, known)


@dataclass(frozen=True, slots=True)
class Compared:
    """What one comparison of two laboratories came to; `n_revealed` is 0 where too few were common to reveal which."""

    kind: str
    n_held: int
    n_revealed: int


@contextmanager
def laboratories(scene: Scene, n: int, *, seed: int) -> Iterator[list[Laboratory]]:
    """A world dealt to `n` laboratories by a hash of the account, each with a workspace that is gone afterwards."""
    masks = np.random.default_rng(seed).integers(1, 1 << 62, n).tolist()
    with tempfile.TemporaryDirectory(prefix="stillwatch-joint-") as folder, ExitStack() as stack:
        made = []
        for number, mask in enumerate(masks):
            environ = {"STILLWATCH_KEYS": str(Path(folder) / f"{number}-keys.json")}
            workspace = stack.enter_context(Workspace.init(Path(folder) / str(number), environ=environ))
            made.append(Laboratory(f"lab-{number}", dealt(scene, number, n, mask), mask, workspace))
        yield made


def dealt(scene: Scene, lab: int, n_labs: int, mask: int) -> Scene:
    """The part of a world that one laboratory sees: every account is at one, and pseudonyms are under its own key."""
    names = ("token_uses", "account_days", "accounts", "account_events")
    parts = {name: _of_lab(getattr(scene, name), lab, n_labs) for name in names}
    accounts, uses = parts["accounts"], parts["token_uses"]
    for column in (ACCOUNT_TOKENS[kind] for kind in IDENTITIES if kind in ACCOUNT_TOKENS):
        accounts = _with(accounts, column, pc.bit_wise_xor(accounts[column], mask))
    is_identity = pc.is_in(uses["token_kind"], value_set=pa.array(IDENTITIES))
    own = pc.if_else(is_identity, pc.bit_wise_xor(uses["token"], mask), uses["token"])
    return replace(scene, **parts | {"accounts": accounts, "token_uses": _with(uses, "token", own)})


def _of_lab(rows: pa.Table, lab: int, n_labs: int) -> pa.Table:
    distinct = pc.unique(rows["account_id"])
    labs = [hashlib.blake2b(name.encode(), digest_size=4).digest()[0] % n_labs for name in distinct.to_pylist()]
    mine = distinct.filter(pa.array(np.equal(labs, lab)))
    return rows.filter(pc.is_in(rows["account_id"], value_set=mine))


def _with(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    place = rows.column_names.index(name)
    return rows.set_column(place, rows.schema.field(place), values)


def near_tokens(judged: Judged) -> pa.Table:
    """NEAR_TOKENS of a judged part: what a detection run would have stored."""
    near = judged.scores.filter(judged.scores["is_near"])["group_id"].combine_chunks()
    groups = judged.groups.filter(pc.is_in(judged.groups["group_id"], value_set=near))
    groups = groups.filter(pc.is_valid(groups["token"]))
    rows = groups.group_by(["token_kind", "token"]).aggregate([("n_accounts", "max")])
    rows = rows.rename_columns(["token_kind", "token", "n_accounts"])
    rows = rows.sort_by([("token_kind", "ascending"), ("token", "ascending")])
    return rows.add_column(0, "run_id", pa.array(["run"] * rows.num_rows, pa.string())).cast(NEAR_TOKENS.schema)


def compare_all(labs: Sequence[Laboratory], config: Config) -> tuple[list[pa.Table], list[Compared]]:
    """INDICATORS that each laboratory has after comparing every kind with each other one, and what each came to.

    Every message is signed, cleared and taken as between two servers; people on both sides consent wherever they may.
    """
    at = labs[0].scene.window.end

    def sharing(lab: Laboratory, settings: SharingSettings) -> Sharing:
        chosen = msgspec.structs.replace(config, sharing=settings)
        return Sharing(lab.workspace, chosen, version="evaluate", clock=lambda: at)

    keys = {lab.name: sharing(lab, SharingSettings()).matchmaker.signer.public_key.hex() for lab in labs}
    sides = []
    for lab in labs:
        partners = tuple(Partner(name, key) for name, key in keys.items() if name != lab.name)
        sides.append((lab.name, sharing(lab, SharingSettings(laboratory=lab.name, partners=partners))))
    done = [_compared(one, other, kind) for one, other in combinations(sides, 2) for kind in KINDS]
    return [side.inbox.indicators(at) for _, side in sides], done


_Side = tuple[str, Sharing]


def _compared(asking: _Side, asked: _Side, kind: str) -> Compared:
    """One session, message by message: both count, and both people consent where enough is common."""
    mine, theirs = asking[1].matchmaker, asked[1].matchmaker
    first = mine.offer(asked[0], kind, opener=PERSON)
    session_id = first.step.session
    _told(first, asked, asking)
    counted = _session(mine, session_id)
    if counted.may_reveal:
        _told(mine.consent(session_id, author=PERSON), asked, asking)
        _told(theirs.consent(session_id, author=PERSON), asking, asked)
    revealed = _session(mine, session_id)
    return Compared(kind, len(revealed.items), len(revealed.hits or ()))


def _told(step: ClearedStep | None, to: _Side, by: _Side) -> None:
    """A message and its answers, until no answer is due."""
    while step is not None:
        step = to[1].matchmaker.take(step.body, by[0], opener=PERSON)
        to, by = by, to


def _session(maker: Matchmaker, session_id: str) -> Session:
    kept = maker.matches.get(session_id)
    assert kept is not None
    return kept.session
