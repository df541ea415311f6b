"""A strict simulator of Telnyx: its REST API on loopback, signed webhooks, and media streams that play in real time."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulators.carrier import CarrierSimulator, StreamedCall, refused_status
from tests.simulators.phone_speaker import PhoneSpeaker
from tests.simulators.telnyx_rules import (
    ACTIONS,
    FRAME_BYTES,
    Command,
    Dialled,
    Mark,
    Refused,
    Streaming,
    parse,
    problem,
)

BYTES_PER_S = 8000
ARGUMENTS = {"transfer": "to", "refer": "sip_address", "send_dtmf": "digits", "playback_start": "audio_url"}
OVER = {"errors": [{"code": "90018", "title": "Call has already ended", "detail": "This call is no longer active."}]}


class TelnyxSimulator(CarrierSimulator["TelnyxLine"]):
    """One account at Telnyx.

    Args:
        webhook_url: where the account sends its webhooks, with the public name of the host.

    Attributes:
        public_key: of webhooks, as the portal shows it.
        webhooks: the answers to webhooks: event and status.
        refusals: the requests that were refused: path and detail.
    """

    def __init__(self, webhook_url: str = "https://voice.example.com/phone/telnyx/webhook") -> None:
        super().__init__(
            Route("/v2/calls", self._dial, methods=["POST"]),
            Route("/v2/calls/{call}/actions/{action}", self._act, methods=["POST"]),
        )
        self.webhook_url = webhook_url
        self.api_key = "KEY-telnyx"
        self.connection_id = "1684641123236054244"
        self._key = Ed25519PrivateKey.generate()
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        self.webhooks: list[tuple[str, int]] = []
        self.refusals: list[tuple[str, str]] = []
        self.repeat_webhooks = 1
        """How often each webhook is sent, whatever the answer."""
        self.stream_token: str | None = None
        """Sent with streams instead of what was asked for."""
        self.opens_streams = True
        self.reports_ends = True
        """Whether the end of a sentence is reported."""
        self.loses_answers = False
        """Whether the answer to a request for a call is lost, which is made all the same."""
        self.hang_up_first = False
        """Whether callers hang up before their calls are answered."""
        self._numbers = itertools.count(1)

    # --- callers ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def call(self, to: str, from_: str = "+15550199", *, codec: str = "PCMU") -> AsyncIterator[TelnyxLine]:
        """Call a number of the account, and hang up. `codec`: of the caller's audio."""
        line = await self.ring(to, from_, codec=codec)
        try:
            yield line
        finally:
            await line.hang_up()

    async def ring(self, to: str, from_: str = "+15550199", *, codec: str = "PCMU") -> TelnyxLine:
        """Call a number of the account."""
        line = self._line(from_, to, "incoming", codec)
        await line.webhook("call.initiated", state="parked", connection_codecs="PCMU,PCMA", offered_codecs=codec)
        return line

    def _line(self, from_: str, to: str, direction: str, codec: str) -> TelnyxLine:
        line = TelnyxLine(self, f"v3:call-{next(self._numbers)}", from_, to, direction, codec)
        self.lines.append(line)
        return line

    # --- webhooks ---------------------------------------------------------------------------------------------------

    def signed(self, body: bytes, *, at_s: float | None = None) -> dict[str, str]:
        """Return the headers of a webhook."""
        timestamp = str(int(time.time() if at_s is None else at_s))
        signature = base64.b64encode(self._key.sign(timestamp.encode() + b"|" + body)).decode()
        return {
            "content-type": "application/json",
            "telnyx-timestamp": timestamp,
            "telnyx-signature-ed25519": signature,
        }

    async def send_webhook(self, event: str, payload: dict[str, Any], *, url: str | None = None) -> None:
        """Send a webhook as often as `repeat_webhooks` says."""
        url = url or self.webhook_url
        data = {"event_type": event, "id": f"E{next(self._numbers)}", "payload": payload, "record_type": "event"}
        for attempt in range(1, self.repeat_webhooks + 1):
            body = json.dumps({"data": data, "meta": {"attempt": attempt, "delivered_to": url}}).encode()
            await self.deliver(event, body, self.signed(body), url=url)

    async def deliver(
        self, event: str, body: bytes, headers: dict[str, str], *, url: str | None = None
    ) -> Response | Any:
        """Send a request to the host, which is reached behind its public name."""
        answer = await self.post_to_host(url or self.webhook_url, body, headers)
        self.webhooks.append((event, answer.status_code))
        self.changed()
        return answer

    # --- the REST API -------------------------------------------------------------------------------------------------

    async def _dial(self, request: Request) -> Response:
        fields = await self._valid(request, Dialled)
        if isinstance(fields, Response):
            return fields
        assert isinstance(fields, Dialled)
        if fields.connection_id != self.connection_id:
            return self._refuse(request, 422, "10015", "Invalid value for connection_id")
        line = self._line(fields.from_, fields.to, "outgoing", "PCMU")
        line.streaming, line.dialled = fields, fields
        line.webhook_url = fields.webhook_url
        self.spawn(line.webhook("call.initiated", state="bridging"))
        self.changed()
        if self.loses_answers:
            return Response(status_code=504)
        return JSONResponse({"data": {"call_control_id": line.id, "call_leg_id": "leg", "is_alive": False}})

    async def _act(self, request: Request) -> Response:
        action = request.path_params["action"]
        line = self.find(request.path_params["call"])
        if action not in ACTIONS:
            return self._refuse(request, 404, "10005", "Resource not found")
        fields = await self._valid(request, ACTIONS[action])
        if isinstance(fields, Response):
            return fields
        if line is None:
            return self._refuse(request, 422, "90015", "Invalid Call Control ID")
        if action == "answer" and self.hang_up_first:
            line.over = True
        if line.over:
            self.refusals.append((request.url.path, "90018"))
            return JSONResponse(OVER, 422)
        if action not in ("answer", "hangup") and not line.answered:
            return self._refuse(request, 422, "90034", "Call not answered yet")
        if fields.command_id is None or fields.command_id not in line.commands:
            line.commands[fields.command_id or f"{action}-{len(line.commands)}"] = action
            await line.obey(action, fields)
        self.changed()
        return JSONResponse({"data": {"result": "ok"}})

    async def _valid(self, request: Request, model: type[Command]) -> Command | Response:
        if request.headers.get("authorization") != f"Bearer {self.api_key}":
            return self._refuse(request, 401, "10009", "Authentication failed")
        try:
            return model.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            body = problem(error)
            self.refusals.append((request.url.path, json.dumps(body)))
            return JSONResponse(body, 422)

    def _refuse(self, request: Request, status: int, code: str, title: str) -> Response:
        self.refusals.append((request.url.path, f"{code} {title}"))
        return JSONResponse({"errors": [{"code": code, "title": title, "detail": title}]}, status)


class TelnyxLine(StreamedCall):
    """One call.

    Attributes:
        speaker: what the caller hears of the agent.
        spoken: the sentences that the carrier itself has spoken.
        done: what was asked for otherwise: action and argument.
        answered, over: the state of the call.
        stream_refused: the HTTP status with which the media stream was refused; None: it was not.
        errors: codes of the errors that the carrier reported on the stream.
    """

    def __init__(self, telnyx: TelnyxSimulator, call_id: str, from_: str, to: str, direction: str, codec: str) -> None:
        super().__init__()
        self.id = call_id
        self._telnyx = telnyx
        self._from, self._to, self._direction, self._codec = from_, to, direction, codec
        self.speaker = PhoneSpeaker(BYTES_PER_S, self._mark)
        self.speaker.changed = self._speaker_changed  # type: ignore[method-assign]
        self.spoken: list[str] = []
        self.done: list[tuple[str, str]] = []
        self.commands: dict[str, str] = {}
        self.answered = self.over = False
        self.streaming: Streaming | None = None
        self.dialled: Dialled | None = None
        self.webhook_url: str | None = None
        self.stream_refused: int | None = None
        self.stream_opened = self.stream_ended = False
        self.errors: list[int] = []
        self._task: asyncio.Task[None] | None = None
        self._chunk = 0
        self._overtaken: str | None = None

    def _speaker_changed(self) -> None:
        PhoneSpeaker.changed(self.speaker)
        self.changed()

    async def webhook(self, event: str, **payload: Any) -> None:
        """Send a webhook about this call."""
        fields = {
            "call_control_id": self.id,
            "connection_id": self._telnyx.connection_id,
            "from": self._from,
            "to": self._to,
            "direction": self._direction,
            "client_state": None,
            **payload,
        }
        await self._telnyx.send_webhook(event, fields, url=self.webhook_url)

    # --- the caller ---------------------------------------------------------------------------------------------------

    async def say(self, audio: bytes) -> None:
        """Send the caller's audio in packets of 20 ms, of which every fourth overtakes the one before."""
        for begin in range(0, len(audio), FRAME_BYTES):
            self._chunk += 1
            await self.send_packet(self._chunk, audio[begin : begin + FRAME_BYTES])

    async def send_packet(self, chunk: int, audio: bytes) -> None:
        """Send a packet, after the next one if it is one of those that are overtaken."""
        payload = base64.b64encode(audio).decode()
        at = str((chunk - 1) * 20)
        media = {"track": "inbound", "chunk": str(chunk), "timestamp": at, "payload": payload}
        if chunk % 4 == 3:
            self._overtaken = self._frame("media", media=media)
            return
        await self.send("media", media=media)
        if self._overtaken is not None:
            overtaken, self._overtaken = self._overtaken, None
            await self.send_raw(overtaken)

    async def press(self, digit: str) -> None:
        """Press a key: it comes on the stream, and as a webhook."""
        await self.send("dtmf", dtmf={"digit": digit})
        await self.webhook("call.dtmf.received", digit=digit)

    async def hang_up(self) -> None:
        """The caller hangs up. Does nothing if the call is over."""
        if not self.over:
            await self._end("caller")

    async def send(self, event: str, **fields: Any) -> None:
        """Send a frame on the stream."""
        await self.send_raw(self._frame(event, **fields))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send anything on the stream."""
        assert self._ws is not None, "there is no stream"
        await self._ws.send(frame)

    def _frame(self, event: str, **fields: Any) -> str:
        return json.dumps({"event": event, "sequence_number": "1", "stream_id": "S-" + self.id, **fields})

    # --- outbound -----------------------------------------------------------------------------------------------------

    async def answer(self) -> None:
        """Somebody answers an outbound call."""
        assert self._direction == "outgoing"
        self.answered = True
        await self.webhook("call.answered")
        self._open_stream()

    async def ends_as(self, cause: str) -> None:
        """Nobody answers an outbound call."""
        self.over = True
        self.changed()
        await self.webhook("call.hangup", hangup_cause=cause, hangup_source="callee")

    async def judge(self, event: str, result: str) -> None:
        """Report who answered."""
        assert self.dialled is not None
        assert self.dialled.answering_machine_detection != "disabled"
        await self.webhook(event, result=result)

    async def not_answered(self, cause: str) -> None:
        """An outbound call ends while it rings."""
        self.over = True
        await self.webhook("call.hangup", hangup_cause=cause, hangup_source="callee")

    # --- the carrier --------------------------------------------------------------------------------------------------

    async def obey(self, action: str, fields: Command) -> None:
        """Carry out a request of the REST API that was found valid."""
        match action:
            case "answer" | "streaming_start":
                self.answered = True
                assert isinstance(fields, Streaming)
                self.streaming = fields
                self._telnyx.spawn(self.webhook("call.answered"))
                if fields.stream_url is not None:
                    self._open_stream()
            case "hangup":
                await self._end("callee")
            case "speak":
                self.spoken.append(getattr(fields, "payload", ""))
                if self._telnyx.reports_ends:
                    self._telnyx.spawn(self.webhook("call.speak.ended", status="completed"))
            case _:
                self.done.append((action, getattr(fields, ARGUMENTS[action])))
                if action == "playback_start":
                    self._telnyx.spawn(self.webhook("call.playback.ended", status="completed"))
                elif action != "send_dtmf":
                    self._telnyx.spawn(self._end_stream())
        self.changed()

    def _open_stream(self) -> None:
        if self._telnyx.opens_streams:
            self._task = self._telnyx.spawn(self._stream())

    async def _stream(self) -> None:
        streaming = self.streaming
        assert streaming is not None
        try:
            async with self._connecting(streaming) as self._ws:
                await self._begin(streaming)
                async with asyncio.TaskGroup() as tasks:
                    playing = tasks.create_task(self.speaker.run())
                    await self._listen(self._ws, plays=streaming.stream_bidirectional_mode == "rtp")
                    playing.cancel()
        except InvalidStatus as refused:
            self.stream_refused = refused.response.status_code
            await self.webhook("streaming.failed", failure_reason="connection_failed")
        finally:
            self.stream_ended = True
            self.changed()
        if not self.over:
            await self.webhook("streaming.stopped")

    async def open_second_stream(self) -> int | None:
        """Open another stream at the same address. Returns the HTTP status with which it is refused."""
        assert self.streaming is not None
        return await refused_status(self._connecting(self.streaming))

    def _connecting(self, streaming: Streaming) -> connect:
        assert streaming.stream_url is not None
        token = self._telnyx.stream_token or streaming.stream_auth_token
        headers = {} if token is None else {"x-telnyx-streaming-auth-token": token}
        return self._telnyx.connecting(streaming.stream_url, headers)

    async def _begin(self, streaming: Streaming) -> None:
        assert self._ws is not None
        self.changed()
        if not self._telnyx.begins:
            return
        for frame in (*self._telnyx.first, '{"event": "connected", "version": "1.0.0"}'):
            await self._ws.send(frame)
        details = {
            "call_control_id": self.id,
            "client_state": None,
            "custom_parameters": {each.name: each.value for each in streaming.custom_parameters},
            "from": self._from,
            "to": self._to,
            "media_format": {"encoding": self._codec, "sample_rate": 8000, "channels": 1},
            **self._telnyx.start,
        }
        await self.send("start", start=details)
        self.stream_opened = True
        self.changed()

    async def _listen(self, ws: ClientConnection, *, plays: bool) -> None:
        try:
            async for raw in ws:
                try:
                    await self._take(parse(raw), plays=plays)
                except Refused as refused:
                    self.errors.append(refused.code)
                    await self.send("error", payload={"code": refused.code, "title": str(refused)})
                    self.changed()
        except ConnectionClosed:
            pass

    async def _take(self, item: bytes | Any, *, plays: bool) -> None:
        if isinstance(item, bytes):
            if plays:
                self.speaker.add(item)
        elif isinstance(item, Mark):
            self.speaker.add(item.mark.name)
        else:
            for name in self.speaker.clear():
                await self._mark(name)

    async def _mark(self, name: str) -> None:
        with suppress(ConnectionClosed):
            await self.send("mark", mark={"name": name})

    async def _end_stream(self) -> None:
        if self._ws is None or self.stream_ended:
            return
        try:
            await self.send("stop", stop={"call_control_id": self.id})
            await self._ws.close()
        except ConnectionClosed:
            pass

    async def _end(self, source: str) -> None:
        self.over = True
        self.changed()
        await self._end_stream()
        self._telnyx.spawn(self._report_end(source))

    async def _report_end(self, source: str) -> None:
        with suppress(httpx2.TransportError):  # the host has stopped
            await self.webhook("call.hangup", hangup_cause="normal_clearing", hangup_source=source)

    def cancel(self) -> None:
        """End what still runs."""
        if self._task is not None:
            self._task.cancel()
