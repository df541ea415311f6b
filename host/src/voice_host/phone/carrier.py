"""`Carrier`: the interface of a telephone carrier. Each has a module here, and its client protocol in `clients`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from fastapi import APIRouter
from starlette.requests import HTTPConnection

from voice_host.admission import Lease
from voice_host.clients.choice import ProtocolChoice
from voice_host_sdk import Channel

Detection = Literal["off", "person", "message_end"]
"""Answering-machine detection: none; whether a person or a machine answered; for a machine, also when it records."""


class CarrierError(Exception):
    """The carrier refused a request, or cannot be reached. The message has no key and can be shown to operators.

    Attributes:
        status: the HTTP status of its answer; None: there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class PhoneCall:
    """A telephone call that the host takes or makes.

    Attributes:
        lease: the admission, under the session id of the call; given back by the front when the call is over.
        channel: carrier, direction, numbers, the carrier's id of the call.
        metadata: for `Session.metadata`.
        stream_token: unguessable; part of the address of the media stream, and good for one connection.
        status: `ringing`, `answered`, `streaming`, `over`.
        outcome: why an outbound call did not come about, or how a call ended; empty until then.
    """

    lease: Lease
    channel: Channel
    stream_token: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["ringing", "answered", "streaming", "over"] = "ringing"
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Dial:
    """An outbound call to make.

    Attributes:
        to_number, from_number: E.164.
        stream_url: where the carrier connects the audio once somebody answers.
        status_url: where it reports progress, and who answered.
        ring_s: how long to let it ring.
        detection: answering-machine detection.
    """

    to_number: str
    from_number: str
    stream_url: str
    status_url: str
    ring_s: int = 30
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

    async def transfer(self, call_id: str, to: str) -> None:
        """Connect a call to another number or SIP address."""

    async def send_digits(self, call_id: str, digits: str) -> None:
        """Play telephone keys into a call."""

    async def aclose(self) -> None:
        """Release connections. Idempotent."""
