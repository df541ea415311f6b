"""Speech-to-text by AssemblyAI's streaming service, version 3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed

from voice_host.clock import now_s
from voice_host.settings import ResilienceSettings
from voice_host.speech.assemblyai.stt.audio_frames import (
    BYTES_PER_SAMPLE,
    MIN_MESSAGE_MS,
    AudioCoalescer,
    RealTimePacer,
)
from voice_host.speech.assemblyai.stt.errors import closed_error, connect_error, stt_error
from voice_host.speech.assemblyai.stt.messages import Begun, MessageReader, Refused, Terminated
from voice_host.speech.service_socket import ConnectFailed, ServiceConnection, ServiceSockets, cut
from voice_host_sdk import ProviderError, SpeechEvent, STTConfig

TERMINATION_TIMEOUT_S = 1.0
"""How long to wait for the last turns and the close after `Terminate`. Finals come about 0.4 s after the last word."""

PACE = 1.5
"""Times real time. The service is reported to accept no more when audio is replayed after a reconnect."""

BURST_MS = 1000.0
"""Audio that may be sent at once: as much as the largest message that the service accepts."""


class AssemblyAISpeechToText:
    """The service, shared by all calls.

    Args:
        api_key: sent raw in the `Authorization` header.
        url: the platform's endpoint; it and its query parameters take precedence over `STTConfig.wss_base`.
        resilience: time limit for connecting, and again for the session to begin: together about 1.2 s in practice.
    """

    name = "assemblyai"
    reports_speech_end = False
    min_audio_ms = MIN_MESSAGE_MS

    def __init__(self, api_key: str, *, url: str | None = None, resilience: ResilienceSettings | None = None) -> None:
        resilience = resilience or ResilienceSettings()
        self._has_key = bool(api_key.strip())
        # A key read from a file often ends in a line break, which would break the header.
        self._sockets = ServiceSockets(api_key.strip(), resilience)
        self._url = url
        self._begin_timeout_s = resilience.speech_connect_timeout_s

    async def open(self, config: STTConfig) -> AssemblyAIStream:
        """Connect and wait until the service accepts audio.

        Raises:
            ProviderError: `stt_auth`, `stt_bad_request`, `stt_busy`, `stt_timeout`, `stt_unreachable`, ...
        """
        if not self._has_key:
            raise stt_error("stt_auth")
        try:
            socket = await self._sockets.open(session_url(self._url or config.wss_base, config))
        except ConnectFailed as failed:
            raise connect_error(failed) from failed
        try:
            reader = MessageReader()
            await self._wait_for_begin(socket, reader)
        except BaseException:
            cut(socket)
            await socket.wait_closed()
            raise
        return AssemblyAIStream(socket, reader, config.sample_rate)

    async def aclose(self) -> None:
        """Do nothing: the streams share no resources."""

    async def _wait_for_begin(self, socket: ServiceConnection, reader: MessageReader) -> None:
        """Wait for `Begin`. Authentication errors arrive here, since the service accepts the upgrade first."""
        try:
            async with asyncio.timeout(self._begin_timeout_s):
                while True:
                    message = reader.read(await socket.recv())
                    if isinstance(message, Begun):
                        return
                    if isinstance(message, Refused):
                        raise closed_error(message.code)
        except TimeoutError as slow:
            raise stt_error("stt_timeout") from slow
        except ConnectionClosed as closed:
            raise closed_error(closed.rcvd.code if closed.rcvd else None) from closed


class AssemblyAIStream:
    """One call's stream. It has no task of its own: events are read from the socket when they are asked for, so a slow
    reader slows the service and nothing piles up."""

    def __init__(self, socket: ServiceConnection, reader: MessageReader, sample_rate: int) -> None:
        self._socket = socket
        self._reader = reader
        self._coalescer = AudioCoalescer(sample_rate)
        self._pacer = RealTimePacer(speed=PACE, burst_ms=BURST_MS)
        self._bytes_per_ms = sample_rate * BYTES_PER_SAMPLE / 1000
        self._failure: ProviderError | None = None
        self._closing = False
        self._closed = False

    async def send_audio(self, pcm: bytes) -> None:
        """Send PCM16 mono of any length. Waits if the service is slow, or accepts it only later (a replay).

        Raises:
            ProviderError: the connection is lost. After `aclose()`, audio is dropped.
        """
        for message in self._coalescer.push(pcm):
            wait_s = self._pacer.wait_s(len(message) / self._bytes_per_ms, now_s())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if self._closing:
                return
            try:
                await self._socket.send_all(message)
            except ConnectionClosed as closed:
                if not self._closing:
                    raise self._fail(closed) from closed

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self

    async def __anext__(self) -> SpeechEvent:
        """Return the next event; stop after `aclose()`.

        Raises:
            ProviderError: the service failed, or closed the connection, even cleanly.
        """
        while not self._closed:
            try:
                message = self._reader.read(await self._socket.recv())
            except ConnectionClosed as closed:
                if self._closing:
                    break
                raise self._fail(closed) from closed
            match message:
                case Refused():
                    self._failure = self._failure or closed_error(message.code)
                    raise self._failure
                case None | Begun() | Terminated():
                    pass  # a close follows a termination and tells whether it was asked for
                case _:
                    return message
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Terminate the session, wait briefly for the last turns, and close. Idempotent. If cancelled, abort."""
        if self._closing:
            await self._socket.wait_closed()
            return
        self._closing = True
        try:
            if self._failure is None:
                await self._terminate()
            await self._socket.close()  # bounded by its close timeout
        finally:
            self._closed = True
            cut(self._socket)
            await self._socket.wait_closed()

    async def _terminate(self) -> None:
        try:
            async with asyncio.timeout(TERMINATION_TIMEOUT_S):
                if rest := self._coalescer.flush():
                    await self._socket.send(rest)
                await self._socket.send('{"type":"Terminate"}')
                await self._socket.wait_closed()  # the service closes after its `Termination`
        except (TimeoutError, ConnectionClosed):
            return  # the close that follows does not need the service

    def _fail(self, closed: ConnectionClosed) -> ProviderError:
        """Return the first failure, since an `Error` message says more than the close that follows it."""
        if self._failure is None:
            self._failure = closed_error(closed.rcvd.code if closed.rcvd else None)
        return self._failure


def session_url(base: str, config: STTConfig) -> str:
    """Return `base` with the session's parameters; those already in `base` take precedence."""
    parts = urlsplit(base)
    query = {
        "sample_rate": str(config.sample_rate),
        "encoding": "pcm_s16le",
        "speech_model": config.speech_model,
        "format_turns": "true" if config.format_turns else "false",
        "min_turn_silence": str(config.min_end_of_turn_silence_when_confident),  # the parameter's present name
        "max_turn_silence": str(config.max_turn_silence),
    }
    query.update(parse_qsl(parts.query))
    return urlunsplit(parts._replace(query=urlencode(query)))
