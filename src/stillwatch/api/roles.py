"""Which role may call which route: the whole policy on one screen. A route that is not named here does not start."""

from collections.abc import Mapping
from typing import Final

from stillwatch.model.role import Role

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Paths that answer without a key; they say nothing but whether the server is well."""
CONSOLE_PREFIX: Final = "/console/"
CONSOLE_PATH: Final = "/console/{path:path}"
CONSOLE_PATHS: Final = frozenset({"/console", CONSOLE_PATH})
"""Routes of the console's files, which are open too: they hold no data."""


def open_route(path: str) -> str | None:
    """The route of a path that needs no key; None for every other path."""
    if path.startswith(CONSOLE_PREFIX):
        return CONSOLE_PATH
    return path if path in OPEN_PATHS | CONSOLE_PATHS else None


_INGEST, _ANALYST, _RESPONDER, _ADMIN = Role.INGEST, Role.ANALYST, Role.RESPONDER, Role.ADMIN
SENDERS: Final = frozenset({_INGEST, _ADMIN})
GATEWAYS: Final = frozenset({_INGEST, _RESPONDER, _ADMIN})
READERS: Final = frozenset({_ANALYST, _RESPONDER, _ADMIN})
JUDGES: Final = frozenset({_RESPONDER, _ADMIN})
ADMINS: Final = frozenset({_ADMIN})
PEERS: Final = frozenset({Role.PEER})
ANYBODY: Final = frozenset(Role)

ACCESS: Final[Mapping[tuple[str, str], frozenset[Role]]] = {
    ("POST", "/v1/traces"): SENDERS,
    ("POST", "/v1/logs"): SENDERS,
    ("POST", "/v1/decision"): GATEWAYS,
    ("POST", "/beta/litellm_basic_guardrail_api"): GATEWAYS,
    ("*", "/v1/ext_authz/{path:path}"): GATEWAYS,
    ("GET", "/v1/auth_request"): GATEWAYS,
    ("GET", "/v1/snapshot"): GATEWAYS,
    ("GET", "/v1/suspended"): GATEWAYS,
    ("GET", "/metrics"): READERS,
    ("GET", "/openapi.json"): ANYBODY,
    ("GET", "/v1/whoami"): ANYBODY,
    ("GET", "/v1/events"): READERS,
    ("GET", "/v1/runs"): READERS,
    ("GET", "/v1/calibration"): READERS,
    ("GET", "/v1/campaigns"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/members"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/groups"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/signals"): READERS,
    ("GET", "/v1/accounts"): READERS,
    ("GET", "/v1/accounts/{account_id:path}"): READERS,
    ("GET", "/v1/batches"): READERS,
    ("GET", "/v1/rejects"): READERS,
    ("GET", "/v1/judgements"): READERS,
    ("GET", "/v1/overview"): READERS,
    ("GET", "/v1/days"): READERS,
    ("GET", "/v1/sources"): READERS,
    ("GET", "/v1/coverage"): READERS,
    ("GET", "/v1/rejects/reasons"): READERS,
    ("GET", "/v1/tokens/{token_kind}/{token}/accounts"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/evidence"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/timeline"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/tokens"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/history"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/exposure"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/exposure/accounts"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/exposure/days"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/exposure/models"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/graph"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/graph/links"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/sharing"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/attributions"): READERS,
    ("POST", "/v1/attributions"): JUDGES,
    ("POST", "/v1/attributions/{assessment_id}"): JUDGES,
    ("GET", "/v1/dossiers"): READERS,
    ("GET", "/v1/campaigns/{campaign_id}/dossier"): READERS,
    ("POST", "/v1/campaigns/{campaign_id}/dossier"): JUDGES,
    ("GET", "/v1/search"): READERS,
    ("POST", "/v1/contents/{content_ref}/reveal"): READERS,
    ("GET", "/v1/disclosures"): READERS,
    ("GET", "/v1/disclosures/{record_id}/decisions"): READERS,
    ("GET", "/v1/indicators"): READERS,
    ("GET", "/v1/indicators/sighted"): READERS,
    ("GET", "/v1/provenance"): READERS,
    ("GET", "/v1/screening/hits"): READERS,
    ("GET", "/v1/screening/reviews"): READERS,
    ("GET", "/v1/pulses"): READERS,
    ("GET", "/v1/deliveries"): READERS,
    ("GET", "/v1/ledger"): READERS,
    ("GET", "/v1/ledger/{entry}"): READERS,
    ("GET", "/v1/decisions/events"): READERS,
    ("GET", "/v1/health"): READERS,
    ("GET", "/v1/watch"): READERS,
    ("GET", "/v1/policy"): READERS,
    ("GET", "/v1/holds"): READERS,
    ("GET", "/v1/attributions"): READERS,
    ("GET", "/v1/screening/lists"): READERS,
    ("GET", "/v1/matches"): READERS,
    ("POST", "/v1/judgements"): JUDGES,
    ("GET", "/v1/decisions"): READERS,
    ("GET", "/v1/plan"): READERS,
    ("POST", "/v1/plan"): JUDGES,
    ("POST", "/v1/apply"): JUDGES,
    ("GET", "/v1/appeals"): READERS,
    ("POST", "/v1/appeals"): JUDGES,
    ("GET", "/v1/appeals/budget"): READERS,
    ("GET", "/v1/kill"): READERS,
    ("POST", "/v1/kill"): JUDGES,
    ("GET", "/v1/keys"): ADMINS,
    ("POST", "/v1/keys"): ADMINS,
    ("DELETE", "/v1/keys/{key_id}"): ADMINS,
    ("GET", "/v1/audit"): ADMINS,
    ("POST", "/v1/matching"): PEERS,
    ("GET", "/taxii2/"): PEERS,
    ("GET", "/taxii2/root/"): PEERS,
    ("GET", "/taxii2/root/status/{status_id}/"): PEERS,
    ("GET", "/taxii2/root/collections/"): PEERS,
    ("GET", "/taxii2/root/collections/{collection_id}/"): PEERS,
    ("GET", "/taxii2/root/collections/{collection_id}/manifest/"): PEERS,
    ("GET", "/taxii2/root/collections/{collection_id}/objects/"): PEERS,
    ("POST", "/taxii2/root/collections/{collection_id}/objects/"): PEERS,
    ("GET", "/taxii2/root/collections/{collection_id}/objects/{object_id}/"): PEERS,
    ("DELETE", "/taxii2/root/collections/{collection_id}/objects/{object_id}/"): PEERS,
    ("GET", "/taxii2/root/collections/{collection_id}/objects/{object_id}/versions/"): PEERS,
}
"""Method (`*`: any) and template of each route to the roles that may call it."""

UNAUDITED: Final = frozenset(
    {
        ("POST", "/v1/decision"),
        ("POST", "/beta/litellm_basic_guardrail_api"),
        ("*", "/v1/ext_authz/{path:path}"),
        ("POST", "/v1/plan"),
    }
)
"""Routes that write nothing although their method says so: only refused calls of them are audited."""

WRITES_STATE: Final = frozenset(
    {
        ("POST", "/v1/contents/{content_ref}/reveal"),
        ("POST", "/v1/attributions"),
        ("POST", "/v1/attributions/{assessment_id}"),
        ("POST", "/v1/campaigns/{campaign_id}/dossier"),
        ("POST", "/v1/judgements"),
        ("POST", "/v1/apply"),
        ("POST", "/v1/appeals"),
        ("POST", "/v1/kill"),
        ("POST", "/v1/keys"),
        ("DELETE", "/v1/keys/{key_id}"),
    }
)
"""Writes by people: the audit entry is on disk before the answer leaves. Others are audited within a second."""
