"""The part of texts and data of plugins that can be sent and kept: Unicode without half characters, and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voice_host_sdk import Caller

_MAX_DEPTH = 50
_MAX_INT_BITS = 4096
"""Python refuses to format integers of much more than 14,000 bits."""


def valid_unicode(text: str) -> str:
    """Return text with split surrogate pairs joined, and U+FFFD for each lone surrogate.

    A lone surrogate cannot be encoded: every request with it, or with a history that holds it, fails. They come from
    JSON, and from services that split an emoji between its UTF-16 units.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def ends_with_high_surrogate(text: str) -> bool:
    """Return whether the text ends with the first half of a surrogate pair."""
    return text[-1:] >= "\ud800" and text[-1:] <= "\udbff"


def plain_caller(caller: Caller | None) -> Caller | None:
    """Return a caller with those of its claims that are JSON."""
    return caller and replace(caller, claims=json_part(caller.claims))


def json_part(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the entries that are JSON: `dict` with `str` keys, `list`, `str`, `int`, `float`, `bool`, None.

    Other entries are left out, instances of subclasses included, since they would come back as another type.
    """
    kept: dict[str, Any] = {}
    for key, value in list(mapping.items()):
        try:
            kept[_copied_key(key)] = _copied(value, 0)
        except _NotJson:
            continue
    return kept


class _NotJson(Exception):
    """The value is not JSON."""


def _copied(value: Any, depth: int) -> Any:
    # Exact types only, so that no plugin code runs here. Items are copied first, since its threads may change them.
    kind = type(value)
    if depth < _MAX_DEPTH and kind is dict:
        return {_copied_key(key): _copied(inner, depth + 1) for key, inner in list(value.items())}
    if depth < _MAX_DEPTH and kind is list:
        return [_copied(inner, depth + 1) for inner in list(value)]
    if kind is str:
        return valid_unicode(value)
    if value is None or kind is bool:
        return value
    if (kind is int and value.bit_length() <= _MAX_INT_BITS) or (kind is float and math.isfinite(value)):
        return value
    raise _NotJson


def _copied_key(key: Any) -> str:
    if type(key) is not str:
        raise _NotJson
    return valid_unicode(key)
