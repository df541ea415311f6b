"""A scripted caller: it plays audio or types, waits for the agent's answers, and hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from voice_host.backoff import backoff_s
from voice_host.caller.hints import describe_failure
from voice_host.caller.loudspeaker import Loudspeaker
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.voice_host_v1 import SUBPROTOCOL

FRAME_MS = 20
"""About as much as a browser's microphone sends at a time."""

GREETING_WAIT_S = 1.0
"""An agent with a greeting begins at once. If nothing has come by then, the caller speaks first."""

REACTION_S = 0.5
"""How long a caller takes after the agent's last word. An agent that hangs up has done so by then."""

ANSWER_TIMEOUT_S = 30.0

RECOGNITION_TIMEOUT_S = 10.0
"""From the end of the audio. It is followed by silence, in which recognisers end a turn within a few seconds."""

LINGER_S = 1.5
"""How long the caller waits after a reply before hanging up: another turn may still be on its way."""

COME_BACK_WITHIN_S = 30.0
"""How long to try to come back to a call whose agent was restarted. By default a host keeps it for as long."""

_TRY_AGAIN = (CloseCode.COME_BACK, CloseCode.OVER_A_LIMIT, CloseCode.COULD_NOT_START)
"""Codes with which a host may refuse a caller who comes back too early."""


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


Dial = Callable[[str | None], Awaitable[ClientConnection]]
"""Connects to a session's endpoint, with a resume token."""


class CallerClient:
    """One call, from the caller's end. If the host says so, it comes back to the call on another connection.

    Args:
        dial: connects to the host.
        on_message: called with each JSON message.
    """

    def __init__(self, dial: Dial, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._dial = dial
        self._on_message = on_message
        self._ws: ClientConnection | None = None
        self._changed = asyncio.Condition()
        self._turns = 0
        self._answered = 0
        self._replying = False
        self._loudspeaker = Loudspeaker()
        self.ready: dict[str, Any] = {}

    @property
    def speech(self) -> bytes:
        """What was heard of the agent, PCM16 mono at `ready["tts_sample_rate"]`."""
        return self._loudspeaker.played

    async def connect(self) -> None:
        """Dial. Raises what `dial` raises."""
        self._ws = await self._dial(None)

    async def hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self._ws is not None:
            await self._ws.close()

    async def listen(self) -> None:
        """Receive until the call ends.

        Raises:
            CallFailed: the connection was lost, or closed with an error.
        """
        while True:
            try:
                await self._hear(self._connection)
                return
            except ConnectionClosed:
                code = self._connection.close_code
                if code != CloseCode.COME_BACK or self.ready.get("resume_token") is None:
                    raise CallFailed(_why_closed(self._connection), close_code=code) from None
            await self._come_back()

    @property
    def _connection(self) -> ClientConnection:
        assert self._ws is not None, "the client is not connected"
        return self._ws

    async def _hear(self, ws: ClientConnection) -> None:
        async for frame in ws:
            if isinstance(frame, bytes):
                self._loudspeaker.play(frame)
            else:
                await self._receive(json.loads(frame))

    async def _come_back(self) -> None:
        """Connect with the resume token until the call goes on."""
        self._loudspeaker.drop()
        loop = asyncio.get_running_loop()
        give_up_s, failures = loop.time() + COME_BACK_WITHIN_S, 0
        while True:
            failures += 1
            await asyncio.sleep(backoff_s(failures, first_s=0.25, max_s=4.0))
            try:
                ws = await self._dial(self.ready["resume_token"])
                async with self._changed:
                    self._ws = ws
                    self._changed.notify_all()
                await self._receive(json.loads(await ws.recv()))
                return
            except ConnectionClosed:
                code, reason = self._connection.close_code, _why_closed(self._connection)
                if code not in _TRY_AGAIN:
                    raise CallFailed(reason, close_code=code) from None
            except (OSError, InvalidHandshake, TimeoutError):
                reason = "the host does not answer"
            if loop.time() > give_up_s:
                raise CallFailed(f"the call could not be resumed within {COME_BACK_WITHIN_S:g} s: {reason}")

    async def _send(self, frame: str | bytes) -> None:
        """Send. If the connection is lost, wait until there is another, or until `listen` ends."""
        while True:
            ws = self._connection
            try:
                await ws.send(frame)
                return
            except ConnectionClosed:
                async with self._changed:
                    await self._changed.wait_for(lambda lost=ws: self._ws is not lost)  # type: ignore[misc]

    async def _receive(self, message: dict[str, Any]) -> None:
        self._on_message(message)
        async with self._changed:
            match message["type"]:
                case "ready":
                    self.ready = message
                    self._loudspeaker.start(message["tts_sample_rate"])
                case "greeting":
                    self._replying = True
                case "turn":
                    self._turns += 1
                    self._replying = True
                case "tts_done":
                    self._replying = False
                    self._loudspeaker.end()
                case "cancelled":
                    self._replying = False
                    self._loudspeaker.drop()
                case "hold":
                    played_ms = self._loudspeaker.hold()
                    report = {"type": "playback", "reply": message["reply"], "played_ms": played_ms, "held": True}
                    await self._connection.send(json.dumps(report))  # a loss is the listener's to handle
                case "unhold":
                    self._loudspeaker.release()
            self._changed.notify_all()

    # --- what a script calls ----------------------------------------------------------------------------------------

    async def wait_until_ready(self) -> None:
        """Wait for `ready`, and for the end of the greeting if there is one."""
        await self._until(lambda: bool(self.ready), ANSWER_TIMEOUT_S, "the host accepted the call but sent nothing")
        try:
            async with asyncio.timeout(GREETING_WAIT_S), self._changed:
                await self._changed.wait_for(lambda: self._replying)
        except TimeoutError:
            return
        await self._until(lambda: not self._replying, ANSWER_TIMEOUT_S, "the greeting did not end")
        await self._hear_to_the_end()

    async def play(self, pcm: bytes) -> None:
        """Send PCM16 mono at `ready["sample_rate"]` in real time."""
        size = self.ready["sample_rate"] * 2 * FRAME_MS // 1000
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for start in range(0, len(pcm), size):
            await self._send(pcm[start : start + size])
            due_s += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def play_silence(self) -> None:
        """Send silence until cancelled, as an open microphone does."""
        while True:
            await self.play(bytes(self.ready["sample_rate"] * 2))

    async def type(self, text: str) -> None:
        """Send a typed turn and wait for the end of the answer."""
        turns = self._turns + 1
        await self._send(json.dumps({"type": "text", "text": text}))
        await self._until(lambda: self._turns >= turns and not self._replying, ANSWER_TIMEOUT_S, "no answer came")
        self._answered = turns
        await self._hear_to_the_end()

    async def wait_for_answer(self, what: str = "the audio") -> None:
        """Wait until the turn was answered and nothing more follows.

        Args:
            what: what was played, for the message.

        Raises:
            CallFailed: nothing was recognised, or there was no answer.
        """
        try:
            async with asyncio.timeout(RECOGNITION_TIMEOUT_S), self._changed:
                await self._changed.wait_for(lambda: self._turns > self._answered)
        except TimeoutError:
            hint = "does it contain speech that is loud enough? otherwise use --text"
            raise CallFailed(f"nothing was recognised in {what}", hint) from None
        while True:
            await self._until(lambda: not self._replying, ANSWER_TIMEOUT_S, "no answer came")
            try:
                async with asyncio.timeout(LINGER_S), self._changed:
                    await self._changed.wait_for(lambda: self._replying)
            except TimeoutError:
                self._answered = self._turns
                return

    async def _hear_to_the_end(self) -> None:
        await self._loudspeaker.finished()
        await asyncio.sleep(REACTION_S)

    async def _until(self, condition: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise CallFailed(f"{otherwise} within {timeout_s:g} s") from None


async def place_call(
    url: str,
    script: Callable[[CallerClient], Awaitable[None]],
    on_message: Callable[[dict[str, Any]], None],
    *,
    token: str | None = None,
) -> CallerClient:
    """Dial, run `script`, and hang up.

    Returns:
        the client, with everything it has received.

    Raises:
        CallFailed: the host cannot be reached, refuses or breaks off the call, or does not answer.
    """

    def dial(resume_token: str | None) -> Awaitable[ClientConnection]:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        protocols = [Subprotocol(SUBPROTOCOL)]
        # Without compression, since audio does not compress.
        return connect(
            _resuming(url, resume_token),
            subprotocols=protocols,
            additional_headers=headers,
            compression=None,
            max_size=None,
        )

    client = CallerClient(dial, on_message)
    try:
        await client.connect()
        listening = asyncio.ensure_future(client.listen())
        talking = asyncio.ensure_future(script(client))
        try:
            await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, talking):
                task.cancel()
            await asyncio.wait({listening, talking})
        if not listening.cancelled():
            listening.result()
        elif not talking.cancelled():
            talking.result()
        return client
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        words, hint = describe_failure(error)
        # Without the query, which may contain secrets.
        raise CallFailed(f"{url.partition('?')[0]} cannot be called: {words}", hint) from error
    finally:
        await client.hang_up()


def _why_closed(ws: ClientConnection) -> str:
    if ws.close_code in (None, 1006):
        return "the connection was lost"
    return f"the host closed the call: {ws.close_reason or 'no reason given'} ({ws.close_code})"


def _resuming(url: str, token: str | None) -> str:
    """Return the address at which a call is resumed; without a token, the address itself."""
    return url if token is None else f"{url}{'&' if '?' in url else '?'}{urlencode({'resume': token})}"
