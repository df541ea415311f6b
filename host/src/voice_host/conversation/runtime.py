"""The expensive part of an agent, built once and shared by its conversations."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pydantic_ai
from pydantic import SecretStr
from pydantic_ai import Agent
from pydantic_ai.toolsets import FunctionToolset

from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.tool_policy import PolicyToolset
from voice_host.conversation.tools import build_tool, options_of
from voice_host.models import ModelRegistry, ResolvedModel, model_request_settings
from voice_host.models.deferred_prompt import with_deferred_prompt
from voice_host.models.thoughts import ThinkingHabit
from voice_host.settings import load_settings
from voice_host.tenancy import pool_for
from voice_host_sdk import AgentConfig, Session, tool_name

DEFAULT_AGENT_ID = "agent"

pydantic_ai.BANNER_ENABLED = False  # it advertises a service on the terminal


class AgentRuntime:
    """Model client, pydantic-ai agent, tool schemas and thread pool of one agent.

    Args:
        agent_id: for logs and thread names.
        config: the agent.
        model: the shared client.
        parent: shares its threads, for the configuration of a single caller.
        registry: closed with the runtime, if the runtime owns it.
        choose: returns the model for a caller's configuration that names another one; None: there is only `model`.
        accept: raises for a caller's configuration that the platform does not allow.

    Attributes:
        thinking: how the model marks its reasoning, as far as known; shared by all calls.

    Raises:
        ToolWithoutSchema: no schema can be made of a tool's signature.
        ModelConfigError: a model setting is unknown or has an invalid value.
    """

    def __init__(
        self,
        agent_id: str,
        config: AgentConfig,
        model: ResolvedModel,
        *,
        parent: AgentRuntime | None = None,
        registry: ModelRegistry | None = None,
        choose: ModelChoice | None = None,
        accept: Callable[[AgentConfig], None] | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.config = config
        self.model = model
        self._parent = parent
        self._registry = registry
        self._choose = choose
        self._accept = accept
        self.threads: ThreadPoolExecutor = parent.threads if parent else pool_for(agent_id)
        shares_model = parent is not None and parent.model is model
        self.thinking: ThinkingHabit = parent.thinking if parent is not None and shares_model else ThinkingHabit()
        if parent is not None and shares_model and _for_model(parent.config) == _for_model(config):
            self.agent: Agent[Session, str] = parent.agent  # only what the model does not see differs
            return
        toolset = PolicyToolset(
            FunctionToolset([build_tool(tool, self.threads) for tool in config.tools]),
            agent_id=agent_id,
            options={tool_name(tool): options_of(tool) for tool in config.tools},
            default_timeout_s=config.tool_timeout_s,
            threads=self.threads,
        )
        self.agent = Agent(
            with_deferred_prompt(model.model),
            deps_type=Session,
            instructions=f"{config.instructions}\n\n{config.voice_rules}".strip(),
            toolsets=[toolset],
            model_settings=model_request_settings(config.model_settings),
            name=agent_id,
            metadata={"title": config.title, "description": config.description},
        )

    def variant(self, config: AgentConfig) -> AgentRuntime:
        """Return the runtime for a caller's configuration; it shares model clients and threads.

        Raises:
            ModelConfigError: the configuration names a model that is unknown or not available.
            Exception: what `accept` raises.
        """
        if config == self.config:
            return self
        if self._accept is not None:
            self._accept(config)
        model = self.model if self._choose is None or self._has_model_of(config) else self._choose(config)
        return AgentRuntime(self.agent_id, config, model, parent=self, choose=self._choose, accept=self._accept)

    async def prepare(self, config: AgentConfig) -> None:
        """Prepare for `variant`: importing a model's client may take a second.

        Raises:
            ModelConfigError: the configuration names no model, and there is no default.
        """
        if self._choose is not None and not self._has_model_of(config):
            await self._choose.prepare(config)

    def _has_model_of(self, config: AgentConfig) -> bool:
        return (config.model, config.fallback_models) == (self.config.model, self.config.fallback_models)

    async def aclose(self) -> None:
        """Close what the runtime owns. A sync tool that still runs cannot be stopped; its result is dropped."""
        if self._parent is not None:
            return
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self._registry is not None:
            await self._registry.aclose()


def _for_model(config: AgentConfig) -> tuple[object, ...]:
    """Return the part of a configuration that the pydantic-ai agent is built from."""
    return (
        config.title,
        config.description,
        config.instructions,
        config.voice_rules,
        config.tools,
        config.tool_timeout_s,
        config.model_settings,
    )


def default_runtime(config: AgentConfig, assemblyai_api_key: SecretStr | None = None) -> AgentRuntime:
    """Build a runtime, which owns its model client, for an agent embedded in an application.

    `assemblyai_api_key` takes precedence over its variable.

    Raises:
        ModelConfigError: the model is unknown or not available.
        SettingsError: the settings are invalid.
    """
    registry = ModelRegistry(load_settings().with_keys(assemblyai_api_key=assemblyai_api_key))
    choose = ModelChoice(registry)
    return AgentRuntime(DEFAULT_AGENT_ID, config, choose(config), registry=registry, choose=choose)
