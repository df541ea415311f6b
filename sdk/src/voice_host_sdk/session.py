"""A session as callbacks and tools see it, and the records that callbacks receive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

EndReason = Literal["goodbye", "ended", "lost", "expired", "removed", "shutdown", "failed"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as authenticated by the platform.

    Attributes:
        identity: who it is, by the word of the issuer.
        claims: what else is said of the caller.
        issuer: who vouches for the identity. The same identity of two issuers is two callers: one never opens the
            other's conversation, and they do not share a limit.
    """

    identity: str
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    issuer: str = ""


class Session(ABC):
    """One conversation with one caller.

    A tool asks for it by annotating a parameter `Session`; that parameter is hidden from the model.

    Attributes:
        id: unique for the life of the process.
        agent_id: the entry point's name of the agent.
        caller: the authenticated caller, or None.
        metadata: what the connection sent along. Untrusted.
        state: the plugin's own; lives as long as the session.
    """

    def __init__(
        self, session_id: str, agent_id: str, *, caller: Caller | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self.id = session_id
        self.agent_id = agent_id
        self.caller = caller
        self.metadata: Mapping[str, Any] = MappingProxyType(dict(metadata or {}))
        self.state: dict[str, Any] = {}

    @abstractmethod
    async def say(self, text: str) -> None:
        """Speak `text` to the caller. Returns as soon as it is queued; does nothing when nobody is connected."""

    @abstractmethod
    async def end(self, reason: str = "") -> None:
        """Hang up after what is being spoken has been played. Returns at once."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """A finished turn of the caller."""

    text: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class AgentReply:
    """A finished or interrupted reply of the agent.

    Attributes:
        reply: the id of the reply, unique within the session.
        text: all that was generated.
        heard: what the caller heard of it; equal to `text` unless interrupted, or unless the caller's network was too
            slow for some of it: `[…]` stands for words that were skipped.
        interrupted: whether it was cut.
    """

    reply: int
    text: str
    heard: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that ran: with what, how it went, how long it took."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    ok: bool
    result: Any
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SessionError:
    """Something that went wrong in a session. `code` is stable, `message` fit for a caller to see."""

    code: str
    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended: `reason` is the kind, `detail` words (what `Session.end` was given)."""

    reason: EndReason
    detail: str = ""
    duration_s: float = 0.0
    turns: int = 0
