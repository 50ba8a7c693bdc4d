"""Settings from TOML files and the environment, filled into each room's own frozen Settings.

Later layers win: defaults, the user's file, `./stillwatch.toml`, the file given with --config, the environment
(`STILLWATCH_<ROOM>__<FIELD>`), flags.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stillwatch.campaigns import Settings as CampaignSettings
from stillwatch.engines import Settings as EngineSettings
from stillwatch.errors import ConfigError
from stillwatch.exposure import Settings as ExposureSettings
from stillwatch.features import Settings as FeatureSettings
from stillwatch.grouping import Settings as GroupingSettings
from stillwatch.ingest import Settings as IngestSettings
from stillwatch.lifecycle.settings import Settings as RetentionSettings
from stillwatch.provenance.settings import Settings as ProvenanceSettings
from stillwatch.pulse import Settings as PulseSettings
from stillwatch.response.settings import Settings as ResponseSettings
from stillwatch.response.webhooks.settings import Settings as WebhookSettings
from stillwatch.scoring import Settings as ScoringSettings
from stillwatch.screening.settings import Settings as ScreeningSettings
from stillwatch.sharing.settings import Settings as SharingSettings
from stillwatch.signals import Settings as SignalSettings
from stillwatch.sources import Settings as SourceSettings
from stillwatch.store.spool import Settings as SpoolSettings

ENVIRONMENT_PREFIX = "STILLWATCH_"

Level = Literal["account", "org", "end_user"]


class DetectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a detection run looks at and how sure it has to be."""

    window_days: Annotated[int, Meta(ge=1, le=366)] = 45
    """Days of traffic that a run looks back on; 45 is the length of the published campaign."""
    alpha: Annotated[float, Meta(gt=0, lt=0.1)] = 1e-4
    """Share of honest people that may be accused in a window; ten times as many may be sent to review."""
    by: Level = "account"
    """Identity level at which slices are cut."""
    engine: str = "duckdb"
    """`duckdb`, or a Spark master (`spark://host:port`, `local[2]`)."""
    keep_runs: Annotated[int, Meta(ge=1)] = 400
    """Detection runs whose campaigns and findings stay in the lake."""


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which headers of a forwarded request the gateway itself wrote. A header that is not named here is never read.

    Name only headers that the gateway overwrites: a client can send any other.
    """

    account_headers: tuple[str, ...] = ("x-stillwatch-account",)
    """Headers that name the account, best first."""
    ja4_header: str = ""
    """Header with the JA4 fingerprint of the TLS client; empty: not known."""
    address_header: str = ""
    """Header with the address of the client alone; empty: not known."""
    model_header: str = ""
    """Header with the requested model; empty: taken from the body."""


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the server listens on, what it accepts, and how it decides."""

    host: str = "127.0.0.1"
    """Address to listen on. Another one than loopback needs TLS in front of it."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8721
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 8 << 20
    """Largest body of a request as it is sent."""
    max_unpacked_bytes: Annotated[int, Meta(ge=1024)] = 32 << 20
    """Largest body after decompression."""
    request_seconds: Annotated[float, Meta(gt=0)] = 20.0
    """How long a client may take to send its headers, and then its body."""
    max_connections: Annotated[int, Meta(ge=1)] = 1024
    """Open connections and requests, beyond which the answer is 503."""
    calls_per_second: Annotated[float, Meta(gt=0)] = 2000.0
    """Calls of one key; beyond them the answer is 429."""
    burst_calls: Annotated[float, Meta(ge=1)] = 4000.0
    """Calls of one key that may come at once."""
    refresh_seconds: Annotated[float, Meta(gt=0)] = 1.0
    """How often keys and the decision snapshot are looked at; a revoked key opens nothing after this time."""
    snapshot: str = ""
    """File of the decision snapshot; empty: the one that `stillwatch respond apply` writes into the workspace."""
    fail: Literal["open", "closed"] = "open"
    """What a decision is without a usable snapshot: `open` allows, `closed` asks to come again."""
    canary_plan: str = ""
    """File of the sealed plan that accounts under the action `canary` are served by; empty: none."""
    drain: bool = True
    """Ingest spooled telemetry in the background."""
    drain_seconds: Annotated[float, Meta(gt=0)] = 2.0
    """Pause between two looks into the spool."""
    gateway: GatewaySettings = msgspec.field(default_factory=GatewaySettings)
    spool: SpoolSettings = msgspec.field(default_factory=SpoolSettings)


class WatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the watch loop behaves."""

    every: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,3}[smhd]$")] = "1h"
    """Time from the start of one run to the start of the next."""
    lock_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """How long a run waits for another writer of the lake before it is put off."""
    first_backoff_seconds: Annotated[float, Meta(gt=0)] = 30.0
    """Pause after a run that failed or found the lake busy; it doubles up to `every`."""


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the state database is."""

    url: str = ""
    """SQLAlchemy URL, as `postgresql+pg8000://user@host/name`; empty: `state.sqlite` in the workspace.

    One that holds a password belongs into the environment (`STILLWATCH_STATE__URL`).
    """


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting of every room."""

    state: StateSettings = msgspec.field(default_factory=StateSettings)
    detect: DetectSettings = msgspec.field(default_factory=DetectSettings)
    engines: EngineSettings = msgspec.field(default_factory=EngineSettings)
    sources: SourceSettings = msgspec.field(default_factory=SourceSettings)
    ingest: IngestSettings = msgspec.field(default_factory=IngestSettings)
    features: FeatureSettings = msgspec.field(default_factory=FeatureSettings)
    pulse: PulseSettings = msgspec.field(default_factory=PulseSettings)
    grouping: GroupingSettings = msgspec.field(default_factory=GroupingSettings)
    signals: SignalSettings = msgspec.field(default_factory=SignalSettings)
    scoring: ScoringSettings = msgspec.field(default_factory=ScoringSettings)
    campaigns: CampaignSettings = msgspec.field(default_factory=CampaignSettings)
    exposure: ExposureSettings = msgspec.field(default_factory=ExposureSettings)
    sharing: SharingSettings = msgspec.field(default_factory=SharingSettings)
    response: ResponseSettings = msgspec.field(default_factory=ResponseSettings)
    screening: ScreeningSettings = msgspec.field(default_factory=ScreeningSettings)
    provenance: ProvenanceSettings = msgspec.field(default_factory=ProvenanceSettings)
    retention: RetentionSettings = msgspec.field(default_factory=RetentionSettings)
    serve: ServeSettings = msgspec.field(default_factory=ServeSettings)
    watch: WatchSettings = msgspec.field(default_factory=WatchSettings)
    webhooks: WebhookSettings = msgspec.field(default_factory=WebhookSettings)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration and where each value came from: `room.field` to a file, `environment`, `flag` or `default`."""

    config: Config
    origins: dict[str, str]


def load_config(
    explicit: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    flags: Mapping[str, object] | None = None,
) -> LoadedConfig:
    """The settings in force. `flags` maps `room.field` to a value.

    Raises:
        ConfigError: a file cannot be read, or a setting is unknown or out of range.
    """
    environ = os.environ if environ is None else environ
    directory = Path.cwd() if directory is None else directory
    layers: list[tuple[str, dict[str, object]]] = [
        (str(path), _flatten(_read(path))) for path in _files(explicit, environ, directory)
    ]
    layers.append(("environment", _from_environment(environ)))
    layers.append(("flag", dict(flags or {})))
    merged: dict[str, object] = {}
    origins = dict.fromkeys(_flatten(msgspec.to_builtins(Config())), "default")
    for origin, values in layers:
        merged.update(values)
        origins.update(dict.fromkeys(values, origin))
    return LoadedConfig(_convert(merged, origins), origins)


def _files(explicit: Path | None, environ: Mapping[str, str], directory: Path) -> list[Path]:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found = [path for path in (home / "stillwatch" / "config.toml", directory / "stillwatch.toml") if path.is_file()]
    return [*found, explicit] if explicit else found


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _flatten(tree: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for room, fields in tree.items():
        if not isinstance(fields, Mapping):
            raise ConfigError(
                f"setting {room!r} stands outside of a room; write it as [room] followed by field = value"
            )
        flat.update({f"{room}.{name}": value for name, value in fields.items()})
    return flat


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, text in environ.items():
        room, separator, field = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if name.startswith(ENVIRONMENT_PREFIX) and separator:
            values[f"{room}.{field}"] = _literal(text)
    return values


def _literal(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _convert(flat: Mapping[str, object], origins: Mapping[str, str]) -> Config:
    tree: dict[str, dict[str, object]] = {}
    for name, value in flat.items():
        room, _, field = name.partition(".")
        tree.setdefault(room, {})[field] = value
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        sources = sorted({origins[name] for name in flat if name in origins and origins[name] != "default"})
        raise ConfigError(f"settings from {', '.join(sources)} are not valid: {error}") from error
