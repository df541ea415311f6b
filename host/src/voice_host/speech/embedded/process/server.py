"""The speech process's side of the connections: limits for each agent, and fair turns for its threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from socket import socket
from typing import Literal

from voice_host.auth.agent_key import is_agent_key
from voice_host.observability.logs import get_logger
from voice_host.speech.embedded.model_threads import busy
from voice_host.speech.embedded.process.fair_turns import FairTurns, QueueFull
from voice_host.speech.embedded.process.wire import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_HEADER_BYTES,
    REFUSED,
    VERSION,
    Answer,
    BadFrame,
    Failure,
    Hello,
    Request,
    frame,
    read_frame,
)
from voice_host.speech.embedded.requirements import speech_problem, unloadable
from voice_host.speech.embedded.stt.recogniser import WAITING_PER_THREAD as UTTERANCES_PER_THREAD
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.tts.spoken_text import LONGEST_PIECE
from voice_host.speech.embedded.tts.synthesiser import WAITING_PER_THREAD as SENTENCES_PER_THREAD
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.tasks import in_background
from voice_host_sdk import ProviderError

log = get_logger(__name__)

HELLO_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
"""A client that does not read its answers for so long is disconnected."""
MAX_STRANGERS = 64
"""Connections that have not said whose they are. The oldest is closed for a new one: a worker says it at once."""
MAX_CONNECTIONS = 128
"""Of an agent. A worker has two: one for each direction."""
MAX_QUEUED_BYTES = 4 * 1024 * 1024
"""Payloads of an agent's unanswered requests: two minutes of audio."""
MAX_REQUESTS = 256
"""An agent's unanswered requests, cancelled ones that are still at work included."""


_READ_AHEAD_BYTES = 64 * 1024

Work = Callable[[], Awaitable[tuple[Answer, bytes]]]
"""Makes an answer, whose id is set later, with its payload."""


@dataclass(eq=False)
class _Agent:
    """What an agent's connections have in progress, together."""

    id: str
    connections: int = 0
    requests: int = 0
    queued_bytes: int = 0


@dataclass(eq=False)
class _Connection:
    agent: _Agent
    writer: asyncio.StreamWriter
    jobs: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_behind(self) -> bool:
        """Whether the client has answers to read."""
        return self.sending.locked()

    async def caught_up(self) -> None:
        """Wait until the client has read its answers."""
        async with self.sending:
            pass

    async def send(self, answer: Answer, payload: bytes = b"") -> None:
        """Send an answer. A client that does not read is disconnected; to one that has left, nothing is sent."""
        async with self.sending:
            if self.writer.is_closing():
                return
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    self.writer.write(frame(answer, payload))
                    await self.writer.drain()
            except (TimeoutError, OSError):
                self.writer.transport.abort()


class SpeechServer:
    """Recognises and speaks for the workers that connect.

    Args:
        secret: of the keys that the front gave to the workers; see `auth.agent_key`.
        recogniser, synthesiser: have one thread more than `threads`, so that an agent's first request never waits for
            what one other has asked for.
        threads: that an agent may use at a time, in each direction.
    """

    def __init__(
        self, secret: bytes, recogniser: LocalRecogniser, synthesiser: LocalSynthesiser, *, threads: int
    ) -> None:
        self._secret = secret
        self._recogniser = recogniser
        self._synthesiser = synthesiser
        self._turns = {
            kind: FairTurns(at_once=threads + 1, most=threads, waiting=waiting * threads)
            for kind, waiting in (("stt", UTTERANCES_PER_THREAD), ("tts", SENTENCES_PER_THREAD))
        }
        self._agents: dict[str, _Agent] = {}
        self._strangers: dict[asyncio.StreamWriter, None] = {}
        self._at_work: set[asyncio.Task[tuple[Answer, bytes]]] = set()
        self._idle = asyncio.Event()
        self._idle_s = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    async def serve(self, listening: socket, *, idle_s: float) -> None:
        """Serve connections until cancelled, or until there has been none for `idle_s`."""
        self._idle_s = idle_s
        self._watch_idleness()
        server = await asyncio.start_unix_server(self._accepted, sock=listening, limit=_READ_AHEAD_BYTES)
        try:
            await self._idle.wait()
        finally:
            server.close()
            await self._recogniser.aclose()
            await self._synthesiser.aclose()

    def end_when_unused(self) -> None:
        """Let `serve` return as soon as no worker is connected."""
        self._idle_s = 0.0
        self._watch_idleness()

    @property
    def agents(self) -> Collection[str]:
        """The agents whose workers are connected."""
        return self._agents.keys()

    # --- connections ------------------------------------------------------------------------------------------------

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # In a task of its own: asyncio 3.11 prints an error if one that it has made for a connection is cancelled.
        in_background(self._connected(reader, writer), "speech-connection")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            agent = await self._greet(reader, writer)
            with self._counted(agent):
                await self._serve(reader, _Connection(agent, writer))
        except BadFrame as error:
            log.warning("speech_connection_refused", reason=str(error))
        except Exception as error:  # one connection's failure must not end the others
            log.error("speech_connection_failed", exc_info=error)
        finally:
            writer.transport.abort()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Agent:
        """Return whose connection it is. Raises `BadFrame` if it does not say so, or may not have one more."""
        if len(self._strangers) >= MAX_STRANGERS:
            next(iter(self._strangers)).transport.abort()
        self._strangers[writer] = None
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                found = await read_frame(reader, Hello, header_bytes=MAX_REQUEST_HEADER_BYTES, payload_bytes=0)
        except TimeoutError:
            raise BadFrame(f"it said nothing for {HELLO_TIMEOUT_S:g} s") from None
        finally:
            del self._strangers[writer]
        if found is None:
            raise BadFrame("it ended before it said whose it is")
        hello, _ = found
        if not is_agent_key(self._secret, hello.agent_id, hello.key):
            raise BadFrame(f"it has no key for the agent {hello.agent_id!r}")
        if hello.version != VERSION:
            writer.write(frame(Answer(id=REFUSED)))
            await asyncio.wait_for(writer.drain(), SEND_TIMEOUT_S)
            raise BadFrame(f"the agent {hello.agent_id!r} speaks version {hello.version}, not {VERSION}")
        agent = self._agents.get(hello.agent_id) or _Agent(hello.agent_id)
        if agent.connections >= MAX_CONNECTIONS:
            raise BadFrame(f"the agent {agent.id!r} has {MAX_CONNECTIONS} connections")
        return agent

    @contextmanager
    def _counted(self, agent: _Agent) -> Iterator[None]:
        self._agents[agent.id] = agent
        agent.connections += 1
        self._watch_idleness()
        try:
            yield
        finally:
            agent.connections -= 1
            if not agent.connections:
                del self._agents[agent.id]
            self._watch_idleness()

    def _watch_idleness(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        loop = asyncio.get_running_loop()
        self._idle_timer = None if self._agents else loop.call_later(self._idle_s, self._idle.set)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        """Answer the requests of a connection until it ends. Then what waits is dropped."""
        agent = connection.agent
        try:
            while found := await read_frame(
                reader, Request, header_bytes=MAX_REQUEST_HEADER_BYTES, payload_bytes=MAX_REQUEST_BYTES
            ):
                request, payload = found
                job = connection.jobs.get(request.id)
                if request.do == "cancel":
                    if job is not None:
                        job.cancel()
                elif job is not None:
                    raise BadFrame(f"the agent {agent.id!r} used an id twice")
                elif agent.requests >= MAX_REQUESTS or agent.queued_bytes + len(payload) > MAX_QUEUED_BYTES:
                    await connection.send(_failed(request, _busy(request)))  # nothing more is read until it is sent
                else:
                    self._begin(connection, request, payload)
        finally:
            jobs = tuple(connection.jobs.values())
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    def _begin(self, connection: _Connection, request: Request, payload: bytes) -> None:
        agent = connection.agent
        agent.requests += 1
        agent.queued_bytes += len(payload)

        def ended(_: asyncio.Task[None]) -> None:
            agent.requests -= 1
            agent.queued_bytes -= len(payload)
            del connection.jobs[request.id]

        job = asyncio.create_task(self._answer(connection, request, self._work(request, payload)))
        connection.jobs[request.id] = job
        job.add_done_callback(ended)

    def _work(self, request: Request, payload: bytes) -> Work:
        """Return what a request asks for. Raises `BadFrame` if that is not allowed."""
        match request.do:
            case "warm_stt":
                return partial(self._warm, self._recogniser, "moonshine-voice")
            case "warm_tts":
                return partial(self._warm, self._synthesiser, "hibari-tts")
            case "speak":
                try:
                    text = payload.decode()
                except UnicodeDecodeError:
                    raise BadFrame("a text that is no UTF-8") from None
                if len(text) > LONGEST_PIECE:
                    raise BadFrame(f"a text of {len(text)} characters")
                return partial(self._speak, text)
            case _:
                return partial(self._recognise, payload)

    async def _answer(self, connection: _Connection, request: Request, work: Work) -> None:
        try:
            answer, pcm = await self._in_turn(connection, request, work)
        except ProviderError as error:
            answer, pcm = _failed(request, error), b""
        except QueueFull:
            answer, pcm = _failed(request, _busy(request)), b""
        await connection.send(answer.model_copy(update={"id": request.id}), pcm)

    async def _in_turn(self, connection: _Connection, request: Request, work: Work) -> tuple[Answer, bytes]:
        agent_id = connection.agent.id
        turns = self._turns[_kind(request)]
        if request.do == "preview" and not turns.free(agent_id):
            return Answer(id=0), b""
        await turns.take(agent_id)
        while connection.is_behind:  # answers that it does not read would fill the memory
            turns.give_back(agent_id)
            await connection.caught_up()
            await turns.take(agent_id)
        at_work = asyncio.create_task(_then(work, partial(turns.give_back, agent_id)))
        self._at_work.add(at_work)
        at_work.add_done_callback(self._work_ended)
        return await asyncio.shield(at_work)  # a thread cannot be stopped: its turn lasts until it is done

    def _work_ended(self, work: asyncio.Task[tuple[Answer, bytes]]) -> None:
        self._at_work.discard(work)
        if not work.cancelled():
            work.exception()  # told to whoever still waits for it

    async def _warm(self, model: LocalRecogniser | LocalSynthesiser, package: str) -> tuple[Answer, bytes]:
        try:
            await model.warm()
        except ProviderError as error:
            problem = speech_problem() or unloadable(package)
            cause = error.__cause__ or error
            log.warning("speech_model_not_loaded", problem=problem, cause=f"{type(cause).__name__}: {cause}")
            return Answer(id=0, failure=Failure.of(error, problem)), b""
        return Answer(id=0), b""

    async def _recognise(self, pcm: bytes) -> tuple[Answer, bytes]:
        return Answer(id=0, text=await self._recogniser.recognise(pcm)), b""

    async def _speak(self, text: str) -> tuple[Answer, bytes]:
        sentence, rest = await self._synthesiser.speak_first_sentence(text)
        return Answer(id=0, text=sentence.text, word_starts=sentence.word_starts, rest=rest), sentence.pcm


async def _then(work: Work, done: Callable[[], None]) -> tuple[Answer, bytes]:
    try:
        return await work()
    finally:
        done()


def _kind(request: Request) -> Literal["stt", "tts"]:
    return "tts" if request.do in ("speak", "warm_tts") else "stt"


def _failed(request: Request, error: ProviderError) -> Answer:
    return Answer(id=request.id, failure=Failure.of(error))


def _busy(request: Request) -> ProviderError:
    return busy(_kind(request))
