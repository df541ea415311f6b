"""Frames between a worker and the speech process: a JSON header and a payload, both with their length before them.

A worker runs a customer's code: `read_frame` believes nothing, and reads no more than the limits.
"""

from __future__ import annotations

import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice_host.settings.field_types import AgentId
from voice_host.speech.embedded.engines import RECOGNISER_HZ
from voice_host.speech.local_service import CannotWork
from voice_host_sdk import ProviderError

VERSION = 1
"""Of the frames. A worker's may be from another version of the host, after an upgrade."""

MAX_REQUEST_BYTES = 2 * RECOGNISER_HZ * 31
"""Payload of a request: 30 s of audio and what an endpointer adds. Text is shorter."""
MAX_REQUEST_HEADER_BYTES = 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Payload of an answer. A sentence of 400 characters is 25 s of speech, 1.2 MB; digits are spoken longer."""
MAX_ANSWER_HEADER_BYTES = 64 * 1024

_LENGTHS = struct.Struct("!II")

REFUSED = 0
"""The id of an answer that refuses the connection, since it is of another version."""

Task = Literal["warm_stt", "recognise", "preview", "warm_tts", "speak"]


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hello(_Header):
    """The first frame of a connection."""

    version: int
    agent_id: AgentId
    key: str = Field(max_length=128, repr=False)


class Request(_Header):
    """A frame of a worker. The payload is PCM16 for `recognise` and `preview`, UTF-8 for `speak`.

    `cancel` takes the request with that id back; it is answered or not.
    """

    id: int = Field(ge=1, le=2**53)
    do: Task | Literal["cancel"]


class Failure(_Header):
    """Why a request failed.

    Attributes:
        message, code, retryable: of the `ProviderError`.
        problem: see `CannotWork`; None: it may work later.
    """

    message: str
    code: str
    retryable: bool
    problem: str | None = None

    @classmethod
    def of(cls, error: ProviderError, problem: str | None = None) -> Failure:
        return cls(message=str(error), code=error.code, retryable=error.retryable, problem=problem)

    def error(self) -> ProviderError:
        if self.problem is not None:
            return CannotWork(self.message, code=self.code, problem=self.problem)
        return ProviderError(self.message, code=self.code, retryable=self.retryable)


class Answer(_Header):
    """The answer to the request with the same id, or with `REFUSED` to all: the connection is closed then.

    Attributes:
        text: the words that were recognised; None for a preview: there was no capacity to spare. For `speak`, the words
            of the first sentence; the payload is its PCM16.
        word_starts: see `SpokenSentence`.
        rest: what follows the sentence in the text.
    """

    id: int
    failure: Failure | None = None
    text: str | None = None
    word_starts: Sequence[int] = ()
    rest: str = ""


class BadFrame(Exception):
    """What was received is no frame, or larger than allowed."""


_AnyHeader = TypeVar("_AnyHeader", bound=_Header)


def frame(header: _Header, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    encoded = header.model_dump_json(exclude_defaults=True).encode()
    return b"".join((_LENGTHS.pack(len(encoded), len(payload)), encoded, payload))


async def read_frame(
    reader: StreamReader, kind: type[_AnyHeader], *, header_bytes: int, payload_bytes: int
) -> tuple[_AnyHeader, bytes] | None:
    """Read a frame. None: the connection has ended.

    Raises:
        BadFrame: it is larger than `header_bytes` or `payload_bytes`, or its header is not a `kind`.
    """
    try:
        header_length, payload_length = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        if header_length > header_bytes or payload_length > payload_bytes:
            raise BadFrame(f"a frame of {header_length} + {payload_length} bytes")
        encoded = await reader.readexactly(header_length)
        payload = await reader.readexactly(payload_length)
    except (IncompleteReadError, OSError):
        return None
    try:
        return kind.model_validate_json(encoded), payload
    except ValidationError as error:
        raise BadFrame(f"no {kind.__name__}: {error.error_count()} errors") from None
