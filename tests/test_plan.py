"""The plan's own examples, run as a user would write them."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
import textwrap
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket

import voice_host
from tests.calls.client import calling
from tests.calls.studio import serving
from tests.simulators.assemblyai import AssemblyAISimulator
from voice_host import router
from voice_host.models.select import DEFAULT_GATEWAY_MODEL
from voice_host_sdk import DEFAULT_TTS_WSS_URL, AgentConfig, STTConfig, TTSConfig

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def _keyless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ASSEMBLYAI_API_KEY", "ASSEMBLYAI_TTS_API_KEY", "VOICE_HOST_MODEL", "VOICE_HOST_LLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_tts_config_has_the_plans_names_and_defaults() -> None:
    assert TTSConfig().model_dump() == {
        "voice": "jess",
        "max_tokens": 2000,
        "buffer_size": 105,
        "repetition_penalty": 1.2,
        "temperature": 0.6,
        "top_p": 0.9,
        "sample_rate": 24000,
        "wss_url": DEFAULT_TTS_WSS_URL,
    }
    assert DEFAULT_TTS_WSS_URL == "wss://model-q844y7pw.api.baseten.co/environments/production/websocket"


def test_stt_config_has_the_plans_names_and_defaults() -> None:
    assert STTConfig().model_dump() == {
        "sample_rate": 16000,
        "speech_model": "universal-3-5-pro",
        "wss_base": "wss://streaming.assemblyai.com/v3/ws",
        "token_expires_in": 480,
        "format_turns": True,
        "min_end_of_turn_silence_when_confident": 400,
        "max_turn_silence": 1200,
    }


def test_configurations_are_frozen_and_refuse_typing_errors() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TTSConfig().voice = "leo"  # type: ignore[misc]
    with pytest.raises(ValueError, match="voise"):
        TTSConfig(voise="leo")  # type: ignore[call-arg]


def test_every_element_of_the_plan_exists() -> None:
    for name in ("chat", "greet", "reset", "cancel", "aclose", "greeting"):
        assert hasattr(voice_host.VoiceAgent, name)
    for name in ("get_or_create", "remove", "active_sessions", "aclose_all"):
        assert hasattr(voice_host.VoiceAgentManager, name)
    for name in ("_connect_stt", "_tts_relay", "_cancel_inflight", "_handle_turn", "_stt_listener", "_client_loop"):
        assert inspect.iscoroutinefunction(getattr(voice_host.VoiceSessionHandler, name))
    handle = inspect.signature(voice_host.VoiceSessionHandler.handle)
    assert handle.parameters["caller"].kind is inspect.Parameter.KEYWORD_ONLY
    assert list(inspect.signature(voice_host.create_voice_app).parameters) == [
        "tools",
        "agent_manager",
        "cors_origins",
        "static_dir",
        "api_prefix",
    ]
    for name in voice_host.__all__:
        assert getattr(voice_host, name) is not None


def test_the_router_is_small_and_knows_nothing_of_speech() -> None:
    source = inspect.getsource(router)
    assert len(source.splitlines()) <= 40
    assert "tts" not in source.lower().replace("https", "")


def parameters(function: Callable[..., object]) -> list[str]:
    """Return the names of the parameters, those that are positional before the `*`."""
    found = inspect.signature(function).parameters.values()
    positional = [one.name for one in found if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return [*positional, "*", *(one.name for one in found if one.kind is inspect.Parameter.KEYWORD_ONLY)]


def test_the_signatures_are_the_plans() -> None:
    agent = ["assemblyai_api_key", "*", "model", "tools", "instructions", "max_steps", "model_settings"]
    agent += ["stt_config", "tts_config", "greeting", "voice_rules"]
    assert parameters(voice_host.VoiceAgent) == [*agent, "config", "runtime", "session"]
    manager = parameters(voice_host.VoiceAgentManager)
    assert manager[: len(agent) + 3] == [
        *agent[:2],
        "ttl_seconds",
        *agent[2:],
        "on_session_created",
        "on_session_destroyed",
    ]
    assert set(manager[len(agent) + 3 :]) == {
        *("config", "callbacks", "runtime", "observers", "resume_grace_s", "max_parked"),
        *("callback_timeout_s", "close_timeout_s", "clock", "listener"),
    }
    assert inspect.signature(voice_host.VoiceAgentManager).parameters["ttl_seconds"].default == 3600
    assert inspect.iscoroutinefunction(voice_host.VoiceAgentManager.active_sessions)
    assert [field.name for field in dataclasses.fields(voice_host.VoiceResponse)] == [
        *("text", "steps", "error", "interrupted"),
    ]
    assert voice_host.VoiceCleaner().normalize("5 km") == "five kilometers"


def test_what_is_not_given_has_the_defaults() -> None:
    defaults = AgentConfig()
    assert (defaults.greeting, defaults.instructions, defaults.voice_rules) == (
        *(voice_host.DEFAULT_GREETING, voice_host.DEFAULT_INSTRUCTIONS, voice_host.VOICE_RULES),
    )
    assert voice_host.VoiceAgentManager().config == defaults
    agent = voice_host.VoiceAgent()
    assert (agent.config, agent.tts_config) == (defaults, TTSConfig())


PLATFORM = """
from fastapi import FastAPI, WebSocket
from voice_host import TTSConfig, VoiceAgentManager, VoiceSessionHandler


def my_tool() -> str:
    \"\"\"Tell what the weather is like.\"\"\"
    return "The sun is shining."


manager = VoiceAgentManager(
    tools=[my_tool],
    instructions="You are...",
    tts_config=TTSConfig(voice="aria", temperature=0.8),
)

app = FastAPI()
handler = VoiceSessionHandler(agent_manager=manager)


@app.websocket("/session")
async def session(ws: WebSocket) -> None:
    await handler.handle(ws)
"""

CUSTOMER = """
from voice_host import create_voice_app


def my_tool() -> str:
    \"\"\"Tell what the weather is like.\"\"\"
    return "The sun is shining."


app = create_voice_app(tools=[my_tool])
"""


def imported(code: str) -> dict[str, Any]:
    """Run a module as uvicorn does that imports it, and return its names."""
    names: dict[str, Any] = {}
    exec(compile(code, "server.py", "exec"), names)
    return names


@pytest.mark.parametrize(("code", "path"), [(PLATFORM, "/session"), (CUSTOMER, "/api/session")])
@pytest.mark.usefixtures("embedded_speech")
async def test_the_plans_snippets_answer_a_spoken_call(code: str, path: str) -> None:
    server = imported(code)
    async with serving(server["app"]) as address, calling(f"ws://{address}{path}") as caller:
        await caller.expect("ready")
        await caller.speak(spoken("whats_the_weather_like.wav") + bytes(2 * 16000))
        await caller.expect("tts_done", timeout_s=60)
        assert "weather" in caller.all("turn")[0]["text"].lower()
        assert caller.all("tool_call")[0]["name"] == "my_tool"
        assert caller.all("chat")[0]["text"] == "The sun is shining."
        assert any(caller.audio)
        if "manager" in server:
            assert await server["manager"].active_sessions() == 1
    if "manager" in server:
        await server["manager"].aclose_all()
        await server["handler"].aclose()


def spoken(name: str) -> bytes:
    """Return a recording of the caller, PCM16 at 16 kHz."""
    with wave.open(str(DATA / name)) as recording:
        return recording.readframes(recording.getnframes())


@pytest.mark.usefixtures("embedded_speech")
async def test_the_callbacks_are_told_of_each_session() -> None:
    created: list[str] = []
    destroyed: list[str] = []

    async def on_created(session_id: str, agent: voice_host.VoiceAgent) -> None:
        assert agent.tts_config.voice == "leo"
        created.append(session_id)

    async def on_destroyed(session_id: str) -> None:
        destroyed.append(session_id)

    manager = voice_host.VoiceAgentManager(
        tts_config=TTSConfig(voice="leo"), on_session_created=on_created, on_session_destroyed=on_destroyed
    )
    handler = voice_host.VoiceSessionHandler(agent_manager=manager)
    app = FastAPI()

    @app.websocket("/voice")
    async def voice(ws: WebSocket) -> None:
        await handler.handle(ws)

    async with serving(app) as address, calling(f"ws://{address}/voice") as caller:
        ready = await caller.expect("ready")
        assert created == [ready["session_id"]]
        await caller.type("Good morning")
        await caller.expect("tts_done", timeout_s=30)
        assert any(caller.audio)
    await manager.aclose_all()
    await handler.aclose()
    assert destroyed == created


async def test_a_customer_provides_the_configuration() -> None:
    config = AgentConfig(greeting="Hi, this is Jo.")
    manager = voice_host.VoiceAgentManager(config=config, tts_config=TTSConfig(voice="tara", temperature=0.8))
    app = voice_host.create_voice_app(agent_manager=manager, static_dir=None)
    async with serving(app) as address, calling(f"ws://{address}/api/session") as caller:
        assert (await caller.expect("greeting"))["text"] == "Hi, this is Jo."
        await caller.expect("tts_done", timeout_s=30)
    assert await manager.active_sessions() == 0


async def test_the_managers_key_is_speech_to_texts_too(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    async with AssemblyAISimulator(api_key="key-of-the-manager") as stt:
        monkeypatch.setenv("VOICE_HOST_ASSEMBLYAI_WS_URL", stt.url)
        manager = voice_host.VoiceAgentManager(
            "key-of-the-manager", model="demo", tools=[imported(PLATFORM)["my_tool"]]
        )
        handler = voice_host.VoiceSessionHandler(agent_manager=manager)
        assert handler.speech_names["stt"] == "assemblyai"
        app = FastAPI()
        app.add_api_websocket_route("/session", handler.handle)
        async with serving(app) as address, calling(f"ws://{address}/session") as caller:
            await stt.speak_turn("What is the weather like?")
            await caller.expect("tts_done", timeout_s=30)
            assert caller.all("chat")[0]["text"] == "The sun is shining."
        await manager.aclose_all()
        await handler.aclose()
    assert "key-of-the-manager" not in f"{caplog.text}{manager!r}{vars(manager)}{vars(handler)}"


async def test_keys_may_stand_in_an_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    (tmp_path / ".env").write_text("ASSEMBLYAI_API_KEY=key-1\nASSEMBLYAI_TTS_API_KEY=key-2\n", encoding="utf-8")
    manager = voice_host.VoiceAgentManager()
    handler = voice_host.VoiceSessionHandler(agent_manager=manager)
    assert handler.speech_names == {"stt": "assemblyai", "tts": "orpheus"}
    assert manager.model_name == DEFAULT_GATEWAY_MODEL
    await manager.aclose_all()
    await handler.aclose()


TEMPLATE = """
from voice_host import Tool, create_voice_app, duckduckgo_search_tool, visit_url_tool


@Tool
def get_weather(city: str) -> str:
    \"\"\"Get the weather of a city.\"\"\"
    return f"It is sunny in {city}."


app = create_voice_app(tools=[get_weather, duckduckgo_search_tool(), visit_url_tool()])
"""


@pytest.mark.usefixtures("embedded_speech")
async def test_the_customers_template_runs_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    app = imported(TEMPLATE)["app"]
    assert "the folder static is missing, so no pages are served at /" in caplog.text
    async with serving(app) as address, calling(f"ws://{address}/api/session") as caller:
        await caller.type("what is the weather in Berlin")
        await caller.expect("tts_done", timeout_s=30)
        assert caller.all("tool_call")[0]["arguments"] == {"city": "Berlin"}
        assert caller.all("chat")[0]["text"] == "It is sunny in Berlin."


def test_uvicorn_finds_the_templates_app(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(TEMPLATE)
    check = textwrap.dedent(
        """
        import uvicorn
        config = uvicorn.Config("server:app")
        config.load()
        print(config.loaded)
        """
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip().endswith("True"), done.stderr
