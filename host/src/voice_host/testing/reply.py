"""A reply as the caller got it, and how a call ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from voice_host_sdk import SessionEnd, ToolCall


@dataclass(slots=True, eq=False)
class Reply:
    """Something the agent said: an answer, its greeting, a question into the silence, `Session.say`.

    It is kept up to date while the call goes on. Times are in seconds since the call began.

    Attributes:
        number: the id of the reply, counted from 1.
        text: what was generated of it so far.
        heard: what the caller heard of it; equal to `text` once it was heard out.
        interrupted: whether the caller cut it off.
        over: whether it was heard out or cut off.
        greeting: whether it is the greeting.
        tools: the tools that ran for it, with arguments and results.
        began_s: when the first of it came: text or audio.
        audible_s: when its first audio came; None while there was none.
        ended_s: when it was heard out or cut off; None while it goes on.
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
        close_code: of the connection, e.g. 1000, 4500; None: the caller was gone without being told.
        close_reason: the words that went with it.
        session: what `on_session_destroyed` was given; None while the session has not ended, or never began.
    """

    close_code: int | None
    close_reason: str
    session: SessionEnd | None

    @property
    def reason(self) -> str:
        """Why the session ended, e.g. `goodbye`, `ended`, `lost`; empty where none has."""
        return self.session.reason if self.session else ""

    @property
    def detail(self) -> str:
        """The words for it, such as those that `Session.end` was given."""
        return self.session.detail if self.session else self.close_reason
