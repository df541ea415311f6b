"""The last step before an agent is started: its speech services, its model and its tools."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pydantic import PydanticUserError
from pydantic_ai.exceptions import UserError

from voice_host.agent.runtime import AgentRuntime
from voice_host.discovery import BrokenAgent, LoadedAgent, Phase
from voice_host.models import ModelConfigError, ModelRegistry
from voice_host.providers.select import ProviderConfigError, SpeechProviders, SpeechServices
from voice_host.settings import Settings


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an agent takes calls with. The services belong to the `SpeechServices` they came from."""

    runtime: AgentRuntime
    speech: SpeechProviders


def prepare(
    loaded: LoadedAgent, settings: Settings, models: ModelRegistry, speech: SpeechServices
) -> Prepared | BrokenAgent:
    """Choose the agent's services and model, and build the schemas of its tools. Nothing is connected to.

    What fails is an outcome, not an exception. Whoever gets a runtime closes it.
    """
    try:
        providers = speech.for_agent(loaded.config)
        choose = partial(models.resolve, settings.for_agent(loaded.id).model)
        return Prepared(
            AgentRuntime(loaded.id, loaded.config, choose(loaded.config.model), choose=choose),
            providers,
        )
    except (ProviderConfigError, ModelConfigError) as error:
        problem = str(error)
    except (UserError, PydanticUserError, NameError, TypeError, ValueError) as error:
        # What pydantic, pydantic-ai and the inspection of signatures raise for a tool they cannot make a schema of.
        problem = f"a tool cannot be offered to the model: {str(error).partition(chr(10))[0]}"
    return BrokenAgent(loaded.discovered, Phase.CONFIGURED, problem, import_ms=loaded.import_ms)
