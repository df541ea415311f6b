"""Chooses the model of an agent, and owns the HTTP clients that agents share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import KnownModelName, Model, infer_model
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class

from voice_host.models.demo import demo_model
from voice_host.models.errors import ModelConfigError
from voice_host.models.fallback import ModelWithFallbacks
from voice_host.models.timeouts import TimeoutModel
from voice_host.plugins.installing import install_command
from voice_host.settings import Settings, suggestion

if TYPE_CHECKING:
    import httpx2

    from voice_host.models.gateway import GatewayClient

DEMO = "demo"
DEFAULT_GATEWAY_MODEL = "claude-haiku-4-5-20251001"
DEFAULT_GATEWAY_URL = "https://llm-gateway.assemblyai.com/v1"
DEMO_NOTICE = (
    "No language model is configured: the demo model answers by matching words. "
    "Set VOICE_HOST_MODEL, or ASSEMBLYAI_API_KEY for the gateway's default model."
)

_MODEL, _BASE_URL = "VOICE_HOST_MODEL", "VOICE_HOST_LLM_BASE_URL"
_LLM_KEY, _ASSEMBLYAI_KEY = "VOICE_HOST_LLM_API_KEY", "ASSEMBLYAI_API_KEY"
_NO_KEY = "not-needed"
"""Sent to a custom server if no key is set, since some servers require any key."""


@dataclass(frozen=True)
class ResolvedModel:
    """The model of an agent.

    Attributes:
        name: as configured, e.g. `openai:gpt-4.1-mini`, `claude-haiku-4-5-20251001`, `demo`.
        model: shared by all agents that use this name.
        notice: a line for the start-up output, or None.
    """

    name: str
    model: Model
    notice: str | None = None


class ModelRegistry:
    """Resolves names to models and owns their HTTP clients, which agents share.

    Names: `provider:name` is pydantic-ai's; a bare name is a model of the gateway; `demo` is the demo model. With
    `VOICE_HOST_LLM_BASE_URL` set, bare names and `openai:` and `openai-chat:` names go to that address, as chat
    completions, with `VOICE_HOST_LLM_API_KEY` or without a key. `openai-responses:` names another protocol and still
    means OpenAI.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = settings.keys
        self._resilience = settings.resilience
        self._models: dict[str, Model] = {}
        self._chains: dict[tuple[str, ...], Model] = {}
        self._providers: dict[object, Provider[Any]] = {}
        self._gateway: GatewayClient | None = None
        self._compatible: httpx2.AsyncClient | None = None

    def resolve(
        self, agent_override: str | None, agent_model: str | None, fallbacks: Sequence[str] = ()
    ) -> ResolvedModel:
        """Choose a model: `[agent.<id>] model`, `VOICE_HOST_MODEL`, `AgentConfig.model`, the gateway's default, `demo`.

        Args:
            agent_override: `[agent.<id>] model` of the platform's configuration.
            agent_model: `AgentConfig.model`.
            fallbacks: names of models to try, in order, when the chosen one fails before any text.

        Raises:
            ModelConfigError: the model is unknown, has no key, or its package is not installed.
        """
        names = self._names(agent_override, agent_model, fallbacks)
        return ResolvedModel(names[0], self._chain(names), DEMO_NOTICE if names[0] == DEMO else None)

    async def prepare(self, agent_override: str | None, agent_model: str | None, fallbacks: Sequence[str] = ()) -> None:
        """Import in a thread what `resolve` needs for the same arguments, since that may take a second.

        Errors are reported by `resolve`.
        """
        names = self._names(agent_override, agent_model, fallbacks)
        if new := [name for name in names if name != DEMO and name not in self._models]:
            await asyncio.to_thread(self._import, new)

    def _import(self, names: Sequence[str]) -> None:
        import_module("voice_host.models.fallback")
        for name in names:
            if self._at_gateway(name) is not None:
                import_module("voice_host.models.gateway")
            else:
                with suppress(ImportError):
                    is_known_provider(name.partition(":")[0])

    def _names(self, agent_override: str | None, agent_model: str | None, fallbacks: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the model and of its fallbacks, in order."""
        wanted = (agent_override, self._keys.model, agent_model)
        name = next((name.strip() for name in wanted if name and name.strip()), None) or self._default_name()
        return tuple(dict.fromkeys([name, *(other.strip() for other in fallbacks)]))

    def _at_gateway(self, name: str) -> str | None:
        """Return the name of a model at the gateway, or at the server in its place; None: it is another provider's."""
        provider, _, model_name = name.partition(":")
        if not model_name and ":" not in name:
            return name
        return model_name if provider in ("openai", "openai-chat") and self._custom_url is not None else None

    def _chain(self, names: tuple[str, ...]) -> Model:
        model, *others = [self._named(name) for name in names]
        if not others:
            return model
        if names not in self._chains:
            self._chains[names] = ModelWithFallbacks(model, others)
        return self._chains[names]

    def _named(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = self._build(name)
        return self._models[name]

    async def aclose(self) -> None:
        """Close all HTTP clients. Idempotent. Resolved models must not be used afterwards."""
        self._models.clear()
        self._chains.clear()
        providers, self._providers = list(self._providers.values()), {}
        gateway, self._gateway = self._gateway, None
        compatible, self._compatible = self._compatible, None
        try:
            for provider in providers:
                async with provider:  # exiting a provider closes its client
                    pass
        finally:
            if gateway is not None:
                await gateway.aclose()
            if compatible is not None:
                await compatible.aclose()

    def _default_name(self) -> str:
        if self._custom_url is not None:
            raise ModelConfigError(f"{_BASE_URL} is set but no model is named: set {_MODEL} to a model of that server.")
        return DEFAULT_GATEWAY_MODEL if self._keys.assemblyai_api_key or self._keys.llm_api_key else DEMO

    @property
    def _custom_url(self) -> str | None:
        """The address that replaces the gateway's, or None."""
        url = (self._keys.llm_base_url or "").strip().rstrip("/")
        return url if url and url != DEFAULT_GATEWAY_URL else None

    def _build(self, name: str) -> Model:
        if name == DEMO:
            return demo_model()
        if at_gateway := self._at_gateway(name):
            return self._gateway_model(at_gateway)
        provider, _, model_name = name.partition(":")
        if not provider or not model_name:
            raise ModelConfigError(f"The model name {name!r} is incomplete: write provider:name.")
        return self._pydantic_ai_model(name, provider)

    # --- the gateway, or the server that replaces it ------------------------------------------------------------

    def _gateway_model(self, model_name: str) -> Model:
        from voice_host.models.gateway import GatewayClient, GatewayModel  # imports aiohttp, which takes a while

        keys = self._keys
        key, setting = _plain(keys.llm_api_key), _LLM_KEY
        if self._custom_url is not None:
            key = key or _NO_KEY
        elif not key:
            key, setting = _plain(keys.assemblyai_api_key), _ASSEMBLYAI_KEY
        if not key:
            raise ModelConfigError(
                f"The model {model_name!r} is one of the gateway's and needs a key: "
                f"set {_ASSEMBLYAI_KEY} or {_LLM_KEY}."
            )
        if self._gateway is None:
            self._gateway = GatewayClient(self._custom_url or DEFAULT_GATEWAY_URL, key, self._resilience)
        return GatewayModel(model_name, self._gateway, key_setting=setting)

    # --- everything pydantic-ai knows ---------------------------------------------------------------------------

    def _pydantic_ai_model(self, name: str, provider: str) -> Model:
        try:
            if not is_known_provider(provider):
                meant = suggestion(provider, _known_providers())
                raise ModelConfigError(
                    f"The model {name!r} names no known provider"
                    + (f"; did you mean '{meant}:{name.partition(':')[2]}'? For" if meant else ". For")
                    + f" a model of a server of your own "
                    f"write 'openai:{name}' and set {_BASE_URL}."
                )
            model = infer_model(name, provider_factory=self._provider)
            if type(model).__module__.startswith("pydantic_ai.models.openai"):
                from voice_host.models.compatible import (  # imports `openai`, as the model
                    compatible,
                    normalizing_client,
                )

                self._compatible = self._compatible or normalizing_client()
                model = compatible(model, self._compatible)
            return TimeoutModel(model, self._resilience)
        except ImportError as error:
            raise ModelConfigError(f"The model {name!r} needs a package: {_install_hint(error, provider)}") from error
        except UserError as error:
            raise ModelConfigError(_missing_setting(name, error)) from error
        except ModelConfigError:
            raise
        except Exception as error:  # provider packages raise any error if credentials are missing
            raise ModelConfigError(f"The model {name!r} cannot be used: check its name and its credentials.") from error

    def _provider(self, name: str) -> Provider[Any]:
        """Return the provider of that name; names of one service (`openai`, `openai-chat`) share it and its pool."""
        key: object = name if name.startswith("gateway/") else infer_provider_class(name)
        if key not in self._providers:
            self._providers[key] = infer_provider(name)
        return self._providers[key]


def is_known_provider(provider: str) -> bool:
    """Whether pydantic-ai has a provider of that name.

    Raises:
        ImportError: it has, but the provider's package is not installed.
    """
    try:
        infer_provider_class(provider)
    except ValueError:
        return False
    return True


def _plain(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key is not None else None


def _known_providers() -> set[str]:
    """Return the providers whose models pydantic-ai knows by name."""
    return {name.partition(":")[0] for name in get_args(KnownModelName.__value__) if ":" in name}


def _install_hint(error: ImportError, provider: str) -> str:
    found = re.search(r'install "?(pydantic-ai-slim\[[\w,-]+\])"?', str(error))
    package = found.group(1) if found else f"pydantic-ai-slim[{provider}]"
    return install_command(package)


def _missing_setting(name: str, error: UserError) -> str:
    variables = dict.fromkeys(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", str(error)))
    if variables:
        return f"The model {name!r} is not configured: set {' or '.join(variables)}."
    return f"The model {name!r} cannot be used: {error}"
