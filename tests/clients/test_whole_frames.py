"""The short way that whole messages take past the parser: nobody can tell that they did."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any
from unittest.mock import patch

import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from tests.fuzz.frames import CONTINUATION, broken, messages
from tests.fuzz.profile import inputs
from tests.fuzz.raw import BINARY, PING, TEXT, frame, upgrade
from voice_host.clients.transport import web_socket
from voice_host.clients.transport.asgi import FAST_PATH
from voice_host.clients.transport.frames import FrameTracker, framed, whole_messages
from voice_host.clients.transport.web_socket import FRAMES_PER_WINDOW, CallProtocol
from voice_host.testing.virtual_time import run_in_virtual_time

GOODBYE = "goodbye"  # of an odd length

microphone = st.binary(max_size=40).map(lambda pcm: frame(BINARY, pcm))


def _around(inner: bytes, opcode: int, fin: bool) -> list[bytes]:
    """A frame that holds another one, in two reads: the second looks like a whole frame of audio."""
    whole = frame(opcode, inner, fin=fin)
    return [whole[: -len(inner)], inner]


reads = st.one_of(
    microphone.map(lambda whole: [whole]),
    microphone.map(lambda whole: [whole]),
    st.builds(_around, microphone, st.sampled_from([TEXT, BINARY, CONTINUATION, PING]), st.booleans()),
    st.builds(lambda pcm: [frame(BINARY, pcm, fin=False)], st.binary(max_size=20)),
    st.builds(lambda pcm, fin: [frame(CONTINUATION, pcm, fin=fin)], st.binary(max_size=20), st.booleans()),
    st.builds(lambda whole, at: chopped(whole, [at]), microphone, st.integers(0, 40)),
    st.just([frame(TEXT, GOODBYE.encode())]),
    st.text(max_size=20).map(lambda text: [frame(TEXT, text.encode())]),
    messages.map(lambda whole: [whole]),
    broken.map(lambda whole: [whole]),
)
cuts = st.lists(st.integers(0, 1 << 20), max_size=12)


class Socket(asyncio.Transport):
    """The client's end of a connection in memory. Bytes wait in it while the host does not read."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.story: list[tuple[float, str, bytes]] = []
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = False

    async def take(self, protocol: CallProtocol, data: bytes) -> None:
        await self._reading.wait()
        if not self._closing:
            protocol.data_received(data)

    def note(self, what: str, data: bytes = b"") -> None:
        self.story.append((round(asyncio.get_running_loop().time(), 6), what, data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return NoSocket() if name == "socket" else super().get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def write(self, data: Any) -> None:
        self.note("wrote", bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.note("eof")

    def close(self) -> None:
        self.note("closed")
        self._closing = True
        self._reading.set()

    abort = close


class NoSocket:
    """What uvicorn asks of a connection's socket."""

    family = None

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    getpeername = getsockname


async def story(came: list[bytes], pause_s: float, max_size: int) -> list[tuple[float, str, bytes]]:
    """Return what a client's bytes lead to: what a call gets, and what the client gets, and when."""
    socket = Socket()

    def take(message: str | bytes) -> bool:
        """Take audio, and every other text."""
        if isinstance(message, bytes):
            socket.note("audio", message)
        elif not len(message) % 2:
            socket.note("taken", message.encode())
        return isinstance(message, bytes) or not len(message) % 2

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        scope["extensions"][FAST_PATH].divert(take)
        while (message := await receive())["type"] == "websocket.receive":
            socket.note("received", repr(message).encode())
            if message.get("text") == GOODBYE:
                await send({"type": "websocket.close", "code": 1000, "reason": ""})
                await asyncio.sleep(0.5)

    config = uvicorn.Config(
        application,
        ws=CallProtocol,
        ws_per_message_deflate=False,
        ws_max_size=max_size,
        lifespan="off",
        log_config=None,
    )
    config.load()
    protocol = CallProtocol(config, ServerState(), {})
    protocol.connection_made(socket)
    for read in came:
        await socket.take(protocol, read)
        await asyncio.sleep(pause_s)
    await asyncio.sleep(1)
    protocol.connection_lost(None)
    await asyncio.sleep(1)
    return socket.story


def chopped(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges) if end > start]


@given(
    frames=st.lists(reads, max_size=40),
    places=st.one_of(st.none(), cuts),
    pause_s=st.sampled_from([0, 0, 0.0004, 0.02]),
    max_size=st.sampled_from([30, 1 << 20, 1 << 20]),
)
@example([[frame(TEXT, GOODBYE.encode())], [frame(BINARY, b"late")]], None, 0.02, 1 << 20)
@inputs(300)
def test_no_client_can_tell_which_way_its_frames_took(
    frames: list[list[bytes]], places: list[int] | None, pause_s: float, max_size: int
) -> None:
    came = [upgrade("/"), *itertools.chain.from_iterable(frames)]
    if places is not None:
        came = chopped(b"".join(came), places)
    short = run_in_virtual_time(story(came, pause_s, max_size))
    with patch.object(web_socket, "whole_messages", lambda _: ()):
        parsed = run_in_virtual_time(story(came, pause_s, max_size))
    assert short == parsed


@pytest.mark.parametrize("together", [1, 2])
def test_a_microphone_takes_the_short_way_and_is_limited_as_ever(together: int) -> None:
    sent = [bytes([n % 256]) * 640 for n in range(5 * FRAMES_PER_WINDOW)]
    frames = [frame(BINARY, pcm) for pcm in sent]
    came = [b"".join(frames[start : start + together]) for start in range(0, len(frames), together)]
    taken: list[str | bytes] = []

    def counted(data: bytes) -> list[tuple[str | bytes, int]]:
        whole = list(whole_messages(data))
        taken.extend(message for message, _ in whole)
        return whole

    with patch.object(web_socket, "whole_messages", counted):
        told = run_in_virtual_time(story([upgrade("/"), *came], 0, 1 << 20))
    audio = [(at_s, data) for at_s, what, data in told if what == "audio"]
    assert [data for _, data in audio] == sent
    assert taken == sent
    for start in range(0, len(audio) - FRAMES_PER_WINDOW):
        assert audio[start + FRAMES_PER_WINDOW][0] - audio[start][0] >= 0.009


@given(frames=st.lists(st.one_of(microphone, messages), max_size=20), places=cuts)
@inputs(200)
def test_it_is_known_where_a_stream_is_between_two_frames(frames: list[bytes], places: list[int]) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    ends = {len(request)}
    for one in frames:
        ends.update(_ends(one, max(ends)))
    tracker, position = FrameTracker(), 0
    for read in chopped(b"".join([request, *frames]), places):
        tracker.follow(read)
        position += len(read)
        assert tracker.between_frames == (position in ends)


def _ends(frames: bytes, begin: int) -> list[int]:
    """Where the frames of a message end, as websockets reads them."""
    ends, at = [], 0

    def read(size: int) -> Any:
        nonlocal at
        at += size
        return frames[at - size : at]
        yield  # as a parser reads: never reached

    while at < len(frames):
        for _ in Frame.parse(read, mask=True):
            pass
        ends.append(begin + at)
    return ends


@given(
    st.one_of(st.binary(max_size=70_000), st.text(max_size=20_000)),
    st.binary(min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
@inputs(100)
def test_a_message_is_read_as_websockets_reads_it(message: str | bytes, mask: bytes, chance: random.Random) -> None:
    is_text = isinstance(message, str)
    data = message.encode() if isinstance(message, str) else message
    with patch("secrets.token_bytes", lambda _: mask):
        whole = Frame(Opcode.TEXT if is_text else Opcode.BINARY, data).serialize(mask=True)
    size = len(whole)
    read = [message] * 3 if len(data) < 1 << 16 else []
    assert list(whole_messages(whole * 3)) == list(zip(read, (size, 2 * size, 3 * size), strict=False))
    cut = whole * 2 + whole[: chance.randrange(1, size)]
    assert list(whole_messages(cut)) == list(zip(read, (size, 2 * size), strict=False))


@pytest.mark.parametrize(
    "other",
    [
        frame(TEXT, b"\xff is not UTF-8"),
        frame(TEXT, b"not final", fin=False),
        frame(BINARY, b"not final", fin=False),
        frame(BINARY, b"not masked", masked=False),
        frame(BINARY, b"compressed", reserved=4),
        frame(PING, b"ping"),
        frame(CONTINUATION, b"more"),
        b"",
        b"\x82",
        b"\x82\xff" + bytes(12),
    ],
)
def test_what_is_no_whole_message_is_left_to_the_parser(other: bytes) -> None:
    assert list(whole_messages(other)) == []
    audio = frame(BINARY, b"pcm")
    assert list(whole_messages(audio + other)) == [(b"pcm", len(audio))]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 160, 65_535, 65_536])
def test_a_message_is_written_as_websockets_writes_it(size: int) -> None:
    text, data = "é" * (size // 2) + "e" * (size % 2), b"\0" * size
    assert framed(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
    assert framed(data) == Frame(Opcode.BINARY, data).serialize(mask=False)
