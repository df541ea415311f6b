"""Twilio, as far as a call from `voice-host call` needs it: signed webhooks, TwiML, media streams, the REST API."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

from aiohttp import web

from voice_host.caller.carrier import Carrier, Stream
from voice_host.caller.hints import NOT_A_HOST
from voice_host.caller.line import CallFailed, Message
from voice_host.caller.telephone import Clear, Mark, Speech
from voice_host.settings import PhoneSettings

WEBHOOK = "/phone/twilio/voice"
"""The address that is entered at Twilio for a number."""


class TwilioCarrier(Carrier):
    """Twilio with one account and one call.

    Args:
        account_sid, auth_token: of the account; made up if the host runs in this process.
        public_url: the address over which signatures are computed, if it is not the one that is called.
    """

    def __init__(
        self,
        from_number: str,
        to_number: str,
        on_message: Callable[[Message], None],
        *,
        account_sid: str | None = None,
        auth_token: str | None = None,
        public_url: str | None = None,
    ) -> None:
        super().__init__(from_number, to_number, on_message)
        self._account = account_sid or f"AC{secrets.token_hex(16)}"
        self._token = auth_token or secrets.token_hex(16)
        self._public_url = public_url
        self._call = f"CA{secrets.token_hex(16)}"
        self._after: list[ElementTree.Element] = []

    def settings(self, host: str, api: str, agent_id: str) -> PhoneSettings:
        twilio = {"account_sid": self._account, "auth_token": self._token, "api_url": api}
        return PhoneSettings.model_validate(
            {"public_url": host, "numbers": {self.to_number: agent_id}, "twilio": twilio}
        )

    def api(self) -> list[web.RouteDef]:
        return [web.post("/2010-04-01/Accounts/{account}/Calls/{call}.json", self._update)]

    async def ring(self, host: str) -> Stream:
        verbs = _verbs(await self._webhook(host, WEBHOOK, CallStatus="ringing"))
        for index, verb in enumerate(verbs):
            stream = verb.find("Stream") if verb.tag == "Connect" else None
            if stream is not None:
                self._after = verbs[index + 1 :]
                if action := verb.get("action"):
                    self._after = [ElementTree.Element("Redirect")]
                    self._after[0].text = action
                return self._stream(host, stream)
            self._perform(verb)
        raise CallFailed("the host refused the call, after the caller had heard the above", "its log says why")

    async def after_stream(self, host: str) -> None:
        verbs, self._after = self._after, []
        for verb in verbs:
            if verb.tag == "Redirect":
                verbs = _verbs(await self._webhook(host, (verb.text or "").strip(), CallStatus="in-progress"))
                for following in verbs:
                    self._perform(following)
                return
            self._perform(verb)

    def _stream(self, host: str, stream: ElementTree.Element) -> Stream:
        url = stream.get("url", "").partition("?")[0]  # Twilio drops the query
        parameters = {each.get("name", ""): each.get("value", "") for each in stream.iter("Parameter")}
        frames = TwilioStream(self._account, self._call, parameters)
        return Stream(self._reachable(host, url), frames, {"X-Twilio-Signature": self._signature(url, {})})

    def _perform(self, verb: ElementTree.Element) -> None:
        """Print what the caller of a real carrier would hear."""
        match verb.tag:
            case "Say":
                self._tell(f"the caller hears the carrier's voice: {verb.text or ''}")
            case "Play":
                self._tell(f"the caller hears {verb.text or verb.get('digits', '')}")
            case "Dial":
                self._tell(f"the caller is transferred to {''.join(verb.itertext()).strip()}")
            case "Reject":
                self._tell("the call is rejected")

    async def _webhook(self, host: str, path: str, **fields: str) -> str:
        """Send a webhook about the call and return the TwiML."""
        url = urljoin(self._public_url or host, path)
        about = {
            "AccountSid": self._account,
            "ApiVersion": "2010-04-01",
            "CallSid": self._call,
            "Direction": "inbound",
            "From": self.from_number,
            "To": self.to_number,
            **fields,
        }
        headers = {"X-Twilio-Signature": self._signature(url, about)}
        return await self._post(self._reachable(host, url), data=about, headers=headers)

    def _reachable(self, host: str, url: str) -> str:
        """Return the address at which `url`, made for Twilio, is reached from this machine."""
        parts, reached = urlsplit(url), urlsplit(host)
        scheme = reached.scheme if parts.scheme.startswith("http") else {"https": "wss"}.get(reached.scheme, "ws")
        return urlunsplit((scheme, reached.netloc, parts.path, parts.query, ""))

    def _signature(self, url: str, fields: Mapping[str, str]) -> str:
        text = url + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(self._token.encode(), text.encode(), sha1).digest()).decode()

    async def _update(self, request: web.Request) -> web.Response:
        """`POST .../Calls/{CallSid}.json`: what the host wants done with the call."""
        basic = base64.b64encode(f"{self._account}:{self._token}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {basic}":
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        if request.match_info["call"] != self._call:
            return web.json_response({"code": 20404, "message": "The call was not found"}, status=404)
        form = await request.post()
        if twiml := form.get("Twiml"):
            self._after = []
            for verb in _verbs(str(twiml)):
                self._perform(verb)
            await self._hang_up()
        elif form.get("Status") == "completed":
            self._after = []
            await self._hang_up()
        return web.json_response({"sid": self._call, "status": "completed"})


class TwilioStream:
    """The frames of Twilio's media streams (`MediaStream`)."""

    def __init__(self, account: str, call: str, parameters: Mapping[str, str]) -> None:
        self._account = account
        self._call = call
        self._parameters = dict(parameters)
        self._stream = f"MZ{secrets.token_hex(16)}"
        self._sequence = 0
        self._chunk = 0

    def opening(self) -> list[str]:
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "streamSid": self._stream,
            "accountSid": self._account,
            "callSid": self._call,
            "tracks": ["inbound"],
            "customParameters": self._parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        return [connected, self._frame("start", start)]

    def audio(self, mulaw: bytes) -> str:
        self._chunk += 1
        return self._frame(
            "media",
            {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(20 * (self._chunk - 1)),
                "payload": base64.b64encode(mulaw).decode(),
            },
        )

    def mark(self, name: str) -> str:
        return self._frame("mark", {"name": name})

    def key(self, digit: str) -> str:
        return self._frame("dtmf", {"track": "inbound_track", "digit": digit})

    def closing(self) -> str:
        return self._frame("stop", {"accountSid": self._account, "callSid": self._call})

    def take(self, frame: str) -> Speech | Mark | Clear:
        message = json.loads(frame)
        if message.get("streamSid") != self._stream:
            raise ValueError("it names another stream")
        match message:
            case {"event": "media", "media": {"payload": str(payload)}}:
                return Speech(base64.b64decode(payload, validate=True))
            case {"event": "mark", "mark": {"name": str(name)}} if name:
                return Mark(name)
            case {"event": "clear"}:
                return Clear()
        raise ValueError(f"Twilio takes no such {message.get('event')!r}")

    def _frame(self, event: str, details: Mapping[str, Any]) -> str:
        self._sequence += 1
        head = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._stream}
        return json.dumps({**head, event: details})


def _verbs(twiml: str) -> list[ElementTree.Element]:
    try:
        return list(ElementTree.fromstring(twiml))
    except ElementTree.ParseError as error:
        raise CallFailed(f"the host answered Twilio with what is not TwiML: {error}", NOT_A_HOST) from error
