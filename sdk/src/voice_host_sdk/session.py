"""A session as callbacks and tools see it, and the records that callbacks receive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from voice_host_sdk.channel import Channel, ChannelError

EndReason = Literal["goodbye", "ended", "lost", "expired", "removed", "shutdown", "failed"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller, as authenticated by the platform.

    Attributes:
        identity: the caller's name or id, as the issuer knows it.
        claims: further facts that the issuer states.
        issuer: who vouches for the identity. The same identity from two issuers means two callers, who neither resume
            each other's conversations nor share limits.
    """

    identity: str
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    issuer: str = ""


class Session(ABC):
    """One conversation with one caller.

    A tool receives it in a parameter annotated `Session`, which is hidden from the model.

    Attributes:
        id: unique for the life of the process.
        agent_id: the name of the agent's entry point.
        caller: the authenticated caller, or None.
        metadata: what the client sent when it connected. Untrusted.
        state: for the plugin's own use; lives as long as the session.
        channel: how the caller is connected. New in 1.1.
    """

    def __init__(
        self,
        session_id: str,
        agent_id: str,
        *,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
    ) -> None:
        self.id = session_id
        self.agent_id = agent_id
        self.caller = caller
        self.channel = channel or Channel()
        self.metadata: Mapping[str, Any] = MappingProxyType(dict(metadata or {}))
        self.state: dict[str, Any] = {}

    @abstractmethod
    async def say(self, text: str) -> None:
        """Speak `text` to the caller. Returns once it is queued. While nobody is connected, it waits for the caller."""

    @abstractmethod
    async def end(self, reason: str = "") -> None:
        """End the call once the current speech has been played. Returns at once."""

    async def collect_digits(
        self, count: int | None = None, *, finish: str = "#", timeout_s: float = 10.0, between_s: float = 4.0
    ) -> str:
        """Wait for the caller to press telephone keys, and return them without the finishing key. New in 1.1.

        A key stops what the agent is saying. Keys pressed up to 5 s before count. The time limit of the tool does not
        go on meanwhile.

        Args:
            count: how many digits; None: as many as the caller presses.
            finish: the key that ends the input; empty: none does.
            timeout_s: how long to wait for the first digit, after the agent has finished speaking.
            between_s: how long to wait for each further digit.

        Returns:
            the digits pressed so far, perhaps fewer than `count`; empty if there was none.

        Raises:
            ValueError: `count` is not 1 to 64, `finish` is no key, or a time is not positive.
            ChannelError: the caller has no telephone or has hung up, another tool collects digits, or the caller has
                interrupted the reply that this is for.
        """
        raise ChannelError(f"digits can only be collected on a telephone call, and this is {self.channel.name!r}")

    async def transfer(self, to: str) -> None:
        """Connect the caller to another number, once the current speech has been played. New in 1.1.

        The session ends when the carrier has taken the call over.

        Args:
            to: the number in E.164 form (`+15550100`), or a `sip:` address where the carrier supports that.

        Raises:
            ValueError: `to` is neither.
            ChannelError: the channel cannot transfer calls, the host's settings do not allow this number, the carrier
                refused, or the caller has interrupted the reply that this is for.
        """
        raise ChannelError(f"only telephone calls can be transferred, and this is {self.channel.name!r}")

    async def send_digits(self, digits: str) -> None:
        """Play telephone keys into the call: 0 to 9, `*`, `#`, and `w` for a pause of 0.5 s. New in 1.1.

        Raises:
            ValueError: other characters, or none.
            ChannelError: the channel cannot send digits, or the carrier refused.
        """
        raise ChannelError(f"digits can only be sent on a telephone call, and this is {self.channel.name!r}")


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
        text: everything the model generated.
        heard: what the caller heard of it. Differs from `text` if the reply was interrupted, or if the caller's network
            was too slow: `[…]` stands for words that were skipped.
        interrupted: whether the caller interrupted it.
    """

    reply: int
    text: str
    heard: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call: its arguments, outcome and duration."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    ok: bool
    result: Any
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SessionError:
    """An error in a session. `code` is stable, `message` safe to show to the caller."""

    code: str
    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended: `reason` is a fixed code, `detail` free text (such as the argument of `Session.end`)."""

    reason: EndReason
    detail: str = ""
    duration_s: float = 0.0
    turns: int = 0
