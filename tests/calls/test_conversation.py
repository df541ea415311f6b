"""The call protocol, message by message, over real sockets and simulated services."""

from __future__ import annotations

import asyncio

import pytest

from tests.calls.client import calling
from tests.calls.studio import studio
from voice_host_sdk import AgentConfig, Session, TurnConfig


def opening_hours(day: str) -> str:
    """Tell when the desk is open.

    Args:
        day: weekday name
    """
    return f"On {day} we open at nine."


async def test_a_typed_turn_is_answered_in_text_and_speech() -> None:
    async with studio() as s:
        s.llm.reply("Hello Anna. How can I help?")
        async with calling(s.url) as caller:
            await caller.type("My name is Anna")
            await caller.expect("metrics", reply=1)
            assert caller.kinds()[:4] == ["ready", "turn", "thinking", "reply_delta"]
            ready = caller.frames[0]
            assert (ready["sample_rate"], ready["tts_sample_rate"], ready["protocol"]) == (16000, 24000, 1)
            assert caller.all("turn")[0]["text"] == "My name is Anna"
            assert "".join(f["text"] for f in caller.all("reply_delta", reply=1)) == "Hello Anna. How can I help?"
            assert caller.all("chat")[0] == {
                "type": "chat",
                "reply": 1,
                "text": "Hello Anna. How can I help?",
                "steps": [],
            }
            assert caller.audio == b"".join(bytes(u.audio) for u in s.tts.utterances)
            assert caller.frames.index(caller.all("tts_done")[0]) > max(
                i for i, f in enumerate(caller.frames) if f["type"] == "audio"
            )
        assert s.tts.spoken == ["Hello Anna.", "How can I help?"]
        assert s.tts.violations == []


async def test_the_greeting_is_spoken_first_and_is_remembered() -> None:
    async with studio(AgentConfig(greeting="Welcome to the desk.")) as s:
        s.llm.reply("At nine.")
        async with calling(s.url) as caller:
            assert await caller.expect("greeting") == {"type": "greeting", "reply": 1, "text": "Welcome to the desk."}
            await caller.expect("metrics", reply=1)  # played to its end
            await caller.type("When do you open?")
            await caller.expect("tts_done", reply=2)
        roles = [(m["role"], m.get("content")) for m in (await s.llm.request(0)).messages]
        assert roles[-2:] == [("assistant", "Welcome to the desk."), ("user", "When do you open?")]


async def test_a_spoken_turn_goes_through_speech_to_text() -> None:
    async with studio() as s:
        s.llm.reply("We open at nine.")
        async with calling(s.url) as caller:
            await caller.expect("ready")
            session = await s.stt.connected()
            await caller.speak(bytes(16000 * 2 // 2), frame_ms=20)
            await session.speak_turn("what time do you open")
            await caller.expect("tts_done")
            assert caller.all("transcript", final=False)
            assert caller.all("transcript", final=True)[0]["text"] == "what time do you open"
            kinds = caller.kinds()
            assert kinds[kinds.index("transcript") :][:3] == ["transcript", "turn", "thinking"]
            assert caller.all("turn")[0]["text"] == "what time do you open"
        assert session.message_ms
        assert min(session.message_ms) >= 50


async def test_tools_run_and_are_shown() -> None:
    async with studio(AgentConfig(tools=(opening_hours,))) as s:
        s.llm.call_tool("opening_hours", {"day": "Friday"})
        s.llm.reply("On Friday we open at nine.")
        async with calling(s.url) as caller:
            await caller.type("Friday?")
            await caller.expect("tts_done")
            call, result = caller.all("tool_call")[0], caller.all("tool_result")[0]
            assert (call["name"], call["arguments"]) == ("opening_hours", {"day": "Friday"})
            assert (result["name"], result["ok"], result["id"]) == ("opening_hours", True, call["id"])
            assert caller.all("chat")[0]["steps"] == ["Using opening_hours"]
        answer = (await s.llm.request(1)).messages[-1]
        assert (answer["role"], answer["content"]) == ("tool", "On Friday we open at nine.")


async def test_speech_of_the_first_clause_goes_out_while_the_model_still_writes() -> None:
    async with studio() as s:
        gate = asyncio.Event()
        s.llm.reply("We ", "open ", "at ", "nine. ", "And ", "close ", "at ", "ten.", gates={5: gate})
        async with calling(s.url) as caller:
            await caller.type("When?")
            await caller.expect("audio")
            assert not caller.all("chat")
            assert s.tts.spoken == ["We open at nine."]
            gate.set()
            await caller.expect("tts_done")
            assert s.tts.spoken == ["We open at nine.", "And close at ten."]


async def test_cancel_stops_the_reply_and_nothing_of_it_follows() -> None:
    async with studio(ms_per_word=400) as s:
        s.llm.reply("One two three four. Five six seven eight. Nine ten eleven twelve.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio", count=3)
            await caller.send("cancel")
            cancelled = await caller.expect("cancelled")
            assert cancelled["reply"] == 1
            assert "One two three four. Five six".startswith(cancelled["heard"])
            await caller.send("ping")
            await caller.expect("pong")
            assert caller.audio_after(cancelled) == b""
            assert not caller.all("tts_done")


async def test_a_typed_turn_replaces_the_reply_under_way() -> None:
    async with studio(ms_per_word=400) as s:
        s.llm.reply("One two three four five six seven eight.")
        s.llm.reply("Goodbye.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio", count=12)
            await caller.type("Stop that")
            cancelled = await caller.expect("cancelled", reply=1)
            await caller.expect("tts_done", reply=2)
            after = caller.frames[caller.frames.index(cancelled) :]
            assert [f["type"] for f in after[:3]] == ["cancelled", "turn", "thinking"]
            assert all(f.get("reply", 2) == 2 for f in after[1:])
        messages = (await s.llm.request(1)).messages
        assert messages[-1] == {"role": "user", "content": "Stop that"}
        assert "One" in messages[-2]["content"]
        assert "eight" not in messages[-2]["content"]
        assert messages[-2]["content"].endswith("[interrupted by the caller]")


async def test_words_spoken_over_the_agent_stop_it() -> None:
    async with studio(ms_per_word=400) as s:
        s.llm.reply("One two three four five six seven eight.")
        s.llm.reply("All right.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            session = await s.stt.connected()
            await caller.expect("audio", count=2)
            await session.speech_started()
            await session.partial("please")
            await caller.expect("transcript", final=False)
            assert not caller.all("cancelled")
            await session.partial("please stop")
            await caller.expect("cancelled", reply=1)
            await session.final("please stop counting")
            await caller.expect("tts_done", reply=2)
            assert caller.all("turn")[-1]["text"] == "please stop counting"


async def test_a_word_under_the_threshold_lets_the_reply_go_on_and_belongs_to_the_next_turn() -> None:
    async with studio(ms_per_word=300) as s:
        s.llm.reply("One two three four five six.")
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            session = await s.stt.connected()
            await caller.expect("audio")
            await session.speak_turn("uh-huh")
            await caller.expect("tts_done", reply=1)
            assert not caller.all("cancelled")
            await caller.type("thank you")
            await caller.expect("tts_done", reply=2)
            assert caller.all("turn")[-1]["text"] == "uh-huh thank you"


async def test_reset_forgets_the_conversation() -> None:
    async with studio() as s:
        s.llm.reply("Hello Anna.")
        s.llm.reply("I do not know.")
        async with calling(s.url) as caller:
            await caller.type("I am Anna")
            await caller.expect("tts_done", reply=1)
            await caller.send("reset")
            await caller.expect("reset")
            await caller.type("Who am I?")
            await caller.expect("tts_done", reply=2)
        assert [m["content"] for m in (await s.llm.request(1)).messages if m["role"] != "system"] == ["Who am I?"]


async def test_reset_in_the_middle_of_a_reply_forgets_that_too() -> None:
    async with studio(ms_per_word=400) as s:
        s.llm.reply("One two three four five six seven eight.")
        s.llm.reply("I do not know.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio")
            await caller.send("reset")
            await caller.expect("reset")
            assert [f["type"] for f in caller.frames if f["type"] in ("cancelled", "reset")] == ["cancelled", "reset"]
            await caller.type("What did you count?")
            await caller.expect("tts_done", reply=2)
        assert len([m for m in (await s.llm.request(1)).messages if m["role"] != "system"]) == 1


async def test_a_tool_speaks_and_hangs_up() -> None:
    async def hang_up(session: Session) -> str:
        """Say goodbye and hang up."""
        await session.say("One moment.")
        await session.end("the tool said so")
        return "Done."

    async with studio(AgentConfig(tools=(hang_up,))) as s:
        s.llm.call_tool("hang_up")
        s.llm.reply("Goodbye, Anna.")
        async with calling(s.url) as caller:
            await caller.type("Bye")
            assert await caller.ended() == (1000, "the tool said so")
            await caller.expect("tts_done", reply=1)
        assert s.tts.spoken == ["One moment.", "Goodbye, Anna."]


async def test_button_without_a_reply_is_answered() -> None:
    async with studio() as s, calling(s.url) as caller:
        await caller.send("cancel")
        assert await caller.expect("cancelled") == {"type": "cancelled", "reply": 0, "heard": ""}


@pytest.mark.parametrize("lead_ms", [200, 1000], ids=["after the greeting", "over the greeting"])
async def test_a_client_of_the_first_version_holds_a_conversation(lead_ms: int) -> None:
    """It knows these types, no reply ids, no subprotocol; it plays what comes and drops it on `cancelled`.

    The greeting is still played when its last audio has been sent. A caller who speaks then cuts it, before the turn.
    """
    known = {"ready", "transcript", "turn", "thinking", "chat", "greeting", "tts_done", "error", "cancelled", "reset"}
    config = AgentConfig(greeting="Hello.", turns=TurnConfig(playout_lead_ms=lead_ms))
    async with studio(config, ms_per_word=300) as s:
        s.llm.reply(" ".join(["One two three four five."] * 4))
        s.llm.reply("Done.")
        async with calling(s.url) as caller:
            assert (await caller.expect("ready"))["sample_rate"] == 16000
            assert (await caller.expect("greeting"))["text"] == "Hello."
            await caller.expect("tts_done")
            await caller.speak(bytes(6400))
            session = await s.stt.connected()
            await session.speak_turn("count to five")
            assert (await caller.expect("turn"))["text"] == "count to five"
            before = len(caller.all("cancelled"))
            await caller.expect("chat")
            await caller.expect("audio", count=6)
            await caller.send("cancel")
            cancelled = await caller.expect("cancelled", count=before + 1)
            assert caller.audio_after(cancelled) == b""
            await caller.send("reset")
            await caller.expect("reset")
            await session.speak_turn("and now")
            assert (await caller.expect("chat", text="Done."))["steps"] == []
            await caller.expect("tts_done", count=2)
            order = [kind for kind in caller.kinds() if kind in known]
    assert order[:3] == ["ready", "greeting", "tts_done"]
    assert order[order.index("turn") : order.index("turn") + 3] == ["turn", "thinking", "chat"]
