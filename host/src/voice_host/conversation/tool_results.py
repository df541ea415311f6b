"""Converts the results of tools to JSON, so that they can be sent to any model and kept in the history."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set
from enum import Enum
from itertools import islice
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from voice_host.plain_data import valid_unicode

MAX_CHARS = 40_000
"""Of a result, some 10,000 tokens. More would take seconds and crowd the conversation out of the model's context."""

MAX_ITEMS = 2_000
"""Read from a generator, which may be endless."""

MAX_DEPTH = 50
MAX_KEY_CHARS = 500

_MORE = "[cut: there is more]"

_MAX_INT_BITS = 4_096
"""Python refuses to format integers of much more than 14,000 bits."""


def to_jsonable(result: Any) -> Any:
    """Return a result as JSON's types: without lone surrogates or cycles, and no longer than `MAX_CHARS`.

    Generators are read, up to `MAX_ITEMS`, so call it where the tool's code may run. Data classes and pydantic models
    become objects; anything else without a JSON form becomes its `str`. Omissions are marked. Raises no `Exception`.
    """
    return _Writer().value(result, 0)


async def collect(result: AsyncIterator[Any]) -> list[Any]:
    """Return the items of an async iterator; after `MAX_ITEMS` it is closed."""
    items: list[Any] = []
    try:
        async for item in result:
            if len(items) == MAX_ITEMS:
                items.append(_MORE)
                break
            items.append(item)
    finally:
        if (close := getattr(result, "aclose", None)) is not None:
            await close()
    return items


class _Writer:
    """Converts one result to JSON's types, within its length limit."""

    def __init__(self) -> None:
        self._room = MAX_CHARS
        self._open: set[int] = set()
        """Ids of the containers around the current value."""

    def value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Enum):
            return self.value(value.value, depth)
        if isinstance(value, int):
            return self._number(value)
        if isinstance(value, float):
            self._room -= 8
            return float(value) if math.isfinite(value) else str(float(value))  # JSON knows no NaN
        if depth >= MAX_DEPTH:
            return self._text(f"[{type(value).__name__}: too deep]")
        parts = _parts(value)
        if parts is None:
            return self._leaf(value)
        if id(value) in self._open:
            return self._text("[the same again: it contains itself]")
        self._open.add(id(value))
        try:
            return self._object(parts, depth) if isinstance(parts, Mapping) else self._list(value, parts, depth)
        finally:
            self._open.discard(id(value))

    def _text(self, text: str) -> str:
        room = max(0, self._room)
        self._room -= len(text) + 2
        text = str.__str__(text)
        if len(text) <= room:
            return valid_unicode(text)
        return valid_unicode(text[:room]) + f" [cut: {len(text):,} characters in all]"

    def _number(self, value: int) -> int | str:
        if value.bit_length() > _MAX_INT_BITS:
            return self._text(f"[an integer of {value.bit_length():,} bits]")
        self._room -= 8
        return int(value)

    def _object(self, parts: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for number, (key, inner) in enumerate(parts.items()):
            if self._room <= 0:
                made["[cut]"] = f"{len(parts) - number:,} more"
                break
            name = valid_unicode(_key(key)[:MAX_KEY_CHARS])
            self._room -= len(name) + 4
            made[name] = self.value(inner, depth + 1)
        return made

    def _list(self, value: Any, parts: Iterable[Any], depth: int) -> list[Any]:
        made: list[Any] = []
        items = list(islice(value, MAX_ITEMS + 1)) if isinstance(value, Iterator) else parts
        for inner in items:
            if self._room <= 0 or (isinstance(value, Iterator) and len(made) == MAX_ITEMS):
                left = f"[cut: {len(value) - len(made):,} more]" if hasattr(value, "__len__") else _MORE
                made.append(left)
                break
            made.append(self.value(inner, depth + 1))
            self._room -= 2
        return made

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value[: MAX_CHARS + 1])
            return self._text(_tried(data.decode) or repr(data))
        try:
            plain = to_jsonable_python(value)
        except Exception:  # noqa: BLE001 - it has no JSON form, or the plugin's code failed
            plain = _str(value)
        return self.value(plain, MAX_DEPTH - 1) if plain is not value else self._text(_str(value))


def _parts(value: Any) -> Mapping[Any, Any] | Iterable[Any] | None:
    """Return the items of a container that has a JSON form; None: the value is not such a container."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        dumped: dict[str, Any] | None = _tried(value.model_dump)
        return dumped
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return value if isinstance(value, (list, tuple, Set, deque, Iterator)) else None


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return _str(key)


def _str(value: Any) -> str:
    text = _tried(lambda: str(value))
    return text if isinstance(text, str) else f"[a {type(value).__name__}]"


def _tried(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception:  # noqa: BLE001 - the plugin's code may raise anything
        return None
