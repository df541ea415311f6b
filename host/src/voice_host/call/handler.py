"""`VoiceSessionHandler`: runs calls. Microphone -> speech-to-text -> agent -> text-to-speech -> speaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pydantic import SecretStr
from starlette.websockets import WebSocket

from voice_host.admission import ClientGuard, shortened
from voice_host.call import events
from voice_host.call.call import Call, CallSteps
from voice_host.call.client_input import read_client
from voice_host.call.connection import CallEnd, refuse, say_goodbye, session_for
from voice_host.call.cut import cut_reply
from voice_host.call.echo import EchoGuard
from voice_host.call.failover_tts import FailoverVoice
from voice_host.call.listening import STT_LOST_PHRASE, STT_RECOVERED_PHRASE, Listening
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.open_turn import final_timeout_s
from voice_host.call.prepared_turn import PreparedTurn
from voice_host.call.reply import Reply
from voice_host.call.reply_runner import answer_turn, relay_speech, speak_text
from voice_host.call.report import CallReporter
from voice_host.call.suspension import Suspension
from voice_host.clients.call_control import CallAnswers, CallControl
from voice_host.clients.close_codes import CloseCode, code_for
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import Disconnected
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection, OpeningFailed
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host.clock import now_s
from voice_host.observability.logs import get_logger
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.refusals import SessionRefused
from voice_host.sessions.resume_token import new_session_id
from voice_host.sessions.saved_session import SavedSession
from voice_host.sessions.session import ManagedSession
from voice_host.settings import LimitsSettings, ResilienceSettings
from voice_host.speech.select import (
    SpeechProviders,
    SpeechServices,
    speech_services_from_environment,
    voice_warnings,
)
from voice_host.text import ClauseWording, CustomCleaner, VoiceCleaner, normalize_voice_text, wording_for
from voice_host.turns.engine import TurnEngine
from voice_host.turns.events import ConnectionResumed, Interruption, SpeechRequested
from voice_host_sdk import (
    AgentConfig,
    Caller,
    Channel,
    ProviderError,
    SpeechToTextStream,
    TextToSpeechStream,
)

log = get_logger(__name__)

FINAL_MARGIN_S = 1.0
"""Added to the time after which `OpenTurn` creates a missing final transcript, for which the turn engine waits."""


class VoiceSessionHandler:
    """Runs any number of calls of one agent.

    Args:
        agent_manager: the sessions of the agent; its AssemblyAI key is used for speech-to-text, too.
        tts_api_key: the key for text-to-speech; default: the environment's.
        cleaner: prepares text for speech; default: a `VoiceCleaner()` with the agent's settings.
        speech: the speech services; default: those that the environment configures, closed by `aclose()`.
        limits: of each call; default: `LimitsSettings()`.
        resilience: timeouts and retries; default: the environment's, if the services are.
        agent_version: of the agent's package, for clients; None: it comes from no package.
    """

    def __init__(
        self,
        *,
        agent_manager: VoiceAgentManager,
        tts_api_key: str | None = None,
        cleaner: Callable[[str], str] | None = None,
        speech: SpeechProviders | None = None,
        limits: LimitsSettings | None = None,
        resilience: ResilienceSettings | None = None,
        agent_version: str | None = None,
    ) -> None:
        self._manager = agent_manager
        self._agent_version = agent_version
        self._limits = limits or LimitsSettings()
        own = cleaner is None or type(cleaner) is VoiceCleaner or cleaner is normalize_voice_text
        self._custom_cleaner = None if own or cleaner is None else CustomCleaner(cleaner)
        self._wording(agent_manager.config)  # compile the pronunciations before the first call
        self._own_services: SpeechServices | None = None
        if speech is None:
            self._own_services = speech_services_from_environment(
                assemblyai_api_key=agent_manager.assemblyai_api_key,
                tts_api_key=SecretStr(tts_api_key) if tts_api_key is not None else None,
            )
            speech = self._own_services.for_agent(agent_manager.config)
            resilience = resilience or self._own_services.settings.resilience
            if speech.problem is not None:
                log.warning("speech_unavailable", agent_id=agent_manager.agent_id, problem=speech.problem)
            for warning in voice_warnings(agent_manager.config, speech):
                log.warning("agent_warning", agent_id=agent_manager.agent_id, warning=warning)
        self._speech = speech
        self._resilience = resilience or ResilienceSettings()

    @property
    def speech_names(self) -> dict[str, str]:
        """The names of the speech services, for display; `none` for one that cannot work on this machine."""
        return self._speech.names

    @property
    def speech_problem(self) -> str | None:
        """Why there is no speech, and what to do about it; None: there is speech."""
        return self._speech.problem

    async def aclose(self) -> None:
        """Close the speech services, if the handler owns them. Idempotent."""
        if self._own_services is not None:
            await self._own_services.aclose()

    # --- one call, from accept to close ---------------------------------------------------------------------------

    async def handle(
        self, ws: WebSocket, *, caller: Caller | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Run one call of a client with the protocol `voice-host.v1`. Returns when all of its work has ended.

        If the query has a resume token (`resume`), its session is continued; otherwise a new session begins.

        Args:
            ws: not accepted yet.
            caller: as authenticated by the platform.
            metadata: what the platform knows about the call. Takes precedence over what the client sends.
        """
        client = ClientConnection(AsgiWebSocket(ws), VoiceHostV1(), send_timeout_s=self._limits.send_timeout_s)
        await self.take(client, caller=caller, metadata=metadata, ws=ws)

    async def take(
        self,
        client: ClientConnection,
        *,
        session_id: str | None = None,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
        control: CallControl | None = None,
        answers: CallAnswers | None = None,
        saved: SavedSession | None = None,
        ws: WebSocket | None = None,
    ) -> None:
        """Run one call of a client of any protocol, as `handle` does.

        Args:
            client: not accepted yet.
            session_id: the id for a new session; default: a random one.
            caller: as authenticated by the platform.
            metadata: what the platform knows about the call. Takes precedence over what the client sends.
            channel: how the caller is connected. Takes precedence over what the client's protocol says.
            control: the carrier's side of a telephone call; None: it cannot be transferred, or sent digits.
            answers: who answers an outbound call, as far as the carrier finds out.
            saved: the session to resume, if the process that had it was lost.
            ws: passed to `_client_loop`, which is only called if this is given.
        """
        await client.accept()
        try:
            opening = await client.opening(self._limits.max_metadata_bytes)
            if isinstance(opening, Disconnected):
                return
            session, resumed = await session_for(
                opening,
                self._manager,
                session_id or new_session_id(),
                caller,
                Opening(metadata or {}, channel=channel),
                saved,
            )
        except OpeningFailed as failure:
            code = CloseCode.COULD_NOT_START if failure.limit is None else CloseCode.OVER_A_LIMIT
            agent_id = self._manager.agent_id
            await refuse(client, agent_id, code, str(failure), session_id=session_id, limit=failure.limit)
            return
        except SessionRefused as refusal:
            await refuse(client, self._manager.agent_id, code_for(refusal), str(refusal), session_id=session_id)
            return

        end = CallEnd("shutdown")
        reporter = CallReporter(session, client)
        try:
            async with self._open(client, reporter, session, resumed) as call:
                call.phone.control = control
                if answers is not None:
                    answers.connect(call.phone.answered)
                end = await self._run(call, ws, resumed)
        except Exception as error:  # noqa: BLE001 - `crashed` logs it
            reporter.crashed(error)
            end = CallEnd("failed", "something went wrong")
        finally:
            try:
                await say_goodbye(client, reporter, end)
            finally:
                await self._manager.call_ended(session.id, end.reason, end.detail)

    @asynccontextmanager
    async def _open(
        self, client: ClientConnection, reporter: CallReporter, session: ManagedSession, resumed: bool
    ) -> AsyncIterator[Call]:
        """Yield a call. On exit, its tasks are cancelled and awaited, and then the voice is closed."""
        tasks = asyncio.TaskGroup()
        echo = EchoGuard(
            voice_hz=session.agent.tts_config.sample_rate,
            microphone_hz=session.agent.stt_config.sample_rate,
            lead_s=session.agent.config.turns.playout_lead_ms / 1000,
        )
        call = Call(
            session=session,
            client=client,
            reporter=reporter,
            engine=self._engine(session),
            tasks=tasks,
            over=asyncio.get_running_loop().create_future(),
            microphone=MicrophoneBuffer(
                session.agent.stt_config.sample_rate, self._resilience.microphone_buffer_s, echo.microphone
            ),
            steps=CallSteps(self._handle_turn, self._speak_text, self._cancel_inflight),
            max_lag_s=self._limits.max_lag_s,
            playout_buffer_s=self._resilience.playout_buffer_s,
            echo=echo,
        )
        client.on_stalled = call.stalled
        voice = suspension = None
        async with self._manager.connected(session.id, call):
            try:
                async with tasks:
                    try:
                        agent = session.agent
                        await client.use_rates(
                            microphone_hz=agent.stt_config.sample_rate, speech_hz=agent.tts_config.sample_rate
                        )
                        await reporter.tell(self._ready(session, resumed))
                        voice = call.voice = await self._open_voice(call)
                        yield call
                    finally:
                        suspension = Suspension(call)
            finally:
                if suspension is not None and call.lost:
                    session.suspended = suspension.record()
                if voice is not None:
                    await voice.aclose()
                call.close()

    def _ready(self, session: ManagedSession, resumed: bool) -> events.Ready:
        return events.Ready(
            session.id,
            self._manager.agent_id,
            microphone_hz=session.agent.stt_config.sample_rate,
            speech_hz=session.agent.tts_config.sample_rate,
            resume_token=self._manager.resume_token(session.id),
            resumed=resumed,
            agent_version=self._agent_version,
            greets=not resumed and bool(session.agent.greeting.strip()),
        )

    def _engine(self, session: ManagedSession) -> TurnEngine:
        config = session.agent.config
        engine = TurnEngine(
            config.turns,
            shortened(config.silence, self._limits),
            reports_speech_end=self._speech.stt.reports_speech_end,
            final_within_s=final_timeout_s(config.stt_config) + FINAL_MARGIN_S,
            start_s=now_s(),
        )
        if session.suspended is not None:
            engine.restore(session.suspended.turns, session.created_at)
        return engine

    async def _run(self, call: Call, ws: WebSocket | None, resumed: bool) -> CallEnd:
        call.arm_timer()
        call.spawn(self._client_loop(call, ws) if ws is not None else self._read_client(call), "client")
        call.spawn(self._stt_listener(call), "speech-to-text")
        if (before := call.session.suspended) is not None:
            await call.dispatch(ConnectionResumed(before.unheard, before.unanswered))
            call.session.suspended = None
        elif not resumed and call.agent.greeting.strip():
            await call.client.configured()
            await call.dispatch(SpeechRequested(call.agent.greeting, greeting=True))
        await call.session.live.attach(call)
        return await call.over

    # --- for subclasses to override -------------------------------------------------------------------------------

    async def _client_loop(self, call: Call, ws: WebSocket) -> None:
        """Read the client until the call ends."""
        await self._read_client(call)

    async def _stt_listener(self, call: Call) -> None:
        """Run speech-to-text until the call ends. If it fails permanently, the call continues with typed turns."""

        async def on_outage(error: ProviderError) -> None:
            await call.report_failure(error)
            await call.dispatch(SpeechRequested(STT_LOST_PHRASE))

        await Listening(
            call.agent.stt_config,
            self._resilience,
            connect=partial(self._connect_stt, call),
            on_event=call.hear,
            on_outage=on_outage,
            on_recovery=partial(call.dispatch, SpeechRequested(STT_RECOVERED_PHRASE)),
            note=call.reporter.note,
            hears_speech_end=self._speech.stt.reports_speech_end,
            min_audio_ms=self._speech.min_audio_ms,
        ).run(call.microphone)

    async def _connect_stt(self, call: Call) -> SpeechToTextStream:
        """Open a stream to speech-to-text."""
        return await self._speech.stt.open(call.agent.stt_config)

    async def _open_voice(self, call: Call) -> TextToSpeechStream | None:
        """Open a stream to text-to-speech. Returns None if it is not available: then replies are text only."""
        speech, config = self._speech, call.agent.tts_config
        voice = FailoverVoice(speech.tts, speech.tts_fallback, config, self._resilience, call.reporter.note)
        try:
            await voice.warm()
        except ProviderError as error:
            await call.report_failure(error)
            return None
        return voice

    async def _handle_turn(self, call: Call, text: str, prepared: PreparedTurn | None, reply: Reply) -> None:
        """Answer the caller's turn."""
        await answer_turn(call, text, prepared, reply, self._tts_relay)

    async def _speak_text(self, call: Call, text: str, greeting: bool, reply: Reply) -> None:
        """Speak a given text as a reply, without the model."""
        await speak_text(call, text, greeting, reply, self._tts_relay)

    async def _tts_relay(self, call: Call, reply: Reply) -> None:
        """Speak a reply's text as it is generated, and return when it has been played."""
        await relay_speech(call, reply, self._wording(call.agent.config))

    async def _cancel_inflight(self, call: Call, by: Interruption) -> None:
        """Cut the current reply, and tell the client."""
        await cut_reply(call, by)

    # --------------------------------------------------------------------------------------------------------------

    async def _read_client(self, call: Call) -> None:
        await read_client(call, ClientGuard(self._limits, call.agent.stt_config.sample_rate))

    def _wording(self, config: AgentConfig) -> ClauseWording:
        return self._custom_cleaner or wording_for(config.text_normalization, tuple(config.pronunciations.items()))
