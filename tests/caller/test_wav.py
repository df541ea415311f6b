"""Reading the recordings that `voice-host call` plays: whatever ffmpeg, sox, telephones and editors write."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice_host.caller.wav import CannotSave, WrongAudio, check_writable, read_wav, write_wav

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
TONE = [math.sin(n / 10) * 0.5 for n in range(4000)]


def packed(samples: list[float], encoding: int, bits: int) -> bytes:
    if encoding == FLOAT:
        return np.array(samples, f"<f{bits // 8}").tobytes()
    if bits == 8:
        return bytes(round(sample * 127 + 128) for sample in samples)
    top = 2 ** (bits - 1) - 1
    return b"".join(round(sample * top).to_bytes(bits // 8, "little", signed=True) for sample in samples)


def wav(
    data: bytes,
    *,
    encoding: int = PCM,
    bits: int = 16,
    channels: int = 1,
    rate: int = 16000,
    extensible: bool = False,
    size: int | None = None,
    before: bytes = b"",
    riff: bytes = b"RIFF",
) -> bytes:
    """A WAV file. `size` is what the header says of the samples; `before` are further chunks."""
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", EXTENSIBLE if extensible else encoding, channels, rate, rate * frame, frame, bits)
    if extensible:
        header += struct.pack("<HHIH", 22, bits, 0, encoding) + bytes.fromhex("000000001000800000aa00389b71")
    chunks = before + b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return riff + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read(folder: Path, content: bytes) -> np.ndarray:
    (folder / "x.wav").write_bytes(content)
    return np.frombuffer(read_wav(folder / "x.wav").at(16000), "<i2") / 32768


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("encoding", "bits"), [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)])
def test_every_width_sounds_the_same(tmp_path: Path, encoding: int, bits: int, extensible: bool) -> None:
    content = wav(packed(TONE, encoding, bits), encoding=encoding, bits=bits, extensible=extensible)
    assert read(tmp_path, content) == pytest.approx(TONE, abs=0.01 if bits == 8 else 0.0001)


def test_16_bits_at_the_rate_that_is_wanted_stay_as_they_are(tmp_path: Path) -> None:
    pcm = np.arange(-32768, 32768, dtype="<i2").tobytes()
    (tmp_path / "x.wav").write_bytes(wav(pcm))
    assert read_wav(tmp_path / "x.wav").at(16000) == pcm


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_mixed(tmp_path: Path, channels: int) -> None:
    samples = [value for sample in TONE for value in (sample, *[0.0] * (channels - 1))]
    content = wav(packed(samples, PCM, 24), bits=24, channels=channels, extensible=True)
    assert read(tmp_path, content) == pytest.approx([sample / channels for sample in TONE], abs=0.0001)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_every_rate_sounds_the_same(tmp_path: Path, rate: int) -> None:
    tone = [math.sin(2 * math.pi * 440 * n / rate) * 0.5 for n in range(rate)]
    heard = read(tmp_path, wav(packed(tone, PCM, 16), rate=rate))
    assert len(heard) == pytest.approx(16000, abs=2)
    expected = [math.sin(2 * math.pi * 440 * n / 16000) * 0.5 for n in range(16000)]
    assert heard[1000:15000] == pytest.approx(expected[1000:15000], abs=0.005)


def test_loud_floating_point_samples_are_clipped_and_impossible_ones_are_silence(tmp_path: Path) -> None:
    heard = read(tmp_path, wav(packed([2.0, -2.0, math.nan, math.inf], FLOAT, 32), encoding=FLOAT, bits=32))
    assert list(heard) == [32767 / 32768, -1.0, 0.0, 32767 / 32768]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(wav(packed(TONE, PCM, 16), before=b"LIST" + struct.pack("<I", 3) + b"abc\0"), id="an odd chunk"),
        pytest.param(wav(packed(TONE, PCM, 16), size=0xFFFFFFFF), id="written into a pipe"),
        pytest.param(wav(packed(TONE, PCM, 16), size=2 * len(TONE) + 1000), id="cut off"),
        pytest.param(wav(packed(TONE, PCM, 16) + b"\1", size=2 * len(TONE) + 1), id="half a sample"),
        pytest.param(
            wav(
                packed(TONE, PCM, 16) + b"LIST" + struct.pack("<I", 4) + b"abcd",
                riff=b"RF64",
                size=0xFFFFFFFF,
                before=b"ds64" + struct.pack("<IQQQI", 28, 0, 2 * len(TONE), 0, 0),
            ),
            id="longer than 4 GB could be",
        ),
    ],
)
def test_unusual_files_are_read(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == pytest.approx(TONE, abs=0.0001)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not audio", "is not a WAV file"),
        (b"", "is not a WAV file"),
        (b"RIFF\x04\0\0\0AVI ", "is not a WAV file"),
        (wav(b"")[:40], "ends before its samples begin"),
        (wav(b"\0" * 10, encoding=6, bits=8), "contains A-law, not plain samples"),
        (wav(b"\0" * 10, encoding=0x1234), "contains samples of an unknown encoding (0x1234), not plain samples"),
        (wav(b"\0" * 10, channels=0), "has a damaged header: 0 channels"),
        (wav(b"\0" * 10, rate=0), "has a damaged header: 1 channels, 0 Hz"),
        (wav(b"\0" * 16, bits=64), "has samples of 64 bits, which is not supported"),
    ],
)
def test_what_cannot_be_a_callers_voice_is_refused_with_the_way_to_convert_it(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "my voice.wav"
    file.write_bytes(content)
    with pytest.raises(WrongAudio) as refused:
        read_wav(file)
    assert str(refused.value).startswith(f"{file} {says}")
    assert f". Convert it: ffmpeg -i '{file}' -ac 1 -ar 16000 -c:a pcm_s16le converted.wav" in str(refused.value)


@given(st.binary(max_size=60), st.integers(0, 70))
@example(b"\0" * 60, 12)
def test_nothing_in_a_file_is_more_than_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int) -> None:
    good = wav(packed(TONE[:20], PCM, 16), extensible=True)
    file = tmp_path_factory.getbasetemp() / "junk.wav"
    file.write_bytes(good[:at] + junk + good[at + len(junk) :])
    with suppress(WrongAudio):
        read_wav(file).at(8000)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav(b""))
    with pytest.raises(WrongAudio, match="has no samples"):
        read_wav(tmp_path / "x.wav")


def test_what_cannot_be_saved_is_known_before(tmp_path: Path) -> None:
    file = tmp_path / "file.wav"
    check_writable(file)
    assert not file.exists()
    file.write_bytes(b"")
    check_writable(file)
    for place in (tmp_path, tmp_path / "missing" / "x.wav", file / "x.wav"):
        with pytest.raises(CannotSave):
            check_writable(place)


def test_what_is_saved_can_be_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "x.wav", b"\x01\x00" * 10, 16000)
    assert read_wav(tmp_path / "x.wav").at(16000) == b"\x01\x00" * 10
