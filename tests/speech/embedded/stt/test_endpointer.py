from __future__ import annotations

from voice_host.speech.embedded.stt.endpointer import Draft, Endpointer, Listen, Step, Verdict, Window
from voice_host_sdk import SpeechEnded, SpeechStarted


def run(endpointer: Endpointer, probability: float, windows: int, *, label: bytes = b"") -> list[Step]:
    """Feed equal windows; each carries its label instead of audio, so that drafts can be read."""
    return [step for _ in range(windows) for step in endpointer.feed(Window(label, probability, 100.0))]


def without_partials(steps: list[Step]) -> list[Step]:
    return [step for step in steps if not isinstance(step, Listen)]


def test_an_utterance_is_started_ended_drafted_and_committed() -> None:
    endpointer = Endpointer()
    assert run(endpointer, 0.1, 20, label=b"-") == []
    assert run(endpointer, 0.9, 1, label=b"a") == []
    assert run(endpointer, 0.9, 1, label=b"a") == [SpeechStarted()]
    assert without_partials(run(endpointer, 0.4, 3, label=b"a")) == []  # between the thresholds nothing changes
    assert run(endpointer, 0.1, 2, label=b".") == []
    assert run(endpointer, 0.1, 1, label=b".") == [SpeechEnded()]
    assert run(endpointer, 0.1, 2, label=b".") == []
    assert run(endpointer, 0.1, 1, label=b".") == [Draft(b"-" * 15 + b"aaaaa" + b"." * 6)]
    assert run(endpointer, 0.1, 15) == []
    assert endpointer.open
    assert run(endpointer, 0.1, 1) == [Verdict.COMMIT]
    assert not endpointer.open
    assert run(endpointer, 0.1, 100) == []


def test_words_that_sound_complete_end_the_turn_early() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 4)
    assert isinstance(run(endpointer, 0.1, 6)[-1], Draft)
    endpointer.draft_is_complete()
    assert run(endpointer, 0.1, 7) == []
    assert run(endpointer, 0.1, 1) == [Verdict.COMMIT]


def test_words_that_come_late_end_the_turn_when_they_come() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 4)
    run(endpointer, 0.1, 18)
    endpointer.draft_is_complete()
    assert run(endpointer, 0.1, 1) == [Verdict.COMMIT]


def test_an_early_end_holds_for_one_draft_alone() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 4)
    run(endpointer, 0.1, 6)
    endpointer.draft_is_complete()
    run(endpointer, 0.9, 4)
    assert Verdict.COMMIT not in run(endpointer, 0.1, 21)
    assert run(endpointer, 0.1, 1) == [Verdict.COMMIT]


def test_a_click_is_not_speech() -> None:
    endpointer = Endpointer()
    for _ in range(5):
        assert run(endpointer, 0.9, 1) + run(endpointer, 0.1, 1) == []
    assert not endpointer.open


def test_speech_that_goes_on_drops_the_draft_and_keeps_the_audio() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 4, label=b"a")
    run(endpointer, 0.1, 21, label=b".")
    assert run(endpointer, 0.9, 2, label=b"b") == [SpeechStarted(), Verdict.DROP]
    assert run(endpointer, 0.1, 6, label=b".")[-1] == Draft(b"aaaa" + b"." * 21 + b"bb" + b"." * 6)


def test_a_gap_between_sounds_is_no_end() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 4)
    assert run(endpointer, 0.1, 2) + run(endpointer, 0.9, 3) + run(endpointer, 0.1, 2) == []


def test_partials_are_due_while_somebody_speaks() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.1, 20)
    steps = run(endpointer, 0.9, 100)
    assert len([step for step in steps if isinstance(step, Listen)]) == 7
    assert not [step for step in run(endpointer, 0.1, 40) if isinstance(step, Listen)]


def test_partials_of_long_speech_cost_no_more_than_those_of_short() -> None:
    endpointer = Endpointer()
    steps = run(endpointer, 0.9, 900)
    listened = [len(step.pcm) for step in run(Endpointer(), 0.9, 900, label=b"a") if isinstance(step, Listen)]
    assert len([step for step in steps if isinstance(step, Listen)]) == len(listened) < 30
    assert sum(listened) < 9 * 900  # all so far is decoded each time: at most nine times as much as was said


def test_a_pause_divides_a_long_utterance() -> None:
    endpointer = Endpointer()
    run(endpointer, 0.9, 330, label=b"a")
    run(endpointer, 0.1, 12, label=b".")
    assert run(endpointer, 0.9, 2, label=b"b") == [SpeechStarted(), Verdict.KEEP]
    rest = without_partials(run(endpointer, 0.1, 22, label=b"."))
    assert rest == [SpeechEnded(), Draft(b"." * 6 + b"bb" + b"." * 6), Verdict.COMMIT]


def test_an_utterance_without_pauses_is_divided_at_its_softest_moment() -> None:
    endpointer = Endpointer()
    steps = run(endpointer, 0.9, 900, label=b"a")
    steps += endpointer.feed(Window(b"_", 0.9, 7.0))
    steps += run(endpointer, 0.9, 60, label=b"b")
    assert without_partials(steps) == [SpeechStarted(), Draft(b"a" * 900), Verdict.KEEP]
    ending = without_partials(run(endpointer, 0.1, 6, label=b"."))
    assert ending[-1] == Draft(b"_" + b"b" * 60 + b"." * 6)


def test_the_audio_held_is_bounded() -> None:
    endpointer = Endpointer()
    steps = run(endpointer, 0.9, 5000, label=b"a")
    drafts = [step.pcm for step in steps if isinstance(step, Draft)]
    assert len(drafts) == steps.count(Verdict.KEEP) == 5
    assert max(map(len, drafts)) * 32 <= 30_000
