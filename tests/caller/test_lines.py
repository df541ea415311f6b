"""`voice-host call --as ...`: what callers hear who come by telephone, or as a client of OpenAI Realtime."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.front.hosting import installed
from tests.loopback_time import LoopbackLoop
from tests.ports import listener
from voice_host.caller.kinds import As
from voice_host.caller.line import CallFailed, Line, hold_call
from voice_host.caller.mulaw import compress, expand
from voice_host.caller.plan import InvalidCall, plan_call
from voice_host.caller.realtime import place_realtime_call, realtime_url
from voice_host.caller.telephone import MediaStream, TelephoneLine, in_telephone_band
from voice_host.caller.telnyx import TelnyxStream
from voice_host.caller.twilio import TwilioCarrier, TwilioStream
from voice_host.cli.commands import app

DATA = Path(__file__).parents[1] / "data"
QUESTION = DATA / "whats_the_weather_like.wav"
ANSWER = ["heard  What's the weather like?", "tool  weather_on_the_terrace()"]


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asyncio.events, "new_event_loop", LoopbackLoop)
    monkeypatch.chdir(tmp_path)


def call(*arguments: str | Path) -> tuple[list[str], str, int]:
    """Run `voice-host call` in this process: its lines, what it says on stderr, its exit code."""
    done = CliRunner().invoke(app, ["call", *map(str, arguments)], prog_name="voice-host")
    return [line.strip() for line in done.stdout.splitlines()], done.stderr, done.exit_code


# --- whole calls ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("embedded_speech", "in_virtual_time")
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
def test_a_telephone_call_is_heard_answered_and_saved_as_it_sounds(carrier: str, tmp_path: Path) -> None:
    lines, errors, code = call("front-desk", "--as", carrier, "--audio", QUESTION, "--save", "heard.wav")
    assert code == 0, errors
    assert all(line in lines for line in ANSWER)
    assert "agent  The weather is fine, and the terrace is open." in lines
    assert any(line.startswith("From the caller's last sound to the agent's first: ") for line in lines)
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.getframerate() == 8000
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert len(heard) > 8000
    spectrum = np.abs(np.fft.rfft(heard)) ** 2
    bass = spectrum[np.fft.rfftfreq(len(heard), 1 / 8000) < 150]
    assert bass.sum() < 0.0006 * spectrum.sum()  # a tenth of what the voice has


@pytest.mark.usefixtures("embedded_speech", "in_virtual_time")
def test_a_realtime_client_types_and_speaks(tmp_path: Path) -> None:
    typed = ("--text", "When are you open on Friday?")
    lines, errors, code = call("front-desk", "--as", "realtime", *typed, "--audio", QUESTION, "--save", "heard.wav")
    assert code == 0, errors
    assert all(line in lines for line in ANSWER)
    assert "tool  opening_hours(day='friday')" in lines
    assert "agent  On Friday we are open from 12 pm to 10 pm." in lines
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.getframerate() == 24000
        assert any(file.readframes(file.getnframes()))


KEYS = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Keys(LifecycleCallbacks):
    async def on_session_created(self, session):
        session.state["pressed"] = []
        await session.say(f"You are calling from {session.channel.from_number}.")
    async def on_dtmf(self, session, digit):
        session.state["pressed"].append(digit)
        if digit == "#":
            await session.say(f"Your keys are {' '.join(session.state['pressed'])}")

@hookimpl
def agent_config(settings):
    return AgentConfig(greeting="")

@hookimpl
def lifecycle_callbacks():
    return Keys()
"""


@pytest.mark.usefixtures("embedded_speech", "in_virtual_time")
def test_the_agent_gets_the_keys_and_the_number_that_was_given(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("keys", KEYS)
        lines, errors, code = call("keys", "--as", "telnyx", "--digits", "12#", "--param", "from=+15550123")
    assert code == 0, errors
    assert [line for line in lines if line.startswith("keys")] == ["keys  1", "keys  2", "keys  #"]
    said = " ".join(line.removeprefix("agent  ") for line in lines if line.startswith("agent"))
    assert said == "You are calling from +15550123. Your keys are 1 2 #"


LEAVING = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Leaving(LifecycleCallbacks):
    async def on_session_created(self, session):
        await session.say("We are closed. Goodbye.")
        await session.end("closed")

@hookimpl
def agent_config(settings):
    return AgentConfig(greeting="")

@hookimpl
def lifecycle_callbacks():
    return Leaving()
"""


@pytest.mark.usefixtures("embedded_speech", "in_virtual_time")
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
def test_an_agent_that_hangs_up_is_told(carrier: str, tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("leaving", LEAVING)
        lines, errors, code = call("leaving", "--as", carrier, "--digits", "1")
    assert code == 1
    assert "agent  We are closed. Goodbye." in lines
    assert errors == "error: the agent hung up before this was said: 1\n"


@pytest.mark.usefixtures("embedded_speech", "in_virtual_time")
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
def test_a_caller_whose_call_fails_hears_the_carrier(carrier: str, tmp_path: Path) -> None:
    refusing = LEAVING.replace("on_session_created(self, session)", "on_session_starting(self, session, config)")
    with installed(tmp_path) as plugins:
        plugins.install(
            "refusing", refusing.replace("        await session.say", "        raise ValueError('no')\n        #")
        )
        lines, errors, code = call("refusing", "--as", carrier, "--digits", "1")
    assert code == 1, lines
    assert "line  the caller hears the carrier's voice: Sorry, something went wrong. Please call again." in lines
    assert "error: " in errors


# --- what is refused before the call ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_", "asked", "said"),
    [
        (As.TWILIO, {"texts": ["hello"]}, "nobody types on a telephone"),
        (As.TWILIO, {}, "there is nothing to say"),
        (As.TWILIO, {"digits": ["12a"]}, "telephone keys are 0 to 9"),
        (As.REALTIME, {"texts": ["hello"], "digits": ["1"]}, "only a telephone has keys"),
        (As.TELNYX, {"digits": ["1"], "url": "ws://localhost:8000"}, "takes telephone calls from Telnyx alone"),
        (As.TWILIO, {"digits": ["1"], "parameters": ["name=Ada"]}, "has no parameter 'name'"),
        (As.TWILIO, {"digits": ["1"], "parameters": ["from=5550100"]}, "is not a telephone number"),
    ],
)
def test_what_such_a_caller_cannot_do_is_refused(as_: As, asked: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"audio": [], "texts": [], "save": None, "url": None, "parameters": []}
    with pytest.raises(InvalidCall, match=said) as refused:
        plan_call("front-desk", **given | asked, as_=as_)
    assert refused.value.hint


def test_a_running_host_is_called_as_twilio_only_with_its_token(tmp_path: Path, in_virtual_time: None) -> None:
    asked = ("front-desk", "--as", "twilio", "--digits", "1", "--url", "http://127.0.0.1:9")
    _, errors, code = call(*asked)
    assert code == 1
    assert "who has the account's token" in errors
    account = f"[phone.twilio]\naccount_sid = 'AC{'0' * 32}'\nauth_token = 'x'\n"
    (tmp_path / "voice-host.toml").write_text(account, encoding="utf-8")
    _, errors, code = call(*asked)
    assert code == 1
    assert "these settings assign no number to front-desk" in errors


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        (None, "the connection was refused", "is a host running there?"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "Bad status line", "is the address in --url right?"),
        (b"HTTP/1.1 200 OK\r\n\r\n<p>It works!", "what is not TwiML", "is the address in --url right?"),
        (b"HTTP/1.1 501 No\r\n\r\n", "webhook with 501", "is the address in --url that of a host?"),
    ],
)
async def test_a_webhook_that_no_host_takes_fails_with_what_to_do_next(
    answer: bytes | None, said: str, hint: str
) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer or b"")
        writer.write_eof()
        await reader.read()  # until the caller has hung up
        writer.close()

    async with await asyncio.start_server(take, sock=listener()) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if answer is None:
            server.close()
        with pytest.raises(CallFailed, match=said) as failed:
            await TwilioCarrier("+15550100", "+15550199", lambda _: None).ring(address)
    assert failed.value.hint is not None
    assert hint in failed.value.hint


# --- the media stream -------------------------------------------------------------------------------------------------

Script = Callable[["ScriptedStream"], Awaitable[None]]


class ScriptedStream:
    """The host's end of a media stream."""

    def __init__(self, ws: ServerConnection) -> None:
        self._ws = ws
        self.frames: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    async def read(self) -> None:
        async for frame in self._ws:
            async with self._changed:
                self.frames.append(json.loads(frame))
                self._changed.notify_all()

    def of(self, event: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["event"] == event]

    async def until(self, event: str, count: int = 1) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.of(event)) >= count)

    async def send(self, event: str, **fields: Any) -> None:
        stream = self.of("start")[0].get("streamSid")
        await self._ws.send(json.dumps({"event": event, "streamSid": stream, **fields}))

    async def send_raw(self, frame: str | bytes) -> None:
        await self._ws.send(frame)

    async def speak(self, duration_s: float) -> None:
        payload = base64.b64encode(b"\x20" * round(8000 * duration_s)).decode()
        await self.send("media", media={"payload": payload})


@asynccontextmanager
async def telephone(script: Script, stream: MediaStream) -> AsyncIterator[tuple[TelephoneLine, list[dict[str, Any]]]]:
    async def answer(ws: ServerConnection) -> None:
        scripted = ScriptedStream(ws)
        reading = asyncio.create_task(scripted.read())
        try:
            await scripted.until("start")
            await script(scripted)
        finally:
            reading.cancel()

    seen: list[dict[str, Any]] = []
    async with serve(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield TelephoneLine(await connect(f"ws://127.0.0.1:{port}"), stream, seen.append), seen


def twilio_stream() -> TwilioStream:
    return TwilioStream("AC1", "CA1", {})


async def test_a_mark_comes_back_when_it_was_played_and_all_marks_at_once_after_clear() -> None:
    times: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    async def script(host: ScriptedStream) -> None:
        began = loop.time()
        await host.speak(1.0)
        await host.send("mark", mark={"name": "a"})
        await host.until("mark", 1)
        times["a"] = loop.time() - began
        await host.speak(10.0)
        await host.send("mark", mark={"name": "b"})
        await host.speak(10.0)
        await host.send("mark", mark={"name": "c"})
        await host.until("media", len(host.of("media")) + 25)  # half a second later
        await host.send("clear")
        await host.until("mark", 3)
        times["c"] = loop.time() - began

    async def listen(line: Line) -> None:
        await asyncio.sleep(60)

    async with telephone(script, twilio_stream()) as (line, seen):
        await hold_call(line, listen)
    assert line.ended_by_host
    assert times["a"] >= 0.99
    assert times["c"] < 5
    assert {"type": "cut"} in seen
    assert len(line.speech) < 2 * 8000 * 4, "what was cleared was not heard"


async def test_the_line_is_never_silent_and_keys_are_events() -> None:
    frames: list[dict[str, Any]] = []

    async def script(host: ScriptedStream) -> None:
        await host.until("dtmf", 2)
        frames.extend(host.frames)
        await host.speak(0.2)
        await host.until("stop")
        frames.append(host.frames[-1])

    async def press(line: Line) -> None:
        await line.wait_until_ready()
        await line.press("5#")

    async with telephone(script, twilio_stream()) as (line, _):
        await hold_call(line, press)
    assert [frame["event"] for frame in frames[:3]] == ["connected", "start", "media"]
    media = [frame for frame in frames if frame["event"] == "media"]
    assert {len(base64.b64decode(frame["media"]["payload"])) for frame in media} == {160}
    assert [int(frame["media"]["chunk"]) for frame in media] == list(range(1, len(media) + 1))
    assert [frame["dtmf"]["digit"] for frame in frames if frame["event"] == "dtmf"] == ["5", "#"]
    assert frames[-1]["event"] == "stop"


@pytest.mark.parametrize(
    ("stream", "frame"),
    [
        (twilio_stream(), b"\0\0"),
        (twilio_stream(), '{"event": "media", "streamSid": "MZ0", "media": {"payload": ""}}'),
        (TelnyxStream("v3:1", "+1", "+2", {}), '{"event": "hangup"}'),
        (TelnyxStream("v3:1", "+1", "+2", {}), '{"event": "media", "media": {"payload": "%"}}'),
        (TelnyxStream("v3:1", "+1", "+2", {}), "not JSON"),
    ],
)
async def test_what_the_carrier_refuses_fails_the_call(stream: MediaStream, frame: str | bytes) -> None:
    async def script(host: ScriptedStream) -> None:
        await host.send_raw(frame)
        await host.until("stop")

    async def wait(line: Line) -> None:
        await asyncio.sleep(60)

    async with telephone(script, stream) as (line, _):
        with pytest.raises(CallFailed, match=r"(which|that) this carrier refuses"):
            await hold_call(line, wait)


async def test_an_agent_that_says_nothing_is_told() -> None:
    async def script(host: ScriptedStream) -> None:
        await host.until("stop")

    async def say(line: Line) -> None:
        await line.say(bytes(1600), "question.wav")

    async with telephone(script, twilio_stream()) as (line, _):
        with pytest.raises(CallFailed, match=r"the agent said nothing after question\.wav within 30 s"):
            await hold_call(line, say)


@pytest.mark.parametrize(
    ("hz", "at_least_db", "at_most_db"),
    [
        (50, -60, -20),
        (100, -20, -10),
        (200, -6, -3),
        (300, -3, -0.5),
        (1000, -0.1, 0.1),
        (3400, -3, -0.5),
        (3900, -15, -8),
    ],
)
def test_a_telephone_carries_the_middle_of_a_voice_and_less_of_the_rest(
    hz: int, at_least_db: float, at_most_db: float
) -> None:
    time_s = np.arange(8000) / 8000
    sent = 16000 * np.sin(2 * np.pi * hz * time_s)
    heard = np.frombuffer(in_telephone_band(sent.astype("<i2").tobytes()), "<i2").astype(float)
    gain_db = 20 * np.log10(np.sqrt(np.mean(heard**2)) / np.sqrt(np.mean(sent**2)))
    assert at_least_db < gain_db < at_most_db


def test_nothing_is_heard_of_nothing() -> None:
    assert in_telephone_band(b"") == b""


def test_mu_law_is_that_of_the_standard() -> None:
    samples = np.array([0, 1, -1, 132, -132, 1000, -1000, 32767, -32768], "<i2").tobytes()
    codes = compress(samples)
    assert codes.hex() == "ffff7fef6fce4e8000"
    heard = np.frombuffer(expand(codes), "<i2")
    assert heard.tolist() == [0, 0, 0, 132, -132, 988, -988, 32124, -32124]
    every = bytes(range(256))
    assert compress(expand(every)) == every.replace(b"\x7f", b"\xff"), "both zeros are one sample"


# --- a Realtime client ------------------------------------------------------------------------------------------------


async def test_a_realtime_client_that_is_interrupted_tells_what_was_heard() -> None:
    got: list[dict[str, Any]] = []

    async def answer(ws: ServerConnection) -> None:
        async def send(kind: str, **fields: Any) -> None:
            await ws.send(json.dumps({"type": kind, **fields}))

        assert ws.request is not None
        assert ws.request.path == "/v1/realtime?model=desk&name=Ada"
        assert ws.request.headers["Authorization"] == "Bearer key"
        await send("session.created", session={"id": "sess_1"})
        await send("response.created")
        speech = base64.b64encode(b"\x10\x10" * 24000 * 5).decode()
        await send("response.output_audio.delta", item_id="item_1", delta=speech)
        await send("response.done", response={"status": "completed"})
        await asyncio.sleep(1)
        await send("input_audio_buffer.speech_started")
        async for frame in ws:
            message = json.loads(frame)
            if message["type"] == "conversation.item.truncate":
                got.append(message)
                await send("error", error={"type": "server_error", "code": "model_failed", "message": "No."})
                await ws.close()

    async def listen(line: Line) -> None:
        await line.wait_until_ready()
        await asyncio.sleep(60)

    seen: list[dict[str, Any]] = []
    async with serve(answer, "127.0.0.1", 0) as server:
        url = realtime_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", "desk", (("name", "Ada"),))
        line = await place_realtime_call(url, "desk", listen, seen.append, token="key")
    (truncated,) = got
    assert (truncated["item_id"], truncated["content_index"]) == ("item_1", 0)
    assert truncated["audio_end_ms"] == round(len(line.speech) / 48)
    assert 900 < truncated["audio_end_ms"] < 5000
    assert {"type": "error", "code": "model_failed", "message": "No."}.items() <= seen[-1].items()


@pytest.mark.parametrize("host", ["localhost:8000", "http://localhost:8000", "ws://localhost:8000/v1/realtime"])
def test_the_address_of_a_realtime_client(host: str) -> None:
    assert realtime_url(host, "front-desk") == "ws://localhost:8000/v1/realtime?model=front-desk"
