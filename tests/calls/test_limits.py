"""Clients that take or send too much, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection, connect

from tests.calls.client import calling
from tests.calls.studio import serving, studio
from tests.calls.test_endings import Recorder
from tests.simulators.waiting import Observable
from voice_host.admission import client_guard
from voice_host.call.heard import SKIPPED
from voice_host.clients.transport import web_socket
from voice_host.clients.transport.web_socket import WRITE_BUFFER_BYTES, CallProtocol
from voice_host.conversation.history import SKIPPED_MARK
from voice_host.settings import LimitsSettings
from voice_host_sdk import AgentConfig, SilenceConfig, TurnConfig


class Counted:
    """How often a limit was exceeded since the test began."""

    def __init__(self, agent: str = "desk") -> None:
        self._agent = agent
        self._before: dict[str, float] = {}

    def __getitem__(self, limit: str) -> float:
        return self._now(limit) - self._before.get(limit, 0.0)

    def begin(self) -> None:
        names = [*LimitsSettings.model_fields, "audio_burst_s"]
        self._before = {limit: self._now(limit) for limit in names}

    def _now(self, limit: str) -> float:
        labels = {"agent": self._agent, "limit": limit}
        return REGISTRY.get_sample_value("voice_host_limits_exceeded_total", labels) or 0.0


@pytest.fixture
def counted() -> Counted:
    counted = Counted()
    counted.begin()
    return counted


@pytest.mark.fault("caller: audio faster than real time")
async def test_audio_faster_than_real_time_is_dropped_and_told_and_the_call_goes_on(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_guard, "AUDIO_BURST_S", 0.5)
    async with studio() as s, calling(s.url) as caller:
        await caller.expect("ready")
        for _ in range(100):
            await caller.ws.send(bytes(3200))
        error = await caller.expect("error", code="over_limit")
        assert "real time" in error["message"]
        assert not error["fatal"]
        await caller.send("ping")
        await caller.expect("pong")
        assert 90 <= counted["audio_burst_s"] <= 95
        assert len(caller.all("error")) == 1


@pytest.mark.fault("caller: audio faster than real time")
async def test_audio_for_ever_closes_the_call(counted: Counted) -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder) as s, calling(s.url) as caller:
        with suppress(Exception):
            while caller.closed is None:
                await caller.ws.send(bytes(200_000))
        assert await caller.ended() == (4429, "over a limit: audio_burst_s")
        assert caller.all("error")[-1]["fatal"]
    assert recorder.seen[-1] == ("destroyed", "ended")


REPORT = '{"type": "playback", "reply": 1, "played_ms": 20}'


@pytest.mark.fault("caller: floods JSON")
@pytest.mark.parametrize("message", ['{"type": "ping"}', REPORT], ids=["ping", "playback"])
async def test_a_flood_of_json_is_told_once_then_ignored(message: str, counted: Counted) -> None:
    async with studio(limits=LimitsSettings(messages_per_s=1)) as s, calling(s.url) as caller:
        await caller.expect("ready")
        for _ in range(30):
            await caller.ws.send(message)
        await caller.expect("error", code="over_limit")
        await caller.ws.send(bytes(640))
        await caller.ws.ping()
        assert len(caller.all("pong")) <= 4
        assert len(caller.all("error")) == 1
        assert counted["messages_per_s"] >= 25


@pytest.mark.fault("caller: floods JSON")
@pytest.mark.parametrize("message", ['{"type": "cancel"}', REPORT], ids=["cancel", "playback"])
async def test_a_flood_of_json_that_does_not_end_closes_the_call(message: str) -> None:
    async with studio(limits=LimitsSettings(messages_per_s=1)) as s, calling(s.url) as caller:
        with suppress(Exception):
            for _ in range(500):
                await caller.ws.send(message)
        assert await caller.ended() == (4429, "over a limit: messages_per_s")


@pytest.mark.fault("caller: message too long")
async def test_what_is_too_long_is_ignored_and_said(counted: Counted) -> None:
    async with studio(limits=LimitsSettings(max_typed_chars=10, max_json_bytes=256)) as s, calling(s.url) as caller:
        s.llm.reply("Fine.")
        await caller.type("x" * 11)
        assert "10 characters" in (await caller.expect("error", code="over_limit"))["message"]
        await caller.type("x" * 300)
        assert "256 bytes" in (await caller.expect("error", code="over_limit", count=2))["message"]
        await caller.type("short")
        await caller.expect("chat", text="Fine.")
        assert len(caller.all("turn")) == 1
        assert (counted["max_typed_chars"], counted["max_json_bytes"]) == (1, 1)


@pytest.mark.fault("caller: malformed messages", "caller: binary garbage")
@pytest.mark.parametrize("junk", ["\x00" * 100, "[" * 60_000, '{"type":' * 1000, "null", '"\\ud800"', "{}"])
async def test_garbage_is_answered_and_the_call_goes_on(junk: str) -> None:
    async with studio() as s, calling(s.url) as caller:
        await caller.ws.send(junk)
        await caller.expect("error", code="bad_message")
        await caller.ws.send(b"\xff\x00\x80" * 7)
        await caller.ws.send(b"")
        await caller.send("ping")
        await caller.expect("pong")


@pytest.mark.fault("caller: huge frame")
async def test_a_huge_frame_closes_a_handler_mounted_elsewhere(counted: Counted) -> None:
    async with studio(limits=LimitsSettings(max_frame_bytes=1024)) as s, calling(s.url) as caller:
        await caller.ws.send(bytes(1025))
        assert await caller.ended() == (4429, "over a limit: max_frame_bytes")
        assert counted["max_frame_bytes"] == 1


async def test_too_much_metadata_begins_no_session(counted: Counted) -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder, limits=LimitsSettings(max_metadata_bytes=100)) as s:
        async with calling(f"{s.url}?x={'y' * 100}") as caller:
            assert await caller.ended() == (4429, "the query is too long")
        assert recorder.seen == []
        assert counted["max_metadata_bytes"] == 1
        async with calling(f"{s.url}?x={'y' * 90}") as caller:
            await caller.expect("ready")


async def test_the_platforms_length_of_a_call_counts_where_it_is_shorter() -> None:
    config = AgentConfig(silence=SilenceConfig(max_call_s=None))
    async with studio(config, limits=LimitsSettings(max_call_s=0.2)) as s, calling(s.url) as caller:
        assert await caller.ended() == (1000, "the call reached its maximum length")


# --- clients that take nothing ------------------------------------------------------------------------------------


WATCH = Observable()
CONNECTED: set[Watched] = set()


class Watched(CallProtocol):
    """uvicorn's protocol as the host runs it, with a small socket. It is in `CONNECTED` until its socket is closed."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        CONNECTED.add(self)

        self.speech_waits = False
        self.pings = 0

    def handle_ping(self) -> None:
        super().handle_ping()
        self.pings += 1
        WATCH.changed()

    async def send(self, message: Any) -> None:
        if message.get("bytes") and not self.writable.is_set():
            self.speech_waits = True
            WATCH.changed()
        await super().send(message)
        self.speech_waits = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        CONNECTED.discard(self)
        WATCH.changed()


@asynccontextmanager
async def deaf_client(url: str) -> AsyncIterator[ClientConnection]:
    """A client that connects, and then leaves all it is sent in its socket, which is small."""
    address = url.removeprefix("ws://").partition("/")[0]
    host, port = address.split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    ws = await connect(url, sock=sock, compression=None, max_queue=1, ping_interval=None, close_timeout=0.1)
    try:
        yield ws
    finally:
        ws.transport.abort()


LONG = AgentConfig(greeting="word " * 120, turns=TurnConfig(playout_lead_ms=5000))


@pytest.mark.fault("caller: takes nothing")
async def test_a_client_that_does_not_read_is_given_up_and_its_socket_is_freed(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_socket, "CLOSE_TIMEOUT_S", 0.1)
    recorder = Recorder()
    async with studio(LONG, callbacks=recorder, resume_grace_s=0, limits=LimitsSettings(send_timeout_s=0.3)) as s:
        async with serving(_app(s), ws=Watched) as address, deaf_client(f"ws://{address}/session"):
            await s.until(lambda _: bool(s.leaks), 10)  # the call is over
            await WATCH.until(lambda _: not CONNECTED, 10)  # and so is the connection
        assert recorder.seen[-1] == ("destroyed", "lost")
        assert counted["send_timeout_s"] == 1
        assert s.leaks == [[]]


BYTES_PER_S = 48_000
DISTINCT = AgentConfig(greeting=" ".join(f"b{first}{last}" for first in "aeiou" for last in "bdfglmnprst"))
"""55 words, which make 2.2 s of speech: each lasts 40 ms."""


def skipped_s() -> float:
    return REGISTRY.get_sample_value("voice_host_speech_skipped_seconds_total", {"agent": "desk"}) or 0.0


@pytest.mark.fault("caller: reads slowly")
async def test_a_client_that_stalls_goes_on_in_real_time_and_what_it_missed_is_counted(
    counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    before_s = skipped_s()
    async with (
        studio(DISTINCT, limits=LimitsSettings(max_lag_s=0.3)) as s,
        serving(_app(s), ws=Watched) as address,
        deaf_client(f"ws://{address}/session") as ws,
    ):
        [protocol] = CONNECTED
        await WATCH.until(lambda _: protocol.speech_waits, 10)
        held = protocol.transport.get_write_buffer_size()
        assert held < WRITE_BUFFER_BYTES + 0.25 * BYTES_PER_S  # and one frame
        await asyncio.sleep(0.8)  # the stall: longer than the lead and the tolerance together
        greeting = await until_over(ws, 1)
        missed_s = skipped_s() - before_s
        assert missed_s > 0.3
        assert len(greeting) / BYTES_PER_S + missed_s == pytest.approx(2.2)
        told = [record.__dict__["skipped_s"] for record in caplog.records if record.message == "speech_skipped"]
        assert sum(told) == pytest.approx(missed_s, abs=0.01 * len(told))

        s.llm.reply("Now it is fine.")
        await ws.send(json.dumps({"type": "text", "text": "Are you there?"}))
        answer = await until_over(ws, 2)
        assert answer
        assert len(answer) / BYTES_PER_S + skipped_s() - before_s - missed_s == pytest.approx(4 * 0.04)
        said = (await s.llm.request(0)).messages[-2]["content"]
    assert SKIPPED in said
    assert said.endswith(SKIPPED_MARK)
    words = said.removesuffix(SKIPPED_MARK).replace(SKIPPED, " ").split()
    assert words == [word for word in DISTINCT.greeting.split() if word in words]
    assert len(words) * 0.04 * BYTES_PER_S <= len(greeting)
    assert counted["send_timeout_s"] == 0


async def test_answers_to_the_pings_of_a_client_that_takes_nothing_do_not_pile_up() -> None:
    async with (
        studio(LONG) as s,
        serving(_app(s), ws=Watched) as address,
        deaf_client(f"ws://{address}/session") as ws,
    ):
        [protocol] = CONNECTED
        await WATCH.until(lambda _: protocol.speech_waits, 10)
        held = protocol.transport.get_write_buffer_size()
        for number in range(200):
            await ws.ping(f"{number:125}")
        await WATCH.until(lambda _: protocol.pings == 200, 10)
        assert protocol.transport.get_write_buffer_size() <= held


async def until_over(ws: ClientConnection, reply: int) -> bytes:
    """Take what comes until a reply is played to its end, and return the speech."""
    audio = b""
    async with asyncio.timeout(15):
        while True:
            frame = await ws.recv()
            if isinstance(frame, bytes):
                audio += frame
            elif (message := json.loads(frame))["type"] == "metrics" and message["reply"] == reply:
                return audio


@pytest.mark.fault("caller: half-open")
async def test_a_half_open_client_is_found_by_its_ping_although_its_socket_is_full() -> None:
    recorder = Recorder()
    async with studio(LONG, callbacks=recorder, resume_grace_s=0, limits=LimitsSettings(send_timeout_s=60)) as s:
        options: dict[str, Any] = {"ws": Watched, "ws_ping_interval": 0.1, "ws_ping_timeout": 0.3}
        async with serving(_app(s), **options) as address, deaf_client(f"ws://{address}/session"):
            await s.until(lambda _: bool(s.leaks), 10)
            assert not CONNECTED
        assert recorder.seen[-1] == ("destroyed", "lost")


def _app(s: Any) -> Any:
    from fastapi import FastAPI

    app = FastAPI()
    app.add_api_websocket_route("/session", s.handle)
    return app
