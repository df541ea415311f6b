"""G.711 and sample rates: what a telephone sends is what the recogniser hears, and the other way round."""

from __future__ import annotations

import math
import random
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.protocol import AudioFormat, Encoding
from voice_host.resampler import Resampler

ALL_CODES = bytes(range(256))
ALL_SAMPLES = struct.pack("<65536h", *range(-32768, 32768))
TELEPHONES: list[Encoding] = ["mulaw", "alaw"]


def samples(pcm: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(pcm) // 2}h", pcm))


# ITU-T G.711: the ends of the scale, and the smallest values.
KNOWN: list[tuple[Encoding, int, int]] = [
    ("mulaw", 0x00, -32124),
    ("mulaw", 0x80, 32124),
    ("mulaw", 0x7F, 0),
    ("mulaw", 0xFF, 0),
    ("mulaw", 0xFE, 8),
    ("mulaw", 0x7E, -8),
    ("alaw", 0xD5, 8),
    ("alaw", 0x55, -8),
    ("alaw", 0xAA, 32256),
    ("alaw", 0x2A, -32256),
]


@pytest.mark.parametrize(("encoding", "code", "sample"), KNOWN)
def test_known_values(encoding: Encoding, code: int, sample: int) -> None:
    decode = AudioDecoder(AudioFormat(encoding, 8000), 8000).decode
    assert samples(decode(bytes([code]))) == [sample]


@pytest.mark.parametrize("encoding", TELEPHONES)
def test_every_code_survives_being_decoded_and_encoded(encoding: Encoding) -> None:
    audio_format = AudioFormat(encoding, 8000)
    decode, encode = AudioDecoder(audio_format, 8000).decode, SpeechEncoder(8000, audio_format).encode
    assert decode(encode(decode(ALL_CODES))) == decode(ALL_CODES)


@pytest.mark.parametrize("encoding", TELEPHONES)
def test_every_sample_becomes_the_nearest_value_that_there_is(encoding: Encoding) -> None:
    audio_format = AudioFormat(encoding, 8000)
    decode, encode = AudioDecoder(audio_format, 8000).decode, SpeechEncoder(8000, audio_format).encode
    values = sorted(set(samples(decode(ALL_CODES))))
    for sample, got in list(zip(range(-32768, 32768), samples(decode(encode(ALL_SAMPLES))), strict=True))[::17]:
        nearest = min(abs(value - sample) for value in values)
        assert abs(got - sample) <= nearest + 3  # of 14 bits the lowest two of 16 are not looked at


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("encoding", TELEPHONES)
def test_codes_are_read_as_the_standard_library_reads_them(encoding: Encoding) -> None:
    audioop = pytest.importorskip("audioop")
    read = {"mulaw": audioop.ulaw2lin, "alaw": audioop.alaw2lin}[encoding]
    assert AudioDecoder(AudioFormat(encoding, 8000), 8000).decode(ALL_CODES) == read(ALL_CODES, 2)


def tone(rate: int, hz: float = 440, for_s: float = 1.0) -> bytes:
    values = [round(12000 * math.sin(2 * math.pi * hz * at / rate)) for at in range(int(rate * for_s))]
    return struct.pack(f"<{len(values)}h", *values)


def loudest_hz(pcm: bytes, rate: int) -> float:
    numpy = pytest.importorskip("numpy")
    spectrum = numpy.abs(numpy.fft.rfft(numpy.array(samples(pcm), dtype=float)))
    return float(spectrum.argmax() * rate / (len(pcm) // 2))


def test_a_telephone_is_heard_and_spoken_to_at_the_agents_rates() -> None:
    telephone = AudioFormat("mulaw", 8000)
    heard = AudioDecoder(telephone, 16000).decode
    up = b"".join(
        heard(SpeechEncoder(8000, telephone).encode(tone(8000)[at : at + 320])) for at in range(0, 16000, 320)
    )
    assert len(up) == 32000 - 2 * 48  # 3 ms are kept back
    assert loudest_hz(up, 16000) == pytest.approx(440, abs=3)
    spoken = SpeechEncoder(24000, telephone).encode
    down = b"".join(spoken(tone(24000)[at : at + 960]) for at in range(0, 48000, 960))
    assert len(down) == 8000 - 24
    assert loudest_hz(AudioDecoder(telephone, 8000).decode(down), 8000) == pytest.approx(440, abs=3)


# --- quality ------------------------------------------------------------------------------------------------------


def levels(pcm: bytes, rate: int, hz: float) -> tuple[float, float]:
    """Return the levels of a tone and of everything else, in dB of full scale, over the middle of the audio."""
    numpy = pytest.importorskip("numpy")
    middle = numpy.frombuffer(pcm, "<i2").astype(float)[rate // 4 : rate // 4 + rate // 2] / 32768
    window = numpy.hanning(len(middle))
    power = abs(numpy.fft.rfft(middle * window)) ** 2 * 2 / (len(middle) * (window**2).sum())
    near = abs(numpy.fft.rfftfreq(len(middle), 1 / rate) - hz) < 10
    return decibels(power[near].sum()), decibels(power[~near].sum())


def decibels(power: float) -> float:
    return 10 * math.log10(max(power, 1e-20))


def in_pieces(convert: Callable[[bytes], bytes], data: bytes, size: int) -> bytes:
    return b"".join(convert(data[at : at + size]) for at in range(0, len(data), size))


@pytest.mark.parametrize("encoding", TELEPHONES)
@pytest.mark.parametrize("hz", [300, 1000, 3300])
def test_a_telephone_adds_no_more_noise_than_its_quantisation(encoding: Encoding, hz: float) -> None:
    telephone = AudioFormat(encoding, 8000)
    encoder, heard = SpeechEncoder(24000, telephone), AudioDecoder(telephone, 16000).decode
    coded = in_pieces(encoder.encode, tone(24000, hz), 2880) + encoder.end()
    signal, noise = levels(in_pieces(heard, coded, 160), 16000, hz)
    assert signal == pytest.approx(20 * math.log10(12000 / 32768 / math.sqrt(2)), abs=0.2)
    assert signal - noise > 36  # the quantisation of G.711 alone leaves 38 dB


@pytest.mark.parametrize("hz", [4030, 4600, 6000, 9000, 11900])
@pytest.mark.parametrize("from_hz", [16000, 24000, 48000])
def test_what_a_telephone_cannot_transmit_does_not_come_back_as_another_tone(hz: float, from_hz: int) -> None:
    if hz < from_hz / 2:
        pcm = in_pieces(Resampler(from_hz, 8000).resample, tone(from_hz, hz), from_hz // 10)
        assert max(levels(pcm, 8000, 8000 - hz)) < -60


@pytest.mark.parametrize("from_hz", [16000, 22050, 24000, 48000])
@pytest.mark.parametrize("encoding", TELEPHONES)
def test_what_exceeds_full_scale_is_as_loud_as_can_be(encoding: Encoding, from_hz: int) -> None:
    telephone = AudioFormat(encoding, 8000)
    codec, at, count = AudioDecoder(telephone, 8000), 60, 360 * from_hz // 24000
    responses = []  # of one sample that is put out, to each that is put in
    for loud in range(count):
        impulse = [0] * count
        impulse[loud] = 20000
        pcm = struct.pack(f"<{count}h", *impulse)
        responses.append(samples(Resampler(from_hz, 8000).resample(pcm, last=True))[at])
    loudest = [32767 if response > 0 else -32767 for response in responses]
    assert sum(map(abs, responses)) > 2 * 20000
    for sign in (1, -1):
        pcm = struct.pack(f"<{count}h", *(sign * sample for sample in loudest))
        heard = samples(codec.decode(SpeechEncoder(from_hz, telephone).encode(pcm, last=True)))
        assert heard[at] == sign * max(samples(codec.decode(ALL_CODES)))


RATES = [(24000, 8000), (8000, 16000), (8000, 24000), (24000, 16000), (16000, 24000), (22050, 8000)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("piece_ms", [1, 20, 200])
def test_pieces_join_without_a_click_and_nothing_is_lost(from_hz: int, to_hz: int, piece_ms: int) -> None:
    resampler, pcm = Resampler(from_hz, to_hz), tone(from_hz, 700)
    pieces = in_pieces(resampler.resample, pcm, 2 * max(1, from_hz * piece_ms // 1000))
    pieces += resampler.resample(b"", last=True)
    assert len(pieces) == 2 * to_hz
    signal, noise = levels(pieces, to_hz, 700)
    assert signal - noise > 70


@pytest.mark.parametrize(("from_hz", "to_hz"), [*RATES[:5], (48000, 8000)])
def test_the_lengths_of_pieces_make_no_difference(from_hz: int, to_hz: int) -> None:
    chance, numpy = random.Random(1), pytest.importorskip("numpy")
    pcm = chance.randbytes(120_000)
    whole, resampler = Resampler(from_hz, to_hz).resample(pcm, last=True), Resampler(from_hz, to_hz)
    pieces, rest = b"", pcm
    while rest:
        size = chance.choice([1, 2, 5, 160, 320, 333, 960, 1920, 2880, 15_000])
        pieces, rest = pieces + resampler.resample(rest[:size]), rest[size:]
    pieces += resampler.resample(b"", last=True)
    assert len(pieces) == len(whole)
    difference = numpy.frombuffer(pieces, "<i2").astype(int) - numpy.frombuffer(whole, "<i2")
    assert abs(difference).max() <= 1  # sums of fractions, in another order
    assert resampler.resample(pcm[:9000]) == Resampler(from_hz, to_hz).resample(pcm[:9000])


@pytest.mark.parametrize("encoding", TELEPHONES)
def test_streams_of_the_same_rates_do_not_disturb_each_other(encoding: Encoding) -> None:
    telephone, chance = AudioFormat(encoding, 8000), random.Random(1)
    callers = [chance.randbytes(9600) for _ in range(3)]

    def streams() -> list[list[Callable[[bytes], bytes]]]:
        return [[AudioDecoder(telephone, 16000).decode, SpeechEncoder(24000, telephone).encode] for _ in callers]

    alone = [[in_pieces(each, audio, 480) for each in both] for both, audio in zip(streams(), callers, strict=True)]
    together, heard = streams(), [[b"", b""] for _ in callers]
    for at in range(0, 9600, 480):
        for caller, audio in enumerate(callers):
            for which, each in enumerate(together[caller]):
                heard[caller][which] += each(audio[at : at + 480])
    assert heard == alone


def test_streams_of_several_threads_do_not_disturb_each_other() -> None:
    chance, together = random.Random(1), threading.Barrier(4)
    callers = [chance.randbytes(960_000) for _ in range(4)]

    def converted(audio: bytes) -> bytes:
        return in_pieces(Resampler(8000, 16000).resample, audio, 960)

    def at_once(audio: bytes) -> bytes:
        together.wait(10)
        return converted(audio)

    alone = [converted(audio) for audio in callers]
    with ThreadPoolExecutor(len(callers)) as threads:
        assert list(threads.map(at_once, callers)) == alone


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES[:5])
def test_little_is_kept_back(from_hz: int, to_hz: int) -> None:
    resampler, kept_s = Resampler(from_hz, to_hz), list[float]()
    got = 0
    for number in range(1, 51):  # of 20 ms each
        got += len(resampler.resample(bytes(from_hz // 50 * 2))) // 2
        kept_s.append(number * (from_hz // 50) / from_hz - got / to_hz)
    assert max(kept_s) <= 0.0031


def test_a_reply_does_not_begin_with_the_end_of_the_one_before() -> None:
    encoder = SpeechEncoder(24000, AudioFormat("pcm16", 8000))
    silence = bytes(4800)
    encoder.encode(tone(24000)[:4801])
    encoder.reset()  # it was cut
    assert set(encoder.encode(silence) + encoder.end()) == {0}
    encoder.encode(tone(24000)[:4800])
    assert any(encoder.end())
    assert set(encoder.encode(silence) + encoder.end()) == {0}
    encoder.encode(tone(24000)[:4811], last=True)  # half a sample is too little to be said
    assert set(encoder.encode(silence) + encoder.end()) == {0}


def test_a_piece_may_end_within_a_sample() -> None:
    telephone, speech = AudioFormat("mulaw", 8000), tone(24000)
    whole, odd = SpeechEncoder(24000, telephone), SpeechEncoder(24000, telephone)
    assert in_pieces(odd.encode, speech, 959) + odd.end() == whole.encode(speech) + whole.end()
