"""The last step before an agent takes calls: its model and its tools."""

from __future__ import annotations

from functools import partial

from pydantic_ai.exceptions import UserError

from voice_host.agent.runtime import AgentRuntime
from voice_host.discovery import BrokenAgent, LoadedAgent, Phase
from voice_host.models import ModelConfigError, ModelRegistry
from voice_host.settings import Settings


def build_runtime(loaded: LoadedAgent, settings: Settings, models: ModelRegistry) -> AgentRuntime | BrokenAgent:
    """Choose the agent's model and build the schemas of its tools; what fails is an outcome, not an exception."""
    try:
        choose = partial(models.resolve, settings.for_agent(loaded.id).model)
        return AgentRuntime(loaded.id, loaded.config, choose(loaded.config.model), choose=choose)
    except ModelConfigError as error:
        problem = str(error)
    except (UserError, NameError, TypeError, ValueError) as error:
        # What pydantic-ai and the inspection of signatures raise for a tool they cannot make a schema of.
        problem = f"a tool cannot be offered to the model: {error}"
    return BrokenAgent(loaded.discovered, Phase.CONFIGURED, problem, import_ms=loaded.import_ms)
