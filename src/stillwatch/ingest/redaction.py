"""Takes secrets and addresses out of text before anything is stored."""

import re

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CREDENTIAL = (
    r"(?i:\b(?:bearer|basic)[ \t]+[A-Za-z0-9._~+/=\-]+)"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_\-]+"
    r"|\beyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-.]*"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bxox[abeprs]-[A-Za-z0-9\-]+"
    r"|\bhf_[A-Za-z0-9]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
"""What a bearer token, API key, JSON web token, cloud or chat credential or private key looks like. RE2 syntax."""

EMAIL = r"[^\s@<>\"'(),;:=/\\]+@[^\s@<>\"'(),;:=/\\]+"
"""What an e-mail address looks like inside other text."""

HINT = r"@|(?i:bearer|basic)|[spr]k-|eyJ|AKIA|ASIA|AIza|gh[pousr]_|xox[abeprs]-|hf_|-BEGIN "
"""Cheap test without word boundaries: text that does not match holds neither, also when values are run together."""

ADDRESS = r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?i:\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b)"
"""What a network address looks like; version numbers of four parts do too."""

PHONE = r"\+[1-9][0-9 ().\-]{5,16}[0-9]"
"""What an international telephone number looks like."""

TELLING_NAME = (
    r"(?i:authorization|cookie|token\b|secret|password|passwd|credential|api[-_]?key|private[-_]?key|forwarded"
    r"|real[-_]?ip|client[-_]?ip|remote[-_]?addr|ip[-_]?address|e-?mail|phone)"
)
"""Names of attributes whose values are dropped whatever they hold."""

_SUSPECT_ATTRIBUTES = rf"{HINT}|{ADDRESS}|{PHONE}|{TELLING_NAME}"
_DROPPED_VALUE = re.compile(rf'{CREDENTIAL}|{EMAIL}|{ADDRESS}|{PHONE}|"[^"]*{TELLING_NAME}[^"]*"\s*:')
_DROPPED_NAME = re.compile(rf"{TELLING_NAME}|{CREDENTIAL}|{EMAIL}|{ADDRESS}|{PHONE}")


def may_hold(texts: pa.Array, pattern: str) -> bool:
    """False when no value can match `pattern`: one search through all bytes, faster than one through each value."""
    if len(texts) == texts.null_count:
        return False
    offsets = texts.buffers()[1]
    bounds = np.frombuffer(offsets, dtype=np.int32)[[texts.offset, texts.offset + len(texts)]].astype(np.int64)
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(bounds), texts.buffers()[2]])
    return bool(pc.match_substring_regex(whole, pattern)[0].as_py())


def redact(texts: pa.Array) -> pa.Array:
    """`texts` with every secret and e-mail address replaced by `[secret]` and `[email]`."""
    if not may_hold(texts, HINT):
        return texts
    no_secrets = pc.replace_substring_regex(texts, CREDENTIAL, "[secret]")
    return pc.replace_substring_regex(no_secrets, EMAIL, "[email]")


def redact_secrets(texts: pa.Array) -> pa.Array:
    """`texts` with every secret replaced by `[secret]`; e-mail addresses stay."""
    return pc.replace_substring_regex(texts, CREDENTIAL, "[secret]") if may_hold(texts, HINT) else texts


def redact_lists(lists: pa.Array) -> pa.Array:
    """Lists of texts with every secret and e-mail address replaced."""
    values = lists.flatten()
    if not may_hold(values, HINT):
        return lists
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    return pa.ListArray.from_arrays(offsets, redact(values), type=lists.type, mask=lists.is_null())


def redact_attributes(attributes: pa.Array) -> pa.Array:
    """JSON objects without the members that are named like a secret or hold a secret, e-mail or network address.

    Text that is no JSON object becomes null. Only values that look suspect are parsed.
    """
    if not may_hold(attributes, _SUSPECT_ATTRIBUTES):
        return attributes
    rows = np.flatnonzero(np.asarray(pc.fill_null(pc.match_substring_regex(attributes, _SUSPECT_ATTRIBUTES), False)))
    distinct = attributes.take(pa.array(rows)).dictionary_encode()
    cleaned = pa.array([_clean_object(text) for text in distinct.dictionary.to_pylist()], pa.string())
    mask = np.zeros(len(attributes), dtype=np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(attributes, pa.array(mask), cleaned.take(distinct.indices))


def _clean_object(text: str) -> str | None:
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    kept = {
        name: value
        for name, value in members.items()
        if not _DROPPED_NAME.search(name) and not _DROPPED_VALUE.search(bytes(value).decode())
    }
    return msgspec.json.encode(kept).decode()
