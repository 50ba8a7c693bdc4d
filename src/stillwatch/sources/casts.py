"""Whole Arrow columns turned to the type of their RAW_RECORDS column at once, when every value allows it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import TEXT, TEXTS, TIME
from stillwatch.sources.coercion import EARLIEST_US, LATEST_US


def cast_column(values: pa.Array, target: pa.DataType) -> pa.Array | None:
    """`values` as `target`, or None when at least one value needs a look of its own.

    Times are not checked for their range here: see `in_range`.
    """
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), target)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        return _cast(values, target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _cast(values: pa.Array, target: pa.DataType) -> pa.Array | None:
    if target == TIME:
        return _times(values)
    if target == TEXT:
        return _texts(values)
    if target == TEXTS:
        return _text_lists(values)
    if target == pa.bool_():
        return values if pa.types.is_boolean(values.type) else _from_words(values, target)
    return _numbers(values, target)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text or bytes, in any width."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
    )


def _from_words(values: pa.Array, target: pa.DataType) -> pa.Array | None:
    """Words through Arrow's own parser; the empty word is null."""
    return _blank_to_null(values.cast(TEXT)).cast(target) if is_text(values.type) else None


def _blank_to_null(values: pa.Array) -> pa.Array:
    blank = pc.equal(pc.binary_length(values), 0)
    return pc.if_else(blank, pa.scalar(None, values.type), values) if pc.any(blank).as_py() else values


def _texts(values: pa.Array) -> pa.Array | None:
    if pa.types.is_integer(values.type):
        return values.cast(TEXT)
    if not is_text(values.type):
        return None
    as_text = values.cast(TEXT)
    as_text.validate(full=True)  # NOTE: a Parquet file may call bytes text that are no UTF-8; readers do not look
    return _blank_to_null(as_text)


def _text_lists(values: pa.Array) -> pa.Array | None:
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        return None
    lists = values.cast(TEXTS)
    lists.validate(full=True)
    return lists if lists.flatten().null_count == 0 else None


def _numbers(values: pa.Array, target: pa.DataType) -> pa.Array | None:
    if is_text(values.type):
        values = _blank_to_null(values.cast(TEXT)).cast(pa.float64() if target == pa.float64() else pa.int64())
    elif not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        if pc.any(pc.is_inf(values)).as_py():
            return None
    numbers = values.cast(target)
    lowest = pc.min(numbers).as_py()
    is_count = target != pa.float64()
    return None if is_count and lowest is not None and lowest < 0 else numbers


def _times(values: pa.Array) -> pa.Array | None:
    """Points in time, not yet checked for their range."""
    if pa.types.is_timestamp(values.type):
        return rescaled(values).cast(TIME)
    if pa.types.is_date(values.type):
        return rescaled(values.cast(pa.timestamp("ms"))).cast(TIME)
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return _from_epoch(values)
    return _from_iso(_blank_to_null(values.cast(TEXT))) if is_text(values.type) else None


def rescaled(values: pa.Array) -> pa.Array:
    """Microseconds since 1970, far values held at the years 68 and 3871 so that nothing overflows."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[values.type.unit]
    ticks = values.cast(pa.int64())
    bound = 60_000_000_000 * per_second if per_second < 10**9 else 2**63 - 1
    held = pc.max_element_wise(pc.min_element_wise(ticks, bound, skip_nulls=False), -bound, skip_nulls=False)
    if per_second == 10**9:
        return pc.divide(held, 1_000)
    return pc.multiply(held, 10**6 // per_second)


def in_range(moments: pa.Array) -> pa.Array:
    """Which times lie between 2000 and 2100; null stays null."""
    microseconds = moments.cast(pa.int64())
    return pc.and_(pc.greater_equal(microseconds, EARLIEST_US), pc.less(microseconds, LATEST_US))


def _from_iso(values: pa.Array) -> pa.Array:
    try:
        return values.cast(TIME)  # every text has an offset
    except pa.ArrowInvalid:
        return values.cast(pa.timestamp("us")).cast(TIME)  # none has: UTC


def _from_epoch(values: pa.Array) -> pa.Array:
    """Numbers since 1970; the unit is told by the size, as in `coercion.as_moment`."""
    missing = np.asarray(values.is_null())
    if pa.types.is_floating(values.type):
        numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
        missing = missing | np.isnan(numbers)
        numbers = np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    else:
        numbers = np.asarray(values.cast(pa.int64()).fill_null(0))
    size = np.abs(numbers)
    scaled = np.select(
        [size < 10**11, size < 10**14, size < 10**17],
        [numbers * 1_000_000, numbers * 1_000, numbers],
        default=numbers // 1_000,
    )
    return pa.array(np.rint(scaled).astype(np.int64), mask=missing).cast(TIME)
