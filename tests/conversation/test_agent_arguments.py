"""What `VoiceAgent` and `VoiceAgentManager` take about the agent, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.conversation.models import ScriptedModel
from voice_host.conversation.runtime import default_runtime
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.models import ModelConfigError
from voice_host.models.select import DEFAULT_GATEWAY_MODEL
from voice_host.sessions.manager import VoiceAgentManager
from voice_host_sdk import AgentConfig, STTConfig, TTSConfig

BOTH = pytest.mark.parametrize("made", [VoiceAgent, VoiceAgentManager])


@pytest.fixture(autouse=True)
def _keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASSEMBLYAI_API_KEY", "VOICE_HOST_MODEL", "VOICE_HOST_LLM_BASE_URL", "VOICE_HOST_LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def one() -> str:
    """The first."""
    return "one"


def two() -> str:
    """The second."""
    return "two"


@BOTH
def test_single_fields(made: Any) -> None:
    fields: dict[str, Any] = {
        "model": "demo",
        "instructions": "You are...",
        "max_steps": 3,
        "model_settings": {"temperature": 0.1},
        "stt_config": STTConfig(max_turn_silence=900),
        "tts_config": TTSConfig(voice="aria", temperature=0.8),
        "greeting": "",
        "voice_rules": "Be brief.",
    }
    assert made(tools=[one], **fields).config == AgentConfig(tools=(one,), **fields)


@BOTH
def test_tools_and_a_voice_are_laid_over_a_configuration(made: Any) -> None:
    config = AgentConfig(title="Desk", tools=[one])
    built = made(config=config, tools=[two], tts_config=TTSConfig(voice="leo"))
    assert built.config == AgentConfig(title="Desk", tools=[one, two], tts_config=TTSConfig(voice="leo"))
    assert built.tts_config.voice == "leo"
    assert made(config=config).config is config


@BOTH
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "demo"),
        ("instructions", "You are..."),
        ("max_steps", 3),
        ("model_settings", {}),
        ("stt_config", STTConfig()),
        ("greeting", ""),
        ("voice_rules", ""),
    ],
)
def test_other_single_fields_beside_a_configuration_are_refused(made: Any, field: str, value: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"{field} cannot be combined with config=: write config=AgentConfig\({field}="
    ):
        made(config=AgentConfig(), **{field: value})


@BOTH
def test_a_configuration_in_the_place_of_the_key(made: Any) -> None:
    with pytest.raises(
        TypeError, match=r"the first argument is the AssemblyAI API key: pass an AgentConfig as config="
    ):
        made(AgentConfig())
    with pytest.raises(TypeError, match=r"^assemblyai_api_key must be a str, not bytes$"):
        made(b"key-1")


@BOTH
def test_mistakes_in_a_field(made: Any) -> None:
    with pytest.raises(ValidationError, match="max_steps"):
        made(max_steps=0)
    with pytest.raises(ModelConfigError, match="did you mean 'temperature'"):
        made(model_settings={"temprature": 0.2})


@BOTH
@pytest.mark.parametrize(("key", "model"), [(None, "demo"), (" ", "demo"), ("key-1", DEFAULT_GATEWAY_MODEL)])
async def test_the_key_decides_the_model_where_none_is_named(made: Any, key: str | None, model: str) -> None:
    built = made(key)
    assert built.model_name == model
    assert "key-1" not in f"{built!r} {vars(built)}"


def test_the_key_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "key-of-the-environment")
    manager = VoiceAgentManager("key-1")
    model: Any = default_runtime(manager.config, manager.assemblyai_api_key).model.model
    assert model.client.api_key == "key-1"


def test_a_runtime_is_the_default_for_what_is_not_given() -> None:
    runtime = ScriptedModel().runtime(AgentConfig(title="Desk", instructions="Old."))
    manager = VoiceAgentManager(runtime=runtime, instructions="New.")
    assert (manager.config.title, manager.config.instructions) == ("Desk", "New.")


@BOTH
def test_a_single_tool_without_a_list_is_refused_in_words(made: Any) -> None:
    with pytest.raises(TypeError, match=r"tools must be a list, even for a single tool: tools=\[\.\.\.\]"):
        made(tools=one)
