"""What an operator may set about telemetry formats."""

from typing import Annotated

import msgspec


class LitellmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How LiteLLM records are read.

    `call_id_order`: which of `response_id`, `litellm_call_id`, `x_request_id`, `trace_id` names the call, best first.
    `trusted_hops`: 0 takes `requester_ip_address` as LiteLLM logged it; n takes the n-th address from the right of
    `x-forwarded-for`, which n proxies of yours wrote. `ja3_header`, `ja4_header`: the headers in which your edge puts
    TLS fingerprints; the edge must overwrite what a client sends.
    """

    call_id_order: tuple[str, ...] = ("response_id", "litellm_call_id", "x_request_id", "trace_id")
    trusted_hops: int = 0
    ja3_header: str = "x-ja3"
    ja4_header: str = "x-ja4"


class OtlpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How OpenTelemetry records are read.

    `account_attributes`, `org_attributes`: span, log or resource attributes that name the account and the
    organisation, best first.
    """

    account_attributes: tuple[str, ...] = ("user.id",)
    org_attributes: tuple[str, ...] = ("service.namespace",)


class EnvoySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Envoy access logs are read.

    `account_fields`: log fields that name the account, best first. `call_id_fields`: log fields that name the call,
    best first. `trusted_hops`: 0 takes the peer address; n takes the n-th address from the right of
    `x-forwarded-for`, which n proxies of yours in front of this one wrote.
    """

    account_fields: tuple[str, ...] = ("stillwatch.account", "x-account-id", "account_id")
    call_id_fields: tuple[str, ...] = ("gen_ai.response.id", "x-litellm-call-id", "x-request-id")
    trusted_hops: int = 0


class PairSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How logged pairs of request and reply are read.

    `account_fields`, `org_fields`: paths into the log record that name the account and the organisation, best first;
    `headers.NAME` is a header of the request. Name only headers that your edge writes. `call_id_fields`: what names
    the call, best first; `response_id` and `request_id` are the API's own. `trusted_hops`: 0 takes the address that
    the log states; n takes the n-th from the right of `x-forwarded-for`. `ja3_header`, `ja4_header`: headers in which
    your edge puts TLS fingerprints. `provider_name`: whose API it is; other providers speak the same one.
    """

    account_fields: tuple[str, ...] = ("account_id", "headers.x-account-id")
    org_fields: tuple[str, ...] = ("org_id", "headers.openai-organization")
    call_id_fields: tuple[str, ...] = ("call_id", "response_id", "request_id")
    trusted_hops: int = 0
    ja3_header: str = "x-ja3"
    ja4_header: str = "x-ja4"
    provider_name: str = ""


class LangfuseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Langfuse exports are read.

    `traces`: files of the `traces/` table that tell the user and session of the older `observations/` table.
    """

    traces: tuple[str, ...] = ()


class BedrockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Bedrock invocation logs are read.

    `account_fields`, `end_user_fields`: paths into the log entry that name the account and the end user, best first;
    one role may serve many accounts, and then only `requestMetadata` knows them. `call_id_order`: which of
    `response_id` (in the body of some models) and `request_id` names the call, best first.
    """

    account_fields: tuple[str, ...] = ("identity.arn",)
    end_user_fields: tuple[str, ...] = ("requestMetadata.user_id", "requestMetadata.userId")
    call_id_order: tuple[str, ...] = ("response_id", "request_id")


class IbisSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The database whose tables are read.

    `url`: as Ibis takes it (`clickhouse://...`, `postgres://...`, `duckdb:///file`). One that holds a password belongs
    into the environment: `STILLWATCH_SOURCES__IBIS='{url = "..."}'`. `overlap_minutes`: how far back from the newest
    row that was taken the next reading begins, for rows that arrive late. `rows_per_file`: rows held at once.
    """

    url: str = ""
    overlap_minutes: Annotated[int, msgspec.Meta(ge=0)] = 60
    rows_per_file: Annotated[int, msgspec.Meta(ge=1)] = 100_000


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the sources that have any, by source name."""

    litellm: LitellmSettings = msgspec.field(default_factory=LitellmSettings)
    otlp: OtlpSettings = msgspec.field(default_factory=OtlpSettings)
    envoy: EnvoySettings = msgspec.field(default_factory=EnvoySettings)
    openai: PairSettings = msgspec.field(default_factory=PairSettings)
    anthropic: PairSettings = msgspec.field(default_factory=PairSettings)
    bedrock: BedrockSettings = msgspec.field(default_factory=BedrockSettings)
    ibis: IbisSettings = msgspec.field(default_factory=IbisSettings)
    langfuse: LangfuseSettings = msgspec.field(default_factory=LangfuseSettings)
