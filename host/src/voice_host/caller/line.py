"""`Line`: how the caller of `voice-host call` is connected to the host. Each client protocol has one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed

FRAME_MS = 20
"""About as much as a browser's microphone sends at a time, and exactly what telephone carriers send."""

GREETING_WAIT_S = 1.0
"""An agent with a greeting begins at once. If nothing has come by then, the caller speaks first."""

REACTION_S = 0.5
"""How long a caller takes after the agent's last word. An agent that hangs up has done so by then."""

ANSWER_TIMEOUT_S = 30.0

RECOGNITION_TIMEOUT_S = 10.0
"""From the end of the audio. It is followed by silence, in which recognisers end a turn within a few seconds."""

LINGER_S = 1.5
"""How long the caller waits after a reply before hanging up: another turn may still be on its way."""

QUIET = 500
"""Peaks of PCM16 up to this, 36 dB below full scale, are the noise of a room, not speech."""

NOTHING_RECOGNISED = "does it contain speech that is loud enough? otherwise use --text"

Message = dict[str, Any]


class CallFailed(Exception):
    """The call was refused, broke off, or got no answer. The message says why.

    Attributes:
        hint: what to do about it, if known.
        close_code: the close code of the host, if it closed the call.
    """

    def __init__(self, message: str, hint: str | None = None, *, close_code: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.close_code = close_code


class Line(ABC):
    """One call, from the caller's end.

    Args:
        on_message: called with what happens in the call, as messages of the call protocol (`CallReport`).
    """

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._changed = asyncio.Condition()
        self._turns = 0
        self._answered = 0
        self._replying = False
        self._spoke_until_s: float | None = None
        """When the caller's last sound was sent; None: an answer to it has begun."""

    # --- what each line is ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of what the caller says, in Hz."""

    @property
    @abstractmethod
    def speech(self) -> bytes:
        """What was heard of the agent, PCM16 mono at `speech_rate`."""

    @property
    @abstractmethod
    def speech_rate(self) -> int:
        """Of what the agent says, in Hz."""

    @abstractmethod
    async def listen(self) -> None:
        """Receive until the call ends.

        Raises:
            CallFailed: the connection was lost, or it was closed with an error.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Hang up."""

    @abstractmethod
    async def wait_until_ready(self) -> None:
        """Wait until the call has begun, and for the end of the greeting if there is one.

        Raises:
            CallFailed: it did not begin in time.
        """

    @abstractmethod
    async def send_audio(self, pcm: bytes) -> None:
        """Send a frame of PCM16 mono at `sample_rate`."""

    async def type(self, text: str) -> None:
        """Send a typed turn and wait for the end of the answer.

        Raises:
            CallFailed: no answer came.
        """
        raise NotImplementedError("nobody types on this line")

    async def press(self, digits: str) -> None:
        """Press telephone keys and wait for the end of what the agent says then, if it says anything."""
        raise NotImplementedError("this line has no keys")

    @abstractmethod
    async def _hear_to_the_end(self) -> None:
        """Wait until what was received has been played, and a moment longer."""

    @property
    def _quiet(self) -> bool:
        """Whether no reply is under way."""
        return not self._replying

    # --- what a script calls ----------------------------------------------------------------------------------------

    async def play(self, pcm: bytes) -> None:
        """Send PCM16 mono at `sample_rate` in real time."""
        size = self.sample_rate * 2 * FRAME_MS // 1000
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for start in range(0, len(pcm), size):
            frame = pcm[start : start + size]
            await self.send_audio(frame)
            if _is_sound(frame):
                self._spoke_until_s = loop.time()
            due_s += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def say(self, pcm: bytes, what: str) -> None:
        """Play a turn, followed by silence, and wait for the answer.

        Args:
            pcm: as for `play`.
            what: what is played, for the message.

        Raises:
            CallFailed: nothing was recognised, or there was no answer.
        """
        await self.play(pcm)
        silence = asyncio.create_task(self._play_silence())
        try:
            await self._wait_for_answer(what)
        finally:
            silence.cancel()
            # It may have failed on a closed connection: `listen` raises the better error.
            await asyncio.gather(silence, return_exceptions=True)

    async def _play_silence(self) -> None:
        """Send silence until cancelled, as an open microphone does."""
        while True:
            await self.play(bytes(self.sample_rate * 2))

    async def _wait_for_answer(self, what: str) -> None:
        """Wait until the turn was answered and nothing more follows."""
        if not await self._happens(lambda: self._turns > self._answered, RECOGNITION_TIMEOUT_S):
            raise CallFailed(f"nothing was recognised in {what}", NOTHING_RECOGNISED)
        while True:
            await self._until(lambda: self._quiet, ANSWER_TIMEOUT_S, "no answer came")
            if not await self._happens(lambda: self._replying, LINGER_S):
                self._answered = self._turns
                return

    async def _happens(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `condition` is true. False: it is not within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            return False
        return True

    async def _until(self, condition: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        if not await self._happens(condition, timeout_s):
            raise CallFailed(f"{otherwise} within {timeout_s:g} s")

    def _speech_begins(self) -> None:
        """Report how long the caller waited for the agent's first sound. Call it with the first audio of a reply."""
        if self._spoke_until_s is not None:
            waited_s = asyncio.get_running_loop().time() - self._spoke_until_s
            self._spoke_until_s = None
            self._on_message({"type": "first_sound", "ms": 1000 * waited_s})

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _is_sound(pcm: bytes) -> bool:
    return bool(pcm) and int(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max()) > QUIET


Script = Callable[[Line], Awaitable[None]]
"""What a caller does in a call."""


async def hold_call(line: Line, script: Script) -> None:
    """Run a script until it or the call ends, and hang up.

    Raises:
        CallFailed: the call broke off, or the agent does not answer.
    """
    listening = asyncio.ensure_future(line.listen())
    talking = asyncio.ensure_future(script(line))
    try:
        await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
        if talking.done() and not talking.cancelled() and isinstance(talking.exception(), ConnectionClosed):
            await asyncio.wait({listening})  # it raises how the call ended
    finally:
        for task in (listening, talking):
            task.cancel()
        await asyncio.wait({listening, talking})
        await line.aclose()
    if not listening.cancelled():
        listening.result()
    elif not talking.cancelled():
        talking.result()
