"""`AgentConfig.model_settings`: on the wire, and refused where they cannot be right."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.simulators.gateway import GatewaySimulator
from voice_host import VoiceAgent
from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelConfigError, ModelRegistry, model_request_settings
from voice_host.settings import ModelKeys, Settings
from voice_host_sdk import AgentConfig

SETTINGS = {
    "temperature": 0.2,
    "max_tokens": 120,
    "stop_sequences": ["###"],
    "extra_headers": {"x-team": "desk"},
    "extra_body": {"mode": "short"},
    "openai_user": "caller",
    "anthropic_metadata": {"user_id": "caller"},
}


@pytest.fixture
async def sim(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GatewaySimulator]:
    """The gateway, or OpenAI as far as pydantic-ai's own client can tell."""
    async with GatewaySimulator(api_key="sk") as simulator:
        monkeypatch.setenv("OPENAI_API_KEY", "sk")
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        yield simulator


@pytest.mark.parametrize(
    ("name", "at_gateway", "max_tokens"),
    [("some-model", True, "max_tokens"), ("openai-chat:gpt", False, "max_completion_tokens")],
)
async def test_they_reach_the_model(sim: GatewaySimulator, name: str, at_gateway: bool, max_tokens: str) -> None:
    address = {"VOICE_HOST_LLM_BASE_URL": sim.base_url, "VOICE_HOST_LLM_API_KEY": "sk"} if at_gateway else {}
    registry = ModelRegistry(Settings(keys=ModelKeys(**address)))
    choose = ModelChoice(registry)
    config = AgentConfig(model=name, model_settings=SETTINGS)
    runtime = AgentRuntime("desk", config, choose(config), registry=registry, choose=choose)
    sim.reply("Hello.")
    sim.reply("Hi.")
    try:
        assert (await VoiceAgent(runtime=runtime).chat("hello")).text == "Hello."
        warmer = VoiceAgent(runtime=runtime, model_settings={"temperature": 0.9})
        assert (await warmer.chat("hello")).text == "Hi."
    finally:
        await runtime.aclose()
    first, second = sim.requests
    assert (first.body["temperature"], first.body[max_tokens], first.body["stop"]) == (0.2, 120, ["###"])
    assert (first.body["mode"], first.body["user"], first.headers["x-team"]) == ("short", "caller", "desk")
    assert second.body["temperature"] == 0.9
    assert max_tokens not in second.body


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"temprature": 1}, r"model_settings: temprature: there is no such key; did you mean 'temperature'\?"),
        ({"temperature": "hot"}, r"model_settings: temperature: must be a number at least 0, not 'hot'"),
        ({"temperature": float("nan")}, "must be a finite number"),
        ({"max_tokens": 0}, r"model_settings: max_tokens: must be a whole number at least 1, not 0"),
        ({"top_p": 2}, "must be a number from 0 to 1, not 2"),
        ({"tool_choice": "required"}, "must be one of auto, none, not 'required'"),
        ({"timeout": 3}, r"timeout: is decided by the platform, in its setting resilience\.model_silent_after_s"),
        ({"extra_body": {"model": "big"}}, "may add to the request, not replace its model"),
        ({"extra_body": {"x": object()}}, "extra_body"),
        ({"top_p": 2, "max_tokens": 0}, "max_tokens: .*; .*top_p: "),
    ],
)
def test_what_cannot_be_right_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelConfigError, match=problem):
        model_request_settings(given)


def test_settings_of_other_providers_are_handed_on() -> None:
    given = {"openrouter_transforms": ["middle-out"], "google_thinking_config": {"thinking_budget": 0}}
    assert model_request_settings(given) == given
