"""The part of what plugins keep that can leave the process: JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voice_host.text.unicode import valid_unicode
from voice_host_sdk import Caller

_MAX_DEPTH = 50
_MAX_INT_BITS = 4096
"""Python refuses to format integers of much more than 14,000 bits."""


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
