"""Through which proxy the gateway is reached: what the environment may say, and that it is done."""

from __future__ import annotations

import pytest
from pydantic_ai import Agent

from tests.simulators.gateway import GatewaySimulator
from voice_host.models import ModelConfigError, ModelRegistry
from voice_host.models.gateway.proxy import proxy_for
from voice_host.settings import ModelKeys, Settings

GATEWAY = "https://gateway.example.com/v1"
OTHERS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "named", "proxy"),
    [
        (GATEWAY, {}, None),
        (GATEWAY, {"HTTPS_PROXY": "http://p:3128", "HTTP_PROXY": "http://q"}, "http://p:3128"),
        (GATEWAY, {"HTTP_PROXY": "http://q"}, None),
        (GATEWAY, {"all_proxy": "http://a"}, "http://a"),
        (GATEWAY, {"ALL_PROXY": "http://a", "HTTPS_PROXY": "http://p"}, "http://p"),
        (GATEWAY, {"ALL_PROXY": "socks5://a", "HTTPS_PROXY": "http://p"}, "http://p"),
        (GATEWAY, {"ALL_PROXY": "a:3128"}, "http://a:3128"),
        (GATEWAY, {"ALL_PROXY": "http://a", "NO_PROXY": "other.com, gateway.example.com"}, None),
        (GATEWAY, {"ALL_PROXY": "http://a", "NO_PROXY": "example.com"}, None),
        (GATEWAY, {"ALL_PROXY": "http://a", "NO_PROXY": "way.example.com"}, "http://a"),
        (GATEWAY, {"ALL_PROXY": "socks5://a", "NO_PROXY": "x, *"}, None),
        ("http://10.0.0.1:8080/v1", {"HTTP_PROXY": "http://q", "NO_PROXY": "10.0.0.1"}, None),
        ("http://10.0.0.1:8080/v1", {"HTTP_PROXY": "http://q", "NO_PROXY": "10.0.0.1:8080"}, None),
        ("http://10.0.0.1:8080/v1", {"HTTP_PROXY": "http://q", "NO_PROXY": "10.0.0.1:9090"}, "http://q"),
        ("http://[fd00::5]:8080/v1", {"HTTP_PROXY": "http://q", "NO_PROXY": "fd00::5"}, None),
        ("http://[fd00::5]:8080/v1", {"HTTP_PROXY": "http://q", "NO_PROXY": "fd00::6"}, "http://q"),
    ],
)
def test_what_the_environment_says(
    url: str, named: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_another_kind_is_told_before_the_first_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "socks5://user:hunter2@proxy.internal:1080")
    models = ModelRegistry(Settings(keys=ModelKeys(ASSEMBLYAI_API_KEY="k")))
    with pytest.raises(ModelConfigError, match=f"{name} names a socks5 proxy.*set HTTPS_PROXY.*NO_PROXY") as told:
        models.resolve(None, None)
    assert "hunter2" not in str(told.value)


async def test_streams_and_whole_answers_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with GatewaySimulator() as sim:
        monkeypatch.setenv("ALL_PROXY", sim.base_url.removesuffix("/v1"))
        models = ModelRegistry(
            Settings(
                keys=ModelKeys(VOICE_HOST_LLM_BASE_URL="http://gateway.invalid/v1", VOICE_HOST_LLM_API_KEY=sim.api_key)
            )
        )
        await models.prepare(None, "some-model")
        agent = Agent(models.resolve(None, "some-model").model)
        sim.reply("Yes.")
        assert (await agent.run("hello")).output == "Yes."
        sim.reply("Yes.")
        async with agent.run_stream("hello") as answer:
            assert await answer.get_output() == "Yes."
        await models.aclose()
