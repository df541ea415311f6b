"""A line that speaks the host's own call protocol, and resumes the call if its connection is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from voice_host.caller.coming_back import COME_BACK_WITHIN_S, is_lost, waits_s, with_token, worth_another_try
from voice_host.caller.hints import describe_failure
from voice_host.caller.line import (
    ANSWER_TIMEOUT_S,
    GREETING_WAIT_S,
    REACTION_S,
    CallFailed,
    Line,
    Script,
    hold_call,
)
from voice_host.caller.loudspeaker import Loudspeaker
from voice_host.clients.voice_host_v1 import SUBPROTOCOL

Dial = Callable[[str | None], Awaitable[ClientConnection]]


class CallerClient(Line):
    """One call over the call protocol. If the connection is lost, the call is resumed over a new one.

    Args:
        dial: connects to the session's endpoint, with a resume token or None.
        ws: the first connection.
        on_message: called with each JSON message.
        on_lost: called when the connection is lost, with the reason.
    """

    def __init__(
        self,
        dial: Dial,
        ws: ClientConnection,
        on_message: Callable[[dict[str, Any]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        super().__init__(on_message)
        self._dial = dial
        self._ws = ws
        self._on_lost = on_lost
        self._may_reply_until_s: float | None = None
        self._loudspeaker = Loudspeaker()
        self.ready: dict[str, Any] = {}

    @property
    def sample_rate(self) -> int:
        return int(self.ready["sample_rate"])

    @property
    def speech(self) -> bytes:
        return self._loudspeaker.played

    @property
    def speech_rate(self) -> int:
        return int(self.ready["tts_sample_rate"])

    async def listen(self) -> None:
        while True:
            try:
                await self._receive_all()
                return
            except ConnectionClosed:
                if not self._may_come_back(self._ws):
                    raise self._closed(self._ws) from None
            await self._come_back()

    async def aclose(self) -> None:
        await self._ws.close()

    async def _receive_all(self) -> None:
        async for frame in self._ws:
            if isinstance(frame, bytes):
                self._loudspeaker.play(frame)
            else:
                await self._receive(json.loads(frame))

    def _may_come_back(self, ws: ClientConnection) -> bool:
        return bool(self.ready.get("resume_token")) and is_lost(ws.close_code)

    def _closed(self, ws: ClientConnection) -> CallFailed:
        code = ws.close_code
        if code in (None, 1006):
            return CallFailed("the connection was lost", close_code=code)
        reason = ws.close_reason or "no reason given"
        return CallFailed(f"the host closed the call: {reason} ({code})", close_code=code)

    async def _come_back(self) -> None:
        """Resume the call over a new connection.

        Raises:
            CallFailed: the host refuses it, or cannot be reached for too long.
        """
        self._loudspeaker.drop()
        failure = self._closed(self._ws)
        self._on_lost(str(failure))
        for wait_s in waits_s():
            await asyncio.sleep(wait_s)
            ws = None
            try:
                ws = await self._dial(self.ready["resume_token"])
                await self._begin_again(ws)
                return
            except (OSError, InvalidHandshake, TimeoutError):
                continue
            except ConnectionClosed:
                assert ws is not None
                failure = self._closed(ws)
                if not worth_another_try(ws.close_code):
                    raise failure from None
        raise CallFailed(f"the call could not be resumed within {COME_BACK_WITHIN_S:g} s: {failure}")

    async def _begin_again(self, ws: ClientConnection) -> None:
        """Use a new connection once the host has resumed the call on it."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            first = json.loads(await ws.recv())
        loop = asyncio.get_running_loop()
        self._ws, self._replying = ws, False
        self._may_reply_until_s = loop.time() + GREETING_WAIT_S
        loop.call_later(GREETING_WAIT_S, self._wake)
        await self._receive(first)

    def _wake(self) -> None:
        self._waking = asyncio.create_task(self._notify(), name="resumed")

    @property
    def _quiet(self) -> bool:
        """Whether no reply is under way. A call that was resumed may begin with one."""
        until_s = self._may_reply_until_s
        return not self._replying and (until_s is None or asyncio.get_running_loop().time() >= until_s)

    async def _send(self, data: str | bytes) -> ClientConnection:
        """Send, after waiting for the connection if it is lost, and return the connection.

        Raises:
            ConnectionClosed: the call is over.
        """
        while True:
            ws = self._ws
            try:
                await ws.send(data)
                return ws
            except ConnectionClosed:
                if not self._may_come_back(ws):
                    raise
            async with self._changed:
                await self._changed.wait_for(lambda: self._ws is not ws)  # noqa: B023 (it is called here)

    async def _receive(self, message: dict[str, Any]) -> None:
        self._on_message(message)
        async with self._changed:
            match message["type"]:
                case "ready":
                    self.ready = message
                    self._loudspeaker.start(message["tts_sample_rate"])
                case "greeting" | "thinking" | "chat":
                    self._replying = True
                    self._may_reply_until_s = None
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
                    await self._ws.send(json.dumps(report))
                case "unhold":
                    self._loudspeaker.release()
            self._changed.notify_all()

    # --- what a script calls ----------------------------------------------------------------------------------------

    async def wait_until_ready(self) -> None:
        await self._until(lambda: bool(self.ready), ANSWER_TIMEOUT_S, "the host accepted the call but sent nothing")
        if not await self._happens(lambda: self._replying, GREETING_WAIT_S):
            return
        await self._until(lambda: self._quiet, ANSWER_TIMEOUT_S, "the greeting did not end")
        await self._hear_to_the_end()

    async def send_audio(self, pcm: bytes) -> None:
        await self._send(pcm)

    async def type(self, text: str) -> None:
        turns = self._turns + 1
        while self._turns < turns:  # again if the connection was lost before the host had taken it
            over = await self._send(json.dumps({"type": "text", "text": text}))
            await self._until(
                lambda: self._quiet and (self._turns >= turns or self._ws is not over),  # noqa: B023 (called here)
                ANSWER_TIMEOUT_S,
                "no answer came",
            )
        self._answered = turns
        await self._hear_to_the_end()

    async def _hear_to_the_end(self) -> None:
        await self._loudspeaker.finished()
        await asyncio.sleep(REACTION_S)


async def place_call(
    url: str,
    script: Script,
    on_message: Callable[[dict[str, Any]], None],
    on_lost: Callable[[str], None] = lambda _: None,
    *,
    token: str | None = None,
) -> CallerClient:
    """Dial, run `script`, and hang up. If the connection is lost meanwhile, the call is resumed.

    Returns:
        the client, with everything it has received.

    Raises:
        CallFailed: the host cannot be reached, refuses or breaks off the call, or does not answer.
    """

    async def dial(resume_token: str | None) -> ClientConnection:
        return await connect(
            url if resume_token is None else with_token(url, resume_token),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,  # audio does not compress
            max_size=None,
        )

    try:
        ws = await dial(None)
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        words, hint = describe_failure(error)
        # Without the query, which may contain secrets.
        raise CallFailed(f"{url.partition('?')[0]} cannot be called: {words}", hint) from error
    client = CallerClient(dial, ws, on_message, on_lost)
    await hold_call(client, script)
    return client
