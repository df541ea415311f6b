"""Models of other providers keep to `[resilience]` too, as far as their clients support it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel

from tests.simulators.gateway import GatewaySimulator
from voice_host.models import ModelRegistry
from voice_host.models.errors import describe_model_error
from voice_host.models.timeouts import TimeoutModel
from voice_host.settings import ResilienceSettings, Settings


@pytest.fixture
async def sim(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GatewaySimulator]:
    """OpenAI, as far as pydantic-ai's own client can tell."""
    async with GatewaySimulator(api_key="sk") as simulator:
        monkeypatch.setenv("OPENAI_API_KEY", "sk")
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        yield simulator


async def answer(**resilience: Any) -> str:
    """Ask as a call does, in a stream, and return the answer, or the code of what went wrong."""
    registry = ModelRegistry(Settings(resilience=ResilienceSettings(**resilience)))
    model = registry.resolve(None, "openai-chat:gpt").model
    try:
        async with Agent(model).run_stream("hi") as result:
            return str(await result.get_output())
    except ModelAPIError as error:
        return describe_model_error(error).code
    finally:
        await registry.aclose()


@pytest.mark.parametrize(("retries", "expected"), [(0, "model_unavailable"), (1, "model_unavailable"), (2, "At last.")])
async def test_how_often_it_is_asked_again(sim: GatewaySimulator, retries: int, expected: str) -> None:
    sim.fail(503, headers={"retry-after-ms": "1"})
    sim.fail(503, headers={"retry-after-ms": "1"})
    sim.reply("At last.")
    assert await answer(model_retries=retries) == expected
    assert len(sim.requests) == retries + 1


@pytest.mark.parametrize("piece", [0, 1])
async def test_how_long_it_may_be_silent_before_its_first_piece_and_between_two(
    sim: GatewaySimulator, piece: int
) -> None:
    sim.reply("One", " two.", gates={piece: asyncio.Event()})
    assert await answer(model_silent_after_s=0.1, model_retries=0) == "model_timeout"


async def test_how_long_it_may_take_where_its_client_knows_no_such_setting(sim: GatewaySimulator) -> None:
    class Stubborn(OpenAIChatModel):
        unsupported_settings = frozenset({"timeout", "max_retries"})

    sim.reply("One", gates={0: asyncio.Event()})
    model = TimeoutModel(Stubborn("gpt"), ResilienceSettings(model_silent_after_s=0.1))
    with pytest.raises(ModelAPIError) as caught:
        async with Agent(model).run_stream("hi"):
            pass
    assert describe_model_error(caught.value).code == "model_timeout"


async def test_a_whole_answer_has_the_same_time() -> None:
    async def hang(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    model = TimeoutModel(FunctionModel(hang), ResilienceSettings(model_silent_after_s=0.05))
    with pytest.raises(ModelAPIError) as caught:
        await Agent(model).run("hi")
    assert describe_model_error(caught.value).code == "model_timeout"
