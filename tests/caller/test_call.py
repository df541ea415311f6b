"""`voice-host call`: a WAV file or typed turns as the caller, against a host of its own and a running one."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.server.hosting import COUNTING, installed, running
from voice_host.caller.client import CallFailed, place_call
from voice_host.caller.run import session_url
from voice_host.caller.wav import WrongAudio, read_wav, write_wav

DATA = Path(__file__).parents[1] / "data"


def test_a_recording_is_heard_answered_and_saved(tmp_path: Path) -> None:
    saved = tmp_path / "reply.wav"
    recording = DATA / "whats_the_weather_like.wav"
    done = subprocess.run(
        [sys.executable, "-m", "voice_host", "call", "front-desk", "--audio", recording, "--save", saved],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "heard  what's the weather like" in done.stdout
    assert "Latency" in done.stdout
    with wave.open(str(saved)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (24000, 1, 2)
        assert wav.getnframes() > 24000
        assert any(wav.readframes(wav.getnframes()))


async def test_typed_turns_are_answered_one_after_the_other(tmp_path: Path) -> None:
    seen: list[str] = []

    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        toml = f'[agent.counting.settings]\nfolder = "{tmp_path}"\n'
        async with running(tmp_path, toml, allow="counting") as r:

            async def script(client):  # type: ignore[no-untyped-def]
                await client.wait_until_ready()
                await client.type("when do you open on friday")
                await client.type("and when on monday do you open")

            client = await place_call(r.session("counting"), script, lambda m: seen.append(m["type"]))
            with pytest.raises(CallFailed, match="4404"):
                await place_call(r.session("nobody"), script, lambda m: None)
    assert seen.count("chat") == 2
    assert "cancelled" not in seen
    assert any(client.speech)


async def test_a_host_that_is_not_there_is_said_in_words() -> None:
    async def script(client):  # type: ignore[no-untyped-def]
        await client.wait_until_ready()

    with pytest.raises(CallFailed, match="cannot be called"):
        await place_call("ws://127.0.0.1:1/session", script, lambda m: None)
    with pytest.raises(CallFailed, match="cannot be called"):
        await place_call("nonsense://x", script, lambda m: None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ws://localhost:8000", "ws://localhost:8000/agents/a/session"),
        ("http://localhost:8000/", "ws://localhost:8000/agents/a/session"),
        ("https://example.org", "wss://example.org/agents/a/session"),
        ("localhost:8000", "ws://localhost:8000/agents/a/session"),
        ("ws://localhost/api/session", "ws://localhost/api/session"),
    ],
)
def test_urls(given: str, expected: str) -> None:
    assert session_url(given, "a") == expected


def test_a_recording_in_another_format_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    stereo = tmp_path / "stereo.wav"
    with wave.open(str(stereo), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(44100)
        wav.writeframes(bytes(400))
    with pytest.raises(WrongAudio, match=r"16 bits and 2 channels.*ffmpeg .*-ar 16000"):
        read_wav(stereo)
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    with pytest.raises(WrongAudio, match="cannot be read as a WAV"):
        read_wav(text)
    good = tmp_path / "good.wav"
    write_wav(good, b"\x01\x00" * 10, 16000)
    assert read_wav(good).at(16000) == b"\x01\x00" * 10
    with pytest.raises(WrongAudio, match=r"16000 Hz, the agent listens at 8000 Hz.*-ar 8000"):
        read_wav(good).at(8000)
