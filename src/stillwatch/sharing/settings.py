"""What is shared with whom, and by which policy."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Collection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TAXII collection. Readers and writers are names of API keys of role `peer`."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    title: str
    profile: str = "peer"
    readers: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another laboratory with which sets are compared privately. `url` is its server; empty: by files alone."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    """What `stillwatch share match key` prints there."""
    url: str = ""
    answers: tuple[str, ...] = ()
    """Token kinds for which this server answers the partner's offers up to the count; which items match is never told
    without a person."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sharing with other laboratories, authorities and the public."""

    policy: str = ""
    """File of the sharing policy; empty: the one that comes with stillwatch."""
    group_key_file: str = ""
    """File with the 32 bytes of the sharing group's key; empty: no sketch of a prompt template leaves."""
    group_key_id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,23}$")] = "group-1"
    """Name of the group's key, so that members know under which one a sketch was made."""
    max_traits: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Networks, clients, addresses and templates of a campaign that are offered to the guard, each."""
    collections: tuple[Collection, ...] = ()
    """What the TAXII server offers."""
    laboratory: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,40})?$")] = ""
    """How partners name this laboratory; empty: nothing is compared privately."""
    partners: tuple[Partner, ...] = ()
    """With whom sets are compared privately."""
    canaries: str = ""
    """File of `kind value` lines that were never seen here: a partner that matches one tries guesses; empty: none."""
    page_objects: Annotated[int, Meta(ge=1, le=1000)] = 100
    """Objects in one answer of the TAXII server."""
    post_objects: Annotated[int, Meta(ge=1, le=20_000)] = 5000
    """Objects in one message to the TAXII server."""
    post_bytes: Annotated[int, Meta(ge=1024)] = 8 << 20
    """Bytes of one message to the TAXII server."""
