"""`Recogniser` and `Synthesiser` of a worker: they ask the host's speech process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

from voice_host.speech.embedded.engines import SpokenSentence
from voice_host.speech.embedded.model_threads import error
from voice_host.speech.embedded.process.wire import (
    MAX_ANSWER_BYTES,
    MAX_ANSWER_HEADER_BYTES,
    REFUSED,
    VERSION,
    Answer,
    Hello,
    Request,
    Task,
    frame,
    read_frame,
)
from voice_host.speech.embedded.tts.synthesiser import sentences_of
from voice_host.speech.host_process import SpeechAddress
from voice_host.speech.local_service import CannotWork
from voice_host.tasks import in_background
from voice_host_sdk import ProviderError

ANSWER_TIMEOUT_S = 10.0
"""A process that has to be started, and then loads its model, answers after 2 s on an idle machine."""
WARM_TIMEOUT_S = 60.0

_OTHER_VERSION = (
    "Embedded speech does not work: the agent's environment has another version of voice-host. Deploy it again."
)

_READ_AHEAD_BYTES = 1024 * 1024


class SpeechConnection:
    """A connection to the speech process, made when it is first needed, and again after it was lost.

    Args:
        kind: `stt` or `tts`, the prefix of error codes.
    """

    def __init__(self, address: SpeechAddress, kind: str) -> None:
        self._address = address
        self._kind = kind
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[tuple[Answer, bytes]]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def ask(self, do: Task, payload: bytes = b"", *, timeout_s: float = ANSWER_TIMEOUT_S) -> tuple[Answer, bytes]:
        """Send a request and return the answer. Cancelling takes the request back.

        Raises:
            ProviderError: it failed; the process was lost (`..._failed`, retryable), does not answer (`..._timeout`),
                or this was closed (`..._closed`); `CannotWork` if the model cannot be loaded.
        """
        writer = await self._connect()
        request = Request(id=next(self._ids), do=do)
        self._asked[request.id] = answered = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                writer.write(frame(request, payload))
                await writer.drain()
                answer, pcm = await answered
        except (TimeoutError, asyncio.CancelledError) as gone:
            if not writer.is_closing():
                writer.write(frame(Request(id=request.id, do="cancel")))
            if isinstance(gone, TimeoutError):
                raise self._error("timeout", "does not answer") from None
            raise
        except OSError:
            raise self._error("failed", "has ended") from None
        finally:
            self._asked.pop(request.id, None)
        if answer.id == REFUSED:
            message = "Speech is not available on this host."
            raise CannotWork(message, code=f"{self._kind}_unavailable", problem=_OTHER_VERSION)
        if answer.failure is not None:
            raise answer.failure.error()
        return answer, pcm

    async def aclose(self) -> None:
        """Close the connection; what was asked fails with `..._closed`. Idempotent."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    async def _connect(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._closed:
                raise self._error("closed", "is closed", retryable=False)
            if self._writer is None:
                try:
                    reader, writer = await asyncio.open_unix_connection(self._address.path, limit=_READ_AHEAD_BYTES)
                except OSError:
                    raise self._error("failed", "cannot be reached") from None
                writer.write(frame(Hello(version=VERSION, agent_id=self._address.agent_id, key=self._address.key)))
                self._writer = writer
                self._reading = in_background(self._read(reader), f"read-speech-{self._kind}")
                self._reading.add_done_callback(self._ended)
            return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand the answers to those who asked, until the connection ends."""
        limits = {"header_bytes": MAX_ANSWER_HEADER_BYTES, "payload_bytes": MAX_ANSWER_BYTES}
        while found := await read_frame(reader, Answer, **limits):
            answer, _ = found
            for number in self._asked if answer.id == REFUSED else (answer.id,):
                asked = self._asked.get(number)
                if asked is not None and not asked.done():
                    asked.set_result(found)

    def _ended(self, _: asyncio.Task[None]) -> None:
        assert self._writer is not None
        self._writer.transport.abort()
        self._writer = None
        for asked in self._asked.values():
            if not asked.done():
                code, what = ("closed", "is closed") if self._closed else ("failed", "has ended")
                asked.set_exception(self._error(code, what, retryable=not self._closed))

    def _error(self, code: str, what: str, *, retryable: bool = True) -> ProviderError:
        return error(self._kind, code, what, retryable=retryable)


class RemoteRecogniser:
    """A `Recogniser` in the host's speech process."""

    def __init__(self, address: SpeechAddress) -> None:
        self._connection = SpeechConnection(address, "stt")

    async def warm(self) -> None:
        await self._connection.ask("warm_stt", timeout_s=WARM_TIMEOUT_S)

    async def recognise(self, pcm: bytes) -> str:
        answer, _ = await self._connection.ask("recognise", pcm)
        return answer.text or ""

    async def preview(self, pcm: bytes) -> str | None:
        if not self._connection.connected:
            return None  # it would come late
        answer, _ = await self._connection.ask("preview", pcm)
        return answer.text

    async def aclose(self) -> None:
        await self._connection.aclose()


class RemoteSynthesiser:
    """A `Synthesiser` in the host's speech process."""

    def __init__(self, address: SpeechAddress) -> None:
        self._connection = SpeechConnection(address, "tts")

    async def warm(self) -> None:
        await self._connection.ask("warm_tts", timeout_s=WARM_TIMEOUT_S)

    async def speak(self, text: str) -> AsyncIterator[SpokenSentence]:
        async for sentence in sentences_of(text, self._speak_first_sentence):
            yield sentence

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _speak_first_sentence(self, text: str) -> tuple[SpokenSentence, str]:
        answer, pcm = await self._connection.ask("speak", text.encode())
        return SpokenSentence(answer.text or "", pcm, answer.word_starts), answer.rest
