"""A strict simulator of Vonage: its REST API on loopback, signed webhooks, and WebSockets that play in real time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulators.carrier import CarrierSimulator, StreamedCall, refused_status
from tests.simulators.phone_speaker import PhoneSpeaker
from tests.simulators.vonage_rules import (
    NCCO,
    UPDATE,
    Action,
    Connect,
    Dialled,
    Digits,
    HangUp,
    Refused,
    Stream,
    Talk,
    WebSocketEndpoint,
    parse,
)

BYTES_PER_S = 32000


class VonageSimulator(CarrierSimulator["VonageLine"]):
    """One application at Vonage.

    Args:
        key: of the application.
        public_url: of the host.

    Attributes:
        refusals: the requests and call control objects that were refused.
    """

    def __init__(self, key: rsa.RSAPrivateKey, public_url: str = "https://voice.example.com") -> None:
        super().__init__(
            Route("/v1/calls", self._dial, methods=["POST"]),
            Route("/v1/calls/{call}", self._update, methods=["PUT"]),
            Route("/v1/calls/{call}/dtmf", self._digits, methods=["PUT"]),
        )
        self.public_url = public_url
        self._key = key
        self.private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.application_id = str(uuid.uuid4())
        self.signature_secret = "signature-secret-of-the-whole-account"
        self.refusals: list[str] = []
        self.asks = True
        """Whether it asks what comes after a WebSocket."""
        self.authorization: str | None = None
        """Sent with WebSockets instead of what was asked for."""

    @asynccontextmanager
    async def call(self, to: str, from_: str = "15550199") -> AsyncIterator[VonageLine]:
        """Call a number of the application, and hang up. Numbers are without `+`."""
        line = self._line(from_, to)
        answer = await line.webhook("/phone/vonage/answer")
        await line.perform(NCCO.validate_json(answer.content))
        try:
            yield line
        finally:
            await line.hang_up()

    def _line(self, from_: str, to: str) -> VonageLine:
        line = VonageLine(self, str(uuid.uuid4()), from_, to)
        self.lines.append(line)
        return line

    def signed(self, body: bytes, *, secret: str | None = None, **claims: Any) -> dict[str, str]:
        """Return the headers of a webhook."""
        now_s = int(time.time())
        signed = {
            "iss": "Vonage",
            "iat": now_s,
            "jti": str(uuid.uuid4()),
            "api_key": "abcd1234",
            "application_id": self.application_id,
            "payload_hash": hashlib.sha256(body).hexdigest(),
            **claims,
        }
        token = jwt.encode(signed, secret or self.signature_secret, algorithm="HS256")
        return {"content-type": "application/json", "authorization": f"Bearer {token}"}

    async def deliver(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        """Send a request to the host, which is reached behind its public name."""
        return await self.post_to_host(self.public_url + path, body, headers)

    # --- the REST API -------------------------------------------------------------------------------------------------

    def _unauthorized(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], options={"require": ["iat", "exp", "jti"]}
            )
        except jwt.InvalidTokenError as error:
            return self._refuse(401, f"Unauthorized: {error}")
        return None if claims["application_id"] == self.application_id else self._refuse(401, "Unauthorized")

    async def _dial(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        try:
            fields = Dialled.model_validate_json(await request.body())
        except ValidationError as error:
            return self._refuse(400, str(error))
        line = self._line(fields.from_.number, fields.to[0].number)
        line.dialled = fields
        self.changed()
        return JSONResponse({"uuid": line.id, "status": "started", "direction": "outbound"}, 201)

    async def _update(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        line = self._known(request)
        try:
            update = UPDATE.validate_json(await request.body())
        except ValidationError as error:
            return self._refuse(400, str(error))
        if line is None:
            return self._refuse(404, "Not Found")
        if isinstance(update, HangUp):
            await line.hang_up(tell=False)
        else:
            self.spawn(line.continue_with(update.destination.ncco))
        return Response(status_code=204)

    async def _digits(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        line = self._known(request)
        try:
            digits = Digits.model_validate_json(await request.body()).digits
        except ValidationError as error:
            return self._refuse(400, str(error))
        if line is None:
            return self._refuse(404, "Not Found")
        line.done.append(("dtmf", digits))
        return JSONResponse({"message": "DTMF sent", "uuid": line.id})

    def _known(self, request: Request) -> VonageLine | None:
        line = self.find(request.path_params["call"])
        return None if line is None or line.over else line

    def _refuse(self, status: int, title: str) -> Response:
        self.refusals.append(f"{status} {title}")
        return JSONResponse({"type": "about:blank", "title": title}, status)


class VonageLine(StreamedCall):
    """One call.

    Attributes:
        speaker: what the caller hears of the agent.
        spoken: the sentences that the carrier itself has spoken, and the recordings that it has played.
        done: what was asked for otherwise.
        over: whether the call is over.
        stream_refused: the HTTP status with which the WebSocket was refused; None: it was not.
        errors: what was sent on the WebSocket that Vonage does not take.
    """

    def __init__(self, vonage: VonageSimulator, call_id: str, from_: str, to: str) -> None:
        super().__init__()
        self.id = call_id
        self._vonage = vonage
        self._from, self._to = from_, to
        self.speaker = PhoneSpeaker(BYTES_PER_S, self._notify)
        self.spoken: list[str] = []
        self.done: list[tuple[str, str]] = []
        self.over = False
        self.dialled: Dialled | None = None
        self.stream_refused: int | None = None
        self.errors: list[str] = []
        self._connect: Connect | None = None
        self._ours = False  # whether Vonage itself closed the WebSocket
        self._task: asyncio.Task[None] | None = None

    async def webhook(self, path: str, **fields: Any) -> Any:
        """Send a webhook about this call."""
        about = {"from": self._from, "to": self._to, "uuid": self.id, "conversation_uuid": f"CON-{self.id}", **fields}
        body = json.dumps(about).encode()
        return await self._vonage.deliver(path, body, self._vonage.signed(body))

    # --- the caller ---------------------------------------------------------------------------------------------------

    async def say(self, pcm: bytes) -> None:
        """Send the caller's audio: PCM16 at 16 kHz."""
        for begin in range(0, len(pcm), 640):
            await self.send_raw(pcm[begin : begin + 640])

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.send("dtmf", digit=digit, duration=260)

    async def hang_up(self, *, tell: bool = True) -> None:
        """Hang up. Does nothing if the call is over."""
        if self.over:
            return
        self.over = True
        self.changed()
        await self.close()
        if tell:
            await self.webhook("/phone/vonage/events", status="completed", direction="inbound")

    async def send(self, event: str, **fields: Any) -> None:
        """Send an event on the WebSocket."""
        await self.send_raw(json.dumps({"event": f"websocket:{event}", **fields}))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send anything on the WebSocket."""
        assert self._ws is not None, "there is no WebSocket"
        await self._ws.send(frame)

    async def pick_up(self) -> None:
        """Somebody answers an outbound call."""
        assert self.dialled is not None
        await self.progress("answered")
        await self.perform(self.dialled.ncco)

    async def progress(self, status: str, **fields: Any) -> None:
        """Report the status of an outbound call."""
        assert self.dialled is not None
        await self.webhook(urlsplit(self.dialled.event_url[0]).path, status=status, direction="outbound", **fields)

    # --- the carrier --------------------------------------------------------------------------------------------------

    async def perform(self, ncco: list[Action]) -> None:
        """Perform what a webhook was answered with. After the last action, the call is over."""
        for action in ncco:
            match action:
                case Talk(text=text):
                    self.spoken.append(text)
                case Stream(stream_url=urls):
                    self.spoken.append(urls[0])
                case Connect():
                    self._connect = action
                    self._task = self._vonage.spawn(self._run(action))
                    return
        await self.hang_up()

    def connecting(self) -> connect:
        """Return a connection to the WebSocket of the host."""
        assert self._connect is not None
        [endpoint] = self._connect.endpoint
        assert isinstance(endpoint, WebSocketEndpoint)
        authorization = None if endpoint.authorization is None else endpoint.authorization.value
        authorization = self._vonage.authorization or authorization
        headers = {} if authorization is None else {"authorization": authorization}
        return self._vonage.connecting(endpoint.uri, headers)

    async def open_second_stream(self) -> int | None:
        """Open another WebSocket at the same address. Returns the HTTP status with which it is refused."""
        return await refused_status(self.connecting())

    async def continue_with(self, ncco: list[Action]) -> None:
        """Perform other actions than before, at the request of the host."""
        [action] = ncco
        if isinstance(action, Connect):
            self.done.append(("transfer", str(action)))
            await self.close()
        else:
            await self.perform(ncco)

    async def _run(self, action: Connect) -> None:
        status = "disconnected"
        try:
            async with self.connecting() as self._ws:
                self.changed()
                for frame in self._vonage.first:
                    await self._ws.send(frame)
                if self._vonage.begins:
                    await self.send("connected", **{"content-type": "audio/l16;rate=16000", **self._vonage.start})
                async with asyncio.TaskGroup() as tasks:
                    playing = tasks.create_task(self.speaker.run())
                    await self._listen(self._ws)
                    playing.cancel()
        except InvalidStatus as refused:
            self.stream_refused = refused.response.status_code
            status = "failed"
        if self.over or self._ours:
            return
        if not self._vonage.asks:
            return
        if action.event_type == "synchronous" and action.event_url is not None:
            answer = await self.webhook(urlsplit(action.event_url[0]).path, status=status)
            if not self.over:
                await self.perform(NCCO.validate_json(answer.content) if answer.content else [])
        else:
            await self.hang_up()

    async def _listen(self, ws: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for raw in ws:
                try:
                    item = parse(raw)
                except Refused as refused:
                    self.errors.append(str(refused))
                    continue
                if isinstance(item, bytes):
                    self.speaker.add(item)
                elif item["action"] == "notify":
                    self.speaker.add(json.dumps(item["payload"]))
                else:
                    for payload in self.speaker.clear():
                        await self._notify(payload)
                    await self.send("cleared")

    async def _notify(self, payload: str) -> None:
        with suppress(ConnectionClosed):
            await self.send("notify", payload=json.loads(payload))

    async def close(self) -> None:
        """Close the WebSocket."""
        self._ours = True
        if self._ws is not None:
            await self._ws.close()

    def cancel(self) -> None:
        """End what still runs."""
        if self._task is not None:
            self._task.cancel()
