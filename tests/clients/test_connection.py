"""A client's connection: what a call sends through it, in which order, and what counts as gone."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tests.clients.telephone import TelephoneProtocol
from voice_host.call.events import ReplyCut, ReplyText, SpeechSent
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import (
    Admit,
    Audio,
    ClientEvent,
    Dtmf,
    Frame,
    Handshake,
    Malformed,
    Opening,
    Played,
    unlimited,
)
from voice_host.clients.telnyx import TelnyxProtocol
from voice_host.clients.transport import ConnectionLost, Disconnected
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import MAX_TEXT_AT_ONCE, ClientConnection, OpeningFailed
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host.testing import in_virtual_time

TEXT = '{"type": "reply_delta", "reply": 1, "text": "one"}'
CANCELLED = '{"type": "cancelled", "reply": 1, "heard": ""}'


@dataclass
class Client:
    """A transport whose client takes frames when it is `open`, and has `says` to say."""

    says: list[Frame | Disconnected] = field(default_factory=list)
    query: Mapping[str, str] = field(default_factory=dict)
    got: list[Frame] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    query_size: int = 0
    client_host: str | None = None
    subprotocols: Sequence[str] = ()

    async def accept(self, subprotocol: str | None) -> None:
        self.open.set()

    def send_now(self, frames: Sequence[Frame]) -> bool:
        if self.open.is_set():
            self.got.extend(frames)
        return self.open.is_set()

    async def send(self, frame: Frame) -> None:
        await self.open.wait()
        self.got.append(frame)

    async def receive(self) -> Frame | Disconnected:
        return self.says.pop(0) if self.says else await asyncio.get_running_loop().create_future()

    def divert(self, take: Callable[[Frame], bool]) -> None:
        self.take = take

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@dataclass
class Reply:
    alive: bool = True


@in_virtual_time
async def test_frames_wait_in_order_and_none_of_a_dead_reply_follows_its_end() -> None:
    client, reply = Client(), Reply()
    connection = ClientConnection(client, VoiceHostV1(), send_timeout_s=5)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.tell(ReplyText(1, "one"), reply))
        await asyncio.sleep(0.1)
        tasks.create_task(connection.tell(ReplyText(1, " two"), reply))
        await asyncio.sleep(0.1)
        reply.alive = False
        tasks.create_task(connection.tell(ReplyCut(1, "")))
        await asyncio.sleep(0.1)
        client.open.set()
        tasks.create_task(connection.speak(1, b"\0\0", reply))
    # The first was with the client already. What waited behind it is of a reply that is dead by now.
    assert client.got == [TEXT, CANCELLED]


@in_virtual_time
async def test_what_can_be_sent_at_once_does_not_overtake_what_waits() -> None:
    client, reply = Client(), Reply()
    connection = ClientConnection(client, VoiceHostV1(), send_timeout_s=5)
    waiting = asyncio.create_task(connection.tell(ReplyText(1, "one"), reply))
    await asyncio.sleep(0.1)
    client.open.set()  # and whoever waits has not run yet
    await connection.tell(ReplyCut(1, ""))
    await waiting
    assert client.got == [TEXT, CANCELLED]


@in_virtual_time
async def test_a_client_that_takes_nothing_is_gone() -> None:
    client, reply, stalled = Client(), Reply(), []
    connection = ClientConnection(client, VoiceHostV1(), send_timeout_s=5)
    connection.on_stalled = lambda: stalled.append(asyncio.get_running_loop().time())
    began_s = asyncio.get_running_loop().time()
    await connection.tell(ReplyText(1, "one"), reply)
    assert stalled == [pytest.approx(began_s + 5)]
    client.open.set()
    await connection.tell(ReplyText(1, "two"), reply)
    await connection.close(CloseCode.ENDED)
    assert (client.got, client.closed) == ([], None)


async def test_audio_in_text_is_taken_as_it_arrives_unless_an_earlier_message_is_being_handled() -> None:
    start, key = json.dumps({"event": "start", "stream": "S1"}), {"event": "dtmf", "stream": "S1", "digit": "5"}
    client = Client(says=[start, json.dumps(key)])
    connection = ClientConnection(client, TelephoneProtocol(), send_timeout_s=5)
    assert isinstance(await connection.opening(1000), Opening)
    taken: list[tuple[bytes, int]] = []
    connection.divert(lambda audio, frame_size: taken.append((audio, frame_size)))
    media = json.dumps({"event": "media", "stream": "S1", "payload": base64.b64encode(b"\xff\x7f").decode()})
    assert not client.take(media)  # nobody receives yet
    handled = await connection.receive()
    assert isinstance(handled, str)
    assert connection.read(handled) == [Dtmf("5")]
    assert not client.take(media)  # what the key leads to is still being done
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    assert client.take(media)
    assert taken == [(b"\xff\x7f", len(media))]
    for other in (json.dumps(key), "{", json.dumps({"event": "media", "stream": "S2", "payload": ""})):
        assert not client.take(other)
        assert connection.read(other) != []  # it is parsed as if it had not been offered
    assert not client.take(
        json.dumps({"event": "media", "stream": "S1", "payload": "", "more": "x" * MAX_TEXT_AT_ONCE})
    )
    assert len(taken) == 1
    reading.cancel()


@in_virtual_time
async def test_a_frame_that_holds_nothing_waits_for_its_turn_where_it_counts_as_a_message() -> None:
    details = {"call_control_id": "v3:call", "media_format": {"encoding": "PCMU"}}
    client = Client(says=[json.dumps({"event": "start", "stream_id": "s", "start": details})])
    connection = ClientConnection(client, TelnyxProtocol("v3:call"), send_timeout_s=5)
    assert isinstance(await connection.opening(4096), Opening)
    connection.divert(lambda *_: None)
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    media = {"chunk": "1", "timestamp": "0", "payload": ""}
    assert not client.take(json.dumps({"event": "media", "stream_id": "s", "media": {**media, "track": "outbound"}}))
    assert client.take(json.dumps({"event": "media", "stream_id": "s", "media": {**media, "track": "inbound"}}))
    reading.cancel()


@in_virtual_time
async def test_reports_of_what_was_played_are_taken_as_they_arrive_unless_they_are_wrong() -> None:
    client = Client(says=[json.dumps({"event": "start", "stream": "S1"})])
    connection = ClientConnection(client, TelephoneProtocol(), send_timeout_s=5)
    assert isinstance(await connection.opening(1000), Opening)
    noted: list[tuple[Played, Frame]] = []
    connection.divert(lambda *_: None, lambda played, frame: noted.append((played, frame)))
    mark = json.dumps({"event": "mark", "stream": "S1", "name": "1:160"})
    assert not client.take(mark)  # nobody receives yet
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    assert client.take(mark)
    assert noted == [(Played(1, 20.0), mark)]
    for other in ({"stream": "S2"}, {"name": "1"}, {"event": "dtmf", "digit": "1"}):
        assert not client.take(json.dumps({"event": "mark", "stream": "S1", "name": "1:160", **other}))
    assert len(noted) == 1
    reading.cancel()


class Truncating(VoiceHostV1):
    """A protocol that asks about nothing, and whose client tells where it has stopped."""

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        return (Played(1, 20.0, stopped=frame == "stopped"),)


@in_virtual_time
async def test_where_a_client_has_stopped_is_no_report_that_is_taken_as_it_arrives() -> None:
    client = Client()
    connection = ClientConnection(client, Truncating(), send_timeout_s=5)
    noted: list[Played] = []
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    connection.divert(lambda *_: None)
    assert not client.take("played")  # nobody notes it
    connection.divert(lambda *_: None, lambda played, _: noted.append(played))
    assert client.take("played")
    assert not client.take("stopped")
    assert noted == [Played(1, 20.0)]
    reading.cancel()


class DeadSocket:
    client_state = WebSocketState.CONNECTED
    scope: Mapping[str, Any] = {"query_string": b""}

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked = 0

    async def send(self, frame: Any) -> None:
        self.asked += 1
        raise self._error

    async def close(self, code: int, reason: str) -> None:
        self.asked += 1
        raise self._error


ERRORS = [
    WebSocketDisconnect(1006),
    BrokenPipeError(),
    RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_whatever_a_server_raises_for_a_lost_connection_means_that_the_client_is_gone(error: Exception) -> None:
    def connected(socket: DeadSocket) -> ClientConnection:
        return ClientConnection(AsgiWebSocket(cast(WebSocket, socket)), VoiceHostV1(), send_timeout_s=5)

    sending, closing = DeadSocket(error), DeadSocket(error)
    connection = connected(sending)
    for _ in range(3):
        await connection.tell(ReplyText(1, "one"))
    await connection.close(CloseCode.ENDED)
    assert sending.asked == 1
    await connected(closing).close(CloseCode.ENDED)
    assert closing.asked == 1


# --- clients that introduce themselves in a message -------------------------------------------------------------------


MAX_BYTES = 100


class Introduced(VoiceHostV1):
    """A protocol whose client begins with `start`."""

    def connected(self, _: Any) -> tuple[()]:
        return ()

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Any:
        return (Opening({"name": "Ada"}),) if frame == "start" else super().receive(frame, admit)


def introduced(*says: Frame | Disconnected) -> tuple[ClientConnection, Client]:
    client = Client(list(says))
    return ClientConnection(client, Introduced(), send_timeout_s=5), client


@in_virtual_time
async def test_a_client_may_introduce_itself_after_it_was_accepted() -> None:
    connection, client = introduced('{"type": "ping"}', "start", b"\0\0")
    await connection.accept()
    assert await connection.opening(MAX_BYTES) == Opening({"name": "Ada"})
    assert client.got == ['{"type": "pong"}']
    assert connection.read(cast(Frame, await connection.receive())) == [Audio(b"\0\0")]


@in_virtual_time
async def test_a_client_that_does_not_introduce_itself_is_refused_with_words() -> None:
    silent, _ = introduced()
    with pytest.raises(OpeningFailed, match="in time"):
        await silent.opening(MAX_BYTES)
    talkative, _ = introduced(*[b"\0\0"] * 100)
    with pytest.raises(OpeningFailed, match="too much"):
        await talkative.opening(MAX_BYTES)
    nonsense, _ = introduced("{")
    with pytest.raises(OpeningFailed, match="JSON"):
        await nonsense.opening(MAX_BYTES)
    large, _ = introduced("x" * (MAX_BYTES + 1), "start")
    with pytest.raises(OpeningFailed, match="too long") as failed:
        await large.opening(MAX_BYTES)
    assert failed.value.limit == "max_metadata_bytes"
    gone, _ = introduced(Disconnected(on_purpose=False))
    assert await gone.opening(MAX_BYTES) == Disconnected(on_purpose=False)


async def test_a_lost_connection_is_lost_while_it_is_accepted_too() -> None:
    class Lost(Client):
        async def accept(self, subprotocol: str | None) -> None:
            raise ConnectionLost

    client = Lost()
    connection = ClientConnection(client, VoiceHostV1(), send_timeout_s=5)
    await connection.accept()
    await connection.tell(ReplyText(1, "one"))
    assert client.got == []


async def test_all_of_a_reply_is_sent_and_nothing_of_one_that_was_cut() -> None:
    client, connection = await telephoning()
    loud = struct.pack("<h", 8000) * 2400  # 0.1 s
    for _ in range(10):
        await connection.speak(1, loud, Reply())
    await connection.tell(SpeechSent(1))
    assert len(played(client)) == 8000

    await connection.speak(2, loud, Reply())
    await connection.tell(ReplyCut(2, ""))
    client.got.clear()
    await connection.speak(3, bytes(4800), Reply())
    await connection.tell(SpeechSent(3))
    assert played(client) == b"\xff" * 800  # silence


async def test_the_end_of_a_reply_that_was_cut_is_not_sent() -> None:
    client, connection = await telephoning()
    await connection.speak(1, bytes(4800), Reply())
    sent = len(played(client))
    await connection.tell(SpeechSent(1), Reply(alive=False))
    assert len(played(client)) == sent < 800


async def telephoning() -> tuple[Client, ClientConnection]:
    client, telephone = Client(), TelephoneProtocol()
    client.open.set()
    telephone.receive('{"event": "start", "stream": "S1"}')
    connection = ClientConnection(client, telephone, send_timeout_s=5)
    await connection.use_rates(microphone_hz=16000, speech_hz=24000)
    return client, connection


def played(client: Client) -> bytes:
    frames = [json.loads(frame) for frame in client.got]
    return b"".join(base64.b64decode(frame["payload"]) for frame in frames if frame["event"] == "media")


@in_virtual_time
async def test_unknown_messages_before_the_call_are_reported_when_it_has_begun() -> None:
    details = {"call_control_id": "v3:call", "media_format": {"encoding": "PCMU"}}
    start = json.dumps({"event": "start", "stream_id": "s", "start": details})
    client = Client(says=['{"event": "tuning"}', start])
    connection = ClientConnection(client, TelnyxProtocol("v3:call"), send_timeout_s=5)
    assert isinstance(await connection.opening(4096), Opening)
    key = json.dumps({"event": "dtmf", "stream_id": "s", "dtmf": {"digit": "1"}})
    unknown = Malformed("Telnyx sent an unknown event", unknown=True)
    assert connection.read(key) == [unknown, Dtmf("1")]
    assert connection.read(key) == [Dtmf("1")]


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_a_client_that_would_have_said_goodbye_is_lost_if_it_just_closes(says_goodbye: bool) -> None:
    class Polite(VoiceHostV1):
        def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
            return (Opening(says_goodbye=says_goodbye),)

    connection = ClientConnection(Client(says=[Disconnected(on_purpose=True)]), Polite(), send_timeout_s=5)
    await connection.opening(MAX_BYTES)
    assert await connection.receive() == Disconnected(on_purpose=not says_goodbye)
