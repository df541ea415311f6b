"""Real event loops: both that hosts use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

Run = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine to its end, in a loop of its own."""


def uvloop_factory() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    return cast(asyncio.AbstractEventLoop, uvloop.new_event_loop())


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop_factory], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine in each of the loops."""

    def in_loop(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(work)

    return in_loop
