"""The agent's own voice, fed back by a loudspeaker 20 dB down and 200 ms late, through whole calls in virtual time."""

from __future__ import annotations

import array
import asyncio

import pytest

from tests.calls.turn_taking import ENDED, STARTED, audible_s, final, hear_into_reply, partial, turns
from voice_host.testing import ScriptedModel, TestCall, call_agent, in_virtual_time
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, SpeechEvent, STTConfig, TTSConfig

SAID = "We open at nine in the morning and we close at ten in the evening. Tomorrow we are closed."
MISHEARD = "we open it mine in the mourning and be close at ten in the evening tomorrow we are clothes"
WORD_S, LATE_S = 0.3, 0.2
microphones: set[asyncio.Task[None]] = set()
"""Who still has something to send: the event loop itself would forget them."""

MIC_HZ, VOICE_HZ = STTConfig().sample_rate, TTSConfig().sample_rate


@pytest.fixture(autouse=True)
def a_voice_that_can_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripted voice speak at -9 dB."""
    monkeypatch.setattr(ScriptedVoice, "peak", 12_000)


def tone(peak: int, samples: int) -> bytes:
    return array.array("h", [peak if at // 20 % 2 else -peak for at in range(samples)]).tobytes()


def put_on_loudspeaker(call: TestCall, *, gain: float = 0.1) -> None:
    """Send what the caller gets back through the microphone, `LATE_S` after it is played."""
    loop, played_until_s = asyncio.get_running_loop(), 0.0

    def play(pcm: bytes) -> None:
        nonlocal played_until_s
        heard = array.array("h", [int(sample * gain) for sample in array.array("h", pcm)])
        begins_s = max(played_until_s, loop.time())
        played_until_s = begins_s + len(heard) / VOICE_HZ
        microphone(call, heard[: len(heard) * MIC_HZ // VOICE_HZ].tobytes(), begins_s + LATE_S - loop.time())

    call.on_audio(play)


def microphone(call: TestCall, pcm: bytes, in_s: float) -> None:
    """Send audio of the microphone a while from now."""

    async def later() -> None:
        await asyncio.sleep(in_s)
        await call.send_audio(pcm)

    sending = asyncio.create_task(later())
    microphones.add(sending)
    sending.add_done_callback(microphones.discard)


def echo(text: str) -> list[tuple[float, SpeechEvent]]:
    """What a recogniser makes of the agent's speech, counted from the moment at which that becomes audible."""
    spoken = text.split()
    ends_s = LATE_S + len(spoken) * WORD_S
    words = [(LATE_S + count * WORD_S + 0.1, partial(" ".join(spoken[:count]))) for count in range(1, len(spoken) + 1)]
    return [(LATE_S + 0.1, STARTED), *words, (ends_s + 0.2, ENDED), (ends_s + 0.6, final(text))]


def said_over(text: str, at_s: float) -> list[tuple[float, SpeechEvent]]:
    """What a recogniser makes of the caller's words within the agent's echo: one turn with both."""
    return [(at_s + 0.4, partial(text)), (at_s + 0.9, ENDED), (at_s + 1.3, final(text))]


@pytest.mark.fault("stt: hears the agent's own voice")
@pytest.mark.parametrize("heard", [SAID.lower().replace(".", ""), MISHEARD])
@pytest.mark.parametrize("sends_microphone", [True, False])
@in_virtual_time
async def test_the_agent_does_not_interrupt_itself(heard: str, sends_microphone: bool, hears_end: bool) -> None:
    model = ScriptedModel(SAID)
    async with call_agent(AgentConfig(), model) as call:
        if sends_microphone:
            put_on_loudspeaker(call)
        await call.type("When do you open?")
        await hear_into_reply(call, *(event for event in echo(heard) if hears_end or event[1] is not ENDED))
        reply = await call.reply()
        assert (reply.heard, reply.interrupted) == (SAID, False)
        if sends_microphone:  # it was not even held back
            assert (reply.ended_s or 0) - (reply.audible_s or 0) == pytest.approx(len(SAID.split()) * WORD_S, abs=0.01)
        await call.wait(5)
    assert turns(call) == ["When do you open?"]
    assert len(model.asked) == 1


@in_virtual_time
async def test_the_echo_of_a_greeting_is_no_turn() -> None:
    async with call_agent(AgentConfig(greeting="Welcome to the desk."), ScriptedModel(), hear_greeting=False) as call:
        put_on_loudspeaker(call)
        await hear_into_reply(call, *echo("welcome to the disk"))
        assert (await call.reply()).heard == "Welcome to the desk."
        await call.wait(5)
    assert turns(call) == []


@pytest.mark.parametrize("words", ["stop", "what about Sunday", "nine in the morning"])
@in_virtual_time
async def test_a_caller_who_speaks_over_the_echo_is_heard(words: str) -> None:
    """The last one repeats the agent's words: what counts is that it is louder than an echo."""
    model = ScriptedModel(SAID, "Yes?")
    async with call_agent(AgentConfig(), model) as call:
        put_on_loudspeaker(call)
        await call.type("When do you open?")
        begun_s = await audible_s(call)
        microphone(call, tone(6000, MIC_HZ), begun_s + 1.6 - call.now_s)
        heard = [event for event in echo(MISHEARD) if event[0] < 1.6]
        await hear_into_reply(call, *heard, *said_over(f"we open it mine {words}", 1.6))
        assert (await call.reply()).heard == "Yes?"
        assert call.replies[0].interrupted
    assert turns(call) == ["When do you open?", words]  # without the echo before them


@pytest.mark.parametrize("answer", ["Tomorrow?", "yes", "Tomorrow at nine, yes."])
@in_virtual_time
async def test_a_caller_who_says_the_agents_words_is_heard(answer: str) -> None:
    """After an echo and louder than it, as somebody close to a microphone is."""
    asking = "Shall I book it for tomorrow at nine, yes or no?"
    model = ScriptedModel(asking, "It is booked.")
    async with call_agent(AgentConfig(), model) as call:
        put_on_loudspeaker(call)
        await call.type("A table, please.")
        await hear_into_reply(call, *echo("shall i book it for tomorrow at mine yes or no"))
        assert (await call.reply()).heard == asking
        await call.speak(answer)
        assert (await call.reply()).heard == "It is booked."
    assert turns(call) == ["A table, please.", answer]


@in_virtual_time
async def test_a_soft_caller_stops_the_agent_with_words_of_his_own() -> None:
    model = ScriptedModel(SAID, "On Sunday, too.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When do you open?")
        begun_s = await audible_s(call)
        microphone(call, tone(1000, MIC_HZ), begun_s + 0.8 - call.now_s)
        await hear_into_reply(call, (1.0, STARTED), (1.4, partial("what about")), (2.0, final("what about Sunday")))
        assert (await call.reply()).heard == "On Sunday, too."
        assert call.replies[0].interrupted


@in_virtual_time
async def test_where_there_is_no_echo_a_soft_caller_may_say_the_agents_words() -> None:
    model = ScriptedModel(SAID, "Closed, yes.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When do you open?")  # with a headset: the recogniser hears nothing for 5 s
        begun_s = await audible_s(call)
        microphone(call, tone(1000, MIC_HZ), begun_s + 5.4 - call.now_s)
        await hear_into_reply(call, (5.5, STARTED), (5.9, partial("Tomorrow")), (6.2, ENDED), (6.4, final("Tomorrow?")))
        assert (await call.reply()).heard == "Closed, yes."


@in_virtual_time
async def test_a_loudspeaker_may_be_turned_on_in_the_middle_of_a_call() -> None:
    model = ScriptedModel(SAID, SAID)
    async with call_agent(AgentConfig(), model) as call:
        put_on_loudspeaker(call, gain=0.0)
        await call.ask("When do you open?")
        put_on_loudspeaker(call)
        await call.type("Again?")
        await hear_into_reply(call, *echo(MISHEARD))
        await call.wait(10)
    assert turns(call) == ["When do you open?", "Again?"]
