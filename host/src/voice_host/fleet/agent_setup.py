"""Prepares an agent to be started: selects its speech services and model, and builds its tools."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import PydanticUserError
from pydantic_ai.exceptions import UserError

from voice_host.admission import NotAllowed, allowed_for
from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.tools import ToolWithoutSchema
from voice_host.models import ModelConfigError, ModelRegistry, ResolvedModel
from voice_host.plugins import BrokenAgent, LoadedAgent, Phase, function_place
from voice_host.plugins.guard import PhaseFailed, guarded
from voice_host.settings import Settings
from voice_host.speech.select import ProviderConfigError, SpeechProviders, SpeechServices, voice_warnings
from voice_host_sdk import AgentConfig


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an agent needs to take calls. The services are owned by the `SpeechServices` they came from."""

    runtime: AgentRuntime
    speech: SpeechProviders
    warnings: tuple[str, ...] = ()
    """Problems that do not prevent the agent from running, but should be fixed."""


def prepare(
    loaded: LoadedAgent,
    settings: Settings,
    models: ModelRegistry,
    services: SpeechServices,
    *,
    model: ResolvedModel | None = None,
    speech: SpeechProviders | None = None,
) -> Prepared | BrokenAgent:
    """Select the agent's services and model, and build the schemas of its tools. Connects to nothing.

    A failure is returned as a `BrokenAgent`, not raised. The caller must close the runtime.

    Args:
        model, speech: used instead of the selected ones.
    """
    try:
        with guarded(Phase.CONFIGURED, "it cannot be prepared"):  # its types and tools may run plugin code
            return _prepared(loaded, settings, models, services, model, speech)
    except PhaseFailed as failed:
        return failed.outcome(BrokenAgent, loaded.discovered, loaded.secrets, loaded.import_ms)


def _prepared(
    loaded: LoadedAgent,
    settings: Settings,
    models: ModelRegistry,
    services: SpeechServices,
    model: ResolvedModel | None,
    speech: SpeechProviders | None,
) -> Prepared | BrokenAgent:
    allowed = allowed_for(settings, loaded.id)
    try:
        allowed.check(loaded.config)
        providers = speech or services.for_agent(loaded.config, loaded.id)

        def accept(config: AgentConfig) -> None:
            allowed.check(config)
            services.require_allowed_addresses(config, providers)

        choose = ModelChoice(models, settings.for_agent(loaded.id))
        runtime = (
            AgentRuntime(loaded.id, loaded.config, choose(loaded.config), choose=choose, accept=accept)
            if model is None
            else AgentRuntime(loaded.id, loaded.config, model, accept=accept)
        )
        return Prepared(
            runtime,
            providers,
            tuple(voice_warnings(loaded.config, providers)),
        )
    except NotAllowed as error:
        hint = f"choose for it in [agent.{loaded.id}], or allow it there or in [agents]"
        return _broken(loaded, str(error), hint)
    except ToolWithoutSchema as error:
        hint = "give its parameters types that JSON has: str, int, float, bool, list, dict, an enum or a pydantic model"
        return _broken(loaded, str(error), hint, function_place(error.function))
    except (ProviderConfigError, ModelConfigError) as error:
        return _broken(loaded, str(error))
    except (UserError, PydanticUserError, NameError, TypeError, ValueError) as error:
        # pydantic-ai's error for `pydantic_ai.Tool` objects that conflict.
        return _broken(loaded, f"its tools cannot be offered to the model: {str(error).partition(chr(10))[0]}")


def _broken(loaded: LoadedAgent, error: str, hint: str | None = None, where: str | None = None) -> BrokenAgent:
    return BrokenAgent(loaded.discovered, Phase.CONFIGURED, error, hint, where, loaded.import_ms)
