"""Calling one tool in a call."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Tool
from pydantic_ai.messages import ModelMessagesTypeAdapter

from voice_host.testing import CallTool, ScriptedModel, call_agent
from voice_host_sdk import AgentConfig


class PanicException(BaseException):
    """As PyO3 names it."""


async def result_of(function: Any, **arguments: Any) -> Any:
    """Let the model call a tool in a call; return what it is told. The call goes on afterwards."""
    name = function.name if isinstance(function, Tool) else function.__name__
    config = AgentConfig(tools=(function,))
    model = ScriptedModel(CallTool(name, **arguments), "Done.", "Still here.")
    async with call_agent(config, model) as call:
        assert (await call.ask("Go")).text == "Done."
        assert (await call.ask("And now?")).text == "Still here."
        assert not call.errors
    for asked in model.asked:  # a provider could be sent it
        ModelMessagesTypeAdapter.dump_json(list(asked.messages)).decode("utf-8")
    [result] = model.asked[1].results
    return result
