"""The plan's own examples, run as a user would write them."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fastapi import FastAPI, WebSocket

import voice_host
from tests.calls.client import calling
from tests.calls.studio import serving
from voice_host import router
from voice_host_sdk import DEFAULT_TTS_WSS_URL, STTConfig, TTSConfig


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


async def test_a_platform_mounts_the_handler_in_its_own_server() -> None:
    from voice_host import TTSConfig, VoiceAgentManager, VoiceSessionHandler

    created: list[str] = []
    destroyed: list[str] = []

    async def on_created(session_id: str, agent: voice_host.VoiceAgent) -> None:
        assert agent.tts_config.voice == "leo"
        created.append(session_id)

    async def on_destroyed(session_id: str) -> None:
        destroyed.append(session_id)

    manager = VoiceAgentManager(
        tts_config=TTSConfig(voice="leo"), on_session_created=on_created, on_session_destroyed=on_destroyed
    )
    handler = VoiceSessionHandler(agent_manager=manager)
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
    from voice_host import AgentConfig, TTSConfig, VoiceAgentManager, create_voice_app

    manager = VoiceAgentManager(
        AgentConfig(greeting="Hi, this is Jo."), tts_config=TTSConfig(voice="tara", temperature=0.8)
    )
    app = create_voice_app(agent_manager=manager, static_dir=None)
    async with serving(app) as address, calling(f"ws://{address}/api/session") as caller:
        assert (await caller.expect("greeting"))["text"] == "Hi, this is Jo."
        await caller.expect("tts_done", timeout_s=30)
    assert await manager.active_sessions() == 0


TEMPLATE = """
from voice_host import Tool, create_voice_app, duckduckgo_search_tool, visit_url_tool


@Tool
def get_weather(city: str) -> str:
    \"\"\"Get the weather of a city.\"\"\"
    return f"It is sunny in {city}."


app = create_voice_app(tools=[get_weather, duckduckgo_search_tool(), visit_url_tool()])
"""


async def test_the_customers_template_runs_unchanged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "server.py").write_text(TEMPLATE)
    namespace: dict[str, object] = {}
    exec(compile((tmp_path / "server.py").read_text(), "server.py", "exec"), namespace)  # as uvicorn imports it
    assert "static_dir_missing" in caplog.text
    async with serving(namespace["app"]) as address, calling(f"ws://{address}/api/session") as caller:
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
