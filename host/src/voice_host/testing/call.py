"""`TestCall`, the scripted caller: types, speaks, interrupts, coughs, waits, hangs up, and receives the replies."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any

from starlette.websockets import WebSocket

from voice_host.testing.call_view import CallView
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.memory_socket import MemorySocket
from voice_host.testing.phone import TestCarrier, key_message
from voice_host.testing.recorder import opening
from voice_host.testing.reply import CallEnd, Reply
from voice_host.testing.speech import Speech, cough, speech
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import Caller, ProviderError

Take = Callable[[WebSocket, Caller | None], Coroutine[Any, Any, None]]
"""Runs a call of that caller."""

PATIENCE_S = 120.0
"""How long the caller waits for a reply, in virtual seconds."""

SETTLE_S = 0.001
"""Virtual time only passes when no task is ready to run, so after this wait all pending work has been done."""


dialled: ContextVar[TestCall] = ContextVar("dialled")
"""The call for which speech services are opened."""


class TestCall(CallView):
    """One call, from the caller's side. Times are virtual, in seconds since the call began.

    Attributes:
        ears: the scripted recogniser.
        voice: the scripted voice.
        carrier: of a telephone call; None: the caller has no telephone.
    """

    __test__ = False

    def __init__(
        self,
        ears: ScriptedEars,
        voice: ScriptedVoice,
        trouble: list[str],
        lose_worker: Callable[[], Awaitable[None]] | None = None,
        carrier: TestCarrier | None = None,
    ) -> None:
        super().__init__()
        self.carrier = carrier
        self.ears = ears
        self.voice = voice
        self._trouble = trouble
        self._lose_worker = lose_worker
        self._socket: MemorySocket | None = None
        self._again: Callable[[str], None] | None = None
        self._running: asyncio.Task[None] | None = None

    # --- the connection (used by `TestAgent`) ------------------------------------------------------------------

    def dial(self, take: Take, query: Mapping[str, str], caller: Caller | None) -> None:
        """Let the host take the call, in a task."""
        self._again = lambda token: self.dial(take, {"resume": token}, caller)
        self._socket = socket = MemorySocket(query, self._observed.on_frame)
        context = contextvars.copy_context()
        context.run(opening.set, self._observed)
        context.run(dialled.set, self)
        handling = take(socket.host_end, caller)
        self._running = asyncio.create_task(handling, name="test-call", context=context)

    async def pick_up(self, *, hear_greeting: bool) -> None:
        """Wait until the call has begun or was refused, and for the end of the greeting if `hear_greeting`."""
        seen = self._observed
        await seen.until(lambda: bool(seen.frames) or seen.over, PATIENCE_S)
        await asyncio.sleep(SETTLE_S)
        if hear_greeting and self.greeting is not None:
            await self.reply()

    async def lose_line(self) -> None:
        """Lose the connection, if there is one, since the agent's process is lost."""
        if self._observed.closed is None:
            self._observed.lose_replies()
            await self.lose_connection()

    async def leave(self) -> None:
        """Hang up if the call is not over, and wait until the host has finished.

        Raises:
            Exception: raised by the code that runs the call.
        """
        if self._running is not None:
            if not self._running.done() and self._observed.closed is None:
                self._close()
            await self._running

    def check(self) -> None:
        """Check for failures that the caller did not notice.

        Raises:
            AssertionError: the model's script ran out, or a callback failed and the test did not check that.
        """
        if self._trouble:
            raise AssertionError(self._trouble[0])
        for seen in self._observed.seen:
            # Raising in `on_session_starting` is how an agent refuses a call.
            if seen.error is not None and not self._failures_expected and seen.name != "on_session_starting":
                raise AssertionError(f"the callback {seen.name} failed: {seen.error!r}") from seen.error

    def _close(self) -> None:
        assert self._socket is not None
        self._socket.close()
        self._observed.on_closed(1000, "")

    # --- the caller's actions ---------------------------------------------------------------------------------------

    async def type(self, text: str) -> None:
        """Type a turn, and return at once; `reply()` waits for the answer."""
        self._observed.expect_typed(True)
        await self.send({"type": "text", "text": text})
        self._observed.expect_typed(False)

    async def ask(self, text: str) -> Reply:
        """Type a turn, and return the complete reply."""
        await self.type(text)
        return await self.reply()

    async def speak(self, text: str, *, at_s: float | None = None, for_s: float | None = None) -> None:
        """Say something, and return when the turn is final.

        Args:
            text: recognised word by word.
            at_s: when to begin, in seconds since the call began; None: now.
            for_s: how long it takes; None: three words a second.

        Raises:
            ValueError: `at_s` has passed.
        """
        await self._at(at_s)
        await self._utter(speech(text, for_s, self.ears.config))

    async def interrupt(self, text: str, *, into_reply_s: float, for_s: float | None = None) -> Reply:
        """Speak over a reply, and return that reply, whether it was cut or not.

        Args:
            text: recognised word by word. A single word does not interrupt the agent unless configured so.
            into_reply_s: when to begin, in seconds since the reply became audible.
            for_s: how long it takes; None: three words a second.

        Raises:
            AssertionError: the reply ended before that.
        """
        reply = await self.audible_reply()
        assert reply.audible_s is not None
        if not await self._quiet_until(reply.audible_s + into_reply_s, reply):
            self._fail(f"the reply was over after {(reply.ended_s or 0) - reply.audible_s:.2f} s")
        await self._utter(speech(text, for_s, self.ears.config))
        return reply

    async def cough(self, *, at_s: float | None = None, for_s: float = 0.2) -> None:
        """Make a noise, in which no words are recognised."""
        await self._at(at_s)
        await self._utter(cough(for_s))

    async def wait(self, seconds: float) -> None:
        """Be silent for some time."""
        await asyncio.sleep(seconds)

    async def press(self, keys: str, *, at_s: float | None = None, every_s: float = 0.2) -> None:
        """Press telephone keys. The call must be one of a telephone.

        Args:
            keys: 0 to 9, `*` and `#`.
            at_s: when to begin, in seconds since the call began; None: now.
            every_s: time from one key to the next.

        Raises:
            ValueError: `at_s` has passed.
        """
        assert self.carrier is not None, 'call with channel=Channel("test", "phone")'
        await self._at(at_s)
        for number, key in enumerate(keys):
            await asyncio.sleep(every_s if number else 0)
            await self.send(key_message(key))

    async def press_stop(self) -> None:
        """Press the stop button."""
        await self.send({"type": "cancel"})

    async def reset(self) -> None:
        """Reset the conversation."""
        await self.send({"type": "reset"})

    async def hang_up(self) -> CallEnd:
        """Say goodbye, and return how the call ended."""
        self._close()
        return await self.ended()

    async def lose_connection(self) -> None:
        """Lose the connection, without a close frame."""
        assert self._socket is not None
        self._socket.lose()
        self._observed.on_closed(None, "")
        await asyncio.sleep(SETTLE_S)

    async def lose_worker(self) -> None:
        """Lose the agent's process, and with it the connection: see `TestAgent.lose_worker`. `reconnect` comes back."""
        assert self._lose_worker is not None, "only a call to a `TestAgent` can lose its worker"
        await self._lose_worker()

    async def break_recogniser(self, error: ProviderError) -> None:
        """Let the recogniser's stream fail."""
        self.ears.hear(error)
        await asyncio.sleep(SETTLE_S)

    async def reconnect(self) -> bool:
        """Reconnect after the connection was lost. Returns whether the conversation was resumed.

        Raises:
            AssertionError: the connection was not lost.
        """
        seen = self._observed
        assert self._again is not None
        assert seen.closed is not None, "the connection was not lost"
        readies = [frame for frame in self.frames if frame["type"] == "ready"]
        seen.closed = None
        self._again(readies[-1]["resume_token"])
        await seen.until(lambda: seen.frames[-1]["type"] == "ready" or seen.closed is not None, PATIENCE_S)
        await asyncio.sleep(SETTLE_S)
        return seen.closed is None

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message of the call protocol, and let the host process it."""
        assert self._socket is not None
        self._socket.put({"type": "websocket.receive", "text": json.dumps(message)})
        await asyncio.sleep(SETTLE_S)

    async def send_audio(self, pcm: bytes) -> None:
        """Send microphone audio, PCM16 at `STTConfig.sample_rate`, and let the host process it."""
        assert self._socket is not None
        self._socket.put({"type": "websocket.receive", "bytes": pcm})
        await asyncio.sleep(SETTLE_S)

    # --- the replies ------------------------------------------------------------------------------------------------

    async def reply(self, *, within_s: float = PATIENCE_S) -> Reply:
        """Wait until the next reply is complete or cut, and return it.

        The next reply is the answer to the caller's last turn, or else the one after the last reply returned here.

        Raises:
            AssertionError: there was none in time, or the call ended first.
        """
        seen = self._observed
        index = seen.next_reply  # fixed now, so that a turn during the wait does not matter

        def over() -> bool:
            return len(seen.replies) > index and seen.replies[index].over

        came = await seen.until(lambda: over() or seen.over or bool(self._trouble), within_s)
        if self._trouble:
            self._fail(self._trouble[0])
        if not over():
            self._fail("the call ended before the reply was over" if came else f"no reply within {within_s:g} s")
        seen.next_reply = max(seen.next_reply, index + 1)
        return seen.replies[index]

    def on_audio(self, listen: Callable[[bytes], None]) -> None:
        """Call `listen` with each piece of speech from now on, PCM16 at `TTSConfig.sample_rate`."""
        self._observed.audio_listeners.append(listen)

    async def ended(self, *, within_s: float = 24 * 3600.0) -> CallEnd:
        """Wait until the call and its session have ended, and return how they did.

        Raises:
            AssertionError: they did not end in time.
        """
        if not await self._observed.until(lambda: self._observed.over, within_s):
            self._fail(f"the call has not ended within {within_s:g} s")
        return self._observed.end

    async def audible_reply(self) -> Reply:
        """Wait until the next reply is audible, and return it.

        Raises:
            AssertionError: there was none, or the call ended first.
        """
        seen = self._observed

        def audible() -> bool:
            return len(seen.replies) > seen.next_reply and seen.replies[seen.next_reply].audible_s is not None

        if not await seen.until(lambda: audible() or seen.over or bool(self._trouble), PATIENCE_S) or not audible():
            self._fail(self._trouble[0] if self._trouble else "no reply became audible")
        return seen.replies[seen.next_reply]

    # --- internal ---------------------------------------------------------------------------------------------------

    async def _utter(self, said: Speech) -> None:
        """Send the microphone's audio, and the events of the recogniser at the right times."""
        begun_s = self.now_s
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send_speech(said))
            for offset_s, event in said.events:
                await self._quiet_until(begun_s + offset_s)
                self.ears.hear(event)
        await asyncio.sleep(SETTLE_S)

    async def _send_speech(self, said: Speech) -> None:
        assert self._socket is not None
        for frame in said.frames(self.ears.config.sample_rate):
            if self._observed.closed is not None:
                return
            self._socket.put({"type": "websocket.receive", "bytes": frame.pcm})
            await asyncio.sleep(frame.duration_s)

    async def _at(self, at_s: float | None) -> None:
        if at_s is not None:
            if at_s < self.now_s:
                raise ValueError(
                    f"at_s={at_s:g} has passed: the call is at {self.now_s:.2f} s. The greeting is heard out first, "
                    "unless the call is opened with hear_greeting=False"
                )
            await self._quiet_until(at_s)

    async def _quiet_until(self, at_s: float, reply: Reply | None = None) -> bool:
        """Wait until a time of the call. Returns False if `reply` ended first."""
        await asyncio.sleep(max(0.0, at_s - self.now_s))
        return reply is None or not reply.over

    def _fail(self, message: str) -> None:
        raise AssertionError(message)
