"""What a worker can do to the speech process, and to the other workers: nothing."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.speech.embedded.process.engines import SECRET, Served, served, until
from voice_host.auth.agent_key import agent_key
from voice_host.speech.embedded.process import server as server_module
from voice_host.speech.embedded.process.client import RemoteRecogniser, RemoteSynthesiser
from voice_host.speech.embedded.process.wire import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    VERSION,
    Answer,
    Hello,
    Request,
    Task,
    frame,
    read_frame,
)
from voice_host.speech.local_service import CannotWork
from voice_host_sdk import ProviderError

HELLO = frame(Hello(version=VERSION, agent_id="rogue", key=agent_key(SECRET, "rogue")))


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as process:
        yield process


@pytest.fixture
async def other(process: Served) -> AsyncIterator[RemoteRecogniser]:
    """The recogniser of another agent's worker, connected before."""
    recogniser = RemoteRecogniser(process.address("other"))
    assert await recogniser.recognise(b"before") == "before"
    yield recogniser
    await recogniser.aclose()


class Rogue:
    """A worker's connection, used by the worker's own code."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, number: int, do: Task, payload: bytes = b"") -> None:
        self.writer.write(frame(Request(id=number, do=do), payload))

    async def answer(self) -> Answer | None:
        found = await read_frame(self.reader, Answer, header_bytes=10_000, payload_bytes=MAX_ANSWER_BYTES)
        return found[0] if found else None


Connect = Callable[..., Awaitable[Rogue]]


@pytest.fixture
async def connect(process: Served) -> AsyncIterator[Connect]:
    """Connects rogues: `connect()` says it is of the agent `rogue`, `connect(data)` sends something else."""
    rogues: list[Rogue] = []

    async def connect(hello: bytes = HELLO) -> Rogue:
        rogue = Rogue(*await asyncio.open_unix_connection(process.path))
        rogues.append(rogue)
        rogue.writer.write(hello)
        return rogue

    yield connect
    for rogue in rogues:
        rogue.writer.close()


async def test_it_recognises_and_speaks(process: Served) -> None:
    recogniser, synthesiser = RemoteRecogniser(process.address("a")), RemoteSynthesiser(process.address("a"))
    assert await recogniser.preview(b"not connected yet") is None
    await recogniser.warm()
    await synthesiser.warm()
    assert await recogniser.recognise(b"hello") == "hello"
    assert await recogniser.preview(b"hel") == "hel"
    said = [sentence async for sentence in synthesiser.speak("Good morning")]
    assert [(one.text, one.pcm, list(one.word_starts)) for one in said] == [
        ("Good", b"\1\2", [0]),
        ("morning", b"\1\2", [0]),
    ]
    await recogniser.aclose()
    await synthesiser.aclose()
    with pytest.raises(ProviderError) as closed:
        await recogniser.recognise(b"")
    assert (closed.value.code, closed.value.retryable) == ("stt_closed", False)


BAD = {
    "nothing": b"",
    "noise": bytes(range(64)) * 10,
    "a header without end": struct.pack("!II", 2**32 - 1, 0),
    "a payload without end": HELLO + struct.pack("!II", 20, 2**32 - 1),
    "too long a recording": HELLO + struct.pack("!II", 20, MAX_REQUEST_BYTES + 1),
    "no JSON": HELLO + struct.pack("!II", 3, 0) + b"{a}",
    "another request": HELLO + struct.pack("!II", 19, 0) + b'{"id":1,"do":"run"}',
    "an endless number": HELLO + struct.pack("!II", 28, 0) + b'{"id":1e999,"do":"recognise"}'[:28],
    "a text that is too long": HELLO + frame(Request(id=1, do="speak"), b"a" * 401),
    "a text that is no text": HELLO + frame(Request(id=1, do="speak"), b"\xff"),
    "an id twice": HELLO + frame(Request(id=1, do="recognise"), b"x") * 2,
    "a wrong key": frame(Hello(version=VERSION, agent_id="other", key=agent_key(SECRET, "rogue"))),
    "half a frame": HELLO + struct.pack("!II", 20, 20) + b"{",
}


@pytest.mark.parametrize("name", BAD)
async def test_nonsense_ends_its_connection_alone(
    process: Served, connect: Connect, other: RemoteRecogniser, name: str
) -> None:
    if name == "an id twice":
        process.recogniser.may_work.clear()
    rogue = await connect(BAD[name])
    if rogue.writer.can_write_eof() and name in ("nothing", "half a frame"):
        rogue.writer.write_eof()
    with suppress(ConnectionError):
        assert await rogue.answer() is None
    process.recogniser.may_work.set()
    assert await other.recognise(b"after") == "after"


async def test_who_says_nothing_is_disconnected(
    process: Served, connect: Connect, other: RemoteRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HELLO_TIMEOUT_S", 0.05)
    rogue = await connect(b"")
    assert await rogue.answer() is None
    assert await other.recognise(b"after") == "after"


async def test_many_who_say_nothing_keep_nobody_out(process: Served, connect: Connect) -> None:
    rogues = [await connect(b"") for _ in range(server_module.MAX_STRANGERS + 10)]
    recogniser = RemoteRecogniser(process.address("other"))
    assert await recogniser.recognise(b"hello") == "hello"
    assert await rogues[0].answer() is None
    await recogniser.aclose()


async def test_an_agent_cannot_have_any_number_of_connections(
    process: Served, connect: Connect, other: RemoteRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    rogues = [await connect() for _ in range(3)]
    for rogue in rogues:
        rogue.ask(1, "recognise", b"one of three")
        assert (await rogue.answer()) is not None
    assert await (await connect()).answer() is None
    assert await other.recognise(b"after") == "after"


async def test_another_version_is_told_so(process: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.speech.embedded.process.client.VERSION", VERSION + 1)
    recogniser = RemoteRecogniser(process.address("old"))
    with pytest.raises(CannotWork) as refused:
        await recogniser.warm()
    assert not refused.value.retryable
    assert "another version of voice-host. Deploy it again." in refused.value.problem


async def test_a_flood_of_one_agent_delays_nobody_else(
    process: Served, connect: Connect, other: RemoteRecogniser
) -> None:
    """It gets two of three threads, what it may queue is queued, and the rest is refused."""
    process.recogniser.may_work.clear()
    flood = await connect()
    for number in range(1, 400):
        flood.ask(number, "recognise", b"flood")
    refused = [answer.failure for _ in range(399 - 2 - 16) if (answer := await flood.answer())]
    assert {failure.code for failure in refused if failure} == {"stt_busy"}
    assert process.recogniser.began.count("flood") == 2
    waits = asyncio.create_task(other.recognise(b"a caller"))
    await until(lambda: "a caller" in process.recogniser.began)
    process.recogniser.may_work.set()
    assert await waits == "a caller"


async def test_recordings_beyond_a_size_are_refused(process: Served, connect: Connect, other: RemoteRecogniser) -> None:
    process.recogniser.may_work.clear()
    rogue = await connect()
    for number in range(1, 7):
        rogue.ask(number, "recognise", b"x" * MAX_REQUEST_BYTES)
    answer = await rogue.answer()
    assert answer is not None
    assert answer.failure is not None
    assert (answer.id, answer.failure.code) == (5, "stt_busy")


async def test_what_a_caller_gave_up_is_not_worked_on(process: Served) -> None:
    process.recogniser.may_work.clear()
    recogniser = RemoteRecogniser(process.address("a"))
    tasks = []
    for words in (b"first", b"second", b"given up", b"last"):
        tasks.append(asyncio.create_task(recogniser.recognise(words)))
        await asyncio.sleep(0)
    await until(lambda: len(process.recogniser.began) == 2)
    tasks[2].cancel()
    await asyncio.wait((tasks[2],))
    assert tasks[2].cancelled()
    process.recogniser.may_work.set()
    assert await asyncio.gather(tasks[0], tasks[1], tasks[3]) == ["first", "second", "last"]
    assert process.recogniser.began == ["first", "second", "last"]
    await recogniser.aclose()


async def test_work_of_a_worker_that_left_keeps_its_thread_until_it_is_done(process: Served, connect: Connect) -> None:
    """A thread cannot be stopped: two turns must not stand for one thread."""
    process.recogniser.may_work.clear()
    rogue = await connect()
    for number in range(1, 5):
        rogue.ask(number, "recognise", b"left")
    await until(lambda: process.recogniser.began == ["left"] * 2)
    rogue.writer.transport.abort()
    again = RemoteRecogniser(process.address("rogue"))
    waits = asyncio.create_task(again.recognise(b"back"))
    other = RemoteRecogniser(process.address("other"))
    asks = asyncio.create_task(other.recognise(b"other"))
    await until(lambda: "other" in process.recogniser.began)
    assert process.recogniser.began == ["left", "left", "other"]
    process.recogniser.may_work.set()
    assert (await waits, await asks) == ("back", "other")
    assert process.recogniser.began == ["left", "left", "other", "back"]
    await again.aclose()
    await other.aclose()


async def test_who_does_not_read_its_answers_is_disconnected(
    process: Served, connect: Connect, other: RemoteRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SEND_TIMEOUT_S", 0.1)
    process.synthesiser.pcm = bytes(1_000_000)
    rogue = await connect()
    for number in range(1, 40):
        rogue.ask(number, "speak", b"word")
    await rogue.writer.drain()
    await until(lambda: "rogue" not in process.server.agents)
    assert await other.recognise(b"after") == "after"


async def test_it_ends_when_nobody_uses_it(tmp_path: Path) -> None:
    async with served(tmp_path, idle_s=0.1) as process:
        recogniser = RemoteRecogniser(process.address("a"))
        await recogniser.recognise(b"hello")
        await asyncio.sleep(0.3)
        assert not process.serving.done()
        await recogniser.aclose()
        await process.serving
