"""What a client sends: the eleven client events, and how a mistake in one is answered."""

from __future__ import annotations

import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, from_json


class EventError(Exception):
    """A client event that cannot be carried out, as the `error` event reports it.

    Attributes:
        message: safe to send to the client.
        code: for programs, such as `invalid_value`.
        param: the field that is wrong.
        event_id: the client's id of the event.
        malformed: whether the event violates the protocol, and not only comes at the wrong time.
    """

    def __init__(
        self,
        message: str,
        code: str,
        param: str | None = None,
        event_id: str | None = None,
        *,
        malformed: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.event_id = event_id
        self.malformed = malformed


class _Event(BaseModel):
    """Fields that are not known are ignored: they may be newer than this host."""

    model_config = ConfigDict(extra="ignore")

    event_id: str | None = Field(default=None, max_length=512)


class SessionUpdate(_Event):
    """Change the session. `session` is looked at field by field (`Session.update`)."""

    type: Literal["session.update"]
    session: dict[str, Any]


def _from_base64(text: Any) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (TypeError, ValueError):
        raise PydanticCustomError("base64", "Input should be text in base64") from None


_APPEND = "input_audio_buffer.append"

LOOKED_AT = 200
"""Characters of a frame in which its type is looked for, so that no long frame is parsed twice for nothing."""


class AudioAppend(_Event):
    """Microphone audio, in the input format of the session."""

    type: Literal["input_audio_buffer.append"]
    audio: Annotated[bytes, BeforeValidator(_from_base64)]


class AudioCommit(_Event):
    """The caller's turn is over."""

    type: Literal["input_audio_buffer.commit"]


class AudioClear(_Event):
    """Forget the audio since the last turn."""

    type: Literal["input_audio_buffer.clear"]


class Content(BaseModel):
    """A part of an item."""

    type: str
    text: str | None = None


class Item(BaseModel):
    """An item that the client adds to the conversation."""

    type: str
    id: str | None = Field(default=None, min_length=1, max_length=64)
    role: str | None = None
    content: list[Content] = Field(default_factory=list, max_length=64)


class ItemCreate(_Event):
    """Add an item to the conversation."""

    type: Literal["conversation.item.create"]
    item: Item
    previous_item_id: str | None = None


class ItemRetrieve(_Event):
    """Ask for an item."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(_Event):
    """The client has played so much of an item, and plays no more of it."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = 0
    audio_end_ms: int = Field(ge=0)


class ItemDelete(_Event):
    """Remove an item from the conversation."""

    type: Literal["conversation.item.delete"]
    item_id: str


class ResponseCreate(_Event):
    """Answer what was added."""

    type: Literal["response.create"]
    response: dict[str, Any] | None = None


class ResponseCancel(_Event):
    """Stop the response."""

    type: Literal["response.cancel"]
    response_id: str | None = None


class OutputClear(_Event):
    """Clear the output buffer, which only WebRTC and SIP have."""

    type: Literal["output_audio_buffer.clear"]


ClientMessage = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemTruncate
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
    | OutputClear
)

_parser: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])

CLIENT_EVENTS = frozenset(
    name for model in ClientMessage.__args__ for name in model.model_fields["type"].annotation.__args__
)
"""The types of all client events."""


def parse(raw: str | bytes) -> ClientMessage:
    """Parse a client's frame.

    Raises:
        EventError: it is no event of a client, or a field is missing or invalid.
    """
    if isinstance(raw, bytes):
        raise EventError("Send events as text: audio goes into input_audio_buffer.append, in base64.", "invalid_frame")
    try:
        data = from_json(raw)  # unlike `json`, it refuses half a surrogate pair, which is no text
    except ValueError:
        raise EventError("A message must be a JSON object.", "invalid_json") from None
    if not isinstance(data, dict):
        raise EventError("A message must be a JSON object.", "invalid_json")
    given = data.get("event_id")
    event_id = given if isinstance(given, str) else None
    kind = data.get("type")
    if not isinstance(kind, str):
        raise EventError("An event needs a type.", "missing_required_parameter", "type", event_id)
    if kind not in CLIENT_EVENTS:
        message = f"There is no client event {kind[:64]!r}."
        raise EventError(message, "unknown_event_type", "type", event_id)
    try:
        return _parser.validate_python(data)
    except ValidationError as error:
        raise _mistake(error, kind, event_id) from None


def appended(raw: str | bytes) -> bytes | None:
    """Return the audio of a frame that is a correct `input_audio_buffer.append`; None: see what `parse` says of it.

    Clients send 50 of them a second, and this is quicker than the parser, which gets those whose type is not among the
    first fields.
    """
    if isinstance(raw, bytes) or _APPEND not in raw[:LOOKED_AT]:
        return None
    try:
        data = from_json(raw)
        if data["type"] == _APPEND and "event_id" not in data:
            return binascii.a2b_base64(data["audio"], strict_mode=True)
    except (TypeError, ValueError, KeyError):
        return None
    return None


def _mistake(error: ValidationError, kind: str, event_id: str | None) -> EventError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
    return EventError(f"In {kind}, {field or 'the event'}: {first['msg']}.", code, field or None, event_id)
