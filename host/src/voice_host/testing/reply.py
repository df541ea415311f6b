"""`Reply`, as the caller received it, and `CallEnd`."""

from __future__ import annotations

from dataclasses import dataclass, field

from voice_host_sdk import SessionEnd, ToolCall


@dataclass(slots=True, eq=False)
class Reply:
    """Something the agent said: an answer, the greeting, a nudge, a text of `Session.say`.

    It is updated while the call continues. Times are in seconds since the call began.

    Attributes:
        number: the id of the reply, counted from 1.
        text: the text generated so far.
        heard: the part that the caller heard; equal to `text` once it was heard completely.
        interrupted: whether the caller interrupted it.
        over: whether it is complete or cut.
        greeting: whether it is the greeting.
        tools: the tools that ran for it, with arguments and results.
        began_s: when its first text or audio arrived.
        audible_s: when its first audio arrived; None: not yet.
        ended_s: when it was completed or cut; None: not yet.
    """

    number: int
    text: str = ""
    heard: str = ""
    interrupted: bool = False
    over: bool = False
    greeting: bool = False
    tools: list[ToolCall] = field(default_factory=list)
    began_s: float = 0.0
    audible_s: float | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended.

    Attributes:
        close_code: of the connection, e.g. 1000, 4500; None: the connection was lost.
        close_reason: sent with the code.
        session: passed to `on_session_destroyed`; None if the session has not ended or never began.
    """

    close_code: int | None
    close_reason: str
    session: SessionEnd | None

    @property
    def reason(self) -> str:
        """Why the session ended, e.g. `goodbye`, `ended`, `lost`; empty if it has not."""
        return self.session.reason if self.session else ""

    @property
    def detail(self) -> str:
        """Details of the reason, such as the argument of `Session.end`."""
        return self.session.detail if self.session else self.close_reason
