"""Dotted paths into decoded records, and JSON text inside of them."""

import msgspec


def lookup(value: object, path: str) -> object:
    """What stands at a dotted path; null when nothing does.

    A key that itself has dots is found too: the longest key wins. A number steps into a list. Text that holds a JSON
    object or list is stepped into as if it were one.
    """
    if isinstance(value, str):
        value = opened(value)
    if isinstance(value, dict):
        if path in value:
            return value[path]
        for cut in sorted((i for i, sign in enumerate(path) if sign == "."), reverse=True):
            if path[:cut] in value and (found := lookup(value[path[:cut]], path[cut + 1 :])) is not None:
                return found
    if isinstance(value, list):
        step, _, rest = path.partition(".")
        if step.isdecimal() and len(step) < 6 and int(step) < len(value):
            return lookup(value[int(step)], rest) if rest else value[int(step)]
    return None


def opened(value: object) -> object:
    """The structure that JSON text holds; anything else, and text that holds none, as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value
