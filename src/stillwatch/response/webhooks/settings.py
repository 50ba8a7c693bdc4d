"""Where events go, with which secrets, and how often a delivery is tried."""

import ipaddress
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from stillwatch.errors import ConfigError
from stillwatch.response.webhooks.event import EVENT_KINDS


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver of the operator's own."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    url: str
    """`https://`, or `http://` to this machine alone."""
    secrets: Annotated[tuple[str, ...], Meta(min_length=1, max_length=4)]
    """Where the signing secrets are, each `env:NAME` or `file:/path`; two while one takes the other's place."""
    events: tuple[str, ...] = ()
    """Kinds of events that it wants; empty: all."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent and how patiently."""

    endpoints: tuple[Endpoint, ...] = ()
    link: str = ""
    """Address of a campaign's page; `{campaign_id}` stands for its id. Empty: events hold no link."""
    timeout_seconds: Annotated[float, Meta(gt=0, le=120)] = 15.0
    """One attempt as a whole; Standard Webhooks advises 15 to 30 s."""
    first_retry_seconds: Annotated[float, Meta(gt=0)] = 5.0
    retry_factor: Annotated[float, Meta(ge=1)] = 4.0
    max_retry_seconds: Annotated[float, Meta(gt=0)] = 21_600.0
    """Longest pause between two attempts, also where the receiver asks for a longer one."""
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 12
    """Then the delivery is given up; with the defaults after about a day and a half."""


def checked(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, tuple[str, ...]]:
    """The secrets of each endpoint by its name.

    Raises:
        ConfigError: two endpoints have one name, an address is neither https nor of this machine, a kind of event does
            not exist, or a secret cannot be read. The message never holds a secret.
    """
    names = [endpoint.name for endpoint in settings.endpoints]
    if len(names) != len(set(names)):
        raise ConfigError("two webhook endpoints have one name; give each its own")
    for endpoint in settings.endpoints:
        _check_address(endpoint)
        unknown = sorted(set(endpoint.events) - set(EVENT_KINDS))
        if unknown:
            raise ConfigError(
                f"webhook endpoint {endpoint.name}: there is no event {unknown[0]!r}; choose from "
                f"{', '.join(EVENT_KINDS)}"
            )
    return {
        endpoint.name: tuple(_secret(endpoint.name, place, environ) for place in endpoint.secrets)
        for endpoint in settings.endpoints
    }


def _check_address(endpoint: Endpoint) -> None:
    """(1) It is an address, (2) without a user or password, (3) https, or http to this machine."""
    try:
        parts = urlsplit(endpoint.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not endpoint.url.isascii() or not endpoint.url.isprintable() or " " in endpoint.url:  # (1)
        raise ConfigError(f"webhook endpoint {endpoint.name}: its url is no address; write https://HOST/PATH")
    if parts.username is not None or parts.password is not None:  # (2)
        raise ConfigError(f"webhook endpoint {endpoint.name}: its url holds a user or password; leave them out")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):  # (3)
        raise ConfigError(f"webhook endpoint {endpoint.name}: {parts.scheme}://{host} is not https; use https")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: a loopback address, or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(name: str, place: str, environ: Mapping[str, str]) -> str:
    kind, _, where = place.partition(":")
    if kind == "env" and where:
        text = environ.get(where, "")
        if not text:
            raise ConfigError(f"webhook endpoint {name}: the environment has no {where}; set it to the secret")
    elif kind == "file" and where:
        text = _read(name, Path(where))
    else:
        # NOTE: without the value: whoever writes the secret itself here must not find it in a log.
        raise ConfigError(f"webhook endpoint {name}: a secret is named as env:NAME or file:/path, never written out")
    return text.strip()


def _read(name: str, path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"webhook endpoint {name}: {path} is open to other accounts; run chmod 600 on it")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigError(f"webhook endpoint {name}: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise ConfigError(f"webhook endpoint {name}: {path} holds no secret of the form whsec_...") from None
