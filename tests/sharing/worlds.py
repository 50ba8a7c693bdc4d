"""A found campaign with networks, clients and a template behind it, and a laboratory that shares it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec
import pyarrow as pa

from stillwatch.model.tables import EXCHANGE_RECORDS, PROMPT_SKETCHES
from stillwatch.pipeline.sharing import Sharing
from stillwatch.sharing.case import Case
from stillwatch.sharing.settings import Settings
from stillwatch.store.workspace import Workspace
from tests.response.worlds import CAMPAIGN, CONFIG, DAY, TOKENS, Clock, Found, workspace

__all__ = ["CAMPAIGN"]

NETWORK, HONEST_NETWORK = 64500, 64511
CLIENT = "t13d1516h2_8daaf6152771_02713d6af862"
LATER = datetime(2026, 5, 20, 12, tzinfo=UTC)
"""Ten days after the campaign was last seen, while the first legal basis of the shipped policy holds."""
EXPIRED = datetime(2026, 10, 5, 12, tzinfo=UTC)
"""After that basis ran out."""
GROUP_KEY = bytes(range(32))
TEMPLATE = list(range(1000, 1100))


def found_world(folder: Path, found: Found | None = None) -> Workspace:
    """A workspace that found a campaign whose accounts share a network, a client and a template."""
    known = found or Found()
    made = workspace(folder, known)
    accounts = [(name, True) for name in known.flagged] + [(name, False) for name in known.honest]
    records = [_record(number, name, inside) for number, (name, inside) in enumerate(accounts)]
    sketches = [_sketch(number, inside) for number, (_, inside) in enumerate(accounts)]
    with made.lake.write() as writer:
        writer.replace(EXCHANGE_RECORDS, str(DAY), pa.Table.from_pylist(records, schema=EXCHANGE_RECORDS.schema))
        writer.replace(PROMPT_SKETCHES, str(DAY), pa.Table.from_pylist(sketches, schema=PROMPT_SKETCHES.schema))
        writer.commit()
    return made


def sharing(opened: Workspace, *, at: datetime = LATER, made: type[Sharing] = Sharing, **settings: object) -> Sharing:
    """Sharing at a moment, with the group's key in a file beside the workspace."""
    key_file = opened.path.parent / "group.key"
    key_file.write_bytes(GROUP_KEY)
    chosen = Settings(**{"group_key_file": str(key_file), **settings})
    return made(opened, msgspec.structs.replace(CONFIG, sharing=chosen), version="0.1.0", clock=Clock(at))


class Known(Sharing):
    """Sharing that looked at the lake once, for tests of what comes after."""

    cases: ClassVar[dict[Path, Case]] = {}

    def case(self, campaign_id: str, *, opener: str | None = None) -> Case:
        place = self._workspace.path
        if place not in self.cases or opener is not None or campaign_id != CAMPAIGN:
            self.cases[place] = super().case(campaign_id, opener=opener)
        return self.cases[place]


def known(opened: Workspace, *, at: datetime = LATER) -> Sharing:
    """As `sharing`, but the lake of a workspace is looked at once."""
    return sharing(opened, at=at, made=Known)


def _record(number: int, account_id: str, inside: bool) -> dict[str, object]:
    return {
        "day": DAY, "source": "canonical", "source_record_id": f"r{number}", "record_key": number,
        "exchange_key": number, "ingest_batch_id": "b", "ingested_at": LATER, "account_id": account_id,
        "start_time": datetime(2026, 5, 9, 6, tzinfo=UTC) + timedelta(minutes=number), "status": "ok",
        "client_asn": NETWORK if inside else HONEST_NETWORK, "tls_client_ja4": CLIENT if inside else None,
        "content_capture": "none",
    }  # fmt: skip


def _sketch(number: int, inside: bool) -> dict[str, object]:
    return {
        "day": DAY, "record_key": number, "exchange_key": number, "ingested_at": LATER, "sketch_version": 2,
        "skeleton_hash": TOKENS["skeleton"] if inside else 900 + number,
        "shingles": [*TEMPLATE, 5000 + number] if inside else [7000 + number],
    }  # fmt: skip
