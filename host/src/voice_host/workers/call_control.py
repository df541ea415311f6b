"""`CallControl` in a worker: the front performs what is asked, since it has the carriers' keys."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Literal

from voice_host.clients.call_control import CallControl, CallControlFailed
from voice_host.workers.messages import ControlCall, ControlResult

RESULT_TIMEOUT_S = 15.0
"""How long the front may take; it gives the carrier 10 s."""

MAX_REQUESTS = 64
"""Requests of all calls that may wait for the front."""


class FrontRequests:
    """The requests of this worker that wait for the front.

    Args:
        send: sends a request. Returns False if the front is gone, or does not read.
    """

    def __init__(self, send: Callable[[ControlCall], bool]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[str | None]] = {}

    def control(self, call: int) -> CallControl:
        """Return the carrier's side of a call."""
        return _FrontControl(self, call)

    def receive(self, result: ControlResult) -> None:
        """Take the outcome of a request."""
        waiting = self._waiting.get(result.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(result.error)

    def front_lost(self) -> None:
        """No outcome comes any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result("the connection to the carrier was lost")

    async def ask(self, call: int, action: Literal["transfer", "send_digits"], argument: str) -> None:
        """Let the front perform an action, and wait for the outcome.

        Raises:
            CallControlFailed: it was refused, or there was no outcome in time.
        """
        if len(self._waiting) >= MAX_REQUESTS:
            raise CallControlFailed("too many requests at once")
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._send(ControlCall(call=call, number=number, action=action, argument=argument)):
                raise CallControlFailed("the connection to the carrier was lost")
            async with asyncio.timeout(RESULT_TIMEOUT_S):
                error = await waiting
        except TimeoutError:
            raise CallControlFailed("the carrier did not answer in time") from None
        finally:
            del self._waiting[number]
        if error is not None:
            raise CallControlFailed(error)


class _FrontControl:
    """The carrier's side of one call (`CallControl`)."""

    def __init__(self, requests: FrontRequests, call: int) -> None:
        self._requests = requests
        self._call = call

    async def transfer(self, to: str) -> None:
        await self._requests.ask(self._call, "transfer", to)

    async def send_digits(self, digits: str) -> None:
        await self._requests.ask(self._call, "send_digits", digits)
