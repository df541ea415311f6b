"""Which model an agent gets: precedence, keys, addresses, and errors that say what to set."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

from tests.simulators.gateway import GatewaySimulator
from voice_host.admission import Allowed, NotAllowed
from voice_host.conversation.model_choice import ModelChoice
from voice_host.models import ModelConfigError, ModelRegistry
from voice_host.models.gateway import GatewayModel
from voice_host.models.timeouts import TimeoutModel
from voice_host.settings import AgentSettings, ModelKeys, Settings
from voice_host_sdk import AgentConfig

DEFAULT = "claude-haiku-4-5-20251001"
GATEWAY = "https://llm-gateway.assemblyai.com/v1"
LOCAL = "http://127.0.0.1:11434/v1"


@pytest.fixture(autouse=True)
def _no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def sim() -> AsyncIterator[GatewaySimulator]:
    async with GatewaySimulator(api_key="not-needed") as simulator:
        yield simulator


def registry(**keys: str | None) -> ModelRegistry:
    """Return a registry with keys and addresses of services, named as the fields of `ModelKeys`."""
    variables = {ModelKeys.model_fields[name].alias: key for name, key in keys.items() if key is not None}
    return ModelRegistry(Settings(keys=ModelKeys.model_validate(variables)))


def provider_model(models: ModelRegistry, name: str) -> Model:
    """Return a model that is not the gateway's, as pydantic-ai made it."""
    return cast(TimeoutModel, models.resolve(name, None).model).wrapped


@pytest.mark.parametrize(
    ("override", "platform", "agent", "key", "expected"),
    [
        ("over", "platform", "agent", "aai", "over"),
        ("", "platform", "agent", "aai", "platform"),
        (None, "platform", "agent", "aai", "platform"),
        (None, None, "agent", "aai", "agent"),
        (None, " ", "agent", "aai", "agent"),
        (None, None, None, "aai", DEFAULT),
        (None, None, None, None, "demo"),
        ("demo", "platform", "agent", "aai", "demo"),
        (None, None, "demo", "aai", "demo"),
    ],
)
async def test_precedence(
    override: str | None, platform: str | None, agent: str | None, key: str | None, expected: str
) -> None:
    models = registry(model=platform, assemblyai_api_key=key)
    resolved = models.resolve(override, agent)
    assert resolved.name == expected
    assert isinstance(resolved.model, FunctionModel if expected == "demo" else GatewayModel)
    assert (resolved.notice is not None) == (expected == "demo")
    await models.aclose()


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ({"assemblyai_api_key": "aai"}, "aai"),
        ({"llm_api_key": "llm"}, "llm"),
        ({"assemblyai_api_key": "aai", "llm_api_key": "llm", "llm_base_url": f"{GATEWAY}/"}, "llm"),
    ],
)
async def test_the_gateway_with_either_key_and_the_platforms_own_first(keys: dict[str, str], sent: str) -> None:
    models = registry(**keys)
    model = models.resolve(None, "claude").model
    assert isinstance(model, GatewayModel)
    assert model.base_url == GATEWAY
    assert model.client.api_key == sent
    await models.aclose()


@pytest.mark.parametrize("name", ["llama3", "openai:llama3", "openai-chat:llama3"])
async def test_a_custom_address_never_gets_the_assemblyai_key(sim: GatewaySimulator, name: str) -> None:
    models = registry(assemblyai_api_key="aai", llm_base_url=sim.base_url)
    sim.reply("Hello.")
    result = await Agent(models.resolve(None, name).model).run("hi")
    assert result.output == "Hello."
    assert sim.requests[0].body["model"] == "llama3"
    assert "aai" not in str(sim.requests[0].headers)
    await models.aclose()


async def test_a_custom_address_gets_its_own_key(sim: GatewaySimulator) -> None:
    sim.api_key = "llm"
    models = registry(assemblyai_api_key="aai", llm_base_url=sim.base_url, llm_api_key="llm")
    sim.reply("Hello.")
    result = await Agent(models.resolve("openai:llama3.2:3b", None).model).run("hi")
    assert result.output == "Hello."
    assert sim.requests[0].body["model"] == "llama3.2:3b"
    await models.aclose()


@pytest.mark.parametrize("key", [None, "aai"])
def test_a_custom_address_without_a_model_is_an_error(key: str | None) -> None:
    with pytest.raises(ModelConfigError, match="VOICE_HOST_MODEL"):
        registry(llm_base_url=LOCAL, assemblyai_api_key=key).resolve(None, None)


async def test_a_custom_address_leaves_other_providers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    models = registry(llm_base_url=LOCAL)
    model = provider_model(models, "openai-responses:gpt-5")
    assert isinstance(model, OpenAIResponsesModel)
    assert "api.openai.com" in model.base_url
    assert models.resolve("demo", None).name == "demo"
    await models.aclose()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("claude-haiku", "ASSEMBLYAI_API_KEY or VOICE_HOST_LLM_API_KEY"),
        ("openai:gpt-4.1-mini", "set OPENAI_API_KEY"),
        ("ollama:llama3", "set OLLAMA_BASE_URL"),
        ("groq:llama3", '"pydantic-ai-slim[groq]"'),
        ("llama3.2:3b", "write 'openai:llama3.2:3b' and set VOICE_HOST_LLM_BASE_URL"),
        ("openai:", "incomplete"),
        (":gpt", "incomplete"),
    ],
)
def test_what_is_missing_is_named(name: str, words: str) -> None:
    with pytest.raises(ModelConfigError) as caught:
        registry().resolve(None, name)
    assert words in str(caught.value)


async def test_models_and_pools_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    models = registry(assemblyai_api_key="aai")
    assert models.resolve("a", None).model is models.resolve(None, "a").model
    a, b = models.resolve("a", None).model, models.resolve("b", None).model
    assert isinstance(a, GatewayModel)
    assert isinstance(b, GatewayModel)
    assert a.client is b.client
    chat, responses = provider_model(models, "openai-chat:x"), provider_model(models, "openai:x")
    assert isinstance(chat, OpenAIChatModel)
    assert isinstance(responses, OpenAIResponsesModel)
    assert chat.provider is responses.provider
    await models.aclose()


async def test_closing_closes_what_was_opened_and_may_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    models = registry(assemblyai_api_key="aai")
    gateway, chat = models.resolve("a", None).model, provider_model(models, "openai-chat:x")
    assert isinstance(gateway, GatewayModel)
    assert isinstance(chat, OpenAIChatModel)
    await models.aclose()
    await models.aclose()
    assert gateway.client.closed
    assert chat.client.is_closed()


def test_keys_do_not_show() -> None:
    variables = {
        "ASSEMBLYAI_API_KEY": "aai-hidden",
        "VOICE_HOST_LLM_API_KEY": "llm-hidden",
        "VOICE_HOST_LLM_BASE_URL": "http://u:hidden@h",
    }
    keys = ModelKeys.model_validate(variables)
    assert keys.llm_api_key is not None
    assert keys.llm_api_key.get_secret_value() == "llm-hidden"
    assert "hidden" not in repr(Settings(keys=keys))


async def test_fallbacks_are_resolved_as_models_are() -> None:
    models = registry(assemblyai_api_key="aai")
    with pytest.raises(ModelConfigError, match="OPENAI_API_KEY"):
        models.resolve(None, "claude", ["openai:gpt-4.1-mini"])
    chosen = models.resolve(None, "claude", ["other", " claude ", "other"])
    assert chosen.name == "claude"
    assert [model.model_name for model in cast(FallbackModel, chosen.model).models] == ["claude", "other"]
    assert models.resolve(None, "claude", ["other"]).model is chosen.model
    assert isinstance(models.resolve(None, "claude", ["claude"]).model, GatewayModel)
    await models.aclose()


async def test_the_platform_has_the_last_word_on_fallbacks() -> None:
    models = registry(assemblyai_api_key="aai")
    config = AgentConfig(model="claude", fallback_models=("other",))
    own = ModelChoice(models, AgentSettings(fallback_models=("third",)))(config).model
    assert [model.model_name for model in cast(FallbackModel, own).models] == ["claude", "third"]
    assert isinstance(ModelChoice(models, AgentSettings(fallback_models=()))(config).model, GatewayModel)
    with pytest.raises(NotAllowed, match="fallback model 'other'"):
        Allowed(fallback_models=("claude*",)).check(config)
    await models.aclose()


def test_a_misspelt_provider_is_suggested() -> None:
    with pytest.raises(ModelConfigError, match=r"names no known provider; did you mean 'openai:gpt-4\.1-mini'\? For a"):
        registry().resolve(None, "opnai:gpt-4.1-mini")
    with pytest.raises(ModelConfigError, match=r"names no known provider\. For a model of a server of your own"):
        registry().resolve(None, "somewhere-else:big")
