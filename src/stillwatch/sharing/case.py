"""What an export may tell of one campaign: a case, gathered from the tables of one run."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from stillwatch.guard import Support

TraitKind = Literal["asn", "ja4", "ipv4", "ipv6", "sketch", "reseller"]


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that accounts of the campaign share and others hardly have, with what stands behind it.

    `value` is the number of an autonomous system, a JA4 fingerprint, an address, a keyed sketch, or a reseller's
    organisation.
    """

    kind: TraitKind
    value: str
    support: Support
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign as one run saw it. `opened_at` is the end of the window of the first run that knew it.

    `evidence_root` is the hexadecimal leaf hash of the run's entry in the ledger; empty when there is none.
    """

    campaign_id: str
    opened_at: datetime
    as_of: datetime
    first_seen_at: datetime
    last_seen_at: datetime
    n_accounts: int
    n_exchanges: int
    n_input_tokens: int
    n_output_tokens: int
    capabilities: tuple[str, ...]
    signals: tuple[str, ...]
    q_value: float
    calibration: str
    method_version: str
    evidence_root: str = ""
    accounts: tuple[str, ...] = field(default=(), repr=False)
    traits: tuple[Trait, ...] = ()
