"""Twilio: webhooks that are answered with TwiML, and its REST API."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from voice_host.clients import twilio as media_streams
from voice_host.clients.choice import ProtocolChoice
from voice_host.observability.logs import get_logger
from voice_host.observability.printable import printable
from voice_host.phone import twiml
from voice_host.phone.calls import PhoneCalls, Refused
from voice_host.phone.carrier import CarrierError, Detection, Dial, PhoneCall, Sentence
from voice_host.phone.rest import CarrierRefused, RestApi
from voice_host.phone.twilio_signature import Secrets, why_not_signed
from voice_host.phone.webhooks import number, receive_body, refuse_webhook
from voice_host.settings import PhoneSettings
from voice_host.settings.phone import TwilioSettings
from voice_host_sdk import CallAnswer, Channel

log = get_logger(__name__)

NAME = media_streams.NAME

END_TIMEOUT_S = 10.0
"""How long the question what comes after the stream waits until the host knows how the call ended. Twilio waits for
15 s."""

ASK_TIMEOUT_S = 4.0
"""How long Twilio may take to ask what comes after the stream of a call that has failed."""

MAX_FIELDS = 200
"""Twilio sends about 30 fields."""

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")

WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""What Twilio sends as the number of callers who withhold theirs: "anonymous" and other words, typed on a telephone."""

_OVER = frozenset({20404, 21220})
"""Codes of the REST API for a call that is over: not found, and not in progress."""

_DETECTIONS: Mapping[Detection, str] = MappingProxyType({"person": "Enable", "message_end": "DetectMessageEnd"})

_FINAL: Mapping[str, str] = MappingProxyType(
    {"busy": "busy", "no-answer": "no-answer", "canceled": "cancelled", "failed": "failed", "completed": "completed"}
)
"""Outcomes of outbound calls, by Twilio's status."""

_ANSWERS: Mapping[str, Literal["human", "machine", "machine_end", "fax"]] = MappingProxyType(
    {
        "human": "human",
        "machine_start": "machine",
        "machine_end_beep": "machine_end",
        "machine_end_silence": "machine_end",
        "machine_end_other": "machine_end",
        "fax": "fax",
    }
)
"""Who answered, as Twilio judges. Anything else is unknown."""


class TwilioCarrier:
    """The account of `[phone.twilio]` (`Carrier`)."""

    name = NAME
    detections: frozenset[Detection] = frozenset({"off", *_DETECTIONS})

    def __init__(self, settings: TwilioSettings, calls: PhoneCalls) -> None:
        self._account_sid = settings.account_sid
        token, shared_key = settings.auth_token.get_secret_value(), settings.shared_key
        self._secrets = Secrets(token, None if shared_key is None else shared_key.get_secret_value())
        self._calls = calls
        basic = base64.b64encode(f"{settings.account_sid}:{token}".encode()).decode()
        self._api = RestApi("Twilio", settings.api_url, lambda: f"Basic {basic}")

    # --- the media stream -------------------------------------------------------------------------------------------

    def protocol(self, call: PhoneCall) -> ProtocolChoice:
        """Return the protocol of a call's media stream."""
        options = {"account_sid": self._account_sid, "call_sid": call.channel.call_id}
        return ProtocolChoice(name=NAME, options=options)

    def why_not_genuine(self, upgrade: HTTPConnection, url: str) -> str | None:
        """Check the signature of the request that opens a media stream."""
        return why_not_signed(self._secrets, upgrade.headers, url)

    # --- webhooks ---------------------------------------------------------------------------------------------------

    def webhooks(self) -> APIRouter:
        """Return the routes: of a new call, of what comes after the stream, of a call's status, and of the stream's."""
        router = APIRouter()
        router.add_api_route("/voice", self._voice, methods=["POST"])
        router.add_api_route("/after", self._after, methods=["POST"])
        router.add_api_route("/calls/{session_id}", self._progress, methods=["POST"])
        router.add_api_route("/streams", self._stream_status, methods=["POST"])
        return router

    async def _voice(self, request: Request) -> Response:
        """A call comes in: connect it to a stream, or tell the caller why not."""
        form = await self._form(request)
        if isinstance(form, Response):
            return form
        channel = Channel(NAME, "phone", "inbound", _number(form["From"]), _number(form["To"]), form["CallSid"])
        call = self._calls.incoming(channel)
        if isinstance(call, Refused):
            return _answer(twiml.say_and_hang_up(self._calls.sentence(call.occasion)))
        return _answer(self._connect(self._calls.stream_url(NAME, call.stream_token)))

    async def _after(self, request: Request) -> Response:
        """The stream has ended, or could not be opened: hang up, after a sentence if the call has failed."""
        form = await self._form(request)
        if isinstance(form, Response):
            return form
        call = self._calls.find(NAME, form["CallSid"])
        if call is None:
            return _answer(twiml.hang_up())
        try:
            farewell = await self._calls.farewell(call, within_s=END_TIMEOUT_S)
        except TimeoutError:
            farewell = self._calls.sentence("failed")
        return _answer(twiml.hang_up() if farewell is None else twiml.say_and_hang_up(farewell))

    async def _progress(self, request: Request) -> Response:
        """The status of an outbound call has changed, or Twilio has found out who answered it."""
        form = await self._form(request)
        if isinstance(form, Response):
            return form
        call = self._calls.of_session(request.path_params["session_id"])
        if call is None or call.channel.call_id not in (None, form["CallSid"]):
            return Response(status_code=204)
        if answered_by := form["AnsweredBy"][:50]:
            self._calls.judged(call, CallAnswer(_ANSWERS.get(answered_by, "unknown"), answered_by))
        status = form["CallStatus"]
        if status == "in-progress":
            self._calls.answered(call)
        # While a stream is connected, the stream tells of the end.
        elif status in _FINAL and call.status in ("ringing", "answered"):
            sip = form["SipResponseCode"]
            reason = f"the carrier could not connect the call{f' (SIP {sip})' if sip.isdigit() else ''}"
            self._calls.end(call, _FINAL[status], reason if status == "failed" else "")
        return Response(status_code=204)

    async def _stream_status(self, request: Request) -> Response:
        """A stream has begun, ended or failed. Only failures say what is not known otherwise."""
        form = await self._form(request)
        if isinstance(form, Response):
            return form
        if form["StreamEvent"] == "stream-error":
            error = printable(form["StreamError"], max_chars=200)
            log.warning("phone_stream_error", carrier=NAME, call_id=form["CallSid"], error=error)
        return Response(status_code=204)

    async def _form(self, request: Request) -> _Form | Response:
        """Return the fields of a webhook, or the refusal of one that is not Twilio's."""
        body = await receive_body(request)
        if body is None:
            return refuse_webhook(request, NAME, 413, "body", "the body is too long")
        fields = _fields(request, body)
        query = request.scope["query_string"].decode("latin-1")
        url = self._calls.url(request.scope["path"]) + (f"?{query}" if query else "")
        why = why_not_signed(self._secrets, request.headers, url, fields or (), body if fields is None else b"")
        if why is not None:
            return refuse_webhook(request, NAME, 403, "signature", why)
        form = _Form(fields or ())
        if form["AccountSid"] != self._account_sid:
            return refuse_webhook(request, NAME, 403, "account", "the webhook is of another account")
        if _CALL_SID.fullmatch(form["CallSid"]) is None:
            return refuse_webhook(request, NAME, 400, "body", "the webhook names no call")
        return form

    def _connect(self, stream_url: str) -> str:
        return twiml.connect(
            stream_url, self._calls.url(f"/phone/{NAME}/after"), self._calls.url(f"/phone/{NAME}/streams")
        )

    # --- requests ---------------------------------------------------------------------------------------------------

    async def dial(self, dial: Dial) -> str:
        """Call a number. The stream connects when somebody answers."""
        form = [
            ("To", dial.to_number),
            ("From", dial.from_number),
            ("Twiml", self._connect(dial.stream_url)),
            ("Timeout", str(dial.ring_s)),
            ("TimeLimit", str(dial.max_call_s)),
            ("StatusCallback", dial.status_url),
            *(("StatusCallbackEvent", event) for event in ("ringing", "answered", "completed")),
        ]
        if dial.detection != "off":
            form += [
                ("MachineDetection", _DETECTIONS[dial.detection]),
                ("AsyncAmd", "true"),  # otherwise the person who answers waits in silence for the judgement
                ("AsyncAmdStatusCallback", dial.status_url),
            ]
        answer = await self._send("Calls.json", form)
        call_sid = answer.get("sid")
        if not isinstance(call_sid, str) or _CALL_SID.fullmatch(call_sid) is None:
            raise CarrierError("Twilio did not return the id of the call")
        return call_sid

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        await self._update(call_id, ("Status", "completed"), over_is_fine=True)

    async def say_and_hang_up(self, call: PhoneCall, sentence: Sentence) -> None:
        """Wait until Twilio asks what comes after the stream, see `_after`. If it does not, tell it."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await call.told.wait()
        except TimeoutError:
            call_id = call.channel.call_id or ""
            await self._update(call_id, ("Twiml", twiml.say_and_hang_up(sentence)), over_is_fine=True)

    async def transfer(self, call_id: str, to: str) -> None:
        """Connect a call to another number or SIP address."""
        await self._update(call_id, ("Twiml", twiml.dial(to)))

    async def send_digits(self, call_id: str, digits: str) -> None:
        """Refuse: Twilio could only play them after it has ended the media stream."""
        raise CarrierError("Twilio cannot send digits during a call with an agent")

    async def _update(self, call_id: str, field: tuple[str, str], *, over_is_fine: bool = False) -> None:
        try:
            await self._send(f"Calls/{call_id}.json", [field])
        except CarrierRefused as refused:
            if refused.answer.get("code") not in _OVER:
                raise
            if not over_is_fine:
                raise CarrierRefused("the call is over", refused.status or 0, refused.answer) from None

    async def _send(self, path: str, form: list[tuple[str, str]]) -> dict[str, object]:
        try:
            return await self._api.send("POST", f"/2010-04-01/Accounts/{self._account_sid}/{path}", form=form)
        except CarrierRefused as refused:
            code, said = refused.answer.get("code"), str(refused.answer.get("message", ""))
            message = f"Twilio refused: {printable(said, max_chars=200)} ({code})" if said else str(refused)
            raise CarrierRefused(message, refused.status or 0, refused.answer) from None

    async def aclose(self) -> None:
        """Close connections. Idempotent."""
        await self._api.aclose()


class _Form:
    """The fields of a webhook; one that is missing is empty."""

    def __init__(self, fields: list[tuple[str, str]] | tuple[()]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._fields.get(name, "")


def make(settings: PhoneSettings, calls: PhoneCalls) -> TwilioCarrier | None:
    """Create the carrier; None: `[phone.twilio]` is not set."""
    return None if settings.twilio is None else TwilioCarrier(settings.twilio, calls)


def _fields(request: Request, body: bytes) -> list[tuple[str, str]] | None:
    """Return the fields of a form; None: the body is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None


def _number(text: str) -> str | None:
    return None if text in WITHHELD else number(text)


def _answer(xml: str) -> Response:
    return Response(xml, media_type=twiml.CONTENT_TYPE)
