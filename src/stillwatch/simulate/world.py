"""The description of a world, from which both levels of simulation are drawn."""

from enum import Enum

import msgspec

from stillwatch.simulate.material import PEOPLE


class Hours(Enum):
    """When in the day a stream sends."""

    MEMBER = "member"
    """Each account by the clock of its own region."""
    GROUP = "group"
    """All members by the clock of one region."""
    ALWAYS = "always"
    """Around the clock."""
    SCHEDULED = "scheduled"
    """Evenly spaced, as a scheduler sends."""


class Network(Enum):
    """Where a group's accounts connect from."""

    OWN = "own"
    NAT = "nat"
    VPN = "vpn"
    CGNAT = "cgnat"
    CLOUD = "cloud"
    SHARED_CLOUD = "shared_cloud"


class Lookalike(msgspec.Struct, frozen=True, kw_only=True):
    """One class of honest groups that resembles a campaign in some respect.

    `groups_per_100k` is the number of groups for each 100,000 honest accounts, at least `min_groups` in any world.
    `members` bounds a log-uniform group size. `exchanges` is a member's median number of exchanges over its span, with
    log-normal spread `volume_sigma` between members. `span_days` bounds the uniform length of the group's life.
    `joins` draws the members from the ordinary accounts; otherwise they are accounts of their own.
    `pool` is the number of prompt instances that all members draw from; 0: each sends its own. `entities` is the median
    number of things that a member's own prompts are about; in the share `one_stock` of the groups the members have one
    stock of them, as where one owner's load is spread over several accounts.
    """

    honest_class: str
    groups_per_100k: float
    min_groups: int = 1
    members: tuple[int, int]
    joins: bool = False
    exchanges: float
    volume_sigma: float
    span_days: tuple[int, int]
    onset_spread_days: float = 3.0
    p_active: float = 0.5
    burst: float = 1.0
    hours: Hours = Hours.MEMBER
    templates: tuple[int, int] = (0, 0)
    p_template: float = 0.0
    masked: float = 0.5
    has_system: bool = False
    has_tools: bool = False
    n_topics: int = 4
    targets: float = 0.3
    pool: int = 0
    entities: float = PEOPLE
    one_stock: float = 0.0
    network: Network = Network.OWN
    p_network: float = 1.0
    shares_payment: float = 0.0
    shares_device: float = 0.0
    shares_org: float = 0.0
    young: float = 0.3
    verified: float = 0.0
    contract_tag: str = ""
    loop: float = 1.0


class HonestMix(msgspec.Struct, frozen=True, kw_only=True):
    """Who the honest accounts of a world are. Shares are of accounts, rates per 45 days.

    `material_scale` multiplies the median number of entities of every account: the larger, the more seldom anybody
    comes back to the same names and files.
    """

    n_accounts: int = 200_000
    median_exchanges: float = 4.0
    volume_sigma: float = 1.6
    power_share: float = 0.014
    power_median_exchanges: float = 360.0
    power_sigma: float = 1.1
    always_on_share: float = 0.15
    scheduled_share: float = 0.006
    framework_share: float = 0.45
    n_frameworks: int = 300
    top_framework_share: float = 0.12
    cgnat_share: float = 0.30
    vpn_share: float = 0.05
    nat_share: float = 0.08
    cloud_share: float = 0.30
    shared_payment_share: float = 0.06
    shared_device_share: float = 0.03
    disposable_email_share: float = 0.03
    material_scale: float = 1.0
    lookalikes: tuple[Lookalike, ...] = ()


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign and the knobs of its evasion.

    `exchanges_per_day` is all traffic of one account and day; the share `dilution` of it is cover of an honest kind.
    `paraphrase` is the share of exchanges whose wording keeps nothing of its template. `volume_sigma` 0 is a balanced
    queue (Poisson), more is the log-normal spread between accounts. `served` cuts the campaign after that share of its
    days. `generations` > 1: each account is banned and replaced by a new one so many times. `hides_in_framework` is the
    rank of a popular framework whose system prompt and tools the campaign sends. `samples_per_prompt` is the
    number of random accounts that each prompt is sent to, all on one day.
    """

    name: str = "base"
    n_accounts: int = 500
    exchanges_per_day: float = 26.0
    templates: int = 5
    masked: float = 0.4
    paraphrase: float = 0.0
    dilution: float = 0.2
    p_share: float = 0.05
    cluster: int = 8
    volume_sigma: float = 0.0
    daily_burst: float = 0.0
    aged: float = 0.0
    mimics_hours: bool = False
    follows_provider_hours: bool = True
    persona_topics: int = 0
    unfocused: bool = False
    generations: int = 1
    slow_start_days: float = 0.0
    pivots: bool = False
    hides_in_framework: int | None = None
    shares_system: bool = True
    shares_tools: bool = True
    start_day: int = 0
    served: float = 1.0
    signup_spread_days: float = 60.0
    samples_per_prompt: int = 1


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's window: honest accounts, campaigns, and the calendar that both share."""

    honest: HonestMix = HonestMix()
    campaigns: tuple[Campaign, ...] = ()
    n_days: int = 45
    start: str = "2026-04-22"
    release_day: int = 20
    no_text: bool = False
