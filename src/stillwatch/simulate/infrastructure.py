"""Where accounts connect from and with what: addresses of documentation and private ranges, client stacks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.simulate.keyed import Ints, choose, mix, uniform

# Addresses are numbers: IPv4 as its 32 bits; IPv6 as bit 62, 28 bits of /48 in 3fff::/20 (RFC 9637), 20 bits of host.
V6_FLAG = 1 << 62
_V6_HOST_BITS = 20
_HOME_FIRST, _N_HOME_PREFIXES = 10 << 24, 40_000  # 10.0.0.0/8 (RFC 1918): providers of homes and offices
_CLOUD_FIRST, _N_CLOUD_PREFIXES = (10 << 24) + (40_000 << 8), 20_000  # rest of 10.0.0.0/8: clouds
_CGNAT_FIRST = (100 << 24) + (64 << 16)  # 100.64.0.0/10 (RFC 6598)
_VPN_FIRST = (198 << 24) + (18 << 16)  # 198.18.0.0/15 (RFC 2544)
_NAT_FIRST = (172 << 24) + (16 << 16)  # 172.16.0.0/12 (RFC 1918)
_CGNAT_WIDTH = 32
_VPN_WIDTH = 8
_ACCOUNTS_PER_CGNAT_POOL = 240
_ACCOUNTS_PER_VPN_POOL = 250
_ACCOUNTS_PER_HOME_PREFIX = 6
_ACCOUNTS_PER_CLOUD_PREFIX = 60

Network = Mapping[str, npt.NDArray[Any]]
"""The address columns of accounts."""


def homes(keys: npt.ArrayLike, n_world: int) -> Network:
    """Subscribers: half of them behind an IPv4 address that changes monthly, half with IPv6 that changes daily."""
    n_prefixes = max(64, min(_N_HOME_PREFIXES, n_world // _ACCOUNTS_PER_HOME_PREFIX))
    v4 = _HOME_FIRST + (choose(n_prefixes, keys, 11) << 8) + choose(254, keys, 12)
    v6 = V6_FLAG + (choose(1 << 27, choose(n_prefixes * 3, keys, 13), 14) << _V6_HOST_BITS) + choose(1 << 19, keys, 15)
    is_v6 = uniform(keys, 16) < 0.4
    return {
        "address_base": np.where(is_v6, v6, v4),
        "address_width": np.where(is_v6, 400, 1 + choose(4, keys, 17)).astype(np.int32),
        "address_period": np.where(is_v6, 1.0, 4.0 + 30.0 * uniform(keys, 18)),
    }


def clouds(keys: npt.ArrayLike, n_world: int) -> Network:
    """Servers in prefixes that many customers share: a few fixed addresses, or a serverless platform's many."""
    n_prefixes = max(16, min(_N_CLOUD_PREFIXES, n_world // _ACCOUNTS_PER_CLOUD_PREFIX))
    rank = (n_prefixes * uniform(keys, 21) ** 2).astype(np.int64)
    is_serverless = uniform(keys, 24) < 0.12
    width = np.where(is_serverless, 32 + choose(200, keys, 23), 1 + 8 * uniform(keys, 23) ** 4)
    return {
        "address_base": _CLOUD_FIRST + (rank << 8) + choose(190, keys, 22),
        "address_width": width.astype(np.int32),
        "address_period": np.where(is_serverless | (uniform(keys, 25) < 0.2), 0.0, 20.0),
    }


def platform(key: int, n: int) -> Network:
    """One platform's egress: all `n` accounts behind the same 8 to 256 addresses, another one each conversation."""
    prefix = choose(_N_CLOUD_PREFIXES, key, 26)
    return {
        "address_base": np.full(n, _CLOUD_FIRST + (prefix << 8)),
        "address_width": np.full(n, 8.0 * 32.0 ** uniform(key, 27)).astype(np.int32),
        "address_period": np.zeros(n),
    }


def carriers(keys: npt.ArrayLike, n_world: int) -> Network:
    """Subscribers behind a carrier's address translation: a pool of addresses, another one each session."""
    n_pools = max(2, int(0.3 * n_world) // _ACCOUNTS_PER_CGNAT_POOL)
    pool = choose(n_pools, keys, 31)
    shape = np.shape(pool)
    return {
        "address_base": _CGNAT_FIRST + pool * _CGNAT_WIDTH,
        "address_width": np.full(shape, _CGNAT_WIDTH, dtype=np.int32),
        "address_period": np.zeros(shape),
    }


def vpns(keys: npt.ArrayLike, n_world: int) -> Network:
    """Customers of VPN services: one of a pool of exits each session."""
    n_pools = max(2, int(0.05 * n_world) // _ACCOUNTS_PER_VPN_POOL)
    pool = choose(n_pools, keys, 41)
    shape = np.shape(pool)
    return {
        "address_base": _VPN_FIRST + pool * _VPN_WIDTH,
        "address_width": np.full(shape, _VPN_WIDTH, dtype=np.int32),
        "address_period": np.zeros(shape),
    }


def gateway(key: int, n: int, *, width: int = 1, n_networks: int = 60_000) -> Network:
    """One network's own address translation: `n` accounts behind `width` addresses."""
    base = _NAT_FIRST + int(choose(n_networks, key, 51)) * 16
    return {
        "address_base": np.full(n, base),
        "address_width": np.full(n, width, dtype=np.int32),
        "address_period": np.zeros(n),
    }


def mixed(keys: npt.ArrayLike, n_world: int, shares: dict[str, float]) -> Network:
    """Each account on one of `cgnat`, `vpn`, `cloud` with its share, else at home."""
    draw = uniform(keys, 61)
    result = dict(homes(keys, n_world))
    low = 0.0
    for name, make in (("cgnat", carriers), ("vpn", vpns), ("cloud", clouds)):
        chosen = (draw >= low) & (draw < low + shares[name])
        for column, values in make(keys, n_world).items():
            result[column] = np.where(chosen, values, result[column])
        low += shares[name]
    return result


def addresses(network: Network, account: Ints, day: int, conversation: npt.ArrayLike) -> Ints:
    """The address number of each exchange of `day`; a pool with period 0 gives another one each conversation."""
    base = network["address_base"][account].astype(np.int64)
    width = network["address_width"][account].astype(np.int64)
    period = network["address_period"][account].astype(np.float64)
    epoch = np.where(period > 0, (day / np.maximum(period, 1e-9)).astype(np.int64), -1)
    step = np.where(epoch < 0, choose(width, conversation, 71), choose(width, mix(account, epoch), 72))
    first = base + step
    pool = network["second_base"][account].astype(np.int64)
    second = np.where(pool > 0, pool + choose(_CGNAT_WIDTH, conversation, 74), 0)
    uses_second = (second > 0) & (uniform(conversation, 73) < network["p_second"][account])
    return np.asarray(np.where(uses_second, second, first))


def prefixes(address: Ints) -> Ints:
    """The /24 or /48 of each address number."""
    return np.asarray(np.where(address >= V6_FLAG, address >> _V6_HOST_BITS, address >> 8))


def render_addresses(address: Ints) -> pa.Array:
    """Text of address numbers."""
    numbers, inverse = np.unique(address, return_inverse=True)
    text = pa.array([_render(int(number)) for number in numbers], type=pa.string())
    return text.take(pa.array(inverse))


def _render(number: int) -> str:
    if number < V6_FLAG:
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    prefix = number >> _V6_HOST_BITS & ((1 << 28) - 1)
    host = number & ((1 << _V6_HOST_BITS) - 1)
    return f"3fff:{prefix >> 16:x}:{prefix & 0xFFFF:x}::{host >> 16:x}:{host & 0xFFFF:x}"


# Client libraries by popularity (invented version numbers); each has a few TLS stacks beneath it.
_CLIENTS = (
    "openai-python/{v} httpx", "openai-node/{v}", "anthropic-python/{v} httpx", "litellm/{v}", "langchain/{v}",
    "curl/8.{v}", "python-requests/2.{v}", "axios/1.{v}", "go-http-client/2.0", "okhttp/4.{v}", "Mozilla/5.0 web/{v}",
    "node-fetch/{v}", "aiohttp/3.{v}", "ruby-net-http/{v}", "reqwest/0.{v}", "vscode-extension/{v}",
)  # fmt: skip
N_STACKS = 96


def stacks(keys: npt.ArrayLike) -> Ints:
    """The client stack of each account: 96 of them, popularity falling as a power of the rank."""
    return np.asarray((N_STACKS * uniform(keys, 81) ** 2.5).astype(np.int64))


def render_user_agents(stack: Ints) -> pa.Array:
    """User agent of each stack."""
    names = [_CLIENTS[n % len(_CLIENTS)].format(v=f"{1 + n // 16}.{n * 7 % 40}") for n in range(N_STACKS)]
    return pc.take(pa.array(names), pa.array(stack))


def tls_clients(stack: Ints) -> Ints:
    """The TLS fingerprint number of each stack: about 3 stacks share one."""
    return choose(N_STACKS // 3, stack, 91)


def render_ja4(stack: Ints) -> pa.Array:
    """JA4 of each stack."""
    names = []
    for number in tls_clients(np.arange(N_STACKS)):
        digest = f"{int(mix(int(number), 92)):016x}{int(mix(int(number), 93)):016x}"
        names.append(f"t13d{15 + int(number) % 4}{12 + int(number) % 5:02d}h2_{digest[:12]}_{digest[12:24]}")
    return pc.take(pa.array(names), pa.array(stack))
