"""A line that speaks OpenAI's Realtime protocol: base64 PCM16 at 24 kHz in JSON, as its clients send and play it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from voice_host.caller.hints import describe_failure
from voice_host.caller.line import (
    ANSWER_TIMEOUT_S,
    GREETING_WAIT_S,
    REACTION_S,
    CallFailed,
    Line,
    Message,
    Script,
    hold_call,
)
from voice_host.caller.loudspeaker import Loudspeaker

SAMPLE_RATE = 24000
"""Hz: the only rate of PCM16 in the protocol."""


class RealtimeLine(Line):
    """One call, as a client of OpenAI's Realtime API holds it."""

    sample_rate = SAMPLE_RATE
    speech_rate = SAMPLE_RATE

    def __init__(self, ws: ClientConnection, agent_id: str, on_message: Callable[[Message], None]) -> None:
        super().__init__(on_message)
        self._ws = ws
        self._agent_id = agent_id
        self._loudspeaker = Loudspeaker()
        self._loudspeaker.start(SAMPLE_RATE)
        self._item: str | None = None
        """The item that is or was last played."""
        self._is_ready = False

    @property
    def speech(self) -> bytes:
        return self._loudspeaker.played

    async def listen(self) -> None:
        try:
            async for frame in self._ws:
                await self._receive(json.loads(frame))
        except ConnectionClosed:
            reason = self._ws.close_reason or "no reason given"
            code = self._ws.close_code
            raise CallFailed(f"the host closed the call: {reason} ({code})", close_code=code) from None

    async def aclose(self) -> None:
        await self._ws.close()

    async def send_audio(self, pcm: bytes) -> None:
        await self._send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def wait_until_ready(self) -> None:
        await self._until(lambda: self._is_ready, ANSWER_TIMEOUT_S, "the host accepted the call but sent nothing")
        if not await self._happens(lambda: self._replying, GREETING_WAIT_S):
            return
        await self._until(lambda: self._quiet, ANSWER_TIMEOUT_S, "the greeting did not end")
        await self._hear_to_the_end()

    async def type(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self._send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self._spoke_until_s = asyncio.get_running_loop().time()
        self._on_message({"type": "turn", "text": text})
        self._turns += 1
        self._replying = True  # until `response.done`
        await self._send("response.create")
        await self._until(lambda: self._quiet, ANSWER_TIMEOUT_S, "no answer came")
        self._answered = self._turns
        await self._hear_to_the_end()

    async def _hear_to_the_end(self) -> None:
        await self._loudspeaker.finished()
        await asyncio.sleep(REACTION_S)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._ws.send(json.dumps({"type": kind, **fields}))

    async def _receive(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.created":
                self._is_ready = True
                ready = {
                    "type": "ready",
                    "agent": self._agent_id,
                    "session_id": event["session"]["id"].removeprefix("sess_"),
                }
                self._on_message(ready)
            case "input_audio_buffer.speech_started":
                await self._interrupt()
            case "input_audio_buffer.committed":
                self._turns += 1
                self._replying = True  # the answer follows
            case "conversation.item.input_audio_transcription.completed":
                self._on_message({"type": "turn", "text": event["transcript"]})
            case "response.created":
                self._replying = True
            case "response.output_audio.delta":
                self._play(event)
            case "response.output_audio_transcript.done":
                self._on_message({"type": "chat", "text": event["transcript"]})
            case "response.output_text.done":
                self._on_message({"type": "chat", "text": event["text"]})
            case "response.done":
                self._replying = False
                self._loudspeaker.end()
                self._done(event["response"])
            case "error":
                self._on_message({**event["error"], "type": "error"})
        await self._notify()

    def _play(self, event: dict[str, Any]) -> None:
        if event["item_id"] != self._item:
            self._item = event["item_id"]
            self._speech_begins()
        self._loudspeaker.play(base64.b64decode(event["delta"]))

    def _done(self, response: dict[str, Any]) -> None:
        details = response.get("status_details") or {}
        if response["status"] == "failed":
            error = details.get("error") or {}
            code = error.get("code") or "failed"
            self._on_message({"type": "error", "message": error.get("message") or "the reply failed", "code": code})

    async def _interrupt(self) -> None:
        """Stop playing, and tell the host how much was heard, as the official clients do."""
        if not self._loudspeaker.is_playing or self._item is None:
            return
        played_ms = int(self._loudspeaker.played_ms)
        self._loudspeaker.drop()
        self._on_message({"type": "cut", "played_ms": played_ms})
        await self._send("conversation.item.truncate", item_id=self._item, content_index=0, audio_end_ms=played_ms)


def realtime_url(host: str, agent_id: str, parameters: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the address of an agent on the host at `host`, as a Realtime client uses it."""
    parts = urlsplit(host if "://" in host else f"ws://{host}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/").removesuffix("/v1/realtime").removesuffix("/v1")
    query = urlencode([("model", agent_id), *parameters])
    return urlunsplit((scheme, parts.netloc, f"{path}/v1/realtime", query, ""))


async def place_realtime_call(
    url: str, agent_id: str, script: Script, on_message: Callable[[Message], None], *, token: str | None = None
) -> RealtimeLine:
    """Call as a Realtime client, run `script`, and hang up.

    Returns:
        the line, with all that was heard.

    Raises:
        CallFailed: the host cannot be reached, refuses or breaks off the call, or does not answer.
    """
    try:
        ws = await connect(
            url,
            subprotocols=[Subprotocol("realtime")],
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,  # audio does not compress
            max_size=None,
        )
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        words, hint = describe_failure(error)
        raise CallFailed(f"{url.partition('?')[0]} cannot be called: {words}", hint) from error
    line = RealtimeLine(ws, agent_id, on_message)
    await hold_call(line, script)
    return line
