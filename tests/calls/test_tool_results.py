"""Whatever a tool returns can be sent to a model and kept in the history.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import itertools
import math
import threading
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Tool, ToolReturn

from tests.calls.tools import result_of
from voice_host.testing import in_virtual_time


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Guest:
    name: str
    inner: Any = None


class Booking(BaseModel):
    guest: str
    at: datetime.datetime
    price: Decimal


class Odd:
    def __str__(self) -> str:
        return "odd"


class Worse:
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


def cycle() -> list[Any]:
    made: list[Any] = [1]
    made.append(made)
    return made


def cyclic_guest() -> Guest:
    guest = Guest("Zo\ud83d")
    guest.inner = {"guest": guest}
    return guest


SAME = "[the same again: it contains itself]"


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        pytest.param(lambda: {"name": "Zo\ud83d"}, {"name": "Zo\ufffd"}, id="20-12"),
        (lambda: "\ud83d\ude00", "😀"),
        (lambda: [{"deep": ("\udc00",)}], [{"deep": ["\ufffd"]}]),
        (lambda: {"k\ud83d": 1}, {"k\ufffd": 1}),
        pytest.param(lambda: b"\x89PNG\xff", "b'\\x89PNG\\xff'", id="20-14"),
        (lambda: {"data": b"plain"}, {"data": "plain"}),
        (lambda: (letter for letter in "ab"), ["a", "b"]),
        (lambda: {"rows": map(str, [1, 2])}, {"rows": ["1", "2"]}),
        (cycle, [1, SAME]),
        (cyclic_guest, {"name": "Zo\ufffd", "inner": {"guest": SAME}}),
        (lambda: [math.nan, math.inf, 1.5], ["nan", "inf", 1.5]),
        (lambda: Colour.RED, "red"),
        (lambda: {Colour.RED: {1}}, {"red": [1]}),
        (lambda: {(1, 2): 3, None: 4, True: 5}, {"(1, 2)": 3, "null": 4, "true": 5}),
        (
            lambda: Booking(guest="Ada", at=datetime.datetime(2026, 5, 1, 12), price=Decimal("9.50")),
            {"guest": "Ada", "at": "2026-05-01T12:00:00", "price": "9.50"},
        ),
        (lambda: [datetime.timedelta(minutes=90), Odd()], ["PT1H30M", "odd"]),
        (Worse, "[a Worse]"),
        (lambda: 10**5000, "[an integer of 16,610 bits]"),
        (lambda: None, None),
        (
            lambda: ToolReturn({"name": "Zo\ud83d"}, metadata={"row": object, "half": "\ud83d"}),
            {"name": "Zo\ufffd"},
        ),
        (lambda: Guest, "<class 'tests.calls.test_tool_results.Guest'>"),
    ],
)
@in_virtual_time
async def test_whatever_a_tool_returns_can_be_sent_and_kept(returned: Callable[[], Any], told: Any) -> None:
    def it() -> Any:
        """Do it."""
        return returned()

    async def it_too() -> Any:
        """Do it."""
        return returned()

    assert await result_of(it) == told
    assert await result_of(it_too) == told
    assert await result_of(Tool(it)) == told


@pytest.mark.parametrize("wrap", [lambda it: it, Tool], ids=["20-13", "20-13 as a pydantic_ai.Tool"])
@in_virtual_time
async def test_an_async_generator_is_listed(wrap: Callable[[Any], Any]) -> None:
    async def it() -> Any:
        """Do it."""
        yield "one"
        await asyncio.sleep(1)
        yield "two"

    assert await result_of(wrap(it)) == ["one", "two"]


@pytest.mark.parametrize(
    "huge",
    [
        lambda: "x" * 3_000_000,
        lambda: list(range(1_000_000)),
        lambda: dict.fromkeys(map(str, range(1_000_000)), "x"),
        itertools.count,
        lambda: [["y" * 1000] * 1000] * 1000,
        lambda: functools.reduce(lambda inner, _: [inner], range(100_000), []),
    ],
)
@in_virtual_time
async def test_a_huge_result_is_cut_and_the_cut_is_marked(huge: Callable[[], Any]) -> None:
    def it() -> Any:
        """Do it."""
        return huge()

    told = str(await result_of(it))
    assert len(told) < 60_000
    assert "cut" in told or "too deep" in told
    assert told.count("characters in all") <= 1


@in_virtual_time
async def test_an_endless_async_generator_is_cut_and_closed() -> None:
    closed = threading.Event()

    async def it() -> AsyncIterator[int]:
        """Do it."""
        try:
            for number in itertools.count():
                yield number
        finally:
            closed.set()

    assert (await result_of(it))[-1] == "[cut: there is more]"
    assert closed.is_set()
