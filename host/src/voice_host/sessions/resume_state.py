"""`ResumeState`: all that a conversation needs to continue elsewhere, as plain, versioned data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from voice_host.turns.snapshot import TurnSnapshot
from voice_host.valid_unicode import valid_unicode
from voice_host_sdk import Caller

VERSION = 1
"""Of the format. It changes with every change that an older host could not read."""

MAX_HISTORY_BYTES = 256 * 1024
"""Of the history as JSON; 20 turns with tools take about 76 KB. Beyond it the oldest turns are left out."""

MAX_STATE_BYTES = 64 * 1024
"""Of `Session.state` as JSON. More is an error: only the agent knows what it can do without."""

MAX_BYTES = 512 * 1024
"""Of a whole `ResumeState` as JSON. Whoever keeps one for each of 1,000 callers needs at most half a gigabyte."""

_MAX_DEPTH = 50
_MAX_INT_BITS = 4096
"""Python itself does not write out integers of much more than 14,000 bits."""


class ResumeStateError(Exception):
    """A `ResumeState` cannot be made or read. The message holds nothing of the conversation."""


class ResumeStateTooLarge(ResumeStateError):
    """It is larger than is kept for one conversation."""


@dataclass(frozen=True, slots=True)
class SuspendedCall:
    """Where a call stood when its connection ended.

    Attributes:
        turns: the turn engine; times are relative to the beginning of the session.
        unheard: the rest of the reply that was interrupted, to be spoken when the caller is back; may be empty.
        unanswered: the caller's turn that is to be answered then, since nothing of a reply was heard and no tool had
            run; may be empty.
    """

    turns: TurnSnapshot
    unheard: str = ""
    unanswered: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """What an agent asked for with `Session.say` or `Session.end` while nobody was connected."""

    action: Literal["say", "end"]
    text: str


class ResumeState(BaseModel):
    """A conversation without its connection. Times are in seconds.

    Attributes:
        version: of this format.
        session_id, agent_id, caller, metadata: as in `Session`; claims and metadata as far as they are JSON.
        state: the part of `Session.state` that is JSON.
        history: the messages, as pydantic-ai writes them.
        call: where the last call stood; None: there was none yet.
        pending: what the agent asked for while nobody was connected.
        age_s: how long ago the session began.
        turns: turns of the caller so far.
        worst_first_audio_ms: the longest time that a turn waited for the first audio of its reply; None: no reply was
            spoken.
        token_digest: of the resume token that opens the session, hexadecimal; None: none does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    session_id: str
    agent_id: str
    caller: Caller | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    state: dict[str, Any] = Field(default_factory=dict)
    history: list[dict[str, Any]] = Field(default_factory=list)
    call: SuspendedCall | None = None
    pending: tuple[PendingRequest, ...] = ()
    age_s: float = Field(ge=0)
    turns: int = Field(default=0, ge=0)
    worst_first_audio_ms: float | None = None
    token_digest: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    def to_bytes(self) -> bytes:
        """Return it as JSON.

        Raises:
            ResumeStateTooLarge: it takes more than `MAX_BYTES`.
        """
        data = self.model_dump_json().encode()
        _check_size(len(data))
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> ResumeState:
        """Read what `to_bytes` returned.

        Raises:
            ResumeStateTooLarge: it is larger than `MAX_BYTES`.
            ResumeStateError: it is of another version, or no `ResumeState`.
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
    """Return the part of `Session.state` that is JSON.

    Raises:
        ResumeStateTooLarge: it takes more than `MAX_STATE_BYTES`.
    """
    kept = json_part(state)
    if (size := len(to_json(kept))) > MAX_STATE_BYTES:
        raise ResumeStateTooLarge(
            f"Session.state takes {size:,} bytes as JSON, and at most {MAX_STATE_BYTES:,} are kept: "
            "store what is large elsewhere, and its id in the state"
        )
    return kept


def json_part(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the entries that are JSON: `dict` with text as keys, `list`, `str`, numbers, `bool`, None.

    Other entries are left out. Subclasses are not JSON: what they become would not be what they were.
    """
    kept: dict[str, Any] = {}
    for key, value in list(mapping.items()):
        try:
            kept[_copied_key(key)] = _copied(value, 0)
        except _NotJson:
            continue
    return kept


class _NotJson(Exception):
    """A value is not JSON."""


def _copied(value: Any, depth: int) -> Any:
    # Exact types alone, so that no code of the agent's runs here; `list` first, since its threads may change the value.
    kind = type(value)
    if depth < _MAX_DEPTH and kind is dict:
        return {_copied_key(key): _copied(inner, depth + 1) for key, inner in list(value.items())}
    if depth < _MAX_DEPTH and kind is list:
        return [_copied(inner, depth + 1) for inner in list(value)]
    if kind is str:
        return valid_unicode(value)
    if value is None or kind is bool:
        return value
    if (kind is int and value.bit_length() <= _MAX_INT_BITS) or (kind is float and math.isfinite(value)):
        return value
    raise _NotJson


def _copied_key(key: Any) -> str:
    if type(key) is not str:
        raise _NotJson
    return valid_unicode(key)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ResumeStateTooLarge(f"the resume state takes {size:,} bytes, and at most {MAX_BYTES:,} are kept")
