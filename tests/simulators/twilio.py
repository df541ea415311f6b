"""A strict simulator of Twilio: REST API on loopback, signed webhooks, TwiML, and media streams that play in real time.

Addresses have the public name of the host, over which Twilio signs; the simulator connects to `address` instead.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulators.carrier import CarrierSimulator, StreamedCall
from tests.simulators.phone_speaker import PhoneSpeaker
from tests.simulators.twilio_rules import Refused, Verb, parsed, signature, verbs, why_not_created, why_not_updated

BYTES_PER_S = 8000
FRAME_BYTES = 160
FRAME_S = 0.02
SILENCE = b"\xff"
SAY_S = 1.0
"""How long a sentence takes."""

Fields = list[tuple[str, str]]


class TwilioSimulator(CarrierSimulator["Line"]):
    """One account at Twilio.

    Args:
        public_url: of the host.
        numbers: of the account.

    Attributes:
        account_sid, auth_token: of the account.
        webhooks: the answers to webhooks: path and status.
        refusals: REST requests that were refused: path, code and message.
        errors: the account's error log.
        sign_with: the token of signatures, to sign wrongly; `shared_key`: sign with SHA-256 and this key instead.
    """

    def __init__(
        self, public_url: str = "https://voice.example.com", numbers: tuple[str, ...] = ("+15550100",)
    ) -> None:
        calls = "/2010-04-01/Accounts/{account}/Calls"
        super().__init__(
            Route(f"{calls}.json", self._create, methods=["POST"]),
            Route(f"{calls}/{{call}}.json", self._update, methods=["POST"]),
        )
        self.public_url = public_url
        self.numbers = set(numbers)
        self.account_sid = "AC" + secrets.token_hex(16)
        self.auth_token = secrets.token_hex(16)
        self.sign_with = self.auth_token
        self.shared_key: str | None = None
        self.stream_headers: dict[str, str] = {}
        self.webhooks: list[tuple[str, int]] = []
        self.refusals: list[tuple[str, int, str]] = []
        self.errors: list[str] = []

    # --- calls ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def call(self, to: str, from_number: str = "+15550199", **more: Any) -> AsyncIterator[Line]:
        """Call a number of the account, and hang up. `more`: further fields of the webhook."""
        line = self.ring(to, from_number, **more)
        try:
            yield line
        finally:
            await line.hang_up()

    def ring(self, to: str, from_number: str = "+15550199", **more: str) -> Line:
        """Call a number of the account."""
        line = Line(self, to, from_number, "inbound", more)
        self.lines.append(line)
        line.start(line.fetch(f"{self.public_url}/phone/twilio/voice"))
        return line

    async def post(self, url: str, fields: Fields) -> httpx2.Response:
        """Send a signed webhook."""
        headers = {"content-type": "application/x-www-form-urlencoded", **self.signed(url, fields)}
        answer = await self.post_to_host(url, urlencode(fields), headers)
        self.webhooks.append((urlsplit(url).path, answer.status_code))
        self.changed()
        return answer

    def signed(self, url: str, fields: Fields | None = None) -> dict[str, str]:
        """Return the headers that sign a request."""
        if self.shared_key is None:
            return {"x-twilio-signature": signature(self.sign_with, url, fields or [])}
        settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
        return {
            "x-twilio-signature": signature(self.shared_key, url, fields or [], "sha256"),
            "x-twilio-webhooks-signature-settings": settings,
        }

    # --- REST -------------------------------------------------------------------------------------------------------

    def _unauthorized(self, request: Request) -> Response | None:
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return self._refuse(request, 401, 20003, "Authenticate")
        if request.path_params["account"] != self.account_sid:
            return self._refuse(request, 404, 20404, "The requested resource was not found")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return self._refuse(request, 400, 20001, "the body is not a form")
        return None

    async def _create(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        if (why := why_not_created(fields, self.numbers)) is not None:
            return self._refuse(request, 400, *why)
        given = dict(fields)
        line = Line(self, given["To"], given["From"], "outbound-api", {})
        line.asked, line.status = fields, "queued"
        self.lines.append(line)
        self.changed()
        return JSONResponse({"sid": line.id, "status": "queued"}, 201)

    async def _update(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        line = self.find(request.path_params["call"])
        if line is None:
            return self._refuse(request, 404, 20404, "The requested resource was not found")
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        if (why := why_not_updated(fields)) is not None:
            return self._refuse(request, 400, *why)
        if line.status == "completed":
            return self._refuse(request, 400, 21220, "Call is not in-progress. Cannot redirect.")
        given = dict(fields)
        line.updates.append(given)
        if given.get("Status") == "completed":
            line.over_by("host")
        elif "Twiml" in given:
            line.start(line.perform(verbs(given["Twiml"])))
        return JSONResponse({"sid": line.id, "status": line.status})

    def _refuse(self, request: Request, status: int, code: int, message: str) -> Response:
        self.refusals.append((request.url.path, code, message))
        return JSONResponse({"code": code, "message": message, "status": status}, status)


class Line(StreamedCall):
    """One call, at Twilio.

    Attributes:
        id: of the call.
        status: `in-progress`, `completed`.
        ended_by: `caller`, `host` or `twiml`, once it is over.
        speaker: what the caller hears of the stream.
        said: the sentences and files that Twilio spoke and played.
        dialled: the numbers that the caller was connected to.
        asked: the fields of the request for an outbound call.
        updates: what the host asked of the call.
        streams: the addresses of the streams, in order.
        closed: close code and reason of each stream that has ended.
    """

    def __init__(
        self, twilio: TwilioSimulator, to: str, from_number: str, direction: str, more: dict[str, str]
    ) -> None:
        super().__init__()
        self.id = "CA" + secrets.token_hex(16)
        self.twilio = twilio
        self.status, self.ended_by = "in-progress", ""
        self.speaker = PhoneSpeaker(BYTES_PER_S, self._passed)
        self.said: list[str] = []
        self.dialled: list[str] = []
        self.asked: Fields = []
        self.updates: list[dict[str, str]] = []
        self.streams: list[str] = []
        self.closed: list[tuple[int | None, str]] = []
        self.stream_sid = ""
        self._more = more
        self._to, self._from, self._direction = to, from_number, direction
        self._task: asyncio.Task[None] | None = None
        self._words: list[bytes] = []
        self._sequence = 0

    @property
    def fields(self) -> Fields:
        """The fields of a webhook about the call."""
        fields = {
            "CallSid": self.id,
            "AccountSid": self.twilio.account_sid,
            "From": self._from,
            "To": self._to,
            "CallStatus": self.status,
            "Direction": self._direction,
            "ApiVersion": "2010-04-01",
            **self._more,
        }
        return list(fields.items())

    # --- what the caller does ---------------------------------------------------------------------------------------

    async def say(self, mulaw: bytes) -> None:
        """Say something. Between words, the line is silent."""
        self._words += [mulaw[at : at + FRAME_BYTES] for at in range(0, len(mulaw), FRAME_BYTES)]
        await self.until(lambda _: not self._words, 30)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        """Hang up. Twilio tells of it by `stop`."""
        if self.status == "completed":
            return
        self.over_by("caller")
        if self._task is not None:
            await asyncio.wait((self._task,))

    # --- whom the host calls ------------------------------------------------------------------------------------------

    async def rings(self) -> None:
        """It rings."""
        self.status = "ringing"
        await self._report("ringing")

    async def answer(self, *, stream: bool = True) -> None:
        """Somebody answers. `stream`: the audio is connected at once."""
        self.status = "in-progress"
        await self._report("answered")
        if stream:
            self.connect()

    def connect(self) -> None:
        """Do what the host has said to do when somebody answers."""
        self.start(self.perform(verbs(dict(self.asked)["Twiml"])))

    async def ends_as(self, status: str, **more: str) -> None:
        """Nobody answers. `more`: further fields of the webhook."""
        self.status = status
        self.changed()
        await self._report("completed", **more)

    async def judge(self, answered_by: str) -> None:
        """Report who answered."""
        asked = dict(self.asked)
        assert asked["AsyncAmd"] == "true"
        assert answered_by.startswith("machine_end") <= (asked["MachineDetection"] == "DetectMessageEnd")
        fields = {"CallSid": self.id, "AccountSid": self.twilio.account_sid, "AnsweredBy": answered_by}
        await self.twilio.post(asked["AsyncAmdStatusCallback"], [*fields.items(), ("MachineDetectionDuration", "2500")])

    async def _report_end(self) -> None:
        with suppress(httpx2.TransportError):  # the host is gone
            await self._report("completed")

    async def _report(self, event: str, **more: str) -> None:
        if ("StatusCallbackEvent", event) in self.asked:
            await self.twilio.post(dict(self.asked)["StatusCallback"], [*self.fields, *more.items()])

    # --- the call ---------------------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something else with the call."""
        self.cancel()
        self._task = self.twilio.spawn(work)

    def cancel(self) -> None:
        """Stop what is done with the call."""
        if self._task is not None:
            self._task.cancel()

    def over_by(self, who: str) -> None:
        """End the call."""
        if self.status != "completed":
            self.status, self.ended_by = "completed", who
            self.cancel()
            self.changed()
            if self._direction != "inbound":
                self.twilio.spawn(self._report_end())

    async def fetch(self, url: str) -> None:
        """Ask the host what to do, and do it."""
        try:
            answer = await self.twilio.post(url, self.fields)
            if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/xml"):
                raise Refused(11200, f"the webhook answered {answer.status_code}")
            found = verbs(answer.text)
        except (Refused, httpx2.TransportError) as error:
            self._log(str(error) or repr(error))
            found = [("Say", {}, "An application error has occurred"), ("Hangup", {}, "")]
        await self.perform(found)

    async def perform(self, found: list[Verb]) -> None:
        """Do what TwiML says. At its end, the call is over."""
        for verb, attributes, text in found:
            match verb:
                case "Connect":
                    await self._connect(attributes)
                case "Say" | "Play":
                    self.said.append(text)
                    self.changed()
                    await asyncio.sleep(SAY_S)
                case "Dial":
                    self.dialled.append(text)
                    self.changed()
                    await asyncio.Event().wait()
                case "Redirect":
                    await self.fetch(text)
                    return
                case "Hangup":
                    break
        self.over_by("twiml")

    def _log(self, error: str) -> None:
        self.twilio.errors.append(error)
        self.changed()

    # --- the stream -------------------------------------------------------------------------------------------------

    async def _connect(self, attributes: dict[str, str]) -> None:
        """Connect the call to a stream, until the host closes it."""
        url, report = attributes["url"], attributes.get("statusCallback")
        self.streams.append(url)
        headers = self.twilio.stream_headers or self.twilio.signed(url)
        self.stream_sid, self._sequence = "MZ" + secrets.token_hex(16), 0
        try:
            ws = await self.twilio.connecting(url, headers, user_agent_header="Twilio.TmeWs/1.0")
        except (InvalidStatus, OSError) as error:
            self._log(f"31920 {error}")
            if report is not None:
                event = [("StreamEvent", "stream-error"), ("StreamError", f"31920 {error}")]
                await self.twilio.post(report, [*self.fields, *event])
            return
        self._ws = ws
        self.changed()
        async with ws:
            await self._stream(ws)
        self._ws = None
        self.changed()

    async def _stream(self, ws: ClientConnection) -> None:
        working = [self.twilio.spawn(self.speaker.run()), self.twilio.spawn(self._talk(ws))]
        try:
            async for frame in ws:
                await self._take(*parsed(frame, self.stream_sid))
        except Refused as error:
            self._log(str(error))
        except ConnectionClosed:
            pass
        except asyncio.CancelledError:  # the call is over, or goes on without the stream
            with suppress(ConnectionClosed):
                await self.send("stop", stop={"accountSid": self.twilio.account_sid, "callSid": self.id})
            raise
        finally:
            for task in working:
                task.cancel()
            self.closed.append((ws.close_code, ws.close_reason or ""))

    async def _talk(self, ws: ClientConnection) -> None:
        """Introduce the call, and send the caller's audio, in time."""
        self._ws = ws
        if not self.twilio.begins:
            return
        try:
            for frame in self.twilio.first:
                await ws.send(frame)
            await ws.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            details = {
                "streamSid": self.stream_sid,
                "accountSid": self.twilio.account_sid,
                "callSid": self.id,
                "tracks": ["inbound"],
                "customParameters": {},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                **self.twilio.start,
            }
            await self.send("start", start=details)
            began_s = asyncio.get_running_loop().time()
            chunk = 0
            while True:
                chunk += 1
                words = self._words.pop(0) if self._words else b""
                audio = words + SILENCE * (FRAME_BYTES - len(words))
                payload = base64.b64encode(audio).decode()
                at_ms = str(5 + (chunk - 1) * 20)
                media = {"track": "inbound", "chunk": str(chunk), "timestamp": at_ms, "payload": payload}
                await self.send("media", media=media)
                self.changed()
                await asyncio.sleep(began_s + chunk * FRAME_S - asyncio.get_running_loop().time())
        except ConnectionClosed:
            pass

    async def send(self, event: str, **fields: Any) -> None:
        """Send a frame of Twilio."""
        assert self._ws is not None
        self._sequence += 1
        frame = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, **fields}
        await self._ws.send(json.dumps(frame))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send anything."""
        assert self._ws is not None
        await self._ws.send(frame)

    async def _take(self, event: str, value: Any) -> None:
        if event in ("media", "mark"):
            self.speaker.add(value)
            return
        for name in self.speaker.clear():  # all that were pending come back, at once
            await self._passed(name)
        self.changed()

    async def _passed(self, name: str) -> None:
        with suppress(ConnectionClosed):
            await self.send("mark", mark={"name": name})
