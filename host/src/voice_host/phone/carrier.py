"""`Carrier`: the interface of a telephone carrier. Each has a module here, and its client protocol in `clients`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from fastapi import APIRouter
from starlette.requests import HTTPConnection

from voice_host.admission import Lease
from voice_host.clients.call_control import CallAnswers
from voice_host.clients.choice import ProtocolChoice
from voice_host_sdk import CallAnswer, Channel

Detection = Literal["off", "person", "message_end"]
"""Answering-machine detection: none; whether a person or a machine answered; for a machine, also when it records."""

Occasion = Literal["unavailable", "busy", "unknown_number", "failed"]
"""On which occasion a caller hears a sentence of the platform: the agent is broken, switched off, or the host shuts
down; a limit is reached; no agent answers the number; the call has failed."""


_NUMBER = re.compile(r"(?<!\w)\+?\d[\d -]{5,}\d(?!\w)")


class CarrierError(Exception):
    """The carrier refused a request, or cannot be reached. The message has no key and can be shown to operators.

    Attributes:
        status: the HTTP status of its answer; None: there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def logged(self) -> str:
        """The message as it may be logged: without telephone numbers, which are personal data."""
        return _NUMBER.sub("<number>", str(self))


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a caller hears instead of an agent.

    Attributes:
        text: spoken by the carrier.
        language: of the text, such as `en-US`.
        audio_url: a recording that is played instead; None: there is none.
    """

    text: str
    language: str
    audio_url: str | None = None


@dataclass(slots=True, eq=False)
class PhoneCall:
    """A telephone call that the host takes or makes. Made and ended by `PhoneCalls`.

    Attributes:
        lease: the admission, under the session id of the call; given back when the call is over.
        channel: carrier, direction, numbers, the carrier's id of the call.
        stream_token: unguessable; part of the address of the media stream, and good for one connection.
        metadata: for `Session.metadata`.
        status: `ringing`; `answered`: an outbound call was answered; `streaming`: it is connected to the agent; `over`.
        outcome: why an outbound call did not come about, or how a call ended; empty: that is not known yet.
        transferred: whether the agent has handed the caller over to another number.
        farewell: what the caller is told after the stream has ended; None: nothing.
        told: set when the carrier has been told the farewell, where it asks for it.
        reason: more about the outcome, for the operator; may be empty.
        answer: who answered an outbound call, as far as the carrier has judged.
        answers: the same for the agent, kept until its session begins.
        created: when it began. The times that follow are those of the event loop, in seconds.
        created_s, answered_s, ended_s: when it began, was answered, and was over; None: not yet.
        settled: set when its outcome is known. The agent may have something left to finish.
        picked_up: set when it is answered, or over.
        ended: set when it is over.
    """

    lease: Lease
    channel: Channel
    stream_token: str = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["ringing", "answered", "streaming", "over"] = "ringing"
    outcome: str = ""
    transferred: bool = False
    farewell: Sentence | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    reason: str = ""
    answer: CallAnswer | None = None
    answers: CallAnswers = field(default_factory=CallAnswers, repr=False)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    created_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    answered_s: float | None = None
    ended_s: float | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    picked_up: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def duration_s(self) -> float | None:
        """Seconds since it was answered, until its end; None: it was not answered."""
        if self.answered_s is None:
            return None
        return (asyncio.get_running_loop().time() if self.ended_s is None else self.ended_s) - self.answered_s


@dataclass(frozen=True, slots=True)
class Dial:
    """An outbound call to make.

    Attributes:
        to_number, from_number: E.164.
        stream_url: where the carrier connects the audio once somebody answers.
        status_url: where it reports progress, and who answered: see `PhoneCalls.answered`, `judged` and `end`. Its last
            part is the id of the session.
        ring_s: how long to let it ring.
        max_call_s: time limit of the call once it is answered, for carriers that enforce one. The host does, too.
        detection: answering-machine detection.
    """

    to_number: str
    from_number: str
    stream_url: str
    status_url: str
    ring_s: int = 30
    max_call_s: int = 900
    detection: Detection = "off"


class Carrier(Protocol):
    """A carrier that `[phone.<name>]` sets up. Belongs to one event loop."""

    @property
    def name(self) -> str:
        """Its name in the settings, in addresses and in `Channel.name`."""

    @property
    def detections(self) -> frozenset[Detection]:
        """The kinds of answering-machine detection that it has."""

    def protocol(self, call: PhoneCall) -> ProtocolChoice:
        """Return the client protocol of a call's media stream."""

    def why_not_genuine(self, upgrade: HTTPConnection, url: str) -> str | None:
        """Check the signature of the request that opens a media stream at `url`. None: it is the carrier's."""

    def webhooks(self) -> APIRouter:
        """Return the routes of its webhooks, below `/phone/<name>`."""

    async def dial(self, dial: Dial) -> str:
        """Call a number. Returns the carrier's id of the call.

        Raises:
            CarrierError: see there. So for all that follow.
        """

    async def hang_up(self, call_id: str) -> None:
        """End a call. That it is over already is no error."""

    async def say_and_hang_up(self, call: PhoneCall, sentence: Sentence) -> None:
        """Tell the caller of a call that has failed a sentence, and hang up. That it is over already is no error.

        Where the carrier asks by webhook what comes after the stream, it is told `PhoneCall.farewell` then.
        """

    async def transfer(self, call_id: str, to: str) -> None:
        """Connect a call to another number or SIP address."""

    async def send_digits(self, call_id: str, digits: str) -> None:
        """Play telephone keys into a call."""

    async def aclose(self) -> None:
        """Release connections. Idempotent."""
