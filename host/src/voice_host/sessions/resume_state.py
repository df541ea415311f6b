"""`ResumeState`: a session as plain, versioned data, from which it can be restored in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from voice_host.plain_data import json_part
from voice_host.turns.snapshot import TurnSnapshot
from voice_host_sdk import Caller, Channel

VERSION = 1
"""Version of the format. Increased by every change that older hosts cannot read."""

MAX_HISTORY_BYTES = 256 * 1024
"""Limit of the history as JSON; 20 turns with tools take about 76 KB. The oldest turns are dropped to fit."""

MAX_STATE_BYTES = 64 * 1024
"""Limit of `Session.state` as JSON. Exceeding it is an error: only the agent knows what can be dropped."""

MAX_BYTES = 512 * 1024
"""Limit of a `ResumeState` as JSON: 1,000 of them take at most half a gigabyte."""


class ResumeStateError(Exception):
    """A `ResumeState` cannot be made or read. The message contains nothing of the conversation."""


class ResumeStateTooLarge(ResumeStateError):
    """A `ResumeState`, or the `Session.state` in it, exceeds its limit."""


_APP = Channel()
"""Not written, so that hosts that do not know channels can read the state."""


@dataclass(frozen=True, slots=True)
class SuspendedCall:
    """The state of a call whose connection was lost.

    Attributes:
        turns: the state of the turn engine, with times relative to the beginning of the session.
        unheard: the rest of the interrupted reply, to be spoken when the caller is back; may be empty.
        unanswered: a turn to be answered when the caller is back, since nothing of a reply was heard and no tool ran;
            may be empty.
    """

    turns: TurnSnapshot
    unheard: str = ""
    unanswered: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A call of `Session.say` or `Session.end` while nobody was connected."""

    action: Literal["say", "end"]
    text: str


class ResumeState(BaseModel):
    """A session without its connection. Times are in seconds.

    Attributes:
        version: of this format.
        session_id, agent_id, caller, metadata, channel: as in `Session`; of claims and metadata, the entries that are
            JSON.
        state: the entries of `Session.state` that are JSON.
        history: the messages, as pydantic-ai serialises them.
        call: the state of the last call; None: there was none.
        pending: requests of the agent that wait for the caller.
        age_s: time since the session began.
        turns: how many turns the caller has finished.
        worst_first_audio_ms: the longest time from the end of a turn to the first audio of its reply; None: no reply
            was spoken.
        token_digest: SHA-256 of the valid resume token, hexadecimal; None: there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    session_id: str
    agent_id: str
    caller: Caller | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    channel: Channel = Field(default=_APP, exclude_if=lambda channel: channel == _APP)
    state: dict[str, Any] = Field(default_factory=dict)
    history: list[dict[str, Any]] = Field(default_factory=list)
    call: SuspendedCall | None = None
    pending: tuple[PendingRequest, ...] = ()
    age_s: float = Field(ge=0)
    turns: int = Field(default=0, ge=0)
    worst_first_audio_ms: float | None = None
    token_digest: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    def to_bytes(self) -> bytes:
        """Return the JSON, UTF-8.

        Raises:
            ResumeStateTooLarge: it exceeds `MAX_BYTES`.
        """
        data = self.model_dump_json().encode()
        _check_size(len(data))
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> ResumeState:
        """Parse what `to_bytes` returned.

        Raises:
            ResumeStateTooLarge: it exceeds `MAX_BYTES`.
            ResumeStateError: it has another version, or is not a valid `ResumeState`.
        """
        _check_size(len(data))
        try:
            raw = from_json(data, allow_inf_nan=False)
        except ValueError:
            raise ResumeStateError("the resume state is not JSON") from None
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != VERSION:
            raise ResumeStateError(
                f"the resume state has version {version!r}, and this host reads version {VERSION}: "
                "the conversation cannot be continued here"
            )
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            wrong = ", ".join(sorted({str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"]}))
            raise ResumeStateError(f"the resume state is damaged: {wrong}") from None


def state_to_keep(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `Session.state` that are JSON.

    Raises:
        ResumeStateTooLarge: they exceed `MAX_STATE_BYTES`.
    """
    kept = json_part(state)
    if (size := len(to_json(kept))) > MAX_STATE_BYTES:
        raise ResumeStateTooLarge(
            f"Session.state takes {size:,} bytes as JSON, more than the limit of {MAX_STATE_BYTES:,}: "
            "store large data elsewhere and only its id in the state"
        )
    return kept


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ResumeStateTooLarge(f"the resume state takes {size:,} bytes, more than the limit of {MAX_BYTES:,}")
