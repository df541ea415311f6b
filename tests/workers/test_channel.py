"""Messages, bytes and sockets between front and worker."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from struct import Struct
from typing import Any

import pytest

from tests.loops import Run, run
from voice_host.admission import Lease
from voice_host.workers import channel as module
from voice_host.workers.channel import MAX_FRAME_BYTES, Channel, ChannelError, frame, receive_first
from voice_host.workers.messages import TO_FRONT, TO_WORKER, CallOver, Drain, Hurry, SessionOver, TakeCall, ToWorker
from voice_host_sdk import Caller

__all__ = ["run"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")

HEADER = Struct("!IIB")
"""Of a frame: bytes of JSON, bytes of payload, descriptors."""

Received = tuple[ToWorker, bytes, Sequence[int]]


class Pair:
    """A front's channel, and the worker's end, whose messages are collected."""

    def __init__(self, *, worker_reads: bool = True) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.received: asyncio.Queue[Received] = asyncio.Queue()
        self.reported: asyncio.Queue[tuple[Any, bytes, Sequence[int]]] = asyncio.Queue()
        self.lost: asyncio.Queue[str] = asyncio.Queue()
        self.worker_lost = asyncio.Event()
        self.front = Channel(ours, TO_FRONT, lambda *message: self.reported.put_nowait(message), self.lost.put_nowait)
        if worker_reads:
            self.begin_to_read()

    def begin_to_read(self) -> None:
        self.worker = Channel(self.theirs, TO_WORKER, self._received, self._worker_lost, descriptors=True)

    def _received(self, message: ToWorker, payload: bytes, descriptors: Sequence[int]) -> None:
        self.received.put_nowait((message, payload, descriptors))

    def _worker_lost(self, reason: str) -> None:
        self.worker_lost.set()


def lease(number: int = 1) -> Lease:
    return Lease("s", "a", Caller("ada", {"plan": ["gold"], "not": object()}, "issuer"), number, "staging")


def test_a_call_with_its_socket_and_bytes(run: Run) -> None:
    async def check() -> None:
        pair = Pair()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                message = TakeCall(call=7, client=("192.0.2.1", 9), scheme="wss", lease=lease(), metadata={"a": None})
                assert pair.front.send(message, b"\0head" * 50_000, descriptors=[theirs.fileno()])
            got, payload, [descriptor] = await pair.received.get()
            assert isinstance(got, TakeCall)
            assert got.lease == Lease("s", "a", Caller("ada", {"plan": ["gold"]}, "issuer"), 1, "staging")
            assert (got.call, got.client, got.scheme, got.metadata) == (7, ("192.0.2.1", 9), "wss", {"a": None})
            assert payload == b"\0head" * 50_000
            assert not os.get_inheritable(descriptor), "or every program that an agent starts would have it"
            with socket.socket(fileno=descriptor) as handed:
                handed.sendall(b"hello")
                assert ours.recv(5) == b"hello"
        pair.front.close()
        await pair.worker_lost.wait()

    run(check())


def test_order_is_kept_and_sockets_stay_with_their_messages(run: Run) -> None:
    async def check() -> None:
        pair = Pair(worker_reads=False)
        pipes = [os.pipe() for _ in range(50)]
        for number, (reads, _) in enumerate(pipes):
            assert pair.front.send(Drain(timeout_s=number), b"x" * 10_000)
            assert pair.front.send(TakeCall(call=number, lease=lease()), descriptors=[reads, reads])
            os.close(reads)  # the channel has a copy, even of what waits
        assert pair.front.queued_bytes, "more than the socket takes at once"
        pair.begin_to_read()
        for number, (_, writes) in enumerate(pipes):
            assert (await pair.received.get())[0] == Drain(timeout_s=number)
            message, _, [descriptor, second] = await pair.received.get()
            assert isinstance(message, TakeCall)
            assert message.call == number
            os.write(writes, b"%02d,%02d" % (number, number))
            assert os.read(descriptor, 3) == b"%02d," % number
            assert os.read(second, 3) == b"%02d" % number
            os.close(descriptor)
            os.close(second)
            os.close(writes)
        assert pair.front.queued_bytes == 0
        pair.front.close()
        pair.worker.close()

    run(check())


def test_a_peer_that_does_not_read_has_a_limit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        pair = Pair(worker_reads=False)
        sent = 0
        while pair.front.send(Drain(timeout_s=sent), b"x" * 50_000):
            sent += 1
            assert pair.front.queued_bytes <= 1_000_000
        assert 10 < sent < 50
        pair.begin_to_read()
        for number in range(sent):
            assert (await pair.received.get())[0] == Drain(timeout_s=number), "refused is not half sent"
        await pair.front.flush(10)
        assert pair.front.send(Hurry())
        assert (await pair.received.get())[0] == Hurry()
        pair.front.close()
        pair.worker.close()

    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 1_000_000)
    run(check())


def test_sending_to_a_lost_peer_is_no_error(run: Run) -> None:
    async def check() -> None:
        pair = Pair()
        pair.worker.send(SessionOver(session_id="last words"))
        pair.worker.close()
        pair.front.send(Hurry())
        assert await pair.lost.get() == "it has ended"
        assert pair.reported.get_nowait() == (SessionOver(session_id="last words"), b"", [])
        assert not pair.front.send(Hurry())
        pair.front.close()

    run(check())


HEADER_TOO_LARGE = HEADER.pack(MAX_FRAME_BYTES, 1, 0)
NO_DESCRIPTOR = HEADER.pack(2, 0, 1) + b"{}"
CLAIM = frame(SessionOver(session_id="s"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEADER_TOO_LARGE, "a frame of 2,097,153 bytes is too large"),
        (NO_DESCRIPTOR, "lacks its file descriptor"),
        (HEADER.pack(2, 0, 0) + b"{}", "invalid message"),
        (HEADER.pack(1, 0, 0) + b"{", "invalid message"),
        (frame(Hurry()), "invalid message"),
    ],
    ids=["too large", "no descriptor", "no kind", "no JSON", "a message of the other side"],
)
def test_what_is_no_frame_ends_the_channel(run: Run, data: bytes, reason: str) -> None:
    async def check() -> None:
        pair = Pair(worker_reads=False)
        pair.theirs.sendall(CLAIM + data + CLAIM)
        assert reason in await pair.lost.get()
        assert pair.reported.qsize() == 1, "what came before counts, what comes after does not"
        pair.theirs.close()

    run(check())


def test_a_handler_that_fails_does_not_keep_the_next_message_away(run: Run) -> None:
    async def check() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        numbers: asyncio.Queue[int] = asyncio.Queue()

        def receive(message: Any, *_: object) -> None:
            numbers.put_nowait(message.call)
            raise RuntimeError

        front = Channel(ours, TO_FRONT, receive, lambda _: None)
        theirs.sendall(frame(CallOver(call=1, parked=False)) + frame(CallOver(call=2, parked=False)))
        assert [await numbers.get(), await numbers.get()] == [1, 2]
        front.close()
        theirs.close()

    run(check())


def test_a_front_takes_no_descriptors(run: Run) -> None:
    async def check() -> None:
        pair = Pair(worker_reads=False)
        reads, writes = os.pipe()
        socket.send_fds(pair.theirs, [CLAIM], [reads])
        os.close(reads)
        await pair.reported.get()
        with pytest.raises(BrokenPipeError):
            os.write(writes, b"nobody reads")
        os.close(writes)
        pair.front.close()
        pair.theirs.close()

    run(check())


def test_the_first_message_is_read_without_a_loop() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frame(Drain(timeout_s=1), b"payload") + frame(Hurry()))
        assert receive_first(theirs, TO_WORKER) == Drain(timeout_s=1)
        assert receive_first(theirs, TO_WORKER) == Hurry()
        ours.sendall(HEADER_TOO_LARGE)
        with pytest.raises(ChannelError):
            receive_first(theirs, TO_WORKER)
        ours.close()
        with pytest.raises(EOFError):
            receive_first(theirs, TO_WORKER)
