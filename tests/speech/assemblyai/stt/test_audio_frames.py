import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.speech.assemblyai.stt.audio_frames import AudioCoalescer, RealTimePacer

RATES = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000])


@given(rate=RATES, frames=st.lists(st.binary(max_size=5000), max_size=30))
def test_messages_keep_to_the_range_and_lose_nothing(rate: int, frames: list[bytes]) -> None:
    coalescer = AudioCoalescer(rate)
    messages = [message for frame in frames for message in coalescer.push(frame)]
    rest = coalescer.flush()
    for message in [*messages, *([rest] if rest else [])]:
        assert len(message) % 2 == 0
        assert 50 <= len(message) * 1000 / (rate * 2) <= 100
    sent, received = b"".join(frames), b"".join(messages) + rest
    whole = len(sent) & ~1
    assert received[:whole] == sent[:whole]
    assert not any(received[whole:]), "what was filled up is silence"


@given(rate=RATES, sizes=st.lists(st.integers(1, 20_000), max_size=20))
def test_less_than_one_message_is_held_back(rate: int, sizes: list[int]) -> None:
    coalescer = AudioCoalescer(rate)
    held = 0
    for size in sizes:
        held += size - sum(len(message) for message in coalescer.push(bytes(size)))
        assert held < rate * 2 * 0.05 + 2


def test_a_second_flush_has_nothing_left() -> None:
    coalescer = AudioCoalescer(16000)
    assert coalescer.push(bytes(100)) == []
    assert len(coalescer.flush()) == 1600
    assert coalescer.flush() == b""


def test_half_a_sample_is_not_audio() -> None:
    coalescer = AudioCoalescer(16000)
    coalescer.push(b"x")
    assert coalescer.flush() == b""


def test_an_impossible_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no message of 60 to 50 ms"):
        AudioCoalescer(16000, min_ms=60, max_ms=50)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(50, 1000)), max_size=50),
)
def test_paced_audio_never_runs_ahead_of_what_is_allowed(steps: list[tuple[float, float]]) -> None:
    """Each step: seconds that pass, then milliseconds of audio that are to be sent."""
    pacer = RealTimePacer(speed=1.5, burst_ms=1000)
    now = 0.0
    allowance_ms = 1000.0
    for pause_s, audio_ms in steps:
        now += pause_s
        waited_s = pacer.wait_s(audio_ms, now)
        now += waited_s
        allowance_ms = min(1000.0, allowance_ms + (pause_s + waited_s) * 1500) - audio_ms
        assert allowance_ms >= -1e-6


def test_a_microphone_is_never_held_up() -> None:
    pacer = RealTimePacer(speed=1.5, burst_ms=1000)
    assert [pacer.wait_s(50, 100 + step * 0.05) for step in range(1000)] == [0.0] * 1000
