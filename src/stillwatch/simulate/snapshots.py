"""Accounts and their events in the shape that ingest writes, with idealised pseudonyms, for the aggregate level."""

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import ACCOUNT_EVENTS, ACCOUNTS, DAY, HASH, TIME
from stillwatch.simulate import infrastructure
from stillwatch.simulate.identity import DAY_MICROSECONDS, account_events, signup_addresses, signups, window_start
from stillwatch.simulate.keyed import Ints, mix
from stillwatch.simulate.population import Population
from stillwatch.simulate.world import World

_BATCH = "simulated"


def account_snapshots(world: World, population: Population, *, seed: int) -> pa.Table:
    """One snapshot of each account as of the end of the window."""
    signup = signups(world, population, seed=seed)
    n = population.n_accounts
    end = window_start(world) + world.n_days * DAY_MICROSECONDS
    moment = pa.repeat(pa.scalar(end), n).cast(TIME)
    domain, shape = email_parts(signup.email)
    address = signup_addresses(population)
    columns = {
        "account_id": signup.account_id,
        "as_of": moment,
        "ingest_batch_id": pa.repeat(pa.scalar(_BATCH), n),
        "ingested_at": moment,
        "created_at": signup.created_at,
        "org_id": signup.org_id,
        "plan": signup.plan,
        "email": _text_pseudonyms(signup.email, 1),
        "email_domain": domain,
        "email_shape": shape,
        "email_shape_hash": _text_pseudonyms(pc.binary_join_element_wise(shape, domain, "@"), 2),
        "phone": _text_pseudonyms(signup.phone, 3),
        "name": _text_pseudonyms(signup.name, 4),
        "payment_fingerprint": _pseudonyms(population.accounts["payment"].astype(np.int64), 5),
        "device_id": _pseudonyms(population.accounts["device"].astype(np.int64), 6),
        "signup_client_address": pa.array(mix(address, 7).view(np.int64)),
        "signup_client_prefix": pa.array(mix(infrastructure.prefixes(address), 8).view(np.int64)),
        "verified_owner": signup.verified_owner,
        "contract_tags": signup.contract_tags,
    }
    return pa.table([columns[name] for name in ACCOUNTS.schema.names], schema=ACCOUNTS.schema)


def stored_account_events(world: World, population: Population, *, seed: int) -> pa.Table:
    """The events of every account that the event level writes, known by the end of the window as `account_snapshots`.

    Ids are as simulated; events after the end of the window are among them.
    """
    events = account_events(world, population, seed=seed)
    end = window_start(world) + world.n_days * DAY_MICROSECONDS
    columns = {
        **{name: events[name] for name in events.column_names},
        "day": events["event_time"].cast(DAY),
        "ingest_batch_id": pa.repeat(pa.scalar(_BATCH), len(events)),
        "ingested_at": pa.repeat(pa.scalar(end), len(events)).cast(TIME),
    }
    return pa.table([columns[name] for name in ACCOUNT_EVENTS.schema.names], schema=ACCOUNT_EVENTS.schema)


def email_parts(email: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Domain, and shape of the local part: runs of letters as `a`, of digits as `9`."""
    parts = pc.split_pattern(email, "@", max_splits=1)
    local, domain = pc.list_element(parts, 0), pc.list_element(parts, 1)
    letters = pc.replace_substring_regex(local, "[a-z]+", "a")
    return domain, pc.replace_substring_regex(letters, "[0-9]+", "9")


def _pseudonyms(identity: Ints, part: int) -> pa.Array:
    return pa.array(mix(identity, part).view(np.int64), type=HASH, mask=identity == 0)


def _text_pseudonyms(texts: pa.Array, part: int) -> pa.Array:
    """Pseudonyms of texts: equal texts have equal ones, null stays null."""
    encoded = pc.dictionary_encode(texts)
    codes = np.array([_text_key(text) for text in encoded.dictionary.to_pylist()], dtype=np.uint64)
    return pa.array(mix(codes, part).view(np.int64), type=HASH).take(encoded.indices)


def _text_key(text: str) -> int:
    """First 8 bytes of the BLAKE2b digest."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
