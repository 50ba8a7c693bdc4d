"""What an operator does over years: migrate, back up, erase and hold, on one workspace."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import lifecycle, sources
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.errors import ConfigError, EnvironmentFault, UsageError
from stillwatch.ingest import ingest_paths
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.tables import ACCOUNT_FINDINGS, CAMPAIGN_MEMBERS, EXCHANGE_RECORDS
from stillwatch.pipeline.daily import refresh_features, stale_days
from stillwatch.pipeline.response import Responder
from stillwatch.store.backup import Contents, back_up
from stillwatch.store.erasure import Forgotten, forget_account, names_account
from stillwatch.store.expiry import expire_rows, n_expiring
from stillwatch.store.holds import Hold, Holds
from stillwatch.store.keys import Keys, NextKeys
from stillwatch.store.lake import Snapshot
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.migrations import Change, migrate_lake, migrate_state, pending_of_lake, pending_of_state
from stillwatch.store.rekeying import Rekeyed, check_vault, key_id, rekey_state
from stillwatch.store.spool import Spool, sealed_files
from stillwatch.store.storage import LocalStorage
from stillwatch.store.workspace import Workspace

BACKED_UP: Final = "workspace.backed_up"
MIGRATED: Final = "workspace.migrated"
PRUNED: Final = "retention.applied"
TRIES: Final = 5
"""Times that erasing brings aggregates up to date again because somebody ingested in between."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing an account took out: rows of the lake, what the state lost, and the runs that had named it."""

    account_id: str
    n_rows: int
    forgotten: Forgotten
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expired:
    """Rows of one table that are past their time, and how many of such rows stay for a hold."""

    table: str
    n_rows: int
    n_held: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: the id of the new key, segments written anew, and what changed in the state."""

    key_id: str
    n_segments: int
    state: Rekeyed


class Custodian:
    """Looks after one workspace. `clock` dates what is written."""

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._config = config
        self._clock = clock

    # -- upgrades and backups -----------------------------------------------------------------------------------------

    def pending(self) -> list[Change]:
        """The steps that `migrate` would take, in their order."""
        return [*pending_of_state(self._workspace.state), *pending_of_lake(self._storage)]

    def migrate(self) -> list[Change]:
        """Take every step from an earlier release's layout to this one's; returns them. Run it again after a crash.

        The state goes first: its ledger takes the entry about the steps of both.
        """
        at = self._clock()
        done = [*migrate_state(self._workspace.state, at), *migrate_lake(self._storage, at)]
        if done:
            self._workspace.reopen()
            said = [f"{change.part} {change.version} to {change.version + 1}" for change in done]
            self._workspace.ledger.append(MIGRATED, {"steps": said}, at)
        return done

    def back_up(self, target: Path, *, release: str, with_keys: bool = False) -> Contents:
        """Write a backup into a new folder or `.tar` file, and enter it into the ledger where the layout is ours."""
        at = self._clock()
        contents = back_up(self._workspace, target, release=release, at=at, with_keys=with_keys)
        if self._workspace.state.is_current:
            body = {"lake_version": contents.lake_version, "n_files": len(contents.members), "has_keys": with_keys}
            self._workspace.ledger.append(BACKED_UP, body, at)
        return contents

    # -- keys ---------------------------------------------------------------------------------------------------------

    def rotate(self, *, actor: str, reason: str) -> Rotated:
        """Put every pseudonym and every sealed identity under new keys. Run it again to finish one that was cut off.

        (1) The new keys are in the key file beside the present ones. (2) One commit of the lake brings all rows under
        them and says so in the manifest. (3) One transaction does the same to the state. (4) The key file lets the old
        vault key go. Each step looks at what is there, so that nothing is done twice; until (4) is done, everything
        that needs keys refuses.

        Raises:
            EnvironmentFault: a server holds the spool; stop it first.
            LakeLocked: somebody writes the lake.
            VaultError: an identity does not open under the present key; nothing is changed then.
        """
        if not actor.strip() or not reason.strip():
            raise UsageError("rotating keys needs a name and a reason")
        with self._without_server():
            keys = Keys.load(self._workspace.key_file).prepared()
            state, at = self._workspace.state, self._clock()
            assert keys.next is not None
            is_due = key_id(state) != keys.next.key_id
            if is_due:
                check_vault(state, keys)
            keys.save(self._workspace.key_file)  # (1)
            n_segments = self._rekey_lake(keys, keys.next)  # (2)
            alias = lifecycle.Renamer(keys.next.link_key).alias
            done = Rekeyed(0, 0)
            if is_due:
                done = rekey_state(state, Ledger(state), keys, alias, actor=actor, reason=reason, at=at)  # (3)
            state.shred()
            keys.promoted().save(self._workspace.key_file)  # (4)
        self._workspace.reopen()
        self._republish()
        return Rotated(keys.next.key_id, n_segments, done)

    def _rekey_lake(self, keys: Keys, following: NextKeys) -> int:
        lake, n = self._workspace.lake, 0
        with lake.write() as writer:
            snapshot = lake.snapshot()
            if snapshot.key_id == keys.pseudonym_key_id:
                n = lifecycle.rekey(writer, snapshot, following.link_key, following.key_id)
                writer.commit()
            elif snapshot.key_id != following.key_id:
                raise ConfigError(
                    f"the lake's rows are under key {snapshot.key_id}, the key file holds {keys.pseudonym_key_id}; "
                    "restore the key file that belongs to this workspace"
                )
            writer.sweep()
        return n

    def _without_server(self) -> AbstractContextManager[object]:
        """Keeps servers off the spool meanwhile: they would name what comes in by the old keys."""
        folder = self._workspace.path / "spool"
        return Spool(folder, self._config.serve.spool) if folder.is_dir() else nullcontext()

    def _republish(self) -> None:
        responder = Responder(self._workspace, self._config, clock=self._clock)
        if responder.snapshot_path.exists():
            responder.publish()

    # -- holds --------------------------------------------------------------------------------------------------------

    @cached_property
    def holds(self) -> Holds:
        """The workspace's legal holds."""
        return Holds(self._workspace.state, self._workspace.ledger)

    def hold(
        self,
        case_id: str,
        *,
        accounts: Sequence[str] = (),
        campaign: str | None = None,
        reason: str,
        placed_by: str,
        approver: str,
        expires_at: datetime,
    ) -> Hold:
        """Hold accounts, named or every one that any stored run counts to a campaign.

        Raises:
            UsageError: nothing stored names an account or the campaign, or the hold is not in order.
        """
        snapshot = self._workspace.lake.snapshot()
        held: dict[str, str | None] = {self._named(snapshot, name).account_id: None for name in accounts}
        if campaign is not None:
            members = _members(snapshot, campaign)
            if not members:
                raise UsageError(f"no stored run has a campaign {campaign!r}; `stillwatch campaigns` lists them")
            held = {**dict.fromkeys(members, campaign), **held}
        at = self._clock()
        hold_id = self.holds.place(
            case_id, held, reason=reason, placed_by=placed_by, approver=approver, at=at, expires_at=expires_at
        )
        return next(hold for hold in self.holds.standing(at) if hold.hold_id == hold_id)

    # -- retention ----------------------------------------------------------------------------------------------------

    def expiring(self) -> list[Expired]:
        """What `prune` would take out now, by table; tables of which nothing is due are left out."""
        now = self._clock()
        due = lifecycle.expiring(self._workspace.lake.snapshot(), self._settings, self.holds.held(now), now)
        found = [
            Expired(name, sum(one.n_rows for one in due if one.table.name == name),
                    sum(one.n_held for one in due if one.table.name == name))
            for name in dict.fromkeys(one.table.name for one in due)
        ]  # fmt: skip
        for name, column, before in self._dated(now):
            found.append(Expired(name, n_expiring(self._workspace.state, name, column, before), 0))
        found.append(Expired("identities", *self._n_identities(now)))
        return [one for one in found if one.n_rows]

    def prune(self, *, actor: str) -> list[Expired]:
        """Take out what is past its time, rows under hold excepted, and enter the counts into the ledger."""
        done, now, lake = self.expiring(), self._clock(), self._workspace.lake
        held = self.holds.held(now)
        self._refresh()
        with lake.write() as writer:
            snapshot = lake.snapshot()
            due = lifecycle.expiring(snapshot, self._settings, held, now)
            lifecycle.expire(writer, snapshot, due, held, now)
            writer.commit()
        for name, column, before in self._dated(now):
            expire_rows(self._workspace.state, name, column, before)
        self._workspace.vault.expire(now, self._held_identities(now))
        if done:
            rows = {one.table: one.n_rows for one in done}
            body: Body = {"actor": actor, "rows": rows, "n_held": sum(one.n_held for one in done)}
            self._workspace.ledger.append(PRUNED, body, now)
        return done

    def _held_identities(self, now: datetime) -> dict[str, frozenset[int]]:
        return lifecycle.held_identities(self._workspace.lake.snapshot(), self.holds.held(now))

    def _n_identities(self, now: datetime) -> tuple[int, int]:
        """Sealed identities that are past their time: those that go, and those that a hold keeps."""
        vault = self._workspace.vault
        n_all, n_due = len(vault.expired(now)), len(vault.expired(now, self._held_identities(now)))
        return n_due, n_all - n_due

    def _dated(self, now: datetime) -> list[tuple[str, str, datetime]]:
        days = self._settings.days
        return [
            (name, column, now - timedelta(days=days[name]))
            for name, column in lifecycle.BY_TIME.items()
            if name in days
        ]

    @property
    def _settings(self) -> lifecycle.Settings:
        return self._config.retention

    def _refresh(self) -> None:
        """Bring daily aggregates up to date, without an engine where they are."""
        if _stale(self._workspace.lake.snapshot()):
            with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine:
                refresh_features(self._workspace.lake, engine=engine, config=self._config)

    # -- erasing ------------------------------------------------------------------------------------------------------

    def erase(self, account_id: str, *, actor: str, reason: str) -> Erased:
        """Take an account out of the workspace: rows, texts, sealed identities, and its part in the aggregates.

        It is done when this returns; after a crash, run it again. Rows of the ledger stay, and nobody can tie them to
        the account any more. Records that senders go on to report bring the account back.

        Raises:
            UsageError: nothing stored names it, nobody is named, or the reason names the account.
            UnderHold: a legal hold keeps it.
            EnvironmentFault: a running server still spools records of it.
        """
        if not actor.strip() or not reason.strip() or account_id in reason:
            raise UsageError("erasing needs a name and a reason that does not name the account, such as a ticket")
        self._empty_spool(account_id)
        done = self._erase(account_id, actor, reason)
        self._workspace.state.shred()
        self._republish()
        if done is None:
            raise UsageError(f"nothing stored names an account {account_id!r}; correct the id, or it is erased already")
        return done

    def _erase(self, account_id: str, actor: str, reason: str) -> Erased | None:
        lake, at = self._workspace.lake, self._clock()
        for _ in range(TRIES):
            self._refresh()
            with lake.write() as writer:
                snapshot = lake.snapshot()
                if _stale(snapshot):
                    continue
                found = self._named(snapshot, account_id, must=False)
                if not found.is_known and not names_account(self._workspace.state, found.account_id):
                    writer.sweep()  # an earlier call may have been cut off in front of this
                    return None
                self.holds.refuse(found.account_id, actor=actor, at=at, campaigns=found.campaigns)
                forgotten = forget_account(
                    self._workspace.state, self._workspace.ledger, found.account_id, found.pseudonyms,
                    actor=actor, reason=reason, at=at,
                )  # fmt: skip
                n = lifecycle.erase(writer, snapshot, found)
                writer.commit()
                writer.sweep()
            return Erased(found.account_id, n, forgotten, tuple(found.partitions.get(ACCOUNT_FINDINGS.name, ())))
        raise EnvironmentFault("somebody ingests without a pause; erase when ingest has finished")

    def _named(self, snapshot: Snapshot, account_id: str, *, must: bool = True) -> lifecycle.Trace:
        """What is stored of an account as it was given, or under the alias that it has by now."""
        names = Pseudonymiser.under(self._workspace.keys)
        given = pa.array([account_id], pa.string())
        aliases = [str(names.aliases(given, may_be_key=may_be)[0].as_py()) for may_be in (False, True)]
        for name in dict.fromkeys((account_id, *aliases, *self._workspace.keys.present_names(account_id))):
            found = lifecycle.trace(snapshot, name)
            if found.is_known:
                return found
        if must:
            raise UsageError(f"nothing stored names an account {account_id!r}; correct the id")
        return lifecycle.trace(snapshot, aliases[0])

    def _empty_spool(self, account_id: str) -> None:
        """Ingest what a stopped server left in its spool, so that nothing of the account waits there."""
        folder = self._workspace.path / "spool"
        if not folder.is_dir():
            return
        try:
            Spool(folder, self._config.serve.spool).close()  # seals what was left open
        except EnvironmentFault:
            if any(account_id.encode() in path.read_bytes() for path in folder.iterdir() if path.is_file()):
                raise EnvironmentFault(
                    "a running server still spools records of this account; wait until they are ingested, a few "
                    "seconds, and erase then"
                ) from None
            return
        for path in sealed_files(folder):
            ingest_paths(
                [path], sources.source("otlp", self._config.sources), lake=self._workspace.lake,
                keys=self._workspace.keys, vault=self._workspace.vault, settings=self._config.ingest, clock=self._clock,
            )  # fmt: skip
            path.unlink()

    @property
    def _storage(self) -> LocalStorage:
        return LocalStorage(self._workspace.lake_folder)


def _stale(snapshot: Snapshot) -> list[date]:
    return stale_days(snapshot, [date.fromisoformat(day) for day in snapshot.partitions(EXCHANGE_RECORDS)])


def _members(snapshot: Snapshot, campaign: str) -> set[str]:
    """Accounts that any stored run counts to a campaign."""
    found: set[str] = set()
    for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS):
        rows = lifecycle.read_rows(snapshot.files(table), ["campaign_id", "account_id"], table)
        found |= set(rows.filter(pc.equal(rows["campaign_id"], campaign))["account_id"].to_pylist())
    return found
