"""The telephone of a scripted caller, and its carrier."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from voice_host.clients.call_control import CallControlFailed
from voice_host.clients.protocol import Admit, ClientEvent, Dtmf, Frame, unlimited
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host_sdk import CallAnswer


class TestCarrier:
    """The carrier of a telephone call. Records what the agent asks of it.

    Attributes:
        transfers: the arguments of `Session.transfer`.
        digits_sent: the arguments of `Session.send_digits`.
        refuses: why it refuses everything; None: it does what it is asked.
    """

    __test__ = False

    def __init__(self) -> None:
        self.transfers: list[str] = []
        self.digits_sent: list[str] = []
        self.refuses: str | None = None
        self._answers: Callable[[CallAnswer], None] | None = None

    def connect(self, answers: Callable[[CallAnswer], None]) -> None:
        """Report answers to `answers` (used by `TestAgent`)."""
        self._answers = answers

    def report_answer(self, answer: CallAnswer) -> None:
        """Report who answered an outbound call, which `on_answered` is told."""
        assert self._answers is not None
        self._answers(answer)

    async def transfer(self, to: str) -> None:
        """Connect the caller to another number (`CallControl`)."""
        self._check()
        self.transfers.append(to)

    async def send_digits(self, digits: str) -> None:
        """Play telephone keys into the call (`CallControl`)."""
        self._check()
        self.digits_sent.append(digits)

    def _check(self) -> None:
        if self.refuses is not None:
            raise CallControlFailed(self.refuses)


class KeyedProtocol(VoiceHostV1):
    """The call protocol, with a message for a pressed key."""

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        if isinstance(frame, str) and (key := json.loads(frame).get("key")) is not None:
            return (Dtmf(key),)
        return super().receive(frame, admit)


def key_message(key: str) -> dict[str, Any]:
    """Return the message for a pressed key."""
    return {"type": "key", "key": key}
