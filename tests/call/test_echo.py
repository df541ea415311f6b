"""What tells an echo from a caller, with recorded speech as the agent's voice and as the caller's."""

from __future__ import annotations

import array
import wave
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from voice_host.call.echo import EchoGuard
from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.protocol import AudioFormat
from voice_host_sdk import SpeechEvent, SpeechStarted, Transcript

HZ = 16_000
FRAME = HZ // 50
"""20 ms."""

SAID = "what's the weather like"


def recording(name: str, times: int = 1) -> array.array[int]:
    with wave.open(str(Path(__file__).parents[1] / "data" / f"{name}.wav")) as file:
        assert file.getframerate() == HZ
        samples = array.array("h", file.readframes(file.getnframes()))
    first = next(at for at, sample in enumerate(samples) if abs(sample) > 1500)
    return samples[first:] * times


def louder(samples: array.array[int], gain: float) -> array.array[int]:
    return array.array("h", [int(sample * gain) for sample in samples])


AGENT = recording("whats_the_weather_like", times=2)
CALLER = recording("go_forward_ten_meters", times=2)
ECHO = array.array("h", bytes(HZ * 2 // 5)) + louder(AGENT, 0.1)
"""20 dB down and 200 ms late."""


@dataclass
class Line:
    """A call's audio both ways, on a clock of its own. `turn()` gives what the guard passes on of a turn."""

    now_s: float = 100.0
    guard: EchoGuard = field(init=False)

    def __post_init__(self) -> None:
        self.guard = EchoGuard(voice_hz=HZ, microphone_hz=HZ, lead_s=0.2, clock=lambda: self.now_s)

    def play(self, agent: array.array[int], microphone: array.array[int]) -> None:
        for at in range(0, max(len(agent), len(microphone)), FRAME):
            if agent[at : at + FRAME]:
                self.guard.played(agent[at : at + FRAME].tobytes())
            self.now_s += 0.02
            self.guard.microphone((microphone[at : at + FRAME] or array.array("h", bytes(2 * FRAME))).tobytes())

    def turn(self, microphone: array.array[int], text: str) -> list[SpeechEvent]:
        """Let the agent speak and the microphone hear this, the voice be detected after 0.5 s, and `text` follow."""
        self.play(AGENT[: HZ // 2], microphone[: HZ // 2])
        passed = self.guard.sift(SpeechStarted(), lambda: SAID)
        self.play(AGENT[HZ // 2 :], microphone[HZ // 2 :])
        return passed + self.guard.sift(Transcript(text, final=True), lambda: SAID)


@pytest.mark.parametrize("words", ["what's the weather like", "once a feather bike", "um", "we opened up tonight"])
def test_an_echo_is_dropped_whatever_is_recognised_in_it(words: str) -> None:
    assert Line().turn(ECHO, words) == []


@pytest.mark.parametrize("words", ["go forward ten meters", "what's the weather like", "like"])
def test_a_caller_who_is_louder_than_an_echo_counts_whatever_the_words(words: str) -> None:
    assert Line().turn(CALLER, words) == [SpeechStarted(), Transcript(words, final=True)]


@pytest.mark.parametrize("words", ["go forward ten meters", "tomorrow"])
def test_a_caller_as_soft_as_an_echo_counts_with_other_words(words: str) -> None:
    soft = louder(CALLER, 0.1)
    assert Line().turn(soft, words) == [Transcript(words, final=True)]  # and does not hold the agent before


@pytest.mark.parametrize("words", ["like", "the weather like"])
def test_a_caller_as_soft_as_an_echo_is_taken_for_one_with_the_agents_words(words: str) -> None:
    # The price of it, where the recogniser does hear an echo, or has not had 3 s to show that it hears none.
    assert Line().turn(louder(CALLER, 0.1), words) == []


@pytest.mark.parametrize("words", ["like", "the weather like"])
def test_where_the_recogniser_hears_no_echo_a_soft_caller_counts_whatever_the_words(words: str) -> None:
    line = Line()
    line.play(recording("whats_the_weather_like", times=3), array.array("h"))
    assert line.turn(louder(CALLER, 0.1), words) == [SpeechStarted(), Transcript(words, final=True)]


def test_while_the_agent_is_silent_there_is_no_echo() -> None:
    line = Line()
    line.play(AGENT, ECHO)
    line.now_s += 3.0
    assert line.guard.sift(SpeechStarted(), lambda: SAID) == [SpeechStarted()]
    assert line.guard.sift(Transcript(SAID, final=True), lambda: SAID) == [Transcript(SAID, final=True)]


def test_a_noise_before_the_agent_spoke_does_not_make_its_echo_a_caller() -> None:
    line = Line()
    line.play(AGENT[:FRAME], louder(CALLER, 1.0)[: HZ // 2])
    assert line.guard.sift(SpeechStarted(), lambda: SAID) == [SpeechStarted()]  # a cough, without words
    line.play(array.array("h"), array.array("h", bytes(4 * HZ)))
    assert line.turn(ECHO, "once a feather bike") == []


def test_without_a_microphone_the_words_decide_and_one_word_is_the_callers() -> None:
    def spoken_over(text: str) -> list[SpeechEvent]:
        guard = EchoGuard(voice_hz=HZ, microphone_hz=HZ, lead_s=0.2, clock=lambda: 100.0)
        guard.played(AGENT.tobytes()[: HZ * 2])
        return guard.sift(Transcript(text, final=True), lambda: SAID)

    assert spoken_over("what is the weather like") == []
    assert spoken_over("weather") == [Transcript("weather", final=True)]
    assert spoken_over("is it going to rain") == [Transcript("is it going to rain", final=True)]


@pytest.mark.parametrize("late_ms", range(160, 560, 30))
@pytest.mark.parametrize(
    "name", ["austen_0930", "cards_005", "go_forward_ten_meters", "one_two_three", "whats_the_weather_like"]
)
def test_the_echo_of_a_telephone_is_dropped_whatever_its_delay(name: str, late_ms: int) -> None:
    """Over mu-law at 8 kHz, and with words that are not the agent's: it is known by its envelope."""
    agent = (recording(name, times=3))[: 4 * HZ]
    telephone = AudioFormat("mulaw", 8000)
    there, back = SpeechEncoder(HZ, telephone), AudioDecoder(telephone, HZ).decode
    softer = louder(
        array.array("h", AudioDecoder(telephone, 8000).decode(there.encode(agent.tobytes()) + there.end())), 0.1
    )
    microphone = array.array("h", back(SpeechEncoder(8000, telephone).encode(softer.tobytes())))
    heard, line = array.array("h", bytes(2 * HZ * late_ms // 1000)) + microphone, Line()
    onset = HZ * (late_ms + 500) // 1000 // FRAME * FRAME
    line.play(agent[:onset], heard[:onset])
    assert line.guard.sift(SpeechStarted(), lambda: SAID) == []
    line.play(agent[onset : 3 * HZ], heard[onset : 3 * HZ])
    assert line.guard.sift(Transcript("is it going to rain", final=True), lambda: SAID) == []
