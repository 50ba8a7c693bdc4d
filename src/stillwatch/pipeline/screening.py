"""Screening on a workspace: accounts from the lake, names from the vault, lists from their snapshots."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.errors import ListError
from stillwatch.ingest import call_names, under_one_key
from stillwatch.model.tables import ACCOUNT_FINDINGS, ACCOUNTS, EXCHANGE_RECORDS
from stillwatch.pipeline.runs import latest_account_run
from stillwatch.screening.channels import Channel, channels, doors
from stillwatch.screening.listed import Entry, Subject, subject_digest
from stillwatch.screening.lists import ListFormat, read_list
from stillwatch.screening.match import match_names, rarity_of
from stillwatch.screening.names import NORMALISER_VERSION, Kind
from stillwatch.screening.network import Crowd, NetworkList, crowds
from stillwatch.screening.outcome import Cause, Hit, Level
from stillwatch.screening.owned import ownership_hits
from stillwatch.screening.ownership import Stake
from stillwatch.screening.ranges import AddressTable, Network
from stillwatch.screening.region import region_hits
from stillwatch.screening.register import Registered
from stillwatch.screening.snapshots import Diff, Snapshots
from stillwatch.screening.uses import account_uses
from stillwatch.sharing.inbox import named_networks
from stillwatch.store.schema import moment
from stillwatch.store.screenings import ScreeningRun, Screenings, as_rows, new_run_id
from stillwatch.store.workspace import Workspace

LISTS_FOLDER: Final = "screening-lists"
_TIES: Final = ("org_id", "payment_fingerprint", "device_id", "name", "verified_owner")


@dataclass(frozen=True, slots=True)
class Screened:
    """What a run over accounts did: of `n_accounts`, `n_nameless` have no name that could be compared.

    `n_screened` were compared at all, the others and their lists being as they were; `levels` counts accounts by what
    stands against them now.
    """

    run_id: str
    n_accounts: int
    n_screened: int
    n_nameless: int
    n_entries: int
    levels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Account:
    """One account: the digest of what is screened, and where its names are."""

    account_id: str
    digest: str
    name_pseudonym: int | None
    org_id: str | None
    verified_owner: str | None
    registered: Registered


class Screener:
    """Screens the accounts of one workspace. `clock` dates runs and reviews, and says which orders are in force."""

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._config = config
        self._settings = config.screening
        self._clock = clock

    @cached_property
    def snapshots(self) -> Snapshots:
        """The lists' snapshots."""
        return Snapshots(self._workspace.path / LISTS_FOLDER)

    @cached_property
    def screenings(self) -> Screenings:
        """What was found and said."""
        return Screenings(self._workspace.state, self._workspace.ledger)

    def add_list(self, path: Path, list_id: str, *, format: ListFormat | None = None, day: date | None = None) -> Diff:
        """Keep the list in a file as the snapshot of `day` (None: today); returns what changed."""
        return self.snapshots.add(list_id, day or self._clock().date(), read_list(path, list_id, format))

    # -- accounts -----------------------------------------------------------------------------------------------------

    def screen_accounts(
        self,
        *,
        actor: str,
        register: Mapping[str, Registered] | None = None,
        stakes: Sequence[Stake] = (),
        full: bool = False,
    ) -> Screened:
        """Compare accounts with the latest lists, owners and regions; only what changed since the last run.

        `full` compares everything again. Every name that is compared is opened from the vault for `actor`, and the
        opening is in the ledger.

        Raises:
            ListError: no list was added yet.
        """
        at = self._clock()
        latest = self.snapshots.latest()
        if not latest:
            raise ListError("no list is stored; add one with `stillwatch screen lists add FILE --list NAME`")
        entries = self._entries(latest, at)
        accounts = self._accounts(register or {})
        method = self._method()
        plan = {} if full else self._unchanged(accounts, method)
        todo = self._to_compare(accounts, entries, plan)
        named, n_screened, n_nameless = self._compare(todo, entries, actor, at)
        digests = {account.account_id: account.digest for account in accounts}
        hits = [hit.row() for hit in (*named, *self._owner_hits(accounts, stakes, entries, at), *self._regions())]
        hits += self._carried(plan, {entry.digest for entry in entries})
        lists = {name: str(day) for name, day in sorted(latest.items())}
        run = ScreeningRun(new_run_id(at), at, actor, lists, method, len(accounts), n_screened)
        causes = (Cause.NAME, Cause.OWNERSHIP, Cause.REGION)
        self.screenings.record(run, _distinct(hits), causes=causes, marks=digests)
        levels = self.levels()
        counts = {level.value: sum(found == level.value for found in levels.values()) for level in Level}
        counts[Level.CLEAR] = len(digests.keys() - {name for name, found in levels.items() if found != Level.CLEAR})
        return Screened(run.run_id, len(accounts), n_screened, n_nameless, len(entries), counts)

    def levels(self) -> dict[str, str]:
        """The gravest level that stands against each account with a hit, cleared pairs left out."""
        verdicts = self.screenings.verdicts()
        found: dict[str, Level] = {}
        for hit in self.screenings.standing().to_pylist():
            is_cleared = verdicts.get((hit["subject_digest"], hit["object_digest"])) == "cleared"
            level = Level.CLEAR if is_cleared else Level(hit["level"])
            found[hit["account_id"]] = max(found.get(hit["account_id"], Level.CLEAR), level, key=lambda one: one.rank)
        return {account: level.value for account, level in found.items()}

    def hits(self) -> pa.Table:
        """Standing hits with the reviewer's `verdict` (null: none yet), held accounts first."""
        rows = self.screenings.standing()
        verdicts = self.screenings.verdicts()
        pairs = zip(rows["subject_digest"].to_pylist(), rows["object_digest"].to_pylist(), strict=True)
        rows = rows.append_column("verdict", pa.array([verdicts.get(pair) for pair in pairs], pa.string()))
        return rows.sort_by([("level", "ascending"), ("account_id", "ascending"), ("object_id", "ascending")])

    def review(self, account_id: str, object_id: str, verdict: str, *, author: str, note: str) -> int:
        """Record what a person says of an account and an object; it holds until either changes."""
        return self.screenings.review(account_id, object_id, verdict, author=author, note=note, at=self._clock())

    def _entries(self, lists: Mapping[str, date], at: datetime) -> list[Entry]:
        on = at.date()
        return [e for name, day in sorted(lists.items()) for e in self.snapshots.read(name, day) if e.is_in_force(on)]

    def _method(self) -> str:
        said = [NORMALISER_VERSION, msgspec.to_builtins(self._settings)]
        return hashlib.blake2b(msgspec.json.encode(said, order="sorted"), digest_size=8).hexdigest()

    def _accounts(self, register: Mapping[str, Registered]) -> list[_Account]:
        latest: dict[str, dict[str, Any]] = {}
        names = ["account_id", "as_of", "name", "org_id", "verified_owner"]
        for row in _read(self._workspace, ACCOUNTS, names).sort_by("as_of").to_pylist():
            latest[row["account_id"]] = row
        key = self._workspace.keys.pseudonym_key
        found = []
        for account_id in sorted(latest.keys() | register.keys()):
            row = latest.get(account_id, {})
            known = register.get(account_id, Registered())
            facts = [account_id, row.get("name"), row.get("org_id"), row.get("verified_owner"), asdict(known)]
            found.append(
                _Account(
                    account_id,
                    subject_digest(key, facts),
                    row.get("name"),
                    row.get("org_id"),
                    row.get("verified_owner"),
                    known,
                )
            )
        return found

    def _unchanged(self, accounts: Sequence[_Account], method: str) -> dict[str, str]:
        """Accounts that an earlier run screened as they are, by the same method, with that run's id."""
        marks = self.screenings.marks()
        same = {
            a.account_id: marks[a.account_id][1] for a in accounts if marks.get(a.account_id, ("", ""))[0] == a.digest
        }
        runs = {run_id: self.screenings.run(run_id)[1] for run_id in set(same.values())}
        return {account: run_id for account, run_id in same.items() if runs[run_id] == method}

    def _to_compare(
        self, accounts: Sequence[_Account], entries: Sequence[Entry], plan: dict[str, str]
    ) -> list[tuple[list[_Account], list[Entry]]]:
        """Accounts with the entries that each of them has not met yet; takes out of `plan` whose lists are gone."""
        groups: dict[str, list[_Account]] = defaultdict(list)
        for account in accounts:
            groups[plan.get(account.account_id, "")].append(account)
        todo = []
        for run_id, group in sorted(groups.items()):
            met = self._met(run_id) if run_id else frozenset()
            if not met:
                for account in group:
                    plan.pop(account.account_id, None)
            todo.append((group, [entry for entry in entries if entry.digest not in met]))
        return todo

    def _met(self, run_id: str) -> frozenset[str]:
        """Digests of the entries that a run compared; empty when its snapshots are gone."""
        lists, _, ran_at = self.screenings.run(run_id)
        try:
            days = {name: date.fromisoformat(day) for name, day in lists.items()}
            return frozenset(entry.digest for entry in self._entries(days, moment(ran_at)))
        except ListError:
            return frozenset()

    def _compare(
        self, todo: Sequence[tuple[list[_Account], list[Entry]]], entries: Sequence[Entry], actor: str, at: datetime
    ) -> tuple[list[Hit], int, int]:
        """Hits by name, how many accounts were compared, and how many had no name."""
        hits: list[Hit] = []
        n_screened = n_nameless = 0
        rarity = rarity_of(entries) if any(fresh for _, fresh in todo) else None
        for group, fresh in todo:
            if not fresh or rarity is None:
                continue
            pseudonyms = {account.name_pseudonym for account in group} - {None}
            opened = self._workspace.vault.open_many(
                "name", [one for one in pseudonyms if one is not None], actor=actor, reason="screening", at=at
            )
            subjects = [_subject(account, opened) for account in group]
            n_nameless += sum(not subject.names for subject in subjects)
            n_screened += len(subjects)
            hits += match_names(subjects, fresh, rarity, self._settings)
        return hits, n_screened, n_nameless

    def _carried(self, plan: Mapping[str, str], current: set[str]) -> list[dict[str, Any]]:
        """Standing hits by name of accounts and entries that are as they were."""
        rows = as_rows(self.screenings.standing([Cause.NAME]).to_pylist())
        return [row for row in rows if row["account_id"] in plan and row["object_digest"] in current]

    def _owner_hits(
        self, accounts: Sequence[_Account], stakes: Sequence[Stake], entries: Sequence[Entry], at: datetime
    ) -> list[Hit]:
        called = {
            account.account_id: [name for name in (account.account_id, account.org_id, account.verified_owner) if name]
            + list(account.registered.names)
            for account in accounts
        }
        digests = {account.account_id: account.digest for account in accounts}
        return ownership_hits(called, digests, stakes, entries, on=at.date(), settings=self._settings) if stakes else []

    def _regions(self) -> list[Hit]:
        settings = self._settings
        if not settings.supported_countries and not settings.unsupported_countries:
            return []
        policy = [settings.supported_countries, settings.unsupported_countries]
        object_digest = hashlib.blake2b(msgspec.json.encode(policy), digest_size=16).hexdigest()
        used: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in self._uses().to_pylist():
            if row["client_geo_country"]:
                used[row["account_id"]][row["client_geo_country"].upper()] += row["n_exchanges"]
        hits = []
        for account, counts in sorted(used.items()):
            mark = subject_digest(self._workspace.keys.pseudonym_key, [account, sorted(counts)])
            hits += region_hits(account, counts, subject_digest=mark, object_digest=object_digest, settings=settings)
        return hits

    # -- networks and channels ----------------------------------------------------------------------------------------

    def screen_network(
        self, lists: Sequence[NetworkList], *, actor: str, table: AddressTable | None = None
    ) -> list[Crowd]:
        """Networks with the accounts behind them; those of many unrelated accounts become hits for review.

        Without a `table` the networks are those that telemetry names. With one the addresses of records that name
        none are opened from the vault for `actor` and looked up.
        """
        at = self._clock()
        rows = self._with_networks(actor, table, at)
        uses = [(row["account_id"], network, row["n_exchanges"]) for row, network in rows if network is not None]
        found = crowds(uses, self._ties(), lists, min_share=self._settings.min_crowd_share)
        hits = [hit for crowd in found for hit in self._crowd_hits(crowd)]
        run = ScreeningRun(new_run_id(at), at, actor, {}, self._method(), len({use[0] for use in uses}), 0)
        self.screenings.record(run, [hit.row() for hit in hits], causes=[Cause.NETWORK])
        return found

    def channels(
        self, lists: Sequence[NetworkList] = (), *, actor: str = "", table: AddressTable | None = None
    ) -> list[Channel]:
        """What came through each serving region, operator, reseller and marketplace in the window.

        With a `table`, addresses of records that name no network are opened from the vault for `actor`, as in
        `screen_network`. Operators whose network a peer's indicator names say so.
        """
        at = self._clock()
        flagged, named = self._flagged(), named_networks(self._workspace.state, at)
        rows = list(self._with_networks(actor, table, at))
        accounts = {row["account_id"] for row, _ in rows}
        share = len(accounts & flagged) / len(accounts) if accounts else 0.0
        uses = [use for row, network in rows for use in doors(row, network, lists, named)]
        return channels(uses, flagged=flagged, screened=self.levels(), overall_share=share)

    def _crowd_hits(self, crowd: Crowd) -> Iterator[Hit]:
        one = crowd.classified
        if not crowd.is_for_review(self._settings.crowd_accounts):
            return
        reasons = (
            f"{one.kind} network ({one.sureness}, by {', '.join(one.said_by)})",
            f"{crowd.n_unrelated:,} unrelated accounts of {len(crowd.accounts):,} come mostly from it",
            "companies behind one gateway or VPN explain this too",
        )
        said = msgspec.json.encode([one.network.asn, one.kind, one.sureness])
        object_digest = hashlib.blake2b(said, digest_size=16).hexdigest()
        for account in crowd.accounts:
            mark = subject_digest(self._workspace.keys.pseudonym_key, [account, one.network.asn])
            name = one.network.operator or "operator not known"
            yield Hit(account, Cause.NETWORK, Level.REVIEW, f"AS{one.network.asn}", name, reasons, mark, object_digest)

    def _with_networks(
        self, actor: str, table: AddressTable | None, at: datetime
    ) -> Iterator[tuple[dict[str, Any], Network | None]]:
        """Each row of uses with its network: the one that telemetry names, else that of its address in the table."""
        rows = self._uses(with_address=table is not None)
        networks: dict[int, Network] = {}
        if table is not None and rows.num_rows:
            silent = rows.filter(pc.and_(pc.is_null(rows["client_asn"]), pc.is_valid(rows["client_address"])))
            wanted = pc.unique(silent["client_address"]).to_pylist()
            opened = self._workspace.vault.open_many("address", wanted, actor=actor, reason="screening", at=at)
            found = ((pseudonym, table.of(address)) for pseudonym, address in opened.items())
            networks = {pseudonym: network for pseudonym, network in found if network is not None}
        for row in rows.to_pylist():
            asn = row["client_asn"]
            yield row, networks.get(row.get("client_address")) if asn is None else Network(asn)

    def _ties(self) -> dict[str, set[str]]:
        ties: dict[str, set[str]] = defaultdict(set)
        for row in _read(self._workspace, ACCOUNTS, ["account_id", *_TIES]).to_pylist():
            ties[row["account_id"]] |= {f"{name}:{row[name]}" for name in _TIES if row[name] is not None}
        return ties

    def _uses(self, *, with_address: bool = False) -> pa.Table:
        snapshot = self._workspace.lake.snapshot()
        days = snapshot.partitions(EXCHANGE_RECORDS)
        if not days:
            return pa.Table.from_pylist([])
        first = date.fromisoformat(days[-1]) - timedelta(days=self._config.detect.window_days - 1)
        files = snapshot.files(EXCHANGE_RECORDS, [day for day in days if day >= str(first)])
        with self._engine() as engine:
            records = engine.read(EXCHANGE_RECORDS, files)
            return engine.to_arrow(account_uses(under_one_key(records, call_names(records)), with_address=with_address))

    def _flagged(self) -> frozenset[str]:
        """Accounts that the latest detection run at account level accuses or sends to review."""
        run = latest_account_run(self._workspace.lake.snapshot())
        if run is None:
            return frozenset()
        rows = _read(self._workspace, ACCOUNT_FINDINGS, ["account_id", "tier"], [run["run_id"]]).to_pylist()
        return frozenset(row["account_id"] for row in rows if row["tier"] != "none")

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine, engine.scope():
            yield engine


def _read(workspace: Workspace, table: Any, names: list[str], partitions: Sequence[str] | None = None) -> pa.Table:
    files = workspace.lake.snapshot().files(table, partitions)
    parts = [pq.read_table(file, columns=names, partitioning=None) for file in files]
    return pa.concat_tables(parts) if parts else table.empty().select(names)


def _subject(account: _Account, opened: Mapping[int, str]) -> Subject:
    known = account.registered
    own = opened.get(account.name_pseudonym) if account.name_pseudonym is not None else None
    names = dict.fromkeys(name for name in (own, account.verified_owner, *known.names) if name)
    kind = known.kind if known.names else Kind.UNKNOWN
    facts = (known.countries, known.addresses, known.identifiers)
    return Subject(account.account_id, account.digest, tuple(names), kind, *facts)


def _distinct(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each account, cause and object: what was found now before what is carried over."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row["account_id"], row["cause"], row["object_id"]), row)
    return list(found.values())
