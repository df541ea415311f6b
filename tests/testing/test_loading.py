"""Which agents the test kit loads, and what it says of those that it cannot."""

from __future__ import annotations

from types import ModuleType

import pytest

import example_agent_plugin
from voice_host.testing import (
    AgentBroken,
    call_agent,
    in_virtual_time,
    serve_agent,
)
from voice_host_sdk import (
    AgentConfig,
    LifecycleCallbacks,
)


@in_virtual_time
async def test_an_agent_is_loaded_by_its_id_its_module_or_as_it_is() -> None:
    settings = {"restaurant_name": "Chez Nous"}
    for source in ("front-desk", example_agent_plugin):
        async with call_agent(source, settings=settings) as call:
            assert call.greeting is not None
            assert "Chez Nous" in call.greeting.heard
    async with call_agent(AgentConfig(greeting="Hello."), hear_greeting=False) as call:
        assert (await call.reply()).heard == "Hello."


@in_virtual_time
async def test_an_agent_that_cannot_be_loaded_says_why() -> None:
    with pytest.raises(LookupError, match=r"no agent 'back-desk' is installed here; installed are: .*front-desk"):
        async with serve_agent("back-desk"):
            pass
    with pytest.raises(AgentBroken, match="the hook 'agent_config' is missing"):
        async with serve_agent(ModuleType("json")):
            pass
    with pytest.raises(TypeError, match="takes no settings"):
        async with serve_agent(AgentConfig(), settings={}):
            pass
    with pytest.raises(TypeError, match="has its own callbacks"):
        async with serve_agent("front-desk", callbacks=LifecycleCallbacks()):
            pass


@in_virtual_time
async def test_an_agent_that_does_not_start_says_why() -> None:
    class Failing(LifecycleCallbacks):
        async def on_startup(self) -> None:
            raise OSError("no database")

    with pytest.raises(AgentBroken, match="on_startup failed: OSError: no database"):
        async with serve_agent(AgentConfig(), callbacks=Failing()):
            pass


@pytest.mark.real_time
async def test_real_time_is_refused_with_words() -> None:
    with pytest.raises(RuntimeError, match="in virtual time"):
        async with call_agent(AgentConfig()):
            pass
