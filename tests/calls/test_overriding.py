"""What a platform overrides in a handler of its own has its effect in the call: the methods that the plan names."""

from __future__ import annotations

from typing import Any

from fastapi import WebSocket

from tests.calls.client import calling
from tests.calls.studio import studio
from voice_host import VoiceSessionHandler
from voice_host.call.call import Call
from voice_host.call.prepared_turn import PreparedTurn
from voice_host.call.reply import Reply
from voice_host.turns.events import Interruption, TurnFinished
from voice_host_sdk import Caller, ProviderError, SpeechToTextStream


async def test_handle_says_who_calls() -> None:
    class Handler(VoiceSessionHandler):
        async def handle(self, ws: WebSocket, *, caller: Caller | None = None, metadata: Any = None) -> None:
            await super().handle(ws, caller=Caller("anna"), metadata={"plan": "gold"})

    async with studio(handler_class=Handler) as s, calling(s.url) as caller:
        session_id = (await caller.expect("ready"))["session_id"]
        session = (await s.manager.get_or_create(session_id)).session
        assert session.caller == Caller("anna")
        assert session.metadata["plan"] == "gold"


async def test_connect_stt_opens_the_recogniser() -> None:
    class Handler(VoiceSessionHandler):
        async def _connect_stt(self, call: Call) -> SpeechToTextStream:
            raise ProviderError("No ears today.", code="stt_closed", retryable=False)

    async with studio(handler_class=Handler) as s, calling(s.url) as caller:
        assert (await caller.expect("error", code="stt_closed"))["message"] == "No ears today."


async def test_stt_listener_brings_the_turns() -> None:
    class Handler(VoiceSessionHandler):
        async def _stt_listener(self, call: Call) -> None:
            await call.dispatch(TurnFinished("from elsewhere"))

    async with studio(handler_class=Handler) as s:
        s.llm.reply("I see.")
        async with calling(s.url) as caller:
            assert (await caller.expect("turn"))["text"] == "from elsewhere"
            await caller.expect("tts_done", reply=1)


async def test_client_loop_reads_the_client() -> None:
    class Handler(VoiceSessionHandler):
        async def _client_loop(self, call: Call, ws: WebSocket) -> None:
            await ws.receive_text()
            call.end("ended", "one message is enough")

    async with studio(handler_class=Handler) as s, calling(s.url) as caller:
        await caller.send("ping")
        assert await caller.ended() == (1000, "one message is enough")
        assert not caller.all("pong")


async def test_handle_turn_decides_what_is_answered() -> None:
    class Handler(VoiceSessionHandler):
        async def _handle_turn(self, call: Call, text: str, prepared_turn: PreparedTurn | None, reply: Reply) -> None:
            prepared.append(prepared_turn is not None)
            await super()._handle_turn(call, text.upper(), prepared_turn, reply)

    prepared: list[bool] = []
    async with studio(handler_class=Handler) as s:
        for _ in range(4):  # requests that were made too early take one each
            s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            session = await s.stt.connected()
            await session.speech_started()
            await session.final("when are you open")
            await caller.expect("tts_done", reply=1)
            await caller.type("and on sunday")
            await caller.expect("tts_done", reply=2)
        assert prepared[0], "an answer had been begun to the caller's own words"
        asked = {request.messages[-1]["content"]: request.messages for request in s.llm.requests}
        history = [message["content"] for message in asked["AND ON SUNDAY"]]
        assert "WHEN ARE YOU OPEN" in history
        assert "when are you open" not in history


async def test_tts_relay_speaks() -> None:
    class Handler(VoiceSessionHandler):
        async def _tts_relay(self, call: Call, reply: Reply) -> None:
            await call.client.speak(reply.id, chime, reply)
            await super()._tts_relay(call, reply)

    chime = b"\x11\x22" * 480
    async with studio(handler_class=Handler) as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            await caller.type("hi")
            await caller.expect("tts_done", reply=1)
            assert caller.audio.startswith(chime)
            assert len(caller.audio) > len(chime)


async def test_cancel_inflight_ends_a_reply() -> None:
    class Handler(VoiceSessionHandler):
        async def _cancel_inflight(self, call: Call, by: Interruption) -> None:
            await call.report("cut", f"cut by {by}")
            await super()._cancel_inflight(call, by)

    async with studio(handler_class=Handler, ms_per_word=400) as s:
        s.llm.reply("One two three four. Five six seven eight.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio")
            await caller.send("cancel")
            cancelled = await caller.expect("cancelled", reply=1)
            told = caller.all("error", code="cut")
            assert [frame["message"] for frame in told] == ["cut by button"]
            assert caller.frames.index(told[0]) < caller.frames.index(cancelled)
