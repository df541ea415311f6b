"""`voice-host call`: a WAV file or typed turns as the caller, against a host of its own and a running one."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result
from websockets.asyncio.server import ServerConnection, serve

from tests.caller.test_wav import wav
from tests.front.hosting import COUNTING, installed, running
from tests.loopback_time import LoopbackLoop
from voice_host.call.latency import STAGES
from voice_host.caller.client import CallerClient, place_call
from voice_host.caller.line import CallFailed
from voice_host.caller.plan import InvalidCall, parameter, session_url
from voice_host.caller.report import HEADINGS, CallReport
from voice_host.caller.wav import read_wav, write_wav
from voice_host.cli.commands import app
from voice_host.clients.close_codes import CloseCode

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hosts_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `voice-host call` and the host within its process wait in virtual time."""
    monkeypatch.setattr(asyncio.events, "new_event_loop", LoopbackLoop)


def voice_host(*arguments: str | Path) -> Result:
    """Run the command within this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="voice-host")


@pytest.mark.usefixtures("embedded_speech")
def test_recordings_of_any_kind_are_heard_answered_one_after_the_other_and_saved(
    tmp_path: Path, hosts_in_virtual_time: None
) -> None:
    saved, studio = tmp_path / "reply.wav", tmp_path / "studio.wav"
    recording = DATA / "whats_the_weather_like.wav"
    studio.write_bytes(in_studio_quality(recording))
    done = voice_host("call", "front-desk", "--audio", recording, "--audio", studio, "--save", saved)
    assert done.exit_code == 0, done.stderr
    answered = [
        "heard  What's the weather like?",
        " tool  weather_on_the_terrace()",
        "agent  The weather is fine, and the terrace is open.",
    ]
    conversation = [line.strip() for line in done.stdout.partition("\nLatency")[0].splitlines()]
    assert conversation[2:] == [line.strip() for line in answered * 2], "neither cuts the other short"
    with wave.open(str(saved)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        assert file.getnframes() > 24000
        assert any(file.readframes(file.getnframes()))


def in_studio_quality(recording: Path) -> bytes:
    """The recording in stereo, with 44.1 kHz and 24 bits."""
    samples = np.frombuffer(read_wav(recording).at(44100), "<i2").astype("<i4") * 256
    stereo = np.repeat(samples, 2).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    return wav(stereo.tobytes(), bits=24, channels=2, rate=44100, extensible=True)


class RestartedHost:
    """A host whose agent is restarted in the middle of a call, as a client sees it.

    Args:
        refusals: with which it meets a caller who comes back, before it takes the call.
    """

    def __init__(self, *refusals: tuple[int, str]) -> None:
        self.refusals = list(refusals)
        self.heard: list[str] = []
        self.tokens: list[str] = []

    async def answer(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        token = parse_qs(urlsplit(ws.request.path).query).get("resume", [""])[0]
        if token:
            self.tokens.append(token)
            if self.refusals:
                await ws.close(*self.refusals.pop(0))
                return
        await self._tell(
            ws,
            type="ready",
            agent="desk",
            session_id="s",
            resumed=bool(token),
            resume_token="s.2",
            sample_rate=16000,
            tts_sample_rate=24000,
        )
        if token:
            await self._say(ws, "I'm back.")
        async for frame in ws:
            text = json.loads(frame)["text"]
            self.heard.append(text)
            await self._tell(ws, type="turn", text=text)
            if text == "crash":
                await ws.close(CloseCode.COME_BACK, "come back")
                return
            await self._say(ws, "Yes.")

    async def _say(self, ws: ServerConnection, text: str) -> None:
        await self._tell(ws, type="chat", reply=1, text=text)
        await self._tell(ws, type="tts_done", reply=1)

    async def _tell(self, ws: ServerConnection, **message: object) -> None:
        await ws.send(json.dumps(message))


async def call_restarted(host: RestartedHost, *texts: str) -> list[str]:
    """Call, type, and return what the agent said."""
    said: list[str] = []

    async def script(client: CallerClient) -> None:
        await client.wait_until_ready()
        for text in texts:
            await client.type(text)

    def hear(message: dict[str, Any]) -> None:
        if message["type"] == "chat":
            said.append(message["text"])

    async with serve(host.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await place_call(f"ws://127.0.0.1:{port}/session?name=Ada", script, hear)
    return said


async def test_a_caller_comes_back_when_the_agent_was_restarted() -> None:
    host = RestartedHost((CloseCode.COME_BACK, "still restarting"), (CloseCode.OVER_A_LIMIT, "too many calls"))
    assert await call_restarted(host, "crash", "hello") == ["I'm back.", "Yes."]
    assert host.heard == ["crash", "hello"]
    assert host.tokens == ["s.2"] * 3


async def test_a_caller_whose_call_is_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CallFailed, match=r"opens no call \(4401\)"):
        await call_restarted(RestartedHost((CloseCode.NOT_AUTHORISED, "the token opens no call")), "crash")
    monkeypatch.setattr("voice_host.caller.coming_back.COME_BACK_WITHIN_S", 0.0)
    with pytest.raises(CallFailed, match=r"could not be resumed within .*still restarting \(1012\)"):
        await call_restarted(RestartedHost((CloseCode.COME_BACK, "still restarting")), "crash")


async def test_what_the_agent_did_not_wait_for_is_told(tmp_path: Path) -> None:
    leaving = """
    from voice_host_sdk import AgentConfig, Session, hookimpl

    async def say_goodbye(session: Session) -> str:
        \"\"\"Say goodbye.\"\"\"
        await session.end("bye")
        return "Goodbye."

    @hookimpl
    def agent_config(settings):
        return AgentConfig(greeting="", tools=[say_goodbye])
    """
    with installed(tmp_path) as plugins:
        plugins.install("leaving", leaving)
        async with running(tmp_path, allow="leaving") as r:
            url = f"ws://{r.address}"
            said = ("--text", "Say goodbye.", "--text", "Still there?")
            done = await asyncio.to_thread(voice_host, "call", "leaving", *said, "--url", url)
    assert done.exit_code == 1
    assert "agent  Goodbye." in done.stdout
    assert "error: the agent hung up before this was said: 'Still there?'" in done.stderr


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
        ("ws://localhost/agents/x/session?name=Ada", "ws://localhost/agents/x/session?name=Ada"),
        ("https://localhost:8000/voice/?name=Ada", "wss://localhost:8000/voice/agents/a/session?name=Ada"),
        ("http://[::1]:8000", "ws://[::1]:8000/agents/a/session"),
    ],
)
def test_urls(given: str, expected: str) -> None:
    assert session_url(given, "a") == expected


def test_parameters_follow_the_query_that_the_url_has() -> None:
    parameters = [parameter("city=Bad Homburg"), parameter("sum=1+1=2"), parameter("none=")]
    expected = "ws://h/agents/a/session?name=Ada&city=Bad+Homburg&sum=1%2B1%3D2&none="
    assert session_url("ws://h?name=Ada", "a", parameters) == expected


@pytest.mark.parametrize("url", ["nonsense://x", "ws://", "ws://[::1", "ws://h:port", ""])
def test_what_is_no_address_is_refused_without_its_query(url: str) -> None:
    with pytest.raises(InvalidCall, match="is not the address of a host") as refused:
        session_url(f"{url}?token=secret", "a")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["name", "=value", ""])
def test_a_parameter_needs_a_name_and_a_value(text: str) -> None:
    with pytest.raises(InvalidCall, match="name=value"):
        parameter(text)


async def test_parameters_are_the_metadata_of_the_session(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING.replace('self.note("created")', 'self.note(f"{dict(session.metadata)}")'))
        async with running(tmp_path, f'[agent.counting.settings]\nfolder = "{tmp_path}"\n', allow="counting") as r:
            said = ("--text", "hello", "--param", "name=Ada")
            done = await asyncio.to_thread(voice_host, "call", "counting", *said, "--url", f"http://{r.address}")
    assert done.exit_code == 0, done.stderr
    assert "{'name': 'Ada'}" in (tmp_path / "log.txt").read_text()


@pytest.mark.usefixtures("embedded_speech", "hosts_in_virtual_time")
def test_silence_ends_in_words(tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", bytes(32000), 16000)
    done = voice_host("call", "front-desk", "--audio", "silence.wav")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: nothing was recognised in silence.wav\n  next: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", " "], "a typed turn is empty"),
        (["--text", "hi", "--save", "nowhere/x.wav"], "there is no folder nowhere"),
        (["--text", "hi", "--param", "name"], "'name' is not of the form name=value"),
        (["--text", "hi", "--url", "nonsense://x"], "nonsense://x is not the address of a host"),
        (["--audio", "empty.wav"], "empty.wav has no samples"),
        (["--audio", "good.wav", "--audio", "text.wav"], "text.wav is not a WAV file. Convert it: ffmpeg -i text.wav"),
    ],
)
def test_what_cannot_work_is_refused_before_the_call(tmp_path: Path, arguments: list[str], said: str) -> None:
    write_wav(tmp_path / "empty.wav", b"", 16000)
    write_wav(tmp_path / "good.wav", bytes(32), 16000)
    (tmp_path / "text.wav").write_text("not audio", encoding="utf-8")
    done = voice_host("call", "front-desk", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr.partition("\n")[0]
    assert "session" not in done.stdout


@pytest.mark.parametrize("asked", [(), ("--text", "hi"), ("--as", "twilio"), ("--as", "realtime", "--digits", "1")])
def test_an_agent_that_is_not_installed_is_an_error_before_all_others(asked: tuple[str, ...]) -> None:
    done = voice_host("call", "front-dsk", *asked)
    assert done.exit_code == 2
    assert done.stderr == (
        "error: no agent 'front-dsk' is installed; did you mean 'front-desk'?\n  next: see `voice-host agents`\n"
    )


@pytest.mark.parametrize(
    ("agent", "code", "hint"),
    [
        ("nobody", 4404, "`GET /agents` of that host lists them"),
        ("broken", 4503, "`voice-host check broken` on that host says why"),
        ("refusing", 4500, "its log says why"),
    ],
)
async def test_a_refusal_says_what_to_do_next(tmp_path: Path, agent: str, code: int, hint: str) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("broken", "raise RuntimeError('no')")
        plugins.install(
            "refusing",
            COUNTING.replace(
                "    async def on_startup",
                "    async def on_session_starting(self, session, config): raise ValueError('no')\n"
                "    async def on_startup",
            ),
        )
        toml = f'[agent.refusing.settings]\nfolder = "{tmp_path}"\n'
        async with running(tmp_path, toml, allow="broken,refusing") as r:
            url = f"ws://{r.address}"
            done = await asyncio.to_thread(voice_host, "call", agent, "--text", "hello", "--url", url)
    assert done.exit_code == 1
    assert f"({code})" in done.stderr
    assert f"  next: {hint}\n" in done.stderr


def test_where_no_host_runs_the_next_step_is_to_start_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = voice_host("call", "a", "--text", "hi", "--url", f"localhost:{port}?token=secret")
    assert done.exit_code == 1
    assert "cannot be called: the connection was refused\n  next: is a host running there?" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("agent_speaks", [False, True])
@pytest.mark.usefixtures("embedded_speech")
def test_ctrl_c_hangs_up(tmp_path: Path, agent_speaks: bool) -> None:
    write_wav(tmp_path / "long.wav", bytes(32000 * 60), 16000)
    command = [sys.executable, "-u", "-m", "voice_host", "call", "front-desk", "--audio", "long.wav"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as calling:
        assert calling.stdout is not None
        assert calling.stdout.readline().startswith("  call  front-desk")
        if agent_speaks:
            assert calling.stdout.readline().startswith(" agent")
        calling.send_signal(signal.SIGINT)
        output, errors = calling.communicate(timeout=60)
    assert errors == "interrupted\n"
    assert "shutting down" not in output
    assert calling.returncode == 130


def test_the_latency_table_fits_a_terminal() -> None:
    assert tuple(HEADINGS) == STAGES
    console = Console(width=80, record=True, file=io.StringIO())
    report = CallReport(console)
    report.take({"type": "metrics", "reply": 12, "stages_ms": dict.fromkeys(STAGES, 12345.6)})
    report.latencies()
    lines = console.export_text().splitlines()
    assert ["reply", *HEADINGS.values()] in [line.split() for line in lines]
    assert ["12", *["12346"] * len(STAGES)] in [line.split() for line in lines]
