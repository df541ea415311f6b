"""Vonage: webhooks that are answered with call control objects (NCCO), and its Voice REST API."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from voice_host.clients import vonage as websocket
from voice_host.clients.choice import ProtocolChoice
from voice_host.observability.printable import printable
from voice_host.phone.calls import PhoneCalls, Refused
from voice_host.phone.carrier import CarrierError, Detection, Dial, PhoneCall, Sentence
from voice_host.phone.rest import CarrierRefused, RestApi
from voice_host.phone.vonage_tokens import private_key, rest_token, why_not_signed
from voice_host.phone.webhooks import number, receive_body, refuse_webhook
from voice_host.settings import PhoneSettings
from voice_host.settings.phone import VonageSettings
from voice_host_sdk import CallAnswer, Channel

NAME = websocket.NAME

END_TIMEOUT_S = 4.0
"""How long the question what comes after the WebSocket waits until the host knows how the call ended. Vonage waits for
5 s."""

ASK_TIMEOUT_S = 4.0
"""How long Vonage may take to ask what comes after the WebSocket of a call that has failed."""

_OUTCOMES: Mapping[str, str] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "busy": "busy",
    "rejected": "busy",
    "timeout": "no-answer",
    "unanswered": "no-answer",
    "failed": "failed",
}
"""Outcomes of outbound calls, by Vonage's status."""

_DETECTIONS: Mapping[Detection, Mapping[str, Any]] = {
    "off": {},
    "person": {"advanced_machine_detection": {"behavior": "continue", "mode": "detect"}},
    "message_end": {"advanced_machine_detection": {"behavior": "continue", "mode": "detect_beep"}},
}

Ncco = list[dict[str, Any]]


class _Webhook(BaseModel):
    """What is of interest in any of the webhooks."""

    call_id: str = Field(default="", alias="uuid", max_length=256)
    from_number: str | None = Field(default=None, alias="from", max_length=256)
    to_number: str | None = Field(default=None, alias="to", max_length=2048)
    status: str = Field(default="", max_length=64)
    sub_state: str = Field(default="", max_length=64)


class VonageCarrier:
    """The application of `[phone.vonage]` (`Carrier`)."""

    name = NAME
    detections: frozenset[Detection] = frozenset(_DETECTIONS)

    def __init__(self, settings: VonageSettings, calls: PhoneCalls) -> None:
        self._application_id = settings.application_id
        self._secret = settings.signature_secret.get_secret_value()
        self._calls = calls
        self._key = private_key(settings.private_key.get_secret_value())
        self._api = RestApi("Vonage", settings.api_url, self._authorization)

    def _authorization(self) -> str:
        if self._key is None:
            raise CarrierError("phone.vonage.private_key is not an RSA key in PEM form")
        return f"Bearer {rest_token(self._key, self._application_id)}"

    # --- the WebSocket ------------------------------------------------------------------------------------------------

    def protocol(self, call: PhoneCall) -> ProtocolChoice:
        """Return the protocol of a call's WebSocket."""
        return ProtocolChoice(name=NAME)

    def why_not_genuine(self, upgrade: HTTPConnection, url: str) -> str | None:
        """Compare the authorization that Vonage was told to send with the WebSocket."""
        sent = upgrade.headers.get("authorization", "")
        if hmac.compare_digest(sent.encode(), self._stream_authorization(url).encode()):
            return None
        return "the authorization of the WebSocket is missing or wrong"

    def _stream_authorization(self, url: str) -> str:
        """Return what Vonage must send with the WebSocket at `url`. Who learns the address alone can't connect."""
        return "Bearer " + hmac.digest(self._secret.encode(), b"stream " + url.encode(), "sha256").hex()

    def _connect(self, url: str, session_id: str) -> Ncco:
        """Connect a call to the WebSocket at `url`. Its end is a question, see `_after`."""
        endpoint = {
            "type": "websocket",
            "uri": url,
            "content-type": websocket.CONTENT_TYPE,
            "authorization": {"type": "custom", "value": self._stream_authorization(url)},
        }
        after = self._calls.url(f"/phone/{NAME}/after/{session_id}")
        return [{"action": "connect", "eventType": "synchronous", "eventUrl": [after], "endpoint": [endpoint]}]

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def webhooks(self) -> APIRouter:
        """Return the routes: of a new call, of what comes after the WebSocket, and of a call's status."""
        router = APIRouter()
        router.add_api_route("/answer", self._answer, methods=["POST"])
        router.add_api_route("/after/{session_id}", self._after, methods=["POST"])
        router.add_api_route("/events", self._progress, methods=["POST"])
        router.add_api_route("/calls/{session_id}", self._progress, methods=["POST"])
        return router

    async def _answer(self, request: Request) -> Response:
        """A call comes in: connect it to a WebSocket, or tell the caller why not."""
        webhook = await self._receive(request)
        if isinstance(webhook, Response):
            return webhook
        if not webhook.call_id:
            return refuse_webhook(request, NAME, 400, "body", "the webhook names no call")
        from_number, to_number = _number(webhook.from_number), _number(webhook.to_number)
        call = self._calls.incoming(Channel(NAME, "phone", "inbound", from_number, to_number, webhook.call_id))
        if isinstance(call, Refused):
            return JSONResponse(_tell(self._calls.sentence(call.occasion)))
        url = self._calls.stream_url(NAME, call.stream_token)
        return JSONResponse(self._connect(url, call.lease.session_id))

    async def _after(self, request: Request) -> Response:
        """The WebSocket has ended or could not be opened: end the call, after a sentence if it has failed."""
        webhook = await self._receive(request)
        if isinstance(webhook, Response):
            return webhook
        call = self._calls.of_session(request.path_params["session_id"])
        ended = webhook.status in ("failed", "unanswered", "rejected", "timeout", "disconnected")
        if call is None or not ended:
            return Response(status_code=204)
        try:
            farewell = await self._calls.farewell(call, within_s=END_TIMEOUT_S)
        except TimeoutError:
            farewell = None
        return Response(status_code=204) if farewell is None else JSONResponse(_tell(farewell))

    async def _progress(self, request: Request) -> Response:
        """The status of a call has changed, or Vonage has found out who answered."""
        webhook = await self._receive(request)
        if isinstance(webhook, Response):
            return webhook
        session_id = request.path_params.get("session_id")
        call = self._calls.find(NAME, webhook.call_id) if session_id is None else self._calls.of_session(session_id)
        if call is not None:
            self._note(call, webhook)
        return Response(status_code=204)

    def _note(self, call: PhoneCall, webhook: _Webhook) -> None:
        status, outbound = webhook.status, call.channel.direction == "outbound"
        match status:
            case "answered" if outbound:
                self._calls.answered(call)
            case "human":
                self._calls.judged(call, CallAnswer("human", status))
            case "machine":
                detail = webhook.sub_state or status
                self._calls.judged(call, CallAnswer("machine_end" if detail == "beep_start" else "machine", detail))
            # While a WebSocket is connected, it tells of its end.
            case _ if status in _OUTCOMES and call.status in ("ringing", "answered"):
                outcome = _OUTCOMES[status] if outbound else "unanswered"
                self._calls.end(call, outcome, "the carrier could not connect the call" if outcome == "failed" else "")

    async def _receive(self, request: Request) -> _Webhook | Response:
        """Return a webhook, or the refusal of one that is not Vonage's."""
        body = await receive_body(request)
        if body is None:
            return refuse_webhook(request, NAME, 413, "body", "the body is too long")
        authorization = request.headers.get("authorization", "")
        if (why := why_not_signed(self._secret, self._application_id, authorization, body)) is not None:
            return refuse_webhook(request, NAME, 403, "signature", why)
        try:
            return _Webhook.model_validate_json(body)
        except ValidationError:
            return refuse_webhook(request, NAME, 400, "body", "the webhook is not what Vonage sends")

    # --- requests -----------------------------------------------------------------------------------------------------

    async def dial(self, dial: Dial) -> str:
        """Call a number. The WebSocket connects when somebody answers."""
        session_id = dial.status_url.rsplit("/", 1)[-1]
        body = {
            "to": [{"type": "phone", "number": dial.to_number.lstrip("+")}],
            "from": {"type": "phone", "number": dial.from_number.lstrip("+")},
            "ncco": self._connect(dial.stream_url, session_id),
            "event_url": [dial.status_url],
            "event_method": "POST",
            "ringing_timer": min(dial.ring_s, 120),
            "length_timer": dial.max_call_s,
            **_DETECTIONS[dial.detection],
        }
        call_id = (await self._send("POST", "", body)).get("uuid")
        if not isinstance(call_id, str):
            raise CarrierError("Vonage did not return the id of the call")
        return call_id

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        try:
            await self._send("PUT", f"/{_path(call_id)}", {"action": "hangup"})
        except CarrierRefused as refused:
            if refused.status != 404:
                raise

    async def say_and_hang_up(self, call: PhoneCall, sentence: Sentence) -> None:
        """Wait until Vonage asks what comes after the WebSocket, see `_after`. If it does not, tell it."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await call.told.wait()
        except TimeoutError:
            try:
                await self._continue_with(call.channel.call_id or "", _tell(sentence))
            except CarrierRefused as refused:
                if refused.status != 404:
                    raise

    async def transfer(self, call_id: str, to: str) -> None:
        """Connect a call to another number or SIP address."""
        sip = to.startswith(("sip:", "sips:"))
        endpoint = {"type": "sip", "uri": to} if sip else {"type": "phone", "number": to.lstrip("+")}
        await self._continue_with(call_id, [{"action": "connect", "endpoint": [endpoint]}])

    async def _continue_with(self, call_id: str, ncco: Ncco) -> None:
        destination = {"type": "ncco", "ncco": ncco}
        await self._send("PUT", f"/{_path(call_id)}", {"action": "transfer", "destination": destination})

    async def send_digits(self, call_id: str, digits: str) -> None:
        """Play telephone keys into a call."""
        await self._send("PUT", f"/{_path(call_id)}/dtmf", {"digits": digits})

    async def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._api.send(method, "/v1/calls" + path, body)
        except CarrierRefused as refused:
            title = printable(str(refused.answer.get("title", "")), max_chars=200)
            message = f"Vonage refused: {title} ({refused.status})" if title else str(refused)
            raise CarrierRefused(message, refused.status or 0, refused.answer) from None

    async def aclose(self) -> None:
        """Close connections. Idempotent."""
        await self._api.aclose()


def make(settings: PhoneSettings, calls: PhoneCalls) -> VonageCarrier | None:
    """Create the carrier; None: `[phone.vonage]` is not set."""
    return None if settings.vonage is None else VonageCarrier(settings.vonage, calls)


def _number(text: str | None) -> str | None:
    """Return a number in E.164 form, which Vonage sends without `+`; None: it is withheld, or no number."""
    return None if text is None else number(f"+{text}")


def _path(call_id: str) -> str:
    return quote(call_id, safe="")


def _tell(sentence: Sentence) -> Ncco:
    """Tell the caller a sentence. Without further actions, Vonage hangs up then."""
    if sentence.audio_url is not None:
        return [{"action": "stream", "streamUrl": [sentence.audio_url]}]
    return [{"action": "talk", "text": sentence.text, "language": sentence.language}]
