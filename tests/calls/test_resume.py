"""A connection is not the session: callers who were cut off come back to the same conversation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, no_session, studio
from tests.calls.test_endings import Recorder
from voice_host_sdk import AgentConfig, Caller, Session, tool


def back(s: Studio, caller: TestCaller) -> str:
    """The address at which a caller goes on."""
    return f"{s.url}?resume={caller.all('ready')[0]['resume_token']}"


async def parked(s: Studio) -> None:
    """The handler of the lost connection has returned, and nothing of it is left but the session."""
    await s.until(lambda s: len(s.leaks) > 0 and s.manager.parked_sessions == 1)
    left = s.leaks.pop()
    if callbacks := [task for task in left if task.get_name().startswith("callbacks-")]:
        await asyncio.wait(callbacks, timeout=10)  # what the connection's end gave them to do
    assert [task for task in left if not task.done()] == []
    assert s.manager.connected_calls == 0
    await s.tts.until(lambda tts: tts.open_connections == 0)
    for session in s.stt.sessions:
        await s.stt.until(lambda _, session=session: session.close_code is not None)


async def refused(url: str) -> tuple[int | None, str]:
    async with calling(url) as caller:
        end = await caller.ended()
        assert caller.frames == []
        return end


@pytest.mark.fault("caller: comes back")
async def test_a_lost_caller_goes_on_with_the_same_conversation() -> None:
    recorder = Recorder()

    async def remember(session: Session, word: str) -> str:
        """Remember a word."""
        session.state["word"] = word
        return "noted"

    async def recall(session: Session) -> str:
        """Recall the word."""
        return str(session.state["word"])

    async with studio(AgentConfig(greeting="Hello.", tools=(remember, recall)), callbacks=recorder) as s:
        s.llm.call_tool("remember", {"word": "plum"})
        s.llm.reply("Noted.")
        s.llm.call_tool("recall")
        s.llm.reply("It was plum.")
        async with calling(s.url) as first:
            ready = await first.expect("ready")
            assert ready["resumed"] is False
            assert len(ready["resume_token"]) >= 43
            await first.type("Remember plum")
            await first.expect("metrics", reply=2)
            first.ws.transport.abort()
            await parked(s)
        async with calling(back(s, first)) as second:
            again = await second.expect("ready")
            assert (again["resumed"], again["session_id"]) == (True, ready["session_id"])
            assert again["resume_token"] != ready["resume_token"]
            await second.type("Which word?")
            assert (await second.expect("chat"))["text"] == "It was plum."
            assert (await second.expect("metrics"))["reply"] == 3, "replies go on counting"
            assert not second.all("greeting")
        assert "Remember plum" in str(s.llm.requests[-1].messages)
        await no_session(s)
    names = recorder.names
    assert names.count("created") == names.count("destroyed") == 1
    assert recorder.seen[-1] == ("destroyed", "goodbye")


@pytest.mark.fault("caller: comes back")
async def test_the_unheard_rest_of_a_reply_is_spoken_from_the_last_words_heard() -> None:
    recorder = Recorder()
    text = "One two three four five six seven eight nine ten eleven twelve."
    async with studio(callbacks=recorder, ms_per_word=200) as s:
        s.llm.reply(text)
        async with calling(s.url) as first:
            await first.type("Count")
            await first.expect("chat")
            await first.expect("audio", count=16)
            first.ws.transport.abort()
            await parked(s)
        kind, (written, interrupted) = recorder.seen[-1]
        assert (kind, written, interrupted) == ("reply", text, True)
        async with calling(back(s, first)) as second:
            rest = (await second.expect("chat"))["text"]
            await second.expect("tts_done")
            assert text.endswith(rest)
            assert 0 < len(rest) < len(text)
            assert second.audio
            assert second.all("chat")[0]["reply"] == 2
        assert len(s.llm.requests) == 1


@pytest.mark.fault("caller: half-open")
@pytest.mark.parametrize("reports", [[400, 450], []])
async def test_what_a_client_that_went_silent_cannot_have_played_is_spoken_again(reports: list[int]) -> None:
    text = "One two three four five six seven eight nine ten eleven twelve."
    async with studio(ms_per_word=60) as s:
        s.llm.reply(text)
        s.llm.reply("Yes.")
        async with calling(s.url) as first:
            await first.type("Count")
            await first.expect("audio", count=8)
            for played_ms in reports:
                await first.send("playback", reply=1, played_ms=played_ms)
                await asyncio.sleep(0.05)
            # From here on the network takes what is sent, and the client says nothing: for the host the reply ends.
            await first.expect("metrics", reply=1)
            async with calling(back(s, first)) as second:
                await second.expect("ready", resumed=True)
                if reports:
                    rest = (await second.expect("chat"))["text"]
                    assert text.endswith(rest)
                    assert 0 < len(rest) < len(text)
                    await second.expect("tts_done")
                else:
                    await second.type("Was that all?")
                    assert (await second.expect("chat"))["text"] == "Yes."


@pytest.mark.fault("caller: half-open")
async def test_what_was_sent_after_the_microphone_fell_silent_is_spoken_again() -> None:
    more = asyncio.Event()
    async with studio(ms_per_word=40) as s:
        s.llm.reply("One two three four five. Six seven eight nine ten.", gates={5: more})
        async with calling(s.url) as first:
            await first.type("Count")
            await first.expect("audio")
            await first.ws.send(bytes(640))
            await first.send("ping")
            await first.expect("pong")
            # From here on the network takes what is sent, and the client is silent: for the host the reply ends.
            more.set()
            await first.expect("metrics", reply=1)
            async with calling(back(s, first)) as second:
                rest = (await second.expect("chat"))["text"]
                assert rest.endswith("Six seven eight nine ten.")
                await second.expect("tts_done")


@pytest.mark.fault("caller: comes back")
async def test_a_turn_that_nothing_was_said_to_is_answered_when_the_caller_is_back() -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder) as s:
        never = asyncio.Event()
        s.llm.reply("Too late.", gates={0: never})
        s.llm.reply("At nine.")
        async with calling(s.url) as first:
            await first.type("When?")
            await s.llm.request(0)
            first.ws.transport.abort()
            await parked(s)
        async with calling(back(s, first)) as second:
            assert (await second.expect("chat"))["text"] == "At nine."
            assert not second.all("turn"), "it was announced before"
            await second.expect("metrics")
        users = [m["content"] for m in s.llm.requests[-1].messages if m["role"] == "user"]
        assert users == ["When?"]
    assert recorder.names.count("turn") == 1


async def test_a_turn_whose_tool_has_run_is_not_answered_twice() -> None:
    booked: list[int] = []
    never = asyncio.Event()

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book."""
        booked.append(1)
        return "booked"

    async with studio(AgentConfig(tools=(book,))) as s:
        s.llm.call_tool("book")
        s.llm.reply("Done.", gates={0: never})
        s.llm.reply("It is booked.")
        async with calling(s.url) as first:
            await first.type("Book")
            await first.expect("tool_result")
            await s.llm.request(1)
            first.ws.transport.abort()
            await parked(s)
        async with calling(back(s, first)) as second:
            await second.expect("ready")
            await second.type("And?")
            assert (await second.expect("chat"))["text"] == "It is booked."
        assert booked == [1]
        assert "booked" in str(s.llm.requests[-1].messages)


@pytest.mark.fault("caller: token that opens nothing")
async def test_a_token_works_once_and_only_as_it_is() -> None:
    async with studio() as s:
        async with calling(s.url) as first:
            await first.expect("ready")
            first.ws.transport.abort()
            await parked(s)
        token = first.all("ready")[0]["resume_token"]
        for wrong in ("", "x", token[:-1], f"{token}x", token.replace(".", "", 1), "%ed%a0%80", f"a{token}"):
            assert (await refused(f"{s.url}?resume={wrong}"))[0] == 4401
        async with calling(back(s, first)) as second:
            await second.expect("ready", resumed=True)
            code, reason = await refused(back(s, first))
            assert (code, reason) == (4401, "there is no call to resume: call again without the resume token")
            second.ws.transport.abort()
        await s.until(lambda s: s.manager.parked_sessions == 1)
        assert (await refused(back(s, first)))[0] == 4401
        async with calling(back(s, second)) as third:
            await third.expect("ready", resumed=True)
        assert (await refused(back(s, third)))[0] == 4401, "it was ended with a goodbye"


@pytest.mark.fault("caller: token that opens nothing")
async def test_a_token_is_bound_to_whom_it_was_given() -> None:
    async with studio() as s:
        who: list[Caller | None] = [Caller("anna")]
        handle = s.handler.handle

        async def as_caller(ws: WebSocket, **_: Any) -> None:
            await handle(ws, caller=who[0])

        s.handler.handle = as_caller  # type: ignore[method-assign, assignment]
        async with calling(s.url) as first:
            await first.expect("ready")
            first.ws.transport.abort()
            await parked(s)
        for other in (Caller("berta"), Caller("anna", issuer="another house"), None):
            who[0] = other
            assert (await refused(back(s, first)))[0] == 4401
        who[0] = Caller("anna", {"role": "guest"})
        async with calling(back(s, first)) as second:
            await second.expect("ready", resumed=True)


@pytest.mark.fault("caller: comes back before the loss is noticed")
async def test_the_newest_connection_wins() -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder, ms_per_word=200) as s:
        s.llm.reply("One two three four five six seven eight nine ten.")
        async with calling(s.url) as first:
            await first.type("Count")
            await first.expect("audio", count=3)
            async with calling(back(s, first)) as second:
                await second.expect("ready", resumed=True)
                assert await first.ended() == (1000, "the call goes on over another connection")
                await second.expect("tts_done")
                assert s.manager.connected_calls == await s.manager.active_sessions() == 1
        await no_session(s)
    assert recorder.names.count("created") == recorder.names.count("destroyed") == 1


async def test_of_two_that_come_back_at_once_one_gets_the_call() -> None:
    async with studio() as s, calling(s.url) as first:
        await first.expect("ready")
        async with calling(back(s, first)) as second, calling(back(s, first)) as third:
            await second.until(lambda c: bool(c.frames) or c.closed is not None)
            await third.until(lambda c: bool(c.frames) or c.closed is not None)
            lost = [caller.closed for caller in (second, third) if caller.closed]
            assert [end[0] for end in lost] == [4401]
            assert s.manager.connected_calls == 1


@pytest.mark.fault("caller: does not come back")
@pytest.mark.parametrize("options", [{"resume_grace_s": 0.05}, {"resume_grace_s": 0}])
async def test_who_does_not_come_back_in_time_has_left(options: dict[str, float]) -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder, **options) as s:
        async with calling(s.url) as caller:
            ready = await caller.expect("ready")
            assert (ready["resume_token"] is None) is (options["resume_grace_s"] == 0)
            caller.ws.transport.abort()
            await s.until(lambda s: len(s.leaks) == 1)
        async with asyncio.timeout(10):
            while await s.manager.active_sessions() or recorder.names[-1] != "destroyed":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await refused(f"{s.url}?resume={ready['resume_token']}"))[0] == 4401
    assert recorder.seen == [("created", ready["session_id"]), ("destroyed", "lost")]


async def test_what_an_agent_asks_for_meanwhile_is_done() -> None:
    sessions: list[Session] = []

    class Keeping(Recorder):
        async def on_session_created(self, session: Session) -> None:
            sessions.append(session)

    recorder = Keeping()
    async with studio(callbacks=recorder) as s:
        async with calling(s.url) as first:
            await first.expect("ready")
            first.ws.transport.abort()
            await parked(s)
        await sessions[0].say("Your table is ready.")
        async with calling(back(s, first)) as second:
            assert (await second.expect("chat"))["text"] == "Your table is ready."
            await second.expect("metrics")
            second.ws.transport.abort()
            await s.until(lambda s: s.manager.parked_sessions == 1)
        await sessions[0].end("closing time")
        await no_session(s)
        assert (await refused(back(s, second)))[0] == 4401
    assert recorder.seen[-1] == ("destroyed", "ended")


@pytest.mark.fault("caller: too many wait")
async def test_only_so_many_may_wait(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder, max_parked=2) as s:
        callers: list[TestCaller] = []
        for number in range(3):
            async with calling(s.url) as caller:
                await caller.expect("ready")
                callers.append(caller)
                caller.ws.transport.abort()
                await s.until(lambda s, number=number: len(s.leaks) == number + 1)  # type: ignore[misc]
        assert s.manager.parked_sessions == 2
        assert (await refused(back(s, callers[0])))[0] == 4401
        for caller in callers[1:]:
            async with calling(back(s, caller)) as again:
                await again.expect("ready", resumed=True)
    assert recorder.names.count("created") == recorder.names.count("destroyed") == 3


@pytest.mark.fault("caller: too many wait")
@pytest.mark.parametrize("others", [["198.51.100.7"] * 3, ["2001:db8::1", "2001:db8:0:2::1", "2001:db8:0:3::1"]])
async def test_whoever_loses_call_after_call_pushes_out_nobody_else(others: list[str]) -> None:
    async with studio(max_parked=2) as s:
        callers: list[TestCaller] = []
        for number, address in enumerate(["198.51.100.99", *others]):
            async with calling(s.url, additional_headers={"X-Forwarded-For": address}) as caller:
                await caller.expect("ready")
                callers.append(caller)
                caller.ws.transport.abort()
                await s.until(lambda s, number=number: len(s.leaks) == number + 1)  # type: ignore[misc]
        assert s.manager.parked_sessions == 2
        for caller in callers[1:3]:
            assert (await refused(back(s, caller)))[0] == 4401
        for caller in (callers[0], callers[3]):
            async with calling(back(s, caller)) as again:
                await again.expect("ready", resumed=True)
