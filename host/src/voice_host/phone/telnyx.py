"""Telnyx: its webhooks, and what is asked of it by its REST API (Call Control, version 2)."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import HTTPConnection

from voice_host.clients import telnyx as media_streaming
from voice_host.clients.choice import ProtocolChoice
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.observability.printable import printable
from voice_host.phone.calls import PhoneCalls, Refused
from voice_host.phone.carrier import CarrierError, Detection, Dial, PhoneCall, Sentence
from voice_host.phone.rest import CarrierRefused, RestApi
from voice_host.phone.telnyx_signature import public_key, why_not_signed
from voice_host.phone.webhooks import number, receive_body, refuse_webhook
from voice_host.settings import PhoneSettings
from voice_host.settings.phone import TelnyxSettings
from voice_host.tasks import in_background
from voice_host_sdk import CallAnswer, Channel

log = get_logger(__name__)

NAME = media_streaming.NAME

WEBHOOK_PATH = "/webhook"

MAX_REMEMBERED = 2000
"""How many calls are remembered whose webhook was handled, since Telnyx may send it again."""

FAREWELL_TIMEOUT_S = 30.0
"""How long a sentence of the platform may take, if Telnyx does not report its end."""

MAX_TOLD_CALLERS = 50
"""How many refused callers are told why at the same time. A sentence takes about 5 s."""

TOKEN_HEADER = "x-telnyx-streaming-auth-token"

_ABOUT_CALLS = ("call.", "streaming.")
"""How the types of events begin that are about calls. Others are of no interest."""

_OVER = ("90018", "90015")
"""Error codes: the call has ended already, or is not known any more."""

_DETECTIONS: Mapping[Detection, str] = {"off": "disabled", "person": "detect", "message_end": "greeting_end"}

_ANSWERS: Mapping[str, Literal["human", "machine", "machine_end", "fax", "unknown"]] = {
    "human": "human",
    "human_residence": "human",
    "human_business": "human",
    "machine": "machine",
    "fax_detected": "fax",
    "beep_detected": "machine_end",
    "no_beep_detected": "machine_end",
    "ended": "machine_end",
    "prompt_ended": "machine_end",
}
"""Who answered, by the results of Telnyx' detection. `not_sure` and `silence` are unknown."""

_OUTCOMES: Mapping[str, str] = {
    "normal_clearing": "completed",
    "originator_cancel": "cancelled",
    "user_busy": "busy",
    "call_rejected": "busy",
    "timeout": "no-answer",
    "no_answer": "no-answer",
}
"""Outcomes of outbound calls, by Telnyx' hangup causes. Anything else has failed."""


class _Payload(BaseModel):
    call_control_id: str = Field(min_length=1, max_length=256)
    direction: Literal["incoming", "outgoing"] | None = None
    from_number: str = Field(default="", alias="from", max_length=256)
    to_number: str = Field(default="", alias="to", max_length=256)
    hangup_cause: str = Field(default="", max_length=64)
    result: str = Field(default="", max_length=64)


class _Data(BaseModel):
    event_type: str = Field(max_length=128)
    payload: Any = None


class _Webhook(BaseModel):
    data: _Data


class TelnyxCarrier:
    """The account of `[phone.telnyx]` (`Carrier`)."""

    name = NAME
    detections: frozenset[Detection] = frozenset({"off", "person", "message_end"})

    def __init__(self, settings: TelnyxSettings, calls: PhoneCalls) -> None:
        self._settings = settings
        self._calls = calls
        self._public_key = public_key(settings.public_key)
        key = settings.api_key.get_secret_value()
        self._api = RestApi("Telnyx", settings.api_url, lambda: f"Bearer {key}")
        self._handled: OrderedDict[str, None] = OrderedDict()  # ids of incoming calls
        self._spoken: dict[str, asyncio.Event] = {}  # by id of a call that is told a sentence
        self._told: set[str] = set()  # ids of calls that are refused at present
        self._requests: set[asyncio.Task[None]] = set()

    # --- the media stream -------------------------------------------------------------------------------------------

    def protocol(self, call: PhoneCall) -> ProtocolChoice:
        """Return the protocol of a call's media stream."""
        options = {"call_id": call.channel.call_id, "codec": self._settings.codec}
        return ProtocolChoice(name=media_streaming.NAME, options=options)

    def why_not_genuine(self, upgrade: HTTPConnection, url: str) -> str | None:
        """Compare the token that Telnyx was given for the stream. It does not sign the request."""
        token = upgrade.headers.get(TOKEN_HEADER, "")
        if hmac.compare_digest(token.encode(), self._stream_secret(url).encode()):
            return None
        return f"the header {TOKEN_HEADER} is missing or wrong"

    def _stream_secret(self, url: str) -> str:
        """Return what Telnyx must send with the stream at `url`. Who learns the address alone can't connect."""
        key = self._settings.api_key.get_secret_value().encode()
        return hmac.digest(key, b"stream " + url.encode(), "sha256").hex()

    def _streaming(self, call_url: str) -> dict[str, Any]:
        return {
            "stream_url": call_url,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",  # by default, Telnyx expects MP3, and our audio would be silence
            "stream_bidirectional_codec": self._settings.codec,
            "stream_bidirectional_sampling_rate": media_streaming.SAMPLE_RATE,
            "stream_bidirectional_target_legs": "self",
            "stream_auth_token": self._stream_secret(call_url),
            "preferred_codecs": ",".join(media_streaming.CODECS),
        }

    # --- webhooks ---------------------------------------------------------------------------------------------------

    def webhooks(self) -> APIRouter:
        """Return the route of all webhooks. It answers at once; what follows is done in the background."""
        router = APIRouter()
        router.add_api_route(WEBHOOK_PATH, self._webhook, methods=["POST"])
        return router

    async def _webhook(self, request: Request) -> Response:
        body = await receive_body(request)
        if body is None:
            return refuse_webhook(request, NAME, 413, "body", "the body is too long")
        if (why := why_not_signed(self._public_key, request.headers, body)) is not None:
            return refuse_webhook(request, NAME, 403, "signature", why)
        try:
            data = _Webhook.model_validate_json(body).data
            if data.event_type.startswith(_ABOUT_CALLS):
                self._take(data.event_type, _Payload.model_validate(data.payload))
        except ValidationError:
            # Another status would make Telnyx repeat it.
            return refuse_webhook(request, NAME, 200, "body", "the webhook is not what Telnyx sends")
        return Response(status_code=200)

    def _take(self, event: str, payload: _Payload) -> None:
        call_id = payload.call_control_id
        if event == "call.initiated":
            if payload.direction == "incoming" and self._is_new(call_id):
                self._incoming(payload)
            return
        if event in ("call.speak.ended", "call.playback.ended") and (spoken := self._spoken.get(call_id)) is not None:
            spoken.set()
        call = self._calls.find(NAME, call_id)
        if call is None and event == "streaming.failed":
            # The stream was ours, so the host has made the call, and has never learned its id from Telnyx' answer.
            self._in_background(self.hang_up(call_id), call_id)
        if call is None or call.status == "over":
            return
        match event:
            case "call.answered" if call.channel.direction == "outbound":
                self._calls.answered(call)
            case (
                "call.machine.detection.ended"
                | "call.machine.greeting.ended"
                | "call.machine.premium.detection.ended"
                | "call.machine.premium.greeting.ended"
            ):
                self._calls.judged(call, CallAnswer(_ANSWERS.get(payload.result, "unknown"), payload.result))
            case "call.hangup" if call.status != "streaming":  # otherwise the stream tells
                self._hung_up(call, payload.hangup_cause)
            case "streaming.failed" if call.status != "streaming":
                self._calls.end(call, "failed")
                if call.channel.direction == "outbound":  # otherwise `_answer` goes on
                    self._in_background(self.say_and_hang_up(call, self._calls.sentence("failed")), call_id)

    def _hung_up(self, call: PhoneCall, cause: str) -> None:
        if call.channel.direction == "inbound":
            self._calls.end(call, "unanswered")
            return
        outcome = _OUTCOMES.get(cause, "failed")
        reason = f"the carrier could not connect the call ({cause.replace('_', ' ')})"
        self._calls.end(call, outcome, reason if outcome == "failed" else "")

    def _is_new(self, call_id: str) -> bool:
        """Whether a call was not seen before. Telnyx repeats webhooks that it believes were not received."""
        if call_id in self._handled:
            return False
        self._handled[call_id] = None
        if len(self._handled) > MAX_REMEMBERED:
            self._handled.popitem(last=False)
        return True

    def _incoming(self, payload: _Payload) -> None:
        from_number, to_number = number(payload.from_number), number(payload.to_number)
        channel = Channel(NAME, "phone", "inbound", from_number, to_number, payload.call_control_id)
        call = self._calls.incoming(channel)
        if not isinstance(call, Refused):
            self._in_background(self._answer(call, payload.call_control_id), payload.call_control_id)
        elif len(self._told) < MAX_TOLD_CALLERS:
            self._told.add(payload.call_control_id)
            work = self._refuse(payload.call_control_id, self._calls.sentence(call.occasion))
            self._in_background(work, payload.call_control_id)
        else:  # it rings until the caller or Telnyx gives up
            metrics.PHONE_NOT_TOLD.labels(NAME).inc()
            log.warning("phone_caller_not_told", carrier=NAME, call_id=payload.call_control_id, reason=call.reason)

    async def _answer(self, call: PhoneCall, call_id: str) -> None:
        """Answer a call with a media stream. If the stream does not connect, tell the caller and hang up."""
        url = self._calls.stream_url(NAME, call.stream_token)
        try:
            await self._act(call_id, "answer", {"command_id": f"answer-{call_id}"[:128], **self._streaming(url)})
        except CarrierError as error:
            log.warning("phone_call_not_answered", carrier=NAME, session_id=call.lease.session_id, error=error.logged)
            self._calls.end(call, "failed")
        try:
            await call.picked_up.wait()
        except asyncio.CancelledError:  # the host stops: nobody would be left to end the call
            with suppress(CarrierError):
                await self.hang_up(call_id)
            raise
        if call.answered_s is None:
            await self.say_and_hang_up(call, self._calls.sentence("failed"))

    async def _refuse(self, call_id: str, sentence: Sentence) -> None:
        """Answer a call that reaches no agent, tell the caller why, and hang up."""
        try:
            await self._act(call_id, "answer", {"command_id": f"answer-{call_id}"[:128]})
            await self._tell(call_id, sentence)
        finally:
            self._told.discard(call_id)

    def _in_background(self, work: Coroutine[Any, Any, None], call_id: str) -> None:
        async def logged() -> None:
            try:
                await work
            except CarrierError as error:
                log.warning("phone_request_failed", carrier=NAME, call_id=call_id, error=error.logged)

        task = in_background(logged(), "phone-telnyx", of=call_id)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def dial(self, dial: Dial) -> str:
        """Call a number. The stream connects when somebody answers."""
        if self._settings.connection_id is None:
            raise CarrierError(
                "phone.telnyx.connection_id is not set: outbound calls need the Call Control application"
            )
        body = {
            "connection_id": self._settings.connection_id,
            "to": dial.to_number,
            "from": dial.from_number,
            "timeout_secs": max(5, dial.ring_s),
            "answering_machine_detection": _DETECTIONS[dial.detection],
            "time_limit_secs": max(30, dial.max_call_s),  # less is not accepted
            "webhook_url": self._calls.url(f"/phone/{NAME}{WEBHOOK_PATH}"),
            **self._streaming(dial.stream_url),
        }
        answer = await self._send("/v2/calls", body)
        data = answer.get("data")
        call_id = data.get("call_control_id") if isinstance(data, dict) else None
        if not isinstance(call_id, str):
            raise CarrierError("Telnyx did not return the id of the call")
        return call_id

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        try:
            await self._act(call_id, "hangup", {})
        except CarrierRefused as error:
            if not _is_over(error):
                raise

    async def say_and_hang_up(self, call: PhoneCall, sentence: Sentence) -> None:
        """Tell the caller of a call that has failed a sentence, and hang up."""
        if call.channel.call_id is not None:
            await self._tell(call.channel.call_id, sentence)

    async def _tell(self, call_id: str, sentence: Sentence) -> None:
        spoken = self._spoken[call_id] = asyncio.Event()
        try:
            if sentence.audio_url is not None:
                await self._act(call_id, "playback_start", {"audio_url": sentence.audio_url})
            else:
                speech = {"payload": sentence.text, "voice": "female", "language": sentence.language}
                await self._act(call_id, "speak", {**speech, "service_level": "basic"})
            async with asyncio.timeout(FAREWELL_TIMEOUT_S):
                await spoken.wait()
        except TimeoutError:
            pass
        except CarrierRefused as error:
            if not _is_over(error):
                log.warning("phone_sentence_not_spoken", carrier=NAME, call_id=call_id, error=error.logged)
        finally:  # also when the host stops: nobody would be left to end the call
            self._spoken.pop(call_id, None)
            await self.hang_up(call_id)

    async def transfer(self, call_id: str, to: str) -> None:
        """Connect a call to another number, or refer it to a SIP address."""
        if to.startswith(("sip:", "sips:")):
            await self._act(call_id, "refer", {"sip_address": to})
        else:
            await self._act(call_id, "transfer", {"to": to})

    async def send_digits(self, call_id: str, digits: str) -> None:
        """Play telephone keys into a call."""
        await self._act(call_id, "send_dtmf", {"digits": digits})

    async def _act(self, call_id: str, action: str, body: Mapping[str, Any]) -> None:
        await self._send(f"/v2/calls/{quote(call_id, safe='')}/actions/{action}", body)

    async def _send(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._api.send("POST", path, body)
        except CarrierRefused as refused:
            code, title = _error_of(refused)
            described = f"Telnyx refused: {title} ({code})" if title else str(refused)
            raise CarrierRefused(described, refused.status or 0, refused.answer) from None

    async def aclose(self) -> None:
        """End requests under way, and close connections. Idempotent."""
        for task in self._requests:
            task.cancel()
        if self._requests:
            await asyncio.wait(self._requests)
        await self._api.aclose()


def make(settings: PhoneSettings, calls: PhoneCalls) -> TelnyxCarrier | None:
    """Create the carrier; None: `[phone.telnyx]` is not set."""
    return None if settings.telnyx is None else TelnyxCarrier(settings.telnyx, calls)


def _is_over(refused: CarrierRefused) -> bool:
    return _error_of(refused)[0] in _OVER


def _error_of(refused: CarrierRefused) -> tuple[str, str]:
    """Return code and title of the first error in Telnyx' answer."""
    errors = refused.answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return printable(str(first.get("code", "")), max_chars=20), printable(str(first.get("title", "")), max_chars=100)
