"""Telnyx, as far as a call from `voice-host call` needs it: signed webhooks, Call Control, media streams."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voice_host.caller.carrier import REQUEST_TIMEOUT_S, Carrier, Stream
from voice_host.caller.line import CallFailed, Message
from voice_host.caller.telephone import Clear, Mark, Speech
from voice_host.settings import PhoneSettings

WEBHOOK = "/phone/telnyx/webhook"
"""The address that is entered at Telnyx for a Call Control application."""


class TelnyxCarrier(Carrier):
    """Telnyx with one account and one call. It signs with a key of its own, so the host must run in this process."""

    def __init__(self, from_number: str, to_number: str, on_message: Callable[[Message], None]) -> None:
        super().__init__(from_number, to_number, on_message)
        self._key = Ed25519PrivateKey.generate()
        self._api_key = f"KEY{secrets.token_hex(16)}"
        self._call = f"v3:{secrets.token_urlsafe(24)}"
        self._host = ""
        self._reports: list[asyncio.Task[None]] = []
        self._answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def settings(self, host: str, api: str, agent_id: str) -> PhoneSettings:
        public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        telnyx = {"api_key": self._api_key, "public_key": public_key, "api_url": api}
        return PhoneSettings.model_validate(
            {"public_url": host, "numbers": {self.to_number: agent_id}, "telnyx": telnyx}
        )

    def api(self) -> list[web.RouteDef]:
        return [web.post("/v2/calls/{call}/actions/{action}", self._command)]

    async def ring(self, host: str) -> Stream:
        self._host = host
        await self._event(host, "call.initiated", state="parked", direction="incoming")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                answer = await self._answered
        except TimeoutError:
            raise CallFailed(f"the host did not answer the call within {REQUEST_TIMEOUT_S:g} s") from None
        await self._event(host, "call.answered", state="answered", direction="incoming")
        parameters = {each["name"]: each["value"] for each in answer.get("custom_parameters") or ()}
        frames = TelnyxStream(self._call, self.from_number, self.to_number, parameters)
        token = answer.get("stream_auth_token")
        return Stream(answer["stream_url"], frames, {"x-telnyx-streaming-auth-token": token} if token else {})

    def _report(self, kind: str) -> None:
        """Send a webhook once the request at hand has been answered."""
        self._reports.append(asyncio.create_task(self._event(self._host, kind), name=kind))

    async def _event(self, host: str, kind: str, **payload: Any) -> None:
        """Send a webhook about the call."""
        about = {"call_control_id": self._call, "from": self.from_number, "to": self.to_number, **payload}
        data = {"event_type": kind, "id": secrets.token_hex(16), "record_type": "event", "payload": about}
        body, now = json.dumps({"data": data}).encode(), str(int(time.time()))
        signature = base64.b64encode(self._key.sign(f"{now}|".encode() + body)).decode()
        headers = {
            "telnyx-signature-ed25519": signature,
            "telnyx-timestamp": now,
            "content-type": "application/json",
        }
        await self._post(host + WEBHOOK, data=body, headers=headers)

    async def _command(self, request: web.Request) -> web.Response:
        """`POST /v2/calls/{call}/actions/{action}`: what the host wants done with the call."""
        if request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return web.json_response({"errors": [{"code": "10009", "title": "Authentication failed"}]}, status=401)
        if request.match_info["call"] != self._call:
            return web.json_response({"errors": [{"code": "90018", "title": "Call has already ended"}]}, status=422)
        body = await request.json() if request.can_read_body else {}
        match request.match_info["action"]:
            case "answer":
                if not self._answered.done():
                    self._take_answer(body)
            case "speak":
                self._tell(f"the caller hears the carrier's voice: {body.get('payload', '')}")
                self._report("call.speak.ended")
            case "playback_start":
                self._tell(f"the caller hears {body.get('audio_url', '')}")
                self._report("call.playback.ended")
            case "transfer":
                self._tell(f"the caller is transferred to {body.get('to')}")
                await self._hang_up()
            case "send_dtmf":
                self._tell(f"the agent presses {body.get('digits')}")
            case "hangup" | "reject":
                await self._hang_up()
                if not self._answered.done():
                    self._answered.set_exception(CallFailed("the host refused the call", "its log says why"))
        return web.json_response({"data": {"result": "ok"}})

    def _take_answer(self, body: dict[str, Any]) -> None:
        if "stream_url" not in body:
            return  # answered only to tell the caller something
        if body.get("stream_bidirectional_mode") != "rtp" or body.get("stream_bidirectional_codec") != "PCMU":
            self._answered.set_exception(CallFailed("the host asked for a stream that is not RTP with PCMU"))
        else:
            self._answered.set_result(body)


class TelnyxStream:
    """The frames of Telnyx's media streams (`MediaStream`)."""

    def __init__(self, call: str, from_number: str, to_number: str, parameters: Mapping[str, str]) -> None:
        self._start = {
            "call_control_id": call,
            "from": from_number,
            "to": to_number,
            "custom_parameters": dict(parameters),
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        }
        self._stream = secrets.token_hex(16)
        self._sequence = 0
        self._chunk = 0

    def opening(self) -> list[str]:
        return [json.dumps({"event": "connected", "version": "1.0.0"}), self._frame("start", start=self._start)]

    def audio(self, mulaw: bytes) -> str:
        self._chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(20 * (self._chunk - 1)),
            "payload": base64.b64encode(mulaw).decode(),
        }
        return self._frame("media", media=media)

    def mark(self, name: str) -> str:
        return self._frame("mark", mark={"name": name})

    def key(self, digit: str) -> str:
        return self._frame("dtmf", dtmf={"digit": digit})

    def closing(self) -> str:
        return self._frame("stop", stop={"call_control_id": self._start["call_control_id"]})

    def take(self, frame: str) -> Speech | Mark | Clear:
        match json.loads(frame):
            case {"event": "media", "media": {"payload": str(payload)}}:
                return Speech(base64.b64decode(payload, validate=True))
            case {"event": "mark", "mark": {"name": str(name)}} if name:
                return Mark(name)
            case {"event": "clear"}:
                return Clear()
        raise ValueError("Telnyx takes media, mark and clear only")

    def _frame(self, event: str, **details: Any) -> str:
        self._sequence += 1
        head = {"event": event, "sequence_number": str(self._sequence), "stream_id": self._stream}
        return json.dumps({**head, **details})
