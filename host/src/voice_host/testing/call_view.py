"""`CallView`: what a test can inspect of a call."""

from __future__ import annotations

from typing import Any

from voice_host.testing.observed import ObservedCall
from voice_host.testing.recorder import SeenCallback
from voice_host.testing.reply import CallEnd, Reply
from voice_host.testing.transcript import written
from voice_host_sdk import Session, SessionError, ToolCall


class CallView:
    """The current state of a call, updated while it continues. The base class of `TestCall`."""

    def __init__(self) -> None:
        self._observed = ObservedCall()
        self._failures_expected = False

    @property
    def now_s(self) -> float:
        """Seconds since the call began."""
        return self._observed.now_s

    @property
    def session(self) -> Session:
        """The session, as the agent's tools and callbacks see it.

        Raises:
            AssertionError: there is none: the call was refused.
        """
        assert self._observed.session is not None, "the call has no session: it was refused"
        return self._observed.session

    @property
    def state(self) -> dict[str, Any]:
        """`Session.state`."""
        return self.session.state

    @property
    def greeting(self) -> Reply | None:
        """The agent's greeting; None if there is none."""
        return next((reply for reply in self.replies if reply.greeting), None)

    @property
    def replies(self) -> list[Reply]:
        """All replies of the agent, including the greeting."""
        return self._observed.replies

    @property
    def tools(self) -> list[ToolCall]:
        """The tools that ran, with arguments and results."""
        return self._observed.tools

    def tool(self, name: str) -> ToolCall:
        """Return the last call of one tool.

        Raises:
            AssertionError: it was not called.
        """
        for call in reversed(self.tools):
            if call.name == name:
                return call
        called = ", ".join(call.name for call in self.tools) or "none"
        raise AssertionError(f"the tool {name} was not called; called were: {called}")

    @property
    def errors(self) -> list[SessionError]:
        """The errors that the caller was told of."""
        return self._observed.errors

    @property
    def callbacks(self) -> list[str]:
        """The names of the session's callbacks, in order of the calls."""
        return [seen.name for seen in self._observed.seen]

    def failed_callbacks(self) -> list[SeenCallback]:
        """The callbacks that raised or timed out. Reading this marks them as expected by the test."""
        self._failures_expected = True
        return [seen for seen in self._observed.seen if seen.error is not None]

    @property
    def seen_callbacks(self) -> list[SeenCallback]:
        """The session's callbacks, each with its argument and its exception."""
        return self._observed.seen

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The messages of the call protocol that the caller received, without audio."""
        return self._observed.frames

    @property
    def audio_ms(self) -> float:
        """How much speech the caller received."""
        return self._observed.audio_ms

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._observed.over

    @property
    def end(self) -> CallEnd:
        """How the call ended.

        Raises:
            AssertionError: it has not ended.
        """
        return self._observed.end

    @property
    def transcript(self) -> str:
        """The call as readable text. It is added to exceptions raised within `async with`."""
        return written(self._observed.log)
