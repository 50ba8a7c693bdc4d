"""Accounts as tables: what signup knew about each, in the columns of `ingest accounts`."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import TEXT, TEXTS, TIME
from stillwatch.simulate import infrastructure
from stillwatch.simulate.grammar import words
from stillwatch.simulate.keyed import Ints, Keys, choose, mix, uniform
from stillwatch.simulate.population import Population
from stillwatch.simulate.world import World

MICROSECONDS = 1_000_000
DAY_MICROSECONDS = 86_400 * MICROSECONDS
OWN_DOMAIN = 5
_PROVIDERS = ("mail.example", "inbox.example", "post.example", "webmail.example", "letters.example")
_DISPOSABLE = tuple(f"{stem}drop.example" for stem in words.BANKS["stem"][:400:5])
_PLANS = ("free", "pay_as_you_go", "pay_as_you_go", "pro", "team", "enterprise")


def window_start(world: World) -> int:
    """First moment of the window in microseconds since 1970."""
    return (date.fromisoformat(world.start) - date(1970, 1, 1)).days * DAY_MICROSECONDS


def account_ids(population: Population, *, seed: int) -> pa.Array:
    """Public id of each account; says nothing about its kind."""
    keys = mix(np.arange(population.n_accounts), seed, 0xAC)
    return pa.array([f"ac_{key:016x}" for key in keys.tolist()], type=TEXT)


def truth(population: Population, *, seed: int) -> pa.Table:
    """What each account really is: account_id, is_campaign, campaign_name (null when honest), honest_class."""
    labels = population.labels
    index = pa.array(population.accounts["label"])
    names = pa.array([label.campaign_name or None for label in labels], type=TEXT)
    classes = pa.array([None if label.campaign_name else label.honest_class for label in labels], type=TEXT)
    campaign_name = names.take(index)
    return pa.table(
        {
            "account_id": account_ids(population, seed=seed),
            "is_campaign": pc.is_valid(campaign_name),
            "campaign_name": campaign_name,
            "honest_class": classes.take(index),
        }
    )


def truth_groups(population: Population, *, seed: int) -> pa.Table:
    """Which accounts share a group's traffic: group_id, honest_class, campaign_name, account_id."""
    ids = account_ids(population, seed=seed)
    group = pa.array(population.streams["group"])
    groups = population.groups
    names = pa.array([label.campaign_name or None for label in groups], type=TEXT)
    classes = pa.array([None if label.campaign_name else label.honest_class for label in groups], type=TEXT)
    return pa.table(
        {
            "group_id": pc.cast(group, pa.int64()),
            "honest_class": classes.take(group),
            "campaign_name": names.take(group),
            "account_id": ids.take(pa.array(population.streams["account"])),
        }
    )


@dataclass(frozen=True, slots=True)
class SignupIdentity:
    """Raw identity of each account; arrays of equal length, null where not given."""

    account_id: pa.Array
    created_at: pa.Array
    org_id: pa.Array
    plan: pa.Array
    email: pa.Array
    phone: pa.Array
    name: pa.Array
    payment_fingerprint: pa.Array
    device_id: pa.Array
    signup_client_address: pa.Array
    verified_owner: pa.Array
    contract_tags: pa.Array

    def table(self) -> pa.Table:
        """The columns of `ingest accounts`."""
        return pa.table({name: getattr(self, name) for name in SignupIdentity.__dataclass_fields__})


def signups(world: World, population: Population, *, seed: int) -> SignupIdentity:
    """What signup knew about each account."""
    accounts = population.accounts
    key = mix(np.arange(population.n_accounts), seed, 0x51)
    org = accounts["org"].astype(np.int64)
    return SignupIdentity(
        account_id=account_ids(population, seed=seed),
        created_at=pa.array(created_microseconds(world, population)).cast(TIME),
        org_id=_labelled("org", org),
        plan=_plans(key, org),
        email=emails(accounts["email_kind"].astype(np.int64), key, org),
        phone=_phones(key),
        name=_names(key),
        payment_fingerprint=_labelled("card", accounts["payment"].astype(np.int64)),
        device_id=_labelled("device", accounts["device"].astype(np.int64)),
        signup_client_address=infrastructure.render_addresses(signup_addresses(population)),
        verified_owner=_labelled("owner", accounts["owner"].astype(np.int64)),
        contract_tags=_tags(accounts["tag"].astype(np.int64)),
    )


def created_microseconds(world: World, population: Population) -> Ints:
    """Creation of each account in microseconds since 1970."""
    days = population.accounts["created_day"].astype(np.float64)
    return np.asarray(window_start(world) + (days * DAY_MICROSECONDS).astype(np.int64))


def signup_addresses(population: Population) -> Ints:
    """The address number that each account signed up from: one of its own network."""
    everyone = np.arange(population.n_accounts)
    day = -30  # an epoch of its own: the address of signup is rarely the one of the window
    return infrastructure.addresses(population.accounts, everyone, day, mix(everyone, 0x5A))


def _labelled(kind: str, identity: Ints) -> pa.Array:
    """`kind-<hex>` for ids from 1, null for 0."""
    unique, inverse = np.unique(identity, return_inverse=True)
    texts = [
        f"{kind}-{int(key):012x}" if number else None
        for number, key in zip(unique, mix(unique, 7) >> np.uint64(16), strict=True)
    ]
    return pa.array(texts, type=TEXT).take(pa.array(inverse))


def _word(bank: str, key: Keys, salt: int) -> pa.Array:
    entries = words.BANKS[bank]
    return pa.array(entries).take(pa.array(choose(len(entries), key, salt)))


def emails(kind: Ints, key: Keys, org: Ints) -> pa.Array:
    """An address under `.example` (RFC 2606) for each account, in the habits of its kind."""
    first, last = _word("stem", key, 1), _word("stem", key, 2)
    digits = pa.array(choose(9000, key, 3) + 10).cast(TEXT)
    short = pc.utf8_slice_codeunits(digits, 0, 2)
    initial = pc.utf8_slice_codeunits(first, 0, 1)
    habits = [
        pc.binary_join_element_wise(first, last, "."),
        pc.binary_join_element_wise(first, last, short, ""),
        pc.binary_join_element_wise(initial, last, ""),
        pc.binary_join_element_wise(first, digits, ""),
        pc.binary_join_element_wise(last, first, "_"),
        pc.binary_join_element_wise(first, initial, digits, ""),
    ]
    habit = pa.array(choose(len(habits), key, 4))
    provider = pa.array(_PROVIDERS).take(pa.array(np.minimum(kind, len(_PROVIDERS) - 1)))
    company = np.where(org > 0, mix(org, 5), mix(key, 5))
    own = pc.binary_join_element_wise(_word("stem", company, 6), _word("stem", company, 7), ".example", "")
    disposable = pa.array(_DISPOSABLE).take(pa.array(choose(len(_DISPOSABLE), key, 8)))
    is_own = (kind == OWN_DOMAIN) | ((org > 0) & (uniform(key, 9) < 0.7))
    domain = pc.case_when(pc.make_struct(pa.array(kind > OWN_DOMAIN), pa.array(is_own)), disposable, own, provider)
    return pc.binary_join_element_wise(pc.choose(habit, *habits), domain, "@")


def _phones(key: Keys) -> pa.Array:
    """Numbers of the unassigned country code 999 for half of the accounts."""
    digits = pa.array(choose(900_000_000, key, 11) + 100_000_000).cast(TEXT)
    text = pc.binary_join_element_wise("+999", digits, "")
    return pc.if_else(pa.array(uniform(key, 12) < 0.5), text, pa.scalar(None, TEXT))


def _names(key: Keys) -> pa.Array:
    return pc.binary_join_element_wise(_word("person", key, 1), _word("person", key, 2), " ")


def _plans(key: Keys, org: Ints) -> pa.Array:
    drawn = choose(4, key, 13) + np.where(org > 0, 2, 0)
    return pa.array(_PLANS).take(pa.array(drawn))


def _tags(tag: npt.NDArray[np.int64]) -> pa.Array:
    tags = [["synthetic-data"] if value else [] for value in (0, 1)]
    return pa.array(tags, type=TEXTS).take(pa.array((tag > 0).astype(np.int64)))


def account_events(world: World, population: Population, *, seed: int) -> pa.Table:
    """Signups, keys, payments, suspensions and reinstatements in the columns of `ingest account-events`."""
    everyone = np.arange(population.n_accounts)
    created = created_microseconds(world, population)
    key = mix(everyone, seed, 0xE7)
    suspended = population.accounts["suspended_day"].astype(np.float64)
    lapses = np.isnan(suspended) & (uniform(key, 1) < 0.012)  # unpaid bills and mistakes of the provider
    lapse = np.where(lapses, uniform(key, 2) * world.n_days, suspended)
    lapse_at = window_start(world) + (np.nan_to_num(lapse) * DAY_MICROSECONDS).astype(np.int64)
    back_at = lapse_at + (uniform(key, 3) * 3 * DAY_MICROSECONDS).astype(np.int64)
    hours = 3600 * MICROSECONDS
    parts = [
        ("signup", created, np.full(len(created), fill_value=True)),
        ("key_created", created + (uniform(key, 4) * 40 * hours).astype(np.int64), uniform(key, 5) < 0.97),
        (
            "payment_added",
            created + (uniform(key, 6) * 90 * hours).astype(np.int64),
            population.accounts["payment"] > 0,
        ),
        ("suspended", lapse_at, ~np.isnan(lapse) & (lapse_at > created)),
        ("reinstated", back_at, lapses & (lapse_at > created)),
    ]
    ids = account_ids(population, seed=seed)
    tables = [_events_of(name, at[mask], ids.take(pa.array(everyone[mask])), key[mask]) for name, at, mask in parts]
    table = pa.concat_tables(tables)
    return table.sort_by([("event_time", "ascending"), ("event_id", "ascending")])


def _events_of(name: str, at: Ints, account_id: pa.Array, key: Keys) -> pa.Table:
    ids = [f"ev_{number:016x}" for number in mix(key, len(name), ord(name[0])).tolist()]
    return pa.table(
        {
            "event_id": pa.array(ids, type=TEXT),
            "account_id": account_id,
            "event_time": pa.array(at).cast(TIME),
            "event_name": pa.array([name] * len(at), type=TEXT),
        }
    )
