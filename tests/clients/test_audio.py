"""G.711 and sample rates: what a telephone sends is what the recogniser hears, and the other way round."""

from __future__ import annotations

import math
import struct
import sys

import pytest

from voice_host.clients.audio import decoder, encoder
from voice_host.clients.protocol import AudioFormat, Encoding

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
    decode = decoder(AudioFormat(encoding, 8000), 8000)
    assert samples(decode(bytes([code]))) == [sample]


@pytest.mark.parametrize("encoding", TELEPHONES)
def test_every_code_survives_being_decoded_and_encoded(encoding: Encoding) -> None:
    audio_format = AudioFormat(encoding, 8000)
    decode, encode = decoder(audio_format, 8000), encoder(8000, audio_format)
    assert decode(encode(decode(ALL_CODES))) == decode(ALL_CODES)


@pytest.mark.parametrize("encoding", TELEPHONES)
def test_every_sample_becomes_the_nearest_value_that_there_is(encoding: Encoding) -> None:
    audio_format = AudioFormat(encoding, 8000)
    decode, encode = decoder(audio_format, 8000), encoder(8000, audio_format)
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
    assert decoder(AudioFormat(encoding, 8000), 8000)(ALL_CODES) == read(ALL_CODES, 2)


def tone(rate: int, hz: float = 440, for_s: float = 1.0) -> bytes:
    values = [round(12000 * math.sin(2 * math.pi * hz * at / rate)) for at in range(int(rate * for_s))]
    return struct.pack(f"<{len(values)}h", *values)


def loudest_hz(pcm: bytes, rate: int) -> float:
    numpy = pytest.importorskip("numpy")
    spectrum = numpy.abs(numpy.fft.rfft(numpy.array(samples(pcm), dtype=float)))
    return float(spectrum.argmax() * rate / (len(pcm) // 2))


def test_a_telephone_is_heard_and_spoken_to_at_the_agents_rates() -> None:
    telephone = AudioFormat("mulaw", 8000)
    heard = decoder(telephone, 16000)
    up = b"".join(heard(encoder(8000, telephone)(tone(8000)[at : at + 320])) for at in range(0, 16000, 320))
    assert len(up) == pytest.approx(32000, abs=2500)  # the filter holds some back
    assert loudest_hz(up, 16000) == pytest.approx(440, abs=3)
    spoken = encoder(24000, telephone)
    down = b"".join(spoken(tone(24000)[at : at + 960]) for at in range(0, 48000, 960))
    assert len(down) == pytest.approx(8000, abs=600)
    assert loudest_hz(decoder(telephone, 8000)(down), 8000) == pytest.approx(440, abs=3)
