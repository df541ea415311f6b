"""What Vonage refuses: call control objects, requests to its REST API, and frames of a WebSocket."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PACKET_BYTES = 640

Https = Annotated[str, Field(pattern="^https://")]
Number = Annotated[str, Field(pattern=r"^[1-9]\d{6,14}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Authorization(Strict):
    type: Literal["vonage", "custom"]
    value: str | None = None


class WebSocketEndpoint(Strict):
    type: Literal["websocket"]
    uri: Annotated[str, Field(pattern="^wss://")]
    content_type: Literal["audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000"] = Field(
        alias="content-type"
    )
    headers: dict[str, Any] = {}
    authorization: Authorization | None = None


class PhoneEndpoint(Strict):
    type: Literal["phone"]
    number: Number


class SipEndpoint(Strict):
    type: Literal["sip"]
    uri: Annotated[str, Field(pattern=r"^sips?:\S+@\S+$")]


class Connect(Strict):
    action: Literal["connect"]
    endpoint: tuple[Annotated[WebSocketEndpoint | PhoneEndpoint | SipEndpoint, Field(discriminator="type")]]
    event_type: Literal["synchronous"] | None = Field(default=None, alias="eventType")
    event_url: tuple[Https] | None = Field(default=None, alias="eventUrl")


class Talk(Strict):
    action: Literal["talk"]
    text: str = Field(min_length=1, max_length=1500)
    language: str = "en-US"


class Stream(Strict):
    action: Literal["stream"]
    stream_url: tuple[Https] = Field(alias="streamUrl")


Action = Connect | Talk | Stream
NCCO: TypeAdapter[list[Action]] = TypeAdapter(list[Annotated[Action, Field(discriminator="action")]])


class Phone(Strict):
    type: Literal["phone"]
    number: Number


class MachineDetection(Strict):
    behavior: Literal["continue", "hangup"] = "hangup"
    mode: Literal["detect", "detect_beep", "default"] = "detect"
    beep_timeout: int = Field(default=45, ge=45, le=120)


class Dialled(Strict):
    to: tuple[Phone]
    from_: Phone = Field(alias="from")
    ncco: list[Annotated[Action, Field(discriminator="action")]]
    event_url: tuple[Https]
    event_method: Literal["POST", "GET"] = "GET"
    ringing_timer: int = Field(default=60, ge=1, le=120)
    length_timer: int = Field(default=7200, ge=1, le=86400)
    advanced_machine_detection: MachineDetection | None = None


class HangUp(Strict):
    action: Literal["hangup"]


class Destination(Strict):
    type: Literal["ncco"]
    ncco: list[Annotated[Action, Field(discriminator="action")]]


class Transfer(Strict):
    action: Literal["transfer"]
    destination: Destination


class Digits(Strict):
    digits: Annotated[str, Field(pattern=r"^[0-9*#p]+$")]


UPDATE: TypeAdapter[HangUp | Transfer] = TypeAdapter(Annotated[HangUp | Transfer, Field(discriminator="action")])


class Refused(Exception):
    """A frame that Vonage does not take."""


def parse(raw: str | bytes) -> bytes | dict[str, Any]:
    """Parse a frame that is sent to Vonage: a packet of audio, or an action.

    Raises:
        Refused: Vonage does not take it.
    """
    if isinstance(raw, bytes):
        if len(raw) != PACKET_BYTES:
            raise Refused(f"{len(raw)} bytes of audio")
        return raw
    try:
        action: dict[str, Any] = json.loads(raw)
    except ValueError:
        raise Refused("no JSON") from None
    notify = action.get("action") == "notify" and isinstance(action.get("payload"), dict) and len(action) == 2
    if not notify and action != {"action": "clear"}:
        raise Refused(raw)
    return action
