"""Exchanges as canonical input: the columns that `ingest --source canonical` reads."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import TEXT, TIME
from stillwatch.simulate import infrastructure
from stillwatch.simulate.grammar import prompts
from stillwatch.simulate.grammar.compose import Rows
from stillwatch.simulate.identity import MICROSECONDS, window_start
from stillwatch.simulate.keyed import mix, uniform
from stillwatch.simulate.library import PromptLibrary
from stillwatch.simulate.outcomes import MODELS
from stillwatch.simulate.population import Population
from stillwatch.simulate.traffic import Exchanges
from stillwatch.simulate.world import World

OK, BLOCKED = 200, 403
_PROVIDER_NAME = "atlas"
_ERROR_TYPES = {400: "invalid_request", 403: "content_filter", 429: "rate_limit", 500: "server_error"}


def canonical_table(
    world: World,
    population: Population,
    exchanges: Exchanges,
    *,
    account_id: pa.Array,
    day: int,
    library: PromptLibrary | None = None,
) -> pa.Table:
    """One row for each exchange, in their order; the text columns are absent where the world has no text."""
    columns = _envelope(world, population, exchanges, account_id=account_id, day=day)
    if not world.no_text:
        columns["prompt"] = render_prompts(population, exchanges, library=library)
        columns["system_instructions"] = prompts.systems(exchanges.system)
        columns["tool_definitions"] = prompts.tools(exchanges.tools)
    return pa.table(columns)


def _envelope(
    world: World, population: Population, exchanges: Exchanges, *, account_id: pa.Array, day: int
) -> dict[str, pa.Array]:
    status = exchanges.status
    stack = population.accounts["stack"][exchanges.account].astype(np.int64)
    start = window_start(world) + day * 86_400 * MICROSECONDS + (exchanges.second * MICROSECONDS).astype(np.int64)
    seconds = 0.4 + exchanges.output_tokens / (30.0 + 60.0 * uniform(exchanges.record, 3))
    outputs = np.where(status == OK, exchanges.output_tokens, 0)
    return {
        "source_record_id": _hexadecimal("r", exchanges.record),
        "call_id": _hexadecimal("call", mix(exchanges.record, 1)),
        "account_id": account_id.take(pa.array(exchanges.account)),
        "conversation_id": _hexadecimal("conv", exchanges.conversation),
        "start_time": pa.array(start).cast(TIME),
        "end_time": pa.array(start + (seconds * MICROSECONDS).astype(np.int64)).cast(TIME),
        "operation_name": pa.repeat(pa.scalar("chat"), len(exchanges)),
        "provider_name": pa.repeat(pa.scalar(_PROVIDER_NAME), len(exchanges)),
        "request_model": pa.array(MODELS).take(pa.array(exchanges.model)),
        "status": pa.array(np.select([status == OK, status == BLOCKED], ["ok", "blocked"], default="error"), type=TEXT),
        "http_status_code": pa.array(status.astype(np.int32)),
        "error_type": _error_types(status),
        "input_tokens": pa.array(exchanges.input_tokens),
        "output_tokens": pa.array(outputs),
        "client_address": infrastructure.render_addresses(exchanges.address),
        "user_agent_original": infrastructure.render_user_agents(stack),
        "tls_client_ja4": infrastructure.render_ja4(stack),
    }


def render_prompts(population: Population, exchanges: Exchanges, *, library: PromptLibrary | None = None) -> pa.Array:
    """The text of the last user message of each exchange."""
    rows = Rows(exchanges.item, exchanges.entity, exchanges.topic)
    streams = population.streams
    language = population.accounts["language"][exchanges.account].astype(np.int64)
    language = np.where(exchanges.shared_wording, 0, language)
    habits = np.where(exchanges.shared_wording, prompts.PLAIN_AUTHOR, mix(exchanges.account))
    body = prompts.organic(rows, habits, language)
    if library is not None:
        is_campaign = streams["from_queue"][exchanges.stream].astype(bool)
        body = library.replace(body, exchanges.item, is_campaign=is_campaign)
    has_template = exchanges.template >= 0
    if not has_template.any():
        return body
    chosen = np.flatnonzero(has_template)
    dressed = prompts.templated(
        body.take(pa.array(chosen)),
        exchanges.template[chosen],
        exchanges.purpose[chosen],
        is_masked=masked(population, exchanges)[chosen],
    )
    position = np.where(has_template, len(exchanges) + np.cumsum(has_template) - 1, np.arange(len(exchanges)))
    return pa.concat_arrays([body, dressed]).take(pa.array(position))


def masked(population: Population, exchanges: Exchanges) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each exchange's template fences its item, so that the skeleton is the same for every item."""
    share = population.streams["masked"][exchanges.stream]
    return np.asarray((exchanges.template >= 0) & (uniform(exchanges.template, 0x3A) < share))


def _error_types(status: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    codes = np.array(sorted(_ERROR_TYPES))
    names = pa.array([_ERROR_TYPES[int(code)] for code in codes] + [None], type=TEXT)
    place = np.searchsorted(codes, status).clip(max=len(codes) - 1)
    return names.take(pa.array(np.where(codes[place] == status, place, len(codes))))


def _hexadecimal(prefix: str, keys: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> pa.Array:
    """`prefix_` and the 16 hexadecimal digits of each key."""
    octets = np.ascontiguousarray(keys.astype(">u8")).view(np.uint8).reshape(len(keys), 8)
    digits = _HEX_PAIRS[octets].reshape(len(keys), 16)
    text = np.empty((len(keys), len(prefix) + 17), dtype=np.uint8)
    text[:, : len(prefix) + 1] = np.frombuffer(f"{prefix}_".encode(), dtype=np.uint8)
    text[:, len(prefix) + 1 :] = digits
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * text.shape[1]
    return pc.cast(
        pa.Array.from_buffers(pa.string(), len(keys), [None, pa.py_buffer(offsets), pa.py_buffer(text.tobytes())]), TEXT
    )


_HEX_PAIRS = np.frombuffer("".join(f"{number:02x}" for number in range(256)).encode(), dtype=np.uint8).reshape(256, 2)
