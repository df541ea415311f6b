"""`CallControl`: what the carrier of a telephone call can do beside its audio. Needs the platform's keys, so the front
has it; a worker process asks the front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voice_host_sdk import CallAnswer


class CallControlFailed(Exception):
    """The carrier cannot do it, or refused. The message is safe to show to the agent and its model."""


class CallControl(Protocol):
    """The carrier's side of one call."""

    async def transfer(self, to: str) -> None:
        """Connect the caller to another number or SIP address. Our connection ends.

        Raises:
            CallControlFailed: see there.
        """

    async def send_digits(self, digits: str) -> None:
        """Play telephone keys into the call.

        Raises:
            CallControlFailed: see there.
        """


MAX_WAITING = 8
"""Answers that wait for the session of their call. Carriers report one or two."""


class CallAnswers:
    """Who answered an outbound call, from the carrier to the call, which may not have begun yet."""

    def __init__(self) -> None:
        self._waiting: list[CallAnswer] = []
        self._take: Callable[[CallAnswer], None] | None = None

    def put(self, answer: CallAnswer) -> None:
        """Pass an answer on, or keep it until `connect`."""
        if self._take is not None:
            self._take(answer)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(answer)

    def connect(self, take: Callable[[CallAnswer], None]) -> None:
        """Pass answers to `take` from now on, those first that have waited."""
        self._take = take
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            take(answer)
