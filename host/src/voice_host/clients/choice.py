"""Which client protocol a connection speaks, as plain data: the front decides, and a worker process creates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voice_host.clients import openai_realtime, telnyx, twilio, voice_host_v1, vonage
from voice_host.clients.protocol import ClientProtocol


class ProtocolChoice(BaseModel):
    """A client protocol, as one connection uses it. Plain data that can be sent as JSON.

    Attributes:
        name: a key of `PROTOCOLS`.
        options: what the front knows that the protocol needs, such as the carrier's id of a telephone call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = voice_host_v1.SUBPROTOCOL
    options: Mapping[str, Any] = Field(default_factory=dict, repr=False)


PROTOCOLS: Mapping[str, Callable[[Mapping[str, Any]], ClientProtocol]] = {
    voice_host_v1.SUBPROTOCOL: lambda _: voice_host_v1.VoiceHostV1(),
    telnyx.NAME: telnyx.TelnyxProtocol.from_options,
    vonage.NAME: vonage.VonageProtocol.from_options,
    openai_realtime.NAME: openai_realtime.OpenAIRealtime,
    twilio.NAME: twilio.TwilioProtocol.from_options,
}
"""The client protocols, by name. Each is created from the options of a `ProtocolChoice`."""

SUBPROTOCOLS = frozenset({voice_host_v1.SUBPROTOCOL, openai_realtime.SUBPROTOCOL})
"""The WebSocket subprotocols of all of them. What else a client offers may be a credential."""


def protocol_of(choice: ProtocolChoice) -> ClientProtocol:
    """Create the protocol of one connection.

    Raises:
        KeyError: there is no such protocol.
    """
    return PROTOCOLS[choice.name](choice.options)
