"""Keys, transfers and the carrier's news, in whole calls of a telephone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from voice_host.clients.call_control import CallAnswers
from voice_host.testing import CallTool, ScriptedModel, TestCall, in_virtual_time, run_in_virtual_time, serve_agent
from voice_host_sdk import (
    AgentConfig,
    AgentReply,
    CallAnswer,
    Channel,
    ChannelError,
    LifecycleCallbacks,
    Session,
    SilenceConfig,
    TurnConfig,
    tool,
)

PHONE = Channel("test", "phone", "inbound", "+15550100", "+15550199", "T1")


class Desk:
    """An agent with tools for telephones, and what came of them."""

    def __init__(self, **wanted: Any) -> None:
        self.wanted = {"count": 4, **wanted}
        self.to = "+15550142"
        self.came: list[str | Exception] = []
        self.callbacks = Callbacks()

    def config(self, **changes: Any) -> AgentConfig:
        tools = [self.collect, self.connect, self.dial, self.connect_late]
        return AgentConfig(greeting="", tools=tools, tool_timeout_s=5, **changes)

    async def collect(self, session: Session) -> str:
        """Collect digits."""
        return await self._keep(session.collect_digits(**self.wanted))

    async def connect(self, session: Session) -> str:
        """Transfer the call."""
        return await self._keep(session.transfer(self.to))

    async def dial(self, session: Session) -> str:
        """Send digits."""
        return await self._keep(session.send_digits("12w#"))

    @tool(on_interrupt="finish")
    async def connect_late(self, session: Session) -> str:
        """Transfer the call, but slowly."""
        await asyncio.sleep(3)
        return await self._keep(session.transfer(self.to))

    async def _keep(self, asked: Awaitable[str | None]) -> str:
        try:
            came = await asked or ""
        except Exception as error:
            self.came.append(error)
            raise
        self.came.append(came)
        return came


class Callbacks(LifecycleCallbacks):
    def __init__(self) -> None:
        self.keys = ""
        self.answers: list[CallAnswer] = []
        self.replies: list[AgentReply] = []

    async def on_dtmf(self, session: Session, digit: str) -> None:
        self.keys += digit

    async def on_answered(self, session: Session, answer: CallAnswer) -> None:
        self.answers.append(answer)

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        self.replies.append(reply)


PROMPT = "Please enter the four digits of your code now."  # 9 words of 0.3 s
THANKS = "Thank you very much."


def model(tool: str, *, prompt: str = PROMPT) -> ScriptedModel:
    """A model that says a sentence, calls a tool, and thanks."""
    return ScriptedModel([prompt, CallTool(tool)], THANKS)


@asynccontextmanager
async def calling(
    desk: Desk, script: ScriptedModel, *, channel: Channel = PHONE, **changes: Any
) -> AsyncIterator[TestCall]:
    async with (
        serve_agent(desk.config(**changes), script, callbacks=desk.callbacks) as agent,
        agent.call(channel=channel) as call,
    ):
        yield call


# --- digits -------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_digits_are_collected_after_the_prompt() -> None:
    desk = Desk()
    async with calling(desk, model("collect")) as call:
        await call.type("Hello")
        await call.wait(6)  # the prompt is over after 2.7 s
        await call.press("1234")
        reply = await call.reply()
        assert desk.came == ["1234"]
        assert reply.heard == f"{PROMPT} {THANKS}"
    assert desk.callbacks.keys == "1234"


@in_virtual_time
async def test_a_key_stops_the_prompt_and_not_the_reply() -> None:
    desk, script = Desk(), ScriptedModel([PROMPT, CallTool("collect")], THANKS, "Bye.")
    async with calling(desk, script) as call:
        await call.type("Hello")
        reply = await call.audible_reply()
        assert reply.audible_s is not None
        await call.press("1234", at_s=reply.audible_s + 0.7, every_s=0.1)
        assert await call.reply() is reply
        assert desk.came == ["1234"]
        assert reply.ended_s is not None
        assert reply.ended_s - reply.audible_s < 0.7 + 0.3 + 0.2 + 1.2 + 0.2  # keys, what was sent ahead, thanks
        assert not reply.interrupted
        await call.ask("And now?")
        [spoken, *_] = desk.callbacks.replies
        assert spoken.heard.startswith("Please enter")
        assert "code now" not in spoken.heard
        assert spoken.heard.endswith(THANKS)
        assert "the caller pressed keys" in script.asked[-1].history[-2]


@in_virtual_time
async def test_an_agent_that_cannot_be_interrupted_finishes_the_prompt() -> None:
    desk = Desk()
    async with calling(desk, model("collect"), turns=TurnConfig(barge_in=False)) as call:
        await call.type("Hello")
        reply = await call.audible_reply()
        assert reply.audible_s is not None
        await call.press("1234", at_s=reply.audible_s + 0.7, every_s=0.1)
        await call.reply()
        assert reply.heard == f"{PROMPT} {THANKS}"
        assert reply.ended_s is not None
        assert reply.ended_s - reply.audible_s == pytest.approx(2.7 + 1.2, abs=0.2)


@pytest.mark.parametrize(
    ("keys", "wanted", "came"),
    [
        ("1234#", {"count": None}, "1234"),
        ("#", {"count": None}, ""),
        ("1*3#", {"count": None, "finish": ""}, "1*3#"),
        ("12", {"count": 4}, "12"),
        ("123456", {"count": 4}, "1234"),
        ("12*", {"count": 4, "finish": "*"}, "12"),
        ("", {"count": 4}, ""),
    ],
)
def test_what_ends_an_input(keys: str, wanted: dict[str, Any], came: str) -> None:
    async def main() -> None:
        desk = Desk(**wanted)
        async with calling(desk, model("collect", prompt="")) as call:
            await call.type("Hello")
            await call.wait(1)
            await call.press(keys)
            await call.reply()
        assert desk.came == [came]

    run_in_virtual_time(main())


@in_virtual_time
async def test_the_time_begins_when_the_agent_has_spoken() -> None:
    desk = Desk(timeout_s=4, between_s=2)
    async with calling(desk, model("collect")) as call:
        await call.type("Hello")
        reply = await call.audible_reply()
        assert reply.audible_s is not None
        await call.reply()
        assert call.tool("collect").duration_ms == pytest.approx(2700 + 4000, abs=300)  # and its limit is 5 s
    assert desk.came == [""]


@in_virtual_time
async def test_each_further_digit_has_its_own_time() -> None:
    desk = Desk(timeout_s=10, between_s=2)
    async with calling(desk, model("collect", prompt="")) as call:
        await call.type("Hello")
        await call.wait(1)
        await call.press("12", every_s=1.8)
        pressed_s = call.now_s
        await call.wait(2.2)
        assert desk.came == ["12"]
        await call.reply()
        assert call.now_s - pressed_s < 4


@in_virtual_time
async def test_what_is_said_before_the_digits_are_collected_is_waited_for() -> None:
    desk = Desk(timeout_s=3)

    async def ask(session: Session) -> str:
        """Ask for the code."""
        await session.say("Now the four digits of your code, please.")  # 8 words: 2.4 s
        return await desk.collect(session)

    config = desk.config().model_copy(update={"tools": [ask]})
    async with serve_agent(config, model("ask", prompt="")) as agent, agent.call(channel=PHONE) as call:
        await call.type("Hello")
        await call.wait(5)
        await call.press("1234")
        await call.reply()
    assert desk.came == ["1234"]


@in_virtual_time
async def test_digits_pressed_just_before_count_and_older_ones_do_not() -> None:
    desk = Desk(count=2)
    async with calling(desk, model("collect", prompt="")) as call:
        await call.press("98")
        await call.wait(6)
        await call.press("12")
        await call.type("Hello")
        await call.reply()
    assert desk.came == ["12"]
    assert desk.callbacks.keys == "9812"


@in_virtual_time
async def test_a_finishing_key_after_a_complete_input_is_not_the_next_one() -> None:
    desk = Desk(count=2)
    script = ScriptedModel(CallTool("collect"), CallTool("collect"), THANKS)
    async with calling(desk, script) as call:
        await call.type("Hello")
        await call.wait(1)
        await call.press("12#34#")
        await call.reply()
    assert desk.came == ["12", "34"]


@in_virtual_time
async def test_a_turn_of_the_caller_ends_the_collecting() -> None:
    desk = Desk()
    script = ScriptedModel(CallTool("collect"), "Then goodbye.")
    async with calling(desk, script) as call:
        await call.type("Hello")
        await call.wait(1)
        await call.speak("I do not have a code")
        assert (await call.reply()).heard == "Then goodbye."
        await call.press("1234")
    assert desk.came == []


@in_virtual_time
async def test_no_filler_is_spoken_while_the_caller_presses_keys() -> None:
    desk = Desk(count=None)
    silence = SilenceConfig(filler_after_s=1.5)
    async with calling(desk, model("collect", prompt=""), silence=silence) as call:
        await call.type("Hello")
        await call.wait(1)
        await call.press("12345678", every_s=1)
        assert call.audio_ms == 0
        await call.press("#")
        await call.reply()
    assert desk.came == ["12345678"]


@in_virtual_time
async def test_one_tool_at_a_time_collects() -> None:
    desk = Desk()
    script = ScriptedModel([CallTool("collect"), CallTool("collect")], THANKS)
    async with calling(desk, script) as call:
        await call.type("Hello")
        await call.wait(1)
        await call.press("1234")
        await call.reply()
    assert [str(came) for came in desk.came] == ["digits are being collected already", "1234"]


@in_virtual_time
async def test_a_callback_that_collects_is_told_that_the_caller_has_gone() -> None:
    came: list[str] = []

    class Collecting(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            with pytest.raises(ChannelError) as caught:
                await session.collect_digits(timeout_s=60)
            came.append(str(caught.value))

    config = AgentConfig(greeting="")
    async with serve_agent(config, callbacks=Collecting()) as agent, agent.call(channel=PHONE) as call:
        await call.wait(20)  # longer than callbacks may take
        await call.hang_up()
    assert came == ["the caller is not connected any more"]


# --- transfers ----------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_transfer_waits_for_the_speech_and_ends_the_session() -> None:
    desk = Desk()
    async with calling(desk, model("connect")) as call:
        await call.type("A person, please")
        reply = await call.audible_reply()
        end = await call.ended()
        assert call.carrier is not None
        assert call.carrier.transfers == ["+15550142"]
        assert (end.reason, end.detail, end.close_code) == ("ended", "transferred to +15550142", 1000)
        assert reply.audible_s is not None
        assert call.now_s - reply.audible_s == pytest.approx(2.7, abs=0.3)
        assert reply.heard == PROMPT


@in_virtual_time
async def test_a_refused_transfer_is_told_to_the_model_and_the_call_goes_on() -> None:
    desk = Desk()
    async with calling(desk, model("connect")) as call:
        assert call.carrier is not None
        call.carrier.refuses = "the number is not allowed"
        reply = await call.ask("A person, please")
        assert [str(came) for came in desk.came] == ["the number is not allowed"]
        assert reply.heard.endswith(THANKS)
        assert not call.over


@in_virtual_time
async def test_an_interrupted_reply_transfers_nobody() -> None:
    desk = Desk()
    async with calling(desk, ScriptedModel([PROMPT, CallTool("connect")], "Sure.")) as call:
        await call.type("A person, please")
        await call.interrupt("No wait do not", into_reply_s=0.5)
        await call.reply()
        assert call.carrier is not None
        assert call.carrier.transfers == []
        assert not call.over


@in_virtual_time
async def test_a_tool_that_outlives_its_reply_does_nothing() -> None:
    desk = Desk()
    async with calling(desk, ScriptedModel([PROMPT, CallTool("connect_late")], "Sure.")) as call:
        await call.type("A person, please")
        await call.interrupt("No wait do not", into_reply_s=0.5)
        await call.wait(5)
        assert call.carrier is not None
        assert call.carrier.transfers == []
        [error] = desk.came
        assert isinstance(error, ChannelError)


@pytest.mark.parametrize("to", ["", "5550142", "+0123456789", "+1555", "tel:+15550142", "sip:", "+15550142 ", "+1 555"])
def test_a_number_that_is_none_is_refused(to: str) -> None:
    async def main() -> None:
        desk = Desk()
        desk.to = to
        async with calling(desk, model("connect")) as call:
            await call.ask("A person, please")
        [error] = desk.came
        assert isinstance(error, ValueError)

    run_in_virtual_time(main())


@in_virtual_time
async def test_digits_are_sent() -> None:
    desk = Desk()
    async with calling(desk, model("dial")) as call:
        await call.ask("Dial")
        assert call.carrier is not None
        assert call.carrier.digits_sent == ["12w#"]


@pytest.mark.parametrize("tool", ["collect", "connect", "dial"])
def test_a_page_is_no_telephone(tool: str) -> None:
    async def main() -> None:
        desk = Desk()
        async with calling(desk, model(tool), channel=Channel()) as call:
            reply = await call.ask("Hello")
            assert reply.heard.endswith(THANKS)
        [error] = desk.came
        assert isinstance(error, ChannelError)
        assert "voice-host" in str(error)

    run_in_virtual_time(main())


# --- the carrier's news -------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_agent_is_told_who_answered() -> None:
    desk = Desk()
    async with calling(desk, ScriptedModel()) as call:
        assert call.carrier is not None
        call.carrier.report_answer(CallAnswer("machine", "machine_start"))
        call.carrier.report_answer(CallAnswer("machine_end", "machine_end_beep"))
        await call.wait(0.1)
    assert [answer.by for answer in desk.callbacks.answers] == ["machine", "machine_end"]


def test_an_answer_waits_for_the_call() -> None:
    answers, taken = CallAnswers(), list[CallAnswer]()
    for number in range(20):
        answers.put(CallAnswer("human", str(number)))
    answers.connect(taken.append)
    answers.put(CallAnswer("machine"))
    assert [answer.detail for answer in taken] == [*map(str, range(8)), ""]
