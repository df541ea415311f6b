"""One session with AssemblyAI's text-to-speech: a socket for many requests, distinguished by their flush ids."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed

from voice_host.speech.assemblyai.tts.messages import (
    Audio,
    Begun,
    FlushDone,
    Refused,
    Terminated,
    Words,
    closed_error,
    read_message,
    tts_error,
)
from voice_host.speech.assemblyai.tts.request import Request
from voice_host.speech.service_socket import ServiceConnection, cut
from voice_host.tasks import in_background
from voice_host_sdk import ProviderError

logger = logging.getLogger(__name__)

TERMINATION_TIMEOUT_S = 1.0
"""How long the service may take to terminate a session at the end of a call."""

FLUSH, CANCEL, KEEP_ALIVE, TERMINATE = (
    json.dumps({"type": name}) for name in ("Flush", "Cancel", "KeepAlive", "Terminate")
)


class VoiceSession:
    """Connects at once, in the background, and lives until it fails or is closed. Its task owns the socket.

    Requests are sent whole, so that the texts of two requests never mix. The service numbers flushes from 0, and a
    `Cancel` takes a number too (the official client counts so). What arrives for an unknown number is dropped.

    Args:
        connect: opens the socket, or raises `ProviderError`.
        begin_timeout_s: from the upgrade to `Begin`.
        keep_alive_s: a `KeepAlive` is sent if nothing else was sent for this long.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[ServiceConnection]], *, begin_timeout_s: float, keep_alive_s: float
    ) -> None:
        self._connect = connect
        self._begin_timeout_s = begin_timeout_s
        self._keep_alive_s = keep_alive_s
        self.error: ProviderError | None = None
        self.word_timings = False
        self.was_begun = False
        self._begun_or_failed = asyncio.Event()
        self._waiting: deque[Request] = deque()  # not sent yet; bounded by the open utterances
        self._sent: dict[int, Request] = {}  # by flush id, in order; abandoned ones are removed
        self._next_flush_id = 0
        self._cancel = False
        self._terminate = False
        self._closing = False
        self._work = asyncio.Event()
        self._heard_at = 0.0
        self._waits_for_reader = False
        self._task = in_background(self._run(), "assemblyai-voice")

    async def begun(self) -> None:
        """Wait until the service accepts text.

        Raises:
            ProviderError: the session failed or has ended.
        """
        await self._begun_or_failed.wait()
        if self.error is not None:
            raise self.error

    @property
    def silent_s(self) -> float:
        """Seconds since the service last sent something; 0 while it waits for the reader."""
        return 0.0 if self._waits_for_reader else asyncio.get_running_loop().time() - self._heard_at

    def send(self, request: Request) -> None:
        """Send a request after those before it. If the session is over, the request fails."""
        if self.error is not None:
            request.fail(self.error)
            return
        self._waiting.append(request)
        self._work.set()

    def abandon(self, request: Request) -> None:
        """Cancel a request. Returns at once; what still arrives for its flush id is dropped."""
        request.abandon()
        if request in self._waiting:
            self._waiting.remove(request)
        flush_id = request.flush_id
        if flush_id is None or self._sent.pop(flush_id, None) is None or request.done:
            return
        others = {number: other for number, other in self._sent.items() if not other.done}
        if any(number < flush_id for number in others):
            return  # a cancel would stop those too: its audio is dropped instead
        # A cancel stops everything that the service has not finished. Requests are served in order, so those after this
        # one have no audio yet: they are sent again, under new numbers.
        for number, other in others.items():
            del self._sent[number]
            other.flush_id = None
        self._waiting.extendleft(reversed(others.values()))
        self._cancel = True
        self._work.set()

    def give_up(self, error: ProviderError) -> None:
        """End the session because the service does not answer. Returns at once."""
        self._end(error)
        self._task.cancel()

    @property
    def gone(self) -> bool:
        """Whether its task and socket are gone."""
        return self._task.done()

    async def aclose(self) -> None:
        """Terminate the session, wait briefly for the answer, and clean up. If cancelled, abort."""
        try:
            if self.was_begun and self.error is None:
                for request in [*self._waiting, *self._sent.values()]:
                    self.abandon(request)
                self._terminate = self._closing = True
                self._work.set()
                await asyncio.wait({self._task}, timeout=TERMINATION_TIMEOUT_S)
        finally:
            self._task.cancel()
            await asyncio.wait({self._task})  # takes a few loop iterations, not the peer

    # --- the task -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        error = tts_error("tts_failed")
        try:
            socket = await self._connect()
            try:
                await self._wait_for_begin(socket)
                error = await self._talk(socket)
            finally:
                cut(socket)
                await socket.wait_closed()
        except ProviderError as failed:
            error = failed
        finally:
            self._end(error)

    async def _wait_for_begin(self, socket: ServiceConnection) -> None:
        """Wait for `Begin`. Errors of credentials and parameters arrive here: the service accepts the upgrade first."""
        try:
            async with asyncio.timeout(self._begin_timeout_s):
                while not self.was_begun:
                    match read_message(await socket.recv()):
                        case Begun(word_timings):
                            self.was_begun, self.word_timings = True, word_timings
                        case Refused(error):
                            raise error
        except TimeoutError as slow:
            raise tts_error("tts_timeout") from slow
        except ConnectionClosed as closed:
            raise closed_error(closed.rcvd.code if closed.rcvd else None) from closed
        self._begun_or_failed.set()

    async def _talk(self, socket: ServiceConnection) -> ProviderError:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write(socket))
            error = await self._read(socket)
            writer.cancel()
        return error

    async def _read(self, socket: ServiceConnection) -> ProviderError:
        """Pass on what arrives until the session ends; return why it ended."""
        while True:
            try:
                message = read_message(await socket.recv())
            except ConnectionClosed as closed:
                return closed_error(closed.rcvd.code if closed.rcvd else None)
            self._heard_at = asyncio.get_running_loop().time()
            match message:
                case Audio(flush_id, pcm) if flush_id in self._sent:
                    self._waits_for_reader = True
                    await self._sent[flush_id].add_audio(pcm)
                    self._waits_for_reader = False
                    self._heard_at = asyncio.get_running_loop().time()
                case FlushDone(flush_id) if flush_id in self._sent:
                    self._sent[flush_id].finish()
                case Words(flush_id, words) if flush_id in self._sent:
                    self._sent[flush_id].add_words(words)
                case Refused(error):
                    return error
                case Terminated() if not self._closing:  # else the close follows
                    return tts_error("tts_failed")

    async def _write(self, socket: ServiceConnection) -> None:
        try:
            while True:
                await self._write_next(socket)
        except ConnectionClosed:
            return  # the reader finds out why

    async def _write_next(self, socket: ServiceConnection) -> None:
        if self._cancel:
            self._cancel = False
            self._next_flush_id += 1
            await socket.send(CANCEL)
        elif self._waiting:
            await self._write_request(socket, self._waiting.popleft())
        elif self._terminate:
            self._terminate = False
            await socket.send(TERMINATE)
        else:
            self._work.clear()
            try:
                async with asyncio.timeout(self._keep_alive_s):
                    await self._work.wait()
            except TimeoutError:
                await socket.send(KEEP_ALIVE)

    async def _write_request(self, socket: ServiceConnection, request: Request) -> None:
        request.flush_id = self._next_flush_id
        self._next_flush_id += 1
        self._sent[request.flush_id] = request
        self._heard_at = asyncio.get_running_loop().time()
        texts = [json.dumps({"type": "Generate", "text": text}) for text in request.texts]
        await socket.send_all(*texts, FLUSH)

    def _end(self, error: ProviderError) -> None:
        if self.error is not None:
            return
        self.error = error
        self._begun_or_failed.set()
        for request in [*self._waiting, *self._sent.values()]:
            request.fail(error)
        self._waiting.clear()
        self._sent.clear()
