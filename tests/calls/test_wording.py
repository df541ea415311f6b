"""What the voice is given to say, and what of it the caller is taken to have heard, in whole calls.

The cases in `tests/data/field_cases_wording.json` stand for faults that users of other products reported. Each has
what a person would say: any of `expected` is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from fastapi import FastAPI

from tests.calls.client import calling
from tests.calls.studio import serving, studio
from tests.docs.markdown import ROOT
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.gateway import GatewaySimulator
from voice_host import VoiceAgentManager, VoiceSessionHandler
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry
from voice_host.settings import ModelKeys, Settings
from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech
from voice_host.speech.select import SpeechProviders
from voice_host.testing import Say, ScriptedModel, TestCall, call_agent, in_virtual_time, serve_agent
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, TurnConfig

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/field_cases_wording.json").read_text(encoding="utf-8"))
SPOKEN = [case for case in CASES if case["look_at"] != "heard"]
AS_A_MODEL_WRITES = 25.0
"""Words a second. Between two of them no clause is taken for finished because nothing follows."""


async def reply_to(call: TestCall) -> str:
    """Return what the voice was given for one reply."""
    await call.ask("Tell me.")
    return " ".join(call.voice.spoken)


@pytest.mark.parametrize("case", SPOKEN, ids=[case["id"] for case in SPOKEN])
@in_virtual_time
async def test_what_the_voice_is_given(case: dict[str, Any]) -> None:
    model = ScriptedModel(Say(case["text"], words_per_s=AS_A_MODEL_WRITES))
    async with call_agent(AgentConfig(), model) as call:
        assert await reply_to(call) in case["expected"]
        if case["look_at"] == "clauses":
            assert len(call.voice.spoken) == 1
        assert call.replies[0].heard == case["text"].strip() or not call.voice.spoken


TOTAL = "Your total is $1,234.56 and your table is at 7:30 p.m. by the window, enjoy."
APPOINTMENT = "The appointment is on 2026-11-26 at the branch in the old town."


async def speak_for(call: TestCall, seconds: float) -> None:
    """Ask, and let the answer be heard for so long."""
    await call.type("Tell me.")
    while not call.replies or call.replies[-1].audible_s is None:
        await call.wait(0.01)
    await call.wait(seconds)


@pytest.mark.parametrize("word_timings", [True, False])
@pytest.mark.parametrize(
    ("text", "seconds", "heard"),
    [
        pytest.param(TOTAL, 2.0, "Your total is", id="18-03"),
        pytest.param(TOTAL, 3.8, "Your total is $1,234.56", id="last word of the amount"),
        pytest.param(APPOINTMENT, 1.8, "The appointment is on", id="18-05"),
    ],
)
@in_virtual_time
async def test_a_caller_has_not_heard_beyond_what_was_being_said(
    text: str, seconds: float, heard: str, word_timings: bool
) -> None:
    async with call_agent(AgentConfig(), ScriptedModel(text, "Fine.")) as call:
        call.voice.word_timings = word_timings
        await speak_for(call, seconds)
        await call.press_stop()
        cut = await call.reply()
        if word_timings:
            assert cut.heard == heard
        else:  # estimated from the length of the words: one or two of them less or more, but never half an amount
            assert cut.interrupted
            assert text.startswith(cut.heard)
            assert cut.heard.split()[:3] == heard.split()[:3]
            assert abs(len(cut.heard.split()) - len(heard.split())) <= 2


@pytest.mark.parametrize("word_timings", [True, False])
@in_virtual_time
async def test_a_caller_who_comes_back_hears_the_amount_from_its_beginning(word_timings: bool) -> None:  # 18-04
    async with call_agent(AgentConfig(), ScriptedModel(TOTAL)) as call:
        call.voice.word_timings = word_timings
        await speak_for(call, 2.5)
        await call.lose_connection()
        await call.wait(3)
        assert await call.reconnect()
        cut, rest = await call.reply(), await call.reply()
        assert cut.heard == "Your total is"
        assert rest.text == TOTAL  # the last three words that were heard, and what follows
        amount = "one thousand two hundred and thirty-four dollars and fifty-six cents"
        assert " ".join(call.voice.spoken).count(f"Your total is {amount}") == 2


SPANS = [
    *(("Your", 1), ("total", 1), ("is", 1), ("$1,234.56", 10), ("on", 1), ("2026-11-26", 4), ("at", 1)),
    *(("7:30 p.m.", 3), ("for", 1), ("nginx,", 5), ("thanks.", 1)),
]
"""Written, and how many words the voice says for it."""


def heard_after(words: int) -> str:
    """Return the spans of which the last word was begun."""
    counts = accumulate(count for _, count in SPANS)
    return " ".join(written for (written, _), count in zip(SPANS, counts, strict=True) if count <= words)


@pytest.mark.parametrize("words", range(1, 29))
@in_virtual_time
async def test_wherever_a_reply_is_cut_whole_spans_count_as_heard(words: int) -> None:
    config = AgentConfig(pronunciations={"nginx": "engine x and so on"})
    model = ScriptedModel(*[" ".join(written for written, _ in SPANS)] * 2, "Fine.")
    async with call_agent(config, model) as call:
        await speak_for(call, (words - 0.5) * 0.3)
        await call.press_stop()
        assert (await call.reply()).heard == heard_after(words)
        await call.type("Again.")
        cut = await call.interrupt("no that is wrong", into_reply_s=(words - 0.5) * 0.3)
        # What is on its way already is still heard: the playout's lead and the caller's first syllable.
        assert cut.heard in [heard_after(count) for count in range(words, words + 3)]
        await call.reply()


@in_virtual_time
async def test_a_pronunciation_may_be_given_for_one_caller() -> None:
    class PerCaller(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            said = {**config.pronunciations, session.metadata["name"]: session.metadata["said"]}
            return config.model_copy(update={"pronunciations": said})

    config = AgentConfig(pronunciations={"nginx": "engine x"})
    text = "Dr. Nguyen and Mr. Siobhan run nginx."
    async with serve_agent(config, ScriptedModel(text, text), callbacks=PerCaller()) as agent:
        async with agent.call(metadata={"name": "Nguyen", "said": "win"}) as call:
            assert await reply_to(call) == "Doctor win and Mister Siobhan run engine x."
        async with agent.call(metadata={"name": "Siobhan", "said": "shi-vawn"}) as call:
            assert await reply_to(call) == "Doctor Nguyen and Mister shi-vawn run engine x."


@in_virtual_time
async def test_pronunciations_are_spoken_and_nothing_else_sees_them() -> None:
    config = AgentConfig(pronunciations={"nginx": "engine x", "Copper Spoon": "copper, spoon", "SQL": "sequel"})
    text = "Welcome to Copper Spoon, we run Nginx and SQL, no sql."
    model = ScriptedModel(Say(text, words_per_s=AS_A_MODEL_WRITES), "Fine.")
    async with call_agent(config, model) as call:
        assert await reply_to(call) == "Welcome to copper, spoon, we run engine x and sequel, no sql."
        assert call.replies[0].heard == text
        await call.ask("Thank you.")
        assert f"agent: {text}" in model.asked[-1].history


@in_virtual_time
async def test_a_word_that_is_said_otherwise_counts_as_heard_when_it_was_said() -> None:
    config = AgentConfig(pronunciations={"nginx": "engine x and so on"})
    async with call_agent(config, ScriptedModel("We run nginx here, of course.", "Fine.")) as call:
        await speak_for(call, 4 * 0.3)  # "engine x"
        await call.press_stop()
        assert (await call.reply()).heard == "We run"


@in_virtual_time
async def test_a_voice_that_normalizes_by_itself_gets_the_text_without_its_markup() -> None:
    config = AgentConfig(text_normalization=False, pronunciations={"km": "clicks"})
    async with call_agent(config, ScriptedModel("It is **5 km** for $3.50, see [this](https://a.b).")) as call:
        assert await reply_to(call) == "It is 5 clicks for $3.50, see this."


def raising(text: str) -> str:
    raise RuntimeError("no such word")


@pytest.mark.parametrize(
    ("cleaner", "said"),
    [
        pytest.param(lambda text: text.replace("$5", "five bucks"), "five bucks", id="replaces"),
        pytest.param(raising, "five dollars", id="raises"),
        pytest.param(lambda text: None, "five dollars", id="returns nothing"),
    ],
)
async def test_a_cleaner_of_the_platforms_own(
    cleaner: Callable[[str], str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Cleaning(VoiceSessionHandler):
        def __init__(self, **options: Any) -> None:
            super().__init__(cleaner=cleaner, **options)

    async with studio(handler_class=Cleaning) as s, calling(s.url) as caller:
        s.llm.reply("It is $5 for you.")
        await caller.type("How much?")
        await caller.expect("tts_done")
        assert " ".join(s.tts.spoken).split() == f"It is {said} for you.".split()
    assert ("the cleaner failed" in caplog.text) == (said == "five dollars")


@pytest.mark.usefixtures("embedded_speech")
async def test_the_embedded_voice_over_a_socket() -> None:  # 18-06
    text = "Your total is $1,234,567.89 and your table is at the window."
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        GatewaySimulator(api_key="gateway-key") as llm,
    ):
        config = AgentConfig(turns=TurnConfig(playout_lead_ms=5000))
        registry = ModelRegistry(
            Settings(keys=ModelKeys(VOICE_HOST_LLM_BASE_URL=llm.base_url, VOICE_HOST_LLM_API_KEY="gateway-key"))
        )
        await registry.prepare(None, "test-model")
        runtime = AgentRuntime("desk", config, registry.resolve(None, "test-model"), registry=registry)
        manager = VoiceAgentManager(config=config, runtime=runtime)
        speech = SpeechProviders(AssemblyAISpeechToText("stt-key", url=stt.url), EmbeddedTextToSpeech())
        app = FastAPI()
        app.add_api_websocket_route("/session", VoiceSessionHandler(agent_manager=manager, speech=speech).handle)
        llm.reply(text)
        try:
            async with serving(app) as address, calling(f"ws://{address}/session") as caller:
                await caller.type("How much?")
                await caller.until(lambda _: len(caller.audio) >= 4000 * 48)
                await caller.send("playback", reply=1, played_ms=2300)
                await caller.send("cancel")
                heard = (await caller.expect("cancelled", reply=1))["heard"]
        finally:
            await manager.aclose_all()
            await runtime.aclose()
            await speech.aclose()
    assert heard in ("Your total is", "Your total is $1,234,567.89")
