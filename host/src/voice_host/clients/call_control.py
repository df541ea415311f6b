"""`CallControl`: what the carrier of a telephone call can do beside its audio. Needs the platform's keys, so the front
has it; a worker process asks the front."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Answered:
    """The carrier has found out who answered an outbound call."""

    answer: CallAnswer


ChannelNews = Answered
"""What a carrier reports about a call beside its audio."""
