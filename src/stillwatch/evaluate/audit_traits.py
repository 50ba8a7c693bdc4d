"""What can be counted about one account without looking at any other's prompts: the traits that the audit tries."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_COLUMNS = (
    "account_id", "conversation_id", "start_time", "request_model", "http_status_code", "input_tokens", "output_tokens",
    "client_address", "user_agent_original", "tls_client_ja4",
)  # fmt: skip
_TEXT_COLUMNS = ("prompt", "system_instructions", "tool_definitions")
_SHARED = (
    "client_address",
    "user_agent_original",
    "tls_client_ja4",
    "request_model",
    "system_instructions",
    "tool_definitions",
)
_WORDINGS = {
    "code": r"```|def |class ",
    "plan": r"(?i)plan|roadmap|milestone",
    "tool": r"(?i)tool|call|function",
    "step": r"(?i)step|reason",
}
_DAY_MICROSECONDS = 86_400_000_000
_HOUR_MICROSECONDS = 3_600_000_000


@dataclass(slots=True)
class _Sums:
    """Running sums by account, and the distinct (account, value) pairs of shared columns."""

    n_accounts: int
    sums: dict[str, Reals] = field(default_factory=dict)
    hours: Reals = field(init=False)
    daily: list[Reals] = field(default_factory=list)
    codes: dict[str, dict[object, int]] = field(default_factory=dict)
    pairs: dict[str, list[Ints]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hours = np.zeros((self.n_accounts, 24))

    def add(self, name: str, account: Ints, values: npt.ArrayLike) -> None:
        total = self.sums.setdefault(name, np.zeros(self.n_accounts))
        total += np.bincount(account, weights=np.asarray(values, dtype=np.float64), minlength=self.n_accounts)

    def add_pairs(self, name: str, account: Ints, values: pa.Array) -> None:
        encoded = pc.dictionary_encode(values)
        known = self.codes.setdefault(name, {})
        translation = np.array(
            [known.setdefault(value, len(known)) for value in encoded.dictionary.to_pylist()], dtype=np.int64
        )
        code = (
            translation[encoded.indices.fill_null(0).to_numpy()]
            if len(translation)
            else np.zeros(len(account), dtype=np.int64)
        )
        valid = pc.is_valid(values).to_numpy(zero_copy_only=False)
        self.pairs.setdefault(name, []).append(np.unique(account[valid] << 32 | code[valid]))


def traits(folder: Path) -> dict[str, Reals]:
    """One real value an account by trait, in the order of `truth.parquet`; NaN where an account has none.

    `folder` is what `simulate` wrote. Reads one day at a time.
    """
    ids = pq.read_table(folder / "truth.parquet", columns=["account_id"])["account_id"].combine_chunks()
    sums = _Sums(len(ids))
    for day in sorted((folder / "exchanges").glob("*.parquet")):
        _add_day(sums, day, ids)
    with np.errstate(divide="ignore", invalid="ignore"):
        return dict(_of_traffic(sums)) | dict(_of_sharing(sums)) | dict(_of_signup(folder, ids))


def _add_day(sums: _Sums, path: Path, ids: pa.Array) -> None:
    available = pq.read_schema(path).names
    table = pq.read_table(path, columns=[name for name in (*_COLUMNS, *_TEXT_COLUMNS) if name in available])
    account = pc.index_in(table["account_id"].combine_chunks(), ids).to_numpy().astype(np.int64)
    at = table["start_time"].combine_chunks().cast(pa.int64()).to_numpy()
    sums.daily.append(np.bincount(account, minlength=sums.n_accounts).astype(np.float64))
    hour = at % _DAY_MICROSECONDS // _HOUR_MICROSECONDS
    hours = np.bincount(account * 24 + hour, minlength=24 * sums.n_accounts).reshape(-1, 24)
    sums.hours += hours
    peak = sums.sums.setdefault("peak_hour", np.zeros(sums.n_accounts))
    np.maximum(peak, hours.max(axis=1), out=peak)
    _add_sizes(sums, account, table)
    _add_gaps(sums, account, at)
    _add_texts(sums, account, table)
    for name in _SHARED:
        if name in table.column_names:
            sums.add_pairs(name, account, table[name].combine_chunks())
    sums.add_pairs("client_prefix", account, _prefixes(table["client_address"].combine_chunks()))


def _prefixes(address: pa.Array) -> pa.Array:
    """The /24 of IPv4 addresses and the /48 of IPv6 addresses that are written in full up to there."""
    v4 = pc.replace_substring_regex(address, r"\.[0-9]+$", "")
    return pc.replace_substring_regex(v4, "::.*$", "")


def _add_sizes(sums: _Sums, account: Ints, table: pa.Table) -> None:
    inputs = table["input_tokens"].to_numpy().astype(np.float64)
    outputs = table["output_tokens"].to_numpy().astype(np.float64)
    status = table["http_status_code"].to_numpy()
    for name, values in (("input", np.log1p(inputs)), ("output", np.log1p(outputs))):
        sums.add(name, account, values)
        sums.add(f"{name}_square", account, values**2)
    sums.add("errors", account, status != 200)
    sums.add("limited", account, status == 429)
    newest = pc.ends_with(table["request_model"], "-3").to_numpy().astype(bool)
    sums.add("newest", account, newest)
    pairs = np.unique(
        account << 32 | pc.dictionary_encode(table["conversation_id"].combine_chunks()).indices.to_numpy()
    )
    sums.add("conversations", pairs >> 32, np.ones(len(pairs)))


def _add_gaps(sums: _Sums, account: Ints, at: Ints) -> None:
    """Log seconds between an account's exchanges of one day."""
    order = np.lexsort((at, account))
    same = account[order][1:] == account[order][:-1]
    gap = np.log(np.diff(at[order])[same] / 1e6 + 0.1)
    owner = account[order][1:][same]
    for name, values in (("gaps", np.ones(len(gap))), ("gap", gap), ("gap_square", gap**2)):
        sums.add(name, owner, values)


def _add_texts(sums: _Sums, account: Ints, table: pa.Table) -> None:
    if "prompt" not in table.column_names:
        return
    prompt = table["prompt"].combine_chunks()
    length = np.log1p(pc.utf8_length(prompt).to_numpy().astype(np.float64))
    sums.add("length", account, length)
    sums.add("length_square", account, length**2)
    codes = pc.dictionary_encode(prompt).indices.to_numpy().astype(np.int64)
    pairs = np.unique(account << 32 | codes)
    sums.add("distinct", pairs >> 32, np.ones(len(pairs)))
    for name, pattern in _WORDINGS.items():
        sums.add(name, account, pc.match_substring_regex(prompt, pattern).to_numpy(zero_copy_only=False))
    plain = pc.equal(pc.binary_length(prompt), pc.utf8_length(prompt))
    sums.add("plain", account, plain.to_numpy(zero_copy_only=False))
    for name in ("system_instructions", "tool_definitions"):
        sums.add(name, account, pc.is_valid(table[name]).to_numpy())


def _spread(total: Reals, square: Reals, n: Reals) -> Reals:
    return np.asarray(np.sqrt(np.maximum(square / n - (total / n) ** 2, 0.0)))


def _of_traffic(sums: _Sums) -> Iterator[tuple[str, Reals]]:
    """Volume, rhythm, sizes and wording."""
    daily = np.stack(sums.daily)
    n = daily.sum(axis=0)
    active = (daily > 0).sum(axis=0)
    yield "volume", n
    yield "active_days", active
    yield "volume_per_active_day", n / active
    yield "busiest_day", daily.max(axis=0)
    yield "busiest_hour", sums.sums["peak_hour"]
    yield "volume_dispersion_of_days", daily.var(axis=0) / daily.mean(axis=0)
    spread = np.where(daily > 0, daily, np.nan)
    yield (
        "variation_of_active_days",
        _spread(np.nansum(spread, axis=0), np.nansum(spread**2, axis=0), active) / (n / active),
    )
    yield "share_of_busiest_day", daily.max(axis=0) / n
    yield from _of_rhythm(sums, n)
    for name in ("input", "output", "length"):
        if name in sums.sums:
            yield f"{name}_size_mean", sums.sums[name] / n
            yield f"{name}_size_spread", _spread(sums.sums[name], sums.sums[f"{name}_square"], n)
    yield "output_to_input", (sums.sums["output"] - sums.sums["input"]) / n
    for name in (
        "errors",
        "limited",
        "newest",
        "distinct",
        "plain",
        *_WORDINGS,
        "system_instructions",
        "tool_definitions",
    ):
        if name in sums.sums:
            yield f"{name}_share", sums.sums[name] / n


def _of_rhythm(sums: _Sums, n: Reals) -> Iterator[tuple[str, Reals]]:
    """Hours of the day, conversations, and gaps between exchanges."""
    shares = sums.hours / n[:, None]
    yield "hour_entropy", -np.sum(np.where(shares > 0, shares * np.log(shares), 0.0), axis=1) + 0.0 * n / n
    yield "hour_concentration", np.abs(shares @ np.exp(2j * np.pi * np.arange(24) / 24))
    yield "night_share", shares[:, :6].sum(axis=1)
    yield "hours_used", (sums.hours > 0).sum(axis=1).astype(np.float64)
    yield "exchanges_per_conversation", n / sums.sums["conversations"]
    gaps = sums.sums["gaps"]
    yield "gap_mean", sums.sums["gap"] / gaps
    yield "gap_spread", _spread(sums.sums["gap"], sums.sums["gap_square"], gaps)


def _of_sharing(sums: _Sums) -> Iterator[tuple[str, Reals]]:
    """How many accounts use what the account uses, and how many different ones it uses."""
    for name, parts in sums.pairs.items():
        pairs = np.unique(np.concatenate(parts))
        account, code = pairs >> 32, pairs & 0xFFFFFFFF
        frequency = np.bincount(code)[code] if len(code) else code
        if name != "request_model":
            most = np.full(sums.n_accounts, np.nan)
            most[account] = 0
            np.maximum.at(most, account, frequency)
            yield f"{name}_most_shared_with", most
        yield f"{name}_n_distinct", np.bincount(account, minlength=sums.n_accounts).astype(np.float64)


def _of_signup(folder: Path, ids: pa.Array) -> Iterator[tuple[str, Reals]]:
    """Age, and how many accounts have the same card, device, address, e-mail domain or shape, or signup hour."""
    table = pq.read_table(folder / "accounts.parquet")
    table = table.take(pc.index_in(ids, table["account_id"].combine_chunks()))
    created = table["created_at"].combine_chunks().cast(pa.int64()).to_numpy()
    yield "age", -created / _DAY_MICROSECONDS
    order = np.sort(created)
    near = [np.searchsorted(order, created + sign * _HOUR_MICROSECONDS * 12) for sign in (1, -1)]
    yield "signups_within_a_day", (near[0] - near[1]).astype(np.float64)
    email = table["email"].combine_chunks()
    domain = pc.list_element(pc.split_pattern(email, "@"), 1)
    shape = pc.replace_substring_regex(pc.replace_substring_regex(email, "[a-z]+", "a"), "[0-9]+", "9")
    columns = {
        "payment": table["payment_fingerprint"], "device": table["device_id"], "org": table["org_id"],
        "signup_address": table["signup_client_address"], "email_domain": domain, "email_shape": shape,
        "signup_prefix": _prefixes(table["signup_client_address"].combine_chunks()), "name": table["name"],
    }  # fmt: skip
    for name, values in columns.items():
        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        codes = pc.dictionary_encode(whole).indices.fill_null(-1).to_numpy().astype(np.int64)
        sizes = np.bincount(codes + 1)
        yield f"accounts_with_same_{name}", np.where(codes >= 0, sizes[codes + 1], 0).astype(np.float64)
