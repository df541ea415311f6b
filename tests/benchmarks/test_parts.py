"""The parts of the benchmark that could be wrong without anybody noticing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from tests.benchmarks import workload
from tests.benchmarks.callers.caller import Manner
from tests.benchmarks.callers.microphones import GROUPS, Microphones
from tests.benchmarks.callers.protocols import (
    CALLERS,
    RealtimeCaller,
    Stream,
    TelephoneCaller,
    TelnyxCaller,
    TwilioCaller,
)
from tests.benchmarks.marked_audio import Mark, MarkReader, marked
from tests.benchmarks.playback import Playback
from tests.benchmarks.process_tree import used
from tests.benchmarks.services.delays import Delays
from tests.benchmarks.spoken_code import VoiceReader, spell
from tests.processes import descendants
from voice_host.clients.audio import AudioDecoder
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.protocol import (
    Audio,
    AudioFormat,
    ClientEvent,
    ClientProtocol,
    Configured,
    Opening,
    Played,
)
from voice_host.clients.telnyx import TelnyxProtocol
from voice_host.clients.twilio import TwilioProtocol


def test_a_marked_frame_is_read_wherever_the_stream_is_cut() -> None:
    marks = [Mark(7, n, 1, 0, 1.5, 2.0 + n) for n in range(5)]
    stream = b"".join(marked(mark) for mark in marks)
    for size in (1, 50, 640, 1600, 2000):
        reader = MarkReader()
        read = [mark for at in range(0, len(stream), size) for mark in reader.feed(stream[at : at + size])]
        assert read == marks


def test_marks_are_found_again_behind_audio_of_others() -> None:
    first, second = Mark(7, 1, 0, 0, 1.0, 2.0), Mark(7, 2, 0, 0, 1.0, 3.0)
    reader = MarkReader()
    assert reader.feed(marked(first) + bytes(900) + marked(second)[:100]) == [first]
    assert reader.feed(marked(second)[100:]) == [second]


def test_microphones_wait_for_a_tick_once() -> None:
    waits = frames = 0

    class Loop(uvloop.Loop):
        def call_at(self, *args: Any, **options: Any) -> asyncio.TimerHandle:  # type: ignore[override]
            nonlocal waits
            waits += 1
            return super().call_at(*args, **options)

    async def send() -> None:
        nonlocal frames
        for _ in range(3):  # how the fractions of a tick are rounded depends on the time of the start
            microphones, source = Microphones(), Counted()
            microphones.add(source)
            await source.enough.wait()
            microphones.stop()
            frames += source.frames

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(send())
    assert waits <= frames * GROUPS


class Counted:
    """A microphone that counts its frames."""

    number = 1

    def __init__(self) -> None:
        self.frames = 0
        self.enough = asyncio.Event()

    def send_microphone(self) -> None:
        self.frames += 1
        if self.frames == 5:
            self.enough.set()


def test_a_silent_frame_is_quiet_and_a_voiced_one_is_loud() -> None:
    def peak(frame: bytes) -> int:
        return max(abs(sample) for sample in memoryview(frame).cast("h"))

    assert peak(marked(Mark(65535, 0, 2, 1, 1e6 / 3, 2e6 / 3))) < 300
    assert peak(marked(Mark(1, 1, 0, 0, 1.0, 2.0))) > 8000


def test_tags_are_found_and_differ() -> None:
    tags = {workload.tag_of(number, style) for number in range(0, 100_000, 97) for style in (0, 1)}
    assert len(tags) == 2 * len(range(0, 100_000, 97))
    assert all(workload.tag_in(f"are you open today {tag.capitalize()}.") == tag for tag in tags)


def test_playback_counts_gaps_within_a_reply_and_none_before_it() -> None:
    playback = Playback()
    playback.begin()
    playback.add(100, 10.0)
    playback.add(100, 10.05)
    assert playback.gap_ms == 0
    playback.add(100, 10.25)
    assert playback.gap_ms == pytest.approx(50)
    assert playback.silent_at_s() == pytest.approx(10.35)


def test_playback_that_is_held_is_silent_at_once_and_goes_on_where_it_was() -> None:
    playback = Playback()
    playback.begin()
    playback.add(300, 1.0)
    playback.hold(1.1)
    assert playback.silent_at_s() == pytest.approx(1.1)
    assert playback.played_ms(1.2) == pytest.approx(100)
    playback.add(100, 1.2)
    playback.release(2.0)
    assert playback.gap_ms == 0
    assert playback.silent_at_s() == pytest.approx(2.3)
    playback.drop(2.1)
    assert playback.silent_at_s() == pytest.approx(2.1)


def test_the_recogniser_asks_for_50_ms_and_only_what_is_beyond_counts() -> None:
    delays = Delays()
    for count in range(300):  # batches of 60 ms: the least that whole frames of 20 ms allow
        for frame in range(3):
            delays.add(sent_s=0.06 * count + 0.02 * frame, now_s=0.06 * count + 0.04)
    assert delays.summary()["mean_ms"] == pytest.approx(20)
    assert delays.summary()["beyond_ms"] == pytest.approx(0, abs=0.1)
    delays = Delays()
    for frame in range(900):  # 120 ms at once
        delays.add(sent_s=0.02 * frame, now_s=0.02 * (frame // 6 * 6 + 5))
    assert delays.summary()["beyond_ms"] == pytest.approx(30)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_process_and_those_it_started_use_is_seen() -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3 * 10**7)); input()'])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as parent:
        while sum(used(pid).cpu_s for pid in descendants(parent.pid)) < 0.05:
            time.sleep(0.02)
        both = list(descendants(parent.pid))
        assert len(both) == 2
        assert all(used(pid, memory=True).pss_kb >= used(pid, memory=True).private_kb > 0 for pid in both)
        parent.communicate(b"\n")
    assert used(both[1]).rss_kb == 0


@pytest.mark.parametrize("protocol", ["own", "realtime", "twilio"])
def test_a_voice_names_its_turn_in_every_format(protocol: str) -> None:
    levels = CALLERS[protocol].levels  # type: ignore[attr-defined]
    formats = {"own": AudioFormat(), "realtime": AudioFormat("pcm16", 24000), "twilio": AudioFormat("mulaw", 8000)}
    decode, reader = AudioDecoder(formats[protocol], workload.MICROPHONE_RATE).decode, VoiceReader()
    found = []
    for turn, script, style in ((7 * 256 + 1, 1, 0), (65535 * 256 + 255, 2, 1)):
        voice = [levels.frame(bits) for bits in spell(turn, script, style)] + [levels.rest] * 16
        heard = b"".join(decode(frame) for frame in [levels.silence] * 9 + voice + [levels.silence] * 9)
        for at in range(0, len(heard), 1900):
            if (begun := reader.feed(heard[at : at + 1900])) is not None:
                found.append((begun.turn, begun.script, begun.style))
                assert 0.08 <= begun.ago_s <= 0.14
    assert found == [(7 * 256 + 1, 1, 0), (65535 * 256 + 255, 2, 1)]


SILENT = Manner(0, 0, (0, 0), 0)


def texts(frames: bytes) -> Iterator[str]:
    """Yield the messages in whole frames of text that are masked with zeros."""
    while frames:
        size, head = frames[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(frames[2:4]), 4
        begin = head + 4
        yield frames[begin : begin + size].decode()
        frames = frames[begin + size :]


class Wire(asyncio.Transport):
    """A connection on which the texts are kept that a caller sends."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.texts += texts(bytes(data))

    def said(self, protocol: ClientProtocol) -> list[ClientEvent]:
        """Return what the host's protocol takes from what came since the last time."""
        texts, self.texts = self.texts, []
        return [event for text in texts for event in protocol.receive(text)]


@pytest.mark.parametrize(
    ("caller_class", "protocol"),
    [(TwilioCaller, TwilioProtocol(TwilioCaller.account_sid, "CA1")), (TelnyxCaller, TelnyxProtocol("CA1"))],
)
def test_a_telephone_caller_speaks_as_its_carrier_does(
    caller_class: type[TelephoneCaller], protocol: ClientProtocol
) -> None:
    caller = caller_class(Stream("/", {}, "CA1"), 7, SILENT)
    caller.transport = wire = Wire()
    caller.on_open(b"")
    assert wire.said(protocol) == [Opening(says_goodbye=True)]
    caller.send_microphone()
    assert wire.said(protocol) == [Audio(b"\xff" * 160)]
    for frame in protocol.speech(1, b"\xff" * 320):
        assert isinstance(frame, str)
        caller.on_text(frame.encode())
    caller.send_microphone()
    assert wire.said(protocol) == [Audio(b"\xff" * 160), Played(1, 40.0)]


def test_a_realtime_caller_speaks_as_clients_of_openai_do() -> None:
    protocol = OpenAIRealtime({"model": "benchmark"})
    caller = RealtimeCaller(Stream("/"), 7, SILENT)
    caller.transport = wire = Wire()
    caller.on_text(b'{"type":"session.created"}')
    assert caller.ready.is_set()
    assert Configured() in wire.said(protocol)
    caller.send_microphone()
    assert wire.said(protocol) == [Audio(bytes(960))]
