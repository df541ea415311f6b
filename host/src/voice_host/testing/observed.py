"""`ObservedCall`: combines the caller's messages and the agent's callbacks into replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from voice_host.clock import now_s
from voice_host.testing.recorder import SeenCallback
from voice_host.testing.reply import CallEnd, Reply
from voice_host_sdk import AgentReply, Session, SessionEnd, SessionError, ToolCall, UserTurn


class ObservedCall:
    """One call, seen from outside. Times are in seconds since it began.

    Attributes:
        session: as callbacks and tools see it; None before it begins, or if the call was refused.
        replies: of the agent, including the greeting.
        tools: the tools that ran.
        errors: that the caller was told of.
        seen: the callbacks of the session, in order.
        log: everything in order, as `(seconds, UserTurn | Reply | ToolCall | SessionError | str)`.
        frames: the messages to the caller, without audio.
        audio_ms: how much speech the caller received.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.replies: list[Reply] = []
        self.tools: list[ToolCall] = []
        self.errors: list[SessionError] = []
        self.seen: list[SeenCallback] = []
        self.log: list[tuple[float, UserTurn | Reply | ToolCall | SessionError | str]] = []
        self.frames: list[dict[str, Any]] = []
        self.audio_ms = 0.0
        self.closed: tuple[int | None, str] | None = None
        self.session_end: SessionEnd | None = None
        self.next_reply = 0
        """The index in `replies` of the next reply to return; a turn of the caller skips earlier ones."""
        self.tts_sample_rate = 24000
        self.audio_listeners: list[Callable[[bytes], None]] = []
        self._begun_s = now_s()
        self._typed = False
        self._tool_owner: dict[str, Reply] = {}
        self._changed = asyncio.Event()

    @property
    def now_s(self) -> float:
        """Seconds since the call began."""
        return now_s() - self._begun_s

    @property
    def over(self) -> bool:
        """Whether the connection is closed and the session, if any, has ended."""
        began = any(seen.name == "on_session_created" for seen in self.seen)
        ended = any(seen.name == "on_session_destroyed" and seen.done for seen in self.seen)
        return self.closed is not None and (ended or not began)

    @property
    def end(self) -> CallEnd:
        """How the call ended.

        Raises:
            AssertionError: it has not ended.
        """
        assert self.closed is not None, "the call has not ended"
        return CallEnd(*self.closed, self.session_end)

    async def until(self, true: Callable[[], bool], within_s: float) -> bool:
        """Wait until a condition is true. Returns whether it was within the time limit."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def note(self, what: UserTurn | Reply | ToolCall | SessionError | str) -> None:
        """Add an entry to the log, and wake up waiting tasks."""
        self.log.append((self.now_s, what))
        self._changed.set()

    # --- the connection ---------------------------------------------------------------------------------------------

    def on_frame(self, frame: Mapping[str, Any]) -> None:
        """Process an ASGI message from the host."""
        if frame["type"] == "websocket.close":
            self.on_closed(frame.get("code", 1000), frame.get("reason") or "")
        elif frame.get("bytes") is not None:
            self._on_audio(frame["bytes"])
        elif frame.get("text") is not None:
            message = json.loads(frame["text"])
            self.frames.append(message)
            self._on_message(message)
        self._changed.set()

    def on_closed(self, code: int | None, reason: str) -> None:
        """The connection was closed or lost."""
        if self.closed is None:
            self.closed = (code, reason)
            self.note(f"the connection is closed: {code or 'lost'} {reason}".rstrip())

    def _on_audio(self, pcm: bytes) -> None:
        self.audio_ms += len(pcm) / (self.tts_sample_rate * 2) * 1000
        if self.replies and self.replies[-1].audible_s is None:
            self.replies[-1].audible_s = self.now_s
        for listen in self.audio_listeners:
            listen(pcm)

    def _on_message(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "ready", "tts_sample_rate": rate}:
                self.tts_sample_rate = rate
            case {"type": "turn", "text": text}:
                self.next_reply = len(self.replies)
                self.note(UserTurn(text, self._typed))
            case {"type": "thinking"}:
                self._begin(0)  # its number comes with the first message that has one
            case {"type": "greeting", "reply": number, "text": text}:
                reply = self._reply(number)
                reply.text, reply.greeting = text, True
            case {"type": "reply_delta", "reply": number, "text": text}:
                self._reply(number).text += text
            case {"type": "chat", "reply": number, "text": text}:
                self._reply(number).text = text
            case {"type": "cancelled", "reply": number, "heard": heard} if number:
                reply = self._reply(number)
                if not reply.over:
                    reply.heard, reply.interrupted = heard, True
            case {"type": "tool_call", "id": call_id} if self.replies:
                self._tool_owner[call_id] = self.replies[-1]
            case {"type": "error", "code": code, "message": words}:
                self.errors.append(SessionError(code, words, bool(message.get("fatal"))))
                self.note(self.errors[-1])
            case {"type": "reset"}:
                self.note("the conversation is forgotten")

    def lose_replies(self) -> None:
        """The process that makes the replies is lost: those under way end here."""
        for reply in self.replies:
            if not reply.over:
                reply.interrupted = reply.over = True
                reply.ended_s = self.now_s

    def expect_typed(self, typed: bool) -> None:
        """Note whether the next turn is typed or spoken."""
        self._typed = typed

    def _reply(self, number: int) -> Reply:
        for reply in reversed(self.replies):
            if reply.number == number:
                return reply
        if self.replies and self.replies[-1].number == 0:
            self.replies[-1].number = number
            return self.replies[-1]
        return self._begin(number)

    def _begin(self, number: int) -> Reply:
        reply = Reply(number, began_s=self.now_s)
        self.replies.append(reply)
        self.note(reply)
        return reply

    # --- the callbacks ----------------------------------------------------------------------------------------------

    def callback_began(self, session: Session, seen: SeenCallback) -> None:
        """A callback of this session is about to be called."""
        self.session = session
        self.seen.append(seen)
        match seen.value:
            case AgentReply():
                reply = self._reply(seen.value.reply)
                reply.text, reply.heard, reply.interrupted = (
                    seen.value.text,
                    seen.value.heard,
                    seen.value.interrupted,
                )
                reply.ended_s = self.now_s
            case ToolCall():
                self.tools.append(seen.value)
                owner = self._tool_owner.get(seen.value.id) or (self.replies[-1] if self.replies else None)
                if owner is not None:
                    owner.tools.append(seen.value)
                self.note(seen.value)
            case SessionEnd():
                self.session_end = seen.value
                self.note(f"the session has ended: {seen.value.reason} {seen.value.detail}".rstrip())

    def callback_ended(self, seen: SeenCallback) -> None:
        """A callback of this session has returned or failed."""
        if isinstance(seen.value, AgentReply):
            self._reply(seen.value.reply).over = True
        if seen.error is not None:
            self.note(f"{seen.name} raised {seen.error!r}")
        self._changed.set()
