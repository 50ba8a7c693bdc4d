"""Who a gateway refuses by itself while nobody answers it: the suspended accounts, in the words of each gateway.

A gateway that lets requests pass when stillwatch is away reads such a list, so that an outage frees nobody who was
suspended before it. While stillwatch answers the list is not looked at: who is restored is restored at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@/+=-]*")
"""Ids that mean themselves in a line of text and in nginx' quotes; others are in no such list."""
FAILED_OPEN: Final = "x-envoy-auth-failure-mode-allowed"
"""What Envoy writes on a request that it lets pass because its authorisation service did not answer."""

_TYPE: Final = "type.googleapis.com/envoy."


class Gateway(StrEnum):
    """Whose words a list is written in."""

    TEXT = "text"
    ENVOY = "envoy"
    NGINX = "nginx"


def refusals(accounts: Sequence[str], gateway: Gateway, *, account_header: str) -> bytes:
    """The list of suspended accounts as the gateway reads it; `account_header` is where Envoy wrote the account.

    `text` has one account a line, `nginx` the inside of a `map`, `envoy` a file for its extension discovery. Account
    ids are hostile input: what is not plain is left out of the first two, and quoted as JSON in the third.
    """
    return _WRITERS[gateway](accounts, account_header)


def _text(accounts: Sequence[str], _header: str) -> bytes:
    return "".join(f"{account}\n" for account in accounts if PLAIN.fullmatch(account)).encode()


def _nginx(accounts: Sequence[str], _header: str) -> bytes:
    # NOTE: expressions, because nginx compares the plain strings of a map without regard to case.
    return "".join(f'"~^{re.escape(account)}$" 1;\n' for account in accounts if PLAIN.fullmatch(account)).encode()


def _envoy(accounts: Sequence[str], header: str) -> bytes:
    """An RBAC filter that denies listed accounts on requests that authorisation failed open for, and nothing else."""
    listed = _matched(header, dict.fromkeys(accounts, _action("suspended", "DENY")))
    matcher = _matched(FAILED_OPEN, {"true": {"matcher": listed}})
    rbac = {"@type": f"{_TYPE}extensions.filters.http.rbac.v3.RBAC", "matcher": matcher}
    resource = {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "suspended",
        "typed_config": rbac,
    }
    return msgspec.json.encode({"version_info": "1", "resources": [resource]})


def _matched(header: str, actions: Mapping[str, Any]) -> dict[str, Any]:
    """Envoy's matcher by the value of a header; what matches nothing is allowed."""
    allowed = {"on_no_match": _action("others", "ALLOW")}
    if not actions:  # Envoy takes no empty map
        return allowed
    source = {"@type": f"{_TYPE}type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": header}
    tree = {"input": {"name": header, "typed_config": source}, "exact_match_map": {"map": actions}}
    return allowed | {"matcher_tree": tree}


def _action(name: str, action: str) -> dict[str, Any]:
    typed = {"@type": f"{_TYPE}config.rbac.v3.Action", "name": name, "action": action}
    return {"action": {"name": name, "typed_config": typed}}


_WRITERS: Final[Mapping[Gateway, Callable[[Sequence[str], str], bytes]]] = {
    Gateway.TEXT: _text,
    Gateway.ENVOY: _envoy,
    Gateway.NGINX: _nginx,
}
