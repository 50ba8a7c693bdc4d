"""From findings to what leaves: a campaign's case, the guard over it, and the channels behind the guard."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.errors import ConfigError, GuardRefused, UsageError, VaultError
from stillwatch.guard import Cleared, Guard, Passage, Policy, Review, Tlp, load_policy, shipped_policy
from stillwatch.guard.channel import Peer, write_bundle, write_package
from stillwatch.guard.envelope import Signer
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    EXCHANGE_RECORDS,
    PROMPT_SKETCHES,
    TOKEN_USES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.matching import Matchmaker
from stillwatch.pipeline.runs import latest_account_run, near_tokens
from stillwatch.pipeline.templates import campaign_templates, group_key
from stillwatch.sharing.bundle import Frame, offer_of
from stillwatch.sharing.case import Case, Trait, TraitKind
from stillwatch.sharing.check import check
from stillwatch.sharing.disclosures import Disclosures
from stillwatch.sharing.identity import Ids
from stillwatch.sharing.inbox import MEANT, Inbox, received
from stillwatch.sharing.shelf import Cursors, Shelf, Statuses
from stillwatch.sharing.sighted import SIGHTED, sighted
from stillwatch.sharing.taxii_client import pages, push
from stillwatch.sharing.traits import Adopted, adopted, keyed_sketch, likeness, plain_traits, template_shingles
from stillwatch.sketches import SKETCH_VERSION, hash_texts
from stillwatch.store.journal import RUN
from stillwatch.store.vault import IdentityClass
from stillwatch.store.workspace import Workspace

LEAST_LIKENESS = 0.5
"""Share of common shingles from which an own template is the one of a peer's sketch; unrelated ones share none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who shall get what: the peer's name, the profile, the marking (None: the strictest that the profile lets go)."""

    peer: str
    profile: str = "peer"
    tlp: Tlp | None = None
    approver: str | None = None
    opener: str | None = None
    """Who opens addresses in the vault; None: no address is offered."""
    channel: Literal["file", "taxii"] = "file"
    with_definitions: bool = True
    """Whether the definitions of extensions go along; medallion 3 breaks on them."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull brought: pages, objects, those that passed the guard, and things that indicators name.

    `n_recognised` own prompt templates are what a peer's sketch means.
    """

    n_pages: int
    n_objects: int
    n_passed: int
    n_indicators: int
    n_recognised: int


class Sharing:
    """Sharing of one workspace's findings. `version` is that of the method that found them."""

    def __init__(self, workspace: Workspace, config: Config, *, version: str, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._version = version
        self._config = config
        self._clock = clock

    @cached_property
    def policy(self) -> Policy:
        """The sharing policy in force.

        Raises:
            ConfigError: the file that the settings name cannot be read or is no policy.
        """
        named = self._config.sharing.policy
        try:
            return load_policy(Path(named).read_text(encoding="utf-8") if named else shipped_policy())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"sharing policy {named} cannot be read ({type(error).__name__})") from error

    @cached_property
    def disclosures(self) -> Disclosures:
        """Everything that left or came in."""
        return Disclosures(self._workspace.state, self._workspace.ledger)

    @cached_property
    def guard(self) -> Guard:
        """The policy at work, with its record."""
        keys = self._workspace.keys
        return Guard(
            self.policy, record=self.disclosures.record, peer_key=lambda peer: keys.derived(f"sharing-peer/1/{peer}")
        )

    @cached_property
    def shelf(self) -> Shelf:
        """What the TAXII collections hold."""
        return Shelf(self._workspace.state)

    @cached_property
    def matchmaker(self) -> Matchmaker:
        """Private matching with partners."""
        return Matchmaker(
            self._workspace, self._config, policy=self.policy, inbox=self.inbox, clock=self._clock
        )  # fmt: skip

    @cached_property
    def statuses(self) -> Statuses:
        """What became of messages that peers sent."""
        return Statuses(self._workspace.state)

    @cached_property
    def inbox(self) -> Inbox:
        """What takes messages of peers."""
        names = Pseudonymiser.under(self._workspace.keys)
        tokens: dict[str, Callable[[str], int]] = {
            "address": lambda value: names.address(value)[0] or 0,
            "ja4": lambda value: int(hash_texts(pa.array([value]))[0].as_py()),
        }
        return Inbox(self._workspace.state, self.guard, tokens)

    def publish(self, campaign_id: str, collection_id: str, tlp: Tlp | None = None) -> int:
        """Put a campaign on the shelf for the readers of a collection; returns how many versions were new.

        Raises:
            UsageError: the settings name no such collection.
        """
        known = {collection.id: collection for collection in self._config.sharing.collections}
        if collection_id not in known:
            raise UsageError(f"there is no collection {collection_id}; name it under [sharing] in the settings")
        asked = Asked(collection_id, known[collection_id].profile, tlp, channel="taxii")
        return self.shelf.add(collection_id, self.export(campaign_id, asked), self._clock())

    def push(self, campaign_id: str, peer: Peer, collection_id: str, asked: Asked) -> dict[str, int]:
        """Send a campaign to a peer's collection; returns the peer's counts."""
        return push(peer, collection_id, self.export(campaign_id, replace(asked, channel="taxii")))

    def pull(self, peer: Peer, name: str, collection_id: str) -> Pulled:
        """Take what a peer added to a collection since the last pull, page by page through the inbound guard.

        A page that was taken is not taken again, also when a later one fails.

        Raises:
            ExternalServiceError: the peer does not answer, or not as TAXII says.
            GuardRefused: an answer is too large, too deep or no JSON.
        """
        cursors, n_pages, n_objects, n_passed, n_indicators = Cursors(self._workspace.state), 0, 0, 0, 0
        for page in pages(peer, collection_id, added_after=cursors.get(peer.root, collection_id)):
            received = self.inbox.receive(page.objects, peer=name, channel="taxii", at=self._clock())
            n_pages, n_objects = n_pages + 1, n_objects + received.n_offered
            n_passed, n_indicators = n_passed + len(received.cleared), n_indicators + received.n_indicators
            if page.last_added is not None:
                cursors.set(peer.root, collection_id, page.last_added, self._clock())
        return Pulled(n_pages, n_objects, n_passed, n_indicators, self.recognise())

    def recognise(self) -> int:
        """Compare the latest run's near templates with sketches of peers in force; returns how many are what one means.

        These are indicators of that peer from now on, as tokens. Without the group's key, a sketch or a run none is.
        """
        lake, key = self._workspace.lake.snapshot(), group_key(self._config.sharing.group_key_file)
        run = None if key is None else latest_account_run(lake)
        if key is None or run is None:
            return 0
        told = self.inbox.indicators(self._clock())
        sent = told.filter(pc.equal(told["kind"], "sketch")).to_pylist()
        if not sent:
            return 0
        with self._engine() as engine:
            sketches = self._traffic(PROMPT_SKETCHES, run, engine)
            shingles = template_shingles(sketches, near_tokens(lake, MEANT), engine=engine)
        own = {token: keyed_sketch(found, key) for token, found in shingles.items()}
        pairs = [(row, token) for row in sent for token in own if likeness(row["value"], own[token]) >= LEAST_LIKENESS]
        self.inbox.recognised(pairs)
        return len({token for _, token in pairs})

    def sighted(self) -> pa.Table:
        """Indicators of peers in force now that the traffic of the latest run's window shows, as SIGHTED.

        Raises:
            UsageError: no detection run is stored.
        """
        runs = self._read(DETECTION_RUNS).sort_by([("as_of", "ascending"), ("run_id", "ascending")]).to_pylist()
        if not runs:
            raise UsageError("no detection run is stored: run `stillwatch detect` first")
        return self._sighted(self.inbox.indicators(self._clock()), runs[-1], None)

    def naming(self, account_id: str, run: dict[str, Any]) -> pa.Table:
        """Indicators that a run knew and that name something in an account's traffic of its window, as SIGHTED."""
        window = Window(run["window_start"].astimezone(UTC), run["as_of"].astimezone(UTC))
        known = scoring.holding(received(self._workspace.state, window.end), window)
        return self._sighted(known, run, account_id) if known.num_rows else SIGHTED.empty_table()

    def _sighted(self, indicators: pa.Table, run: dict[str, Any], account_id: str | None) -> pa.Table:
        with self._engine() as engine:
            traffic = (self._traffic(table, run, engine) for table in (TOKEN_USES, EXCHANGE_RECORDS))
            uses, records = (
                rows if account_id is None else rows.filter(rows.account_id == account_id) for rows in traffic
            )
            return sighted(indicators, uses, records, engine=engine)

    def preview(self, campaign_id: str, asked: Asked) -> Review:
        """Every field of a campaign with what would happen to it; nothing leaves and nothing is recorded."""
        offer, passage = self._offered(campaign_id, asked)
        return self.guard.preview(offer, passage)

    def export(self, campaign_id: str, asked: Asked) -> Cleared:
        """A campaign as STIX objects that passed the guard, recorded and valid.

        Raises:
            UsageError: there is no such campaign.
            GuardRefused: nothing of it may leave.
        """
        offer, passage = self._offered(campaign_id, asked)
        cleared = self.guard.clear(offer, passage)
        check(cleared)
        return cleared

    @cached_property
    def signer(self) -> Signer:
        """What signs packages for authorities."""
        key = Ed25519PrivateKey.from_private_bytes(self._workspace.keys.derived("sharing-package/1"))
        return Signer(key.public_key().public_bytes_raw(), key.sign)

    def write(self, cleared: Cleared, path: Path) -> bool:
        """Write cleared objects to a file; whether as a signed package, as where the profile asks for an approver."""
        if not cleared.terms.profile.needs_approver:
            write_bundle(cleared, path)
            return False
        write_package(cleared, self.policy, self.signer, path)
        return True

    def case(self, campaign_id: str, *, opener: str | None = None) -> Case:
        """What the latest run that knows a campaign says of it; addresses only where somebody opens them."""
        run, row, opened_at = self._found(campaign_id)
        members = _of(self._read(CAMPAIGN_MEMBERS, str(run["run_id"])), campaign_id)
        accounts = pc.unique(members["account_id"]).sort()
        with self._engine() as engine:
            traits = self._traits(run, members, accounts, engine, opener)
        return Case(
            campaign_id=campaign_id, opened_at=opened_at, as_of=run["as_of"], first_seen_at=row["first_seen_at"],
            last_seen_at=row["last_seen_at"], n_accounts=row["n_accounts"], n_exchanges=row["n_exchanges"],
            n_input_tokens=row["input_tokens"], n_output_tokens=row["output_tokens"],
            capabilities=tuple(row["capabilities"]), signals=tuple(row["signals"]), q_value=row["q_value"],
            calibration=row["calibration"], method_version=self._version,
            evidence_root=self._evidence_root(str(run["run_id"])), accounts=tuple(accounts.to_pylist()),
            traits=tuple(traits),
        )  # fmt: skip

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _offered(self, campaign_id: str, asked: Asked) -> tuple[Any, Passage]:
        at = self._clock()
        terms = self.policy.terms(asked.profile, at)
        if terms.profile.direction != "out":
            raise GuardRefused(f"profile {terms.name!r} is for what others send; own findings leave by another")
        frame = Frame(
            ids=Ids(self._workspace.keys.derived("stix-ids/1")),
            publisher=self.policy.publisher,
            tlp=terms.profile.tlp if asked.tlp is None else asked.tlp,
            key_id=self._config.sharing.group_key_id,
        )
        passage = Passage(asked.peer, asked.channel, asked.profile, at, asked.approver)
        offer = offer_of(self.case(campaign_id, opener=asked.opener), frame)
        if not asked.with_definitions:
            kept = tuple(stix for stix in offer.objects if stix["type"] != "extension-definition")
            offer = replace(offer, objects=kept)
        return offer, passage

    def _found(self, campaign_id: str) -> tuple[dict[str, Any], dict[str, Any], datetime]:
        """Run and row of the latest run that knows the campaign, and the end of the window of the first."""
        runs = {row["run_id"]: row for row in self._read(DETECTION_RUNS).to_pylist()}
        rows = _of(self._read(CAMPAIGNS), campaign_id).to_pylist()
        if not rows:
            raise UsageError(f"there is no campaign {campaign_id!r}; `stillwatch campaigns` lists them")
        ordered = sorted(rows, key=lambda row: (runs[row["run_id"]]["as_of"], row["run_id"]))
        return runs[ordered[-1]["run_id"]], ordered[-1], runs[ordered[0]["run_id"]]["as_of"]

    def _traits(
        self, run: dict[str, Any], members: pa.Table, accounts: pa.Array, engine: Engine, opener: str | None
    ) -> list[Trait]:
        most = self._config.sharing.max_traits
        records = self._traffic(EXCHANGE_RECORDS, run, engine)
        found = plain_traits(records, accounts, engine=engine, most=most)
        sketches = self._traffic(PROMPT_SKETCHES, run, engine)
        addresses = [] if opener is None else adopted(records, "client_address", accounts, engine=engine, most=most)
        opened = (self._opened(address, opener or "") for address in addresses)
        key = group_key(self._config.sharing.group_key_file)
        templates = [] if key is None else campaign_templates(members, records, sketches, key, engine=engine)
        return [*found, *(trait for trait in opened if trait), *templates]

    def _traffic(self, table: Table, run: dict[str, Any], engine: Engine) -> Any:
        """Rows of a table by day, of the days of a run's window; of records only those inside of it.

        Sketches of another release's version are left out, as where calls are read.
        """
        window = Window(run["window_start"].astimezone(UTC), run["as_of"].astimezone(UTC))
        files = self._workspace.lake.snapshot().files(table, [str(day) for day in window.days()])
        rows = engine.read(table, files)
        if table is PROMPT_SKETCHES:
            return rows.filter(rows.sketch_version == SKETCH_VERSION)
        if table is not EXCHANGE_RECORDS:
            return rows
        return rows.filter(rows.start_time >= window.start, rows.start_time < window.end)

    def _opened(self, found: Adopted, opener: str) -> Trait | None:
        """The address behind a pseudonym, opened in the vault; None when too little stands behind it or it is gone."""
        least = min(p.min_accounts for p in self.policy.profiles.values() if p.direction == "out")
        if not found.support.suffices(least):
            return None
        try:
            value = self._workspace.vault.open(
                IdentityClass.ADDRESS, int(found.value), actor=opener, reason="share", at=self._clock()
            )
        except VaultError:
            return None
        kind: TraitKind = "ipv6" if ":" in value else "ipv4"
        return Trait(kind, value, found.support, found.first_seen_at, found.last_seen_at)

    def _evidence_root(self, run_id: str) -> str:
        """Leaf hash of the run's last entry in the ledger; empty when there is none."""
        for entry in reversed(self._workspace.ledger.entries(RUN)):
            if msgspec.json.decode(entry.body)["run_id"] == run_id:
                return entry.leaf().hex()
        return ""

    def _read(self, table: Table, run_id: str | None = None) -> pa.Table:
        files = self._workspace.lake.snapshot().files(table, None if run_id is None else [run_id])
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine, engine.scope():
            yield engine


def _of(rows: pa.Table, campaign_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["campaign_id"], campaign_id))
