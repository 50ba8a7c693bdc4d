"""Which STIX patterns may pass: comparisons of listed paths with values of listed shapes, and nothing else."""

import re
from typing import Final

from stillwatch.guard.shapes import has_shape

PATHS: Final = {
    "ipv4-addr:value": "ipv4",
    "ipv6-addr:value": "ipv6",
    "domain-name:value": "domain",
    "autonomous-system:number": "asn",
    "llm-prompt-template:sketch": "sketch",
    "user-account:user_id": "pseudonym",
}
"""What a pattern may compare; a path that is not listed could hold a prompt, a name or a price."""

LONGEST: Final = 16_384
MOST_REPEATS: Final = 9
"""Larger numbers of repeats would be exact counts."""
MOST_SECONDS: Final = 31 * 86_400

_TOKEN: Final = re.compile(
    r"\s+|(?P<mark>[\[\]()])|(?P<word>AND|OR|FOLLOWEDBY)\b|REPEATS (?P<times>\d{1,4}) TIMES\b"
    r"|WITHIN (?P<seconds>\d{1,8}) SECONDS\b"
    r"|(?P<path>[a-z0-9-]{3,40}:[a-z_0-9.]{1,80})\s*=\s*(?:'(?P<text>[^'\\]{0,1100})'|(?P<number>\d{1,10}))"
)


def is_allowed(pattern: str) -> bool:
    """Whether every token of the pattern is one of those that may pass."""
    at = 0
    if len(pattern) > LONGEST:
        return False
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or not _is_allowed_token(token):
            return False
        at = token.end()
    return pattern.count("[") == pattern.count("]") > 0 and pattern.count("(") == pattern.count(")")


def _is_allowed_token(token: re.Match[str]) -> bool:
    if token["times"] is not None:
        return int(token["times"]) <= MOST_REPEATS
    if token["seconds"] is not None:
        return int(token["seconds"]) <= MOST_SECONDS
    if token["path"] is not None:
        value = int(token["number"]) if token["text"] is None else token["text"]
        return token["path"] in PATHS and has_shape(PATHS[token["path"]], value)
    return True
