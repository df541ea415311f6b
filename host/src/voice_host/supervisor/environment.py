"""The environment variables of worker processes: which of the host's an agent gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from voice_host.admission.allowed import allowed_for
from voice_host.fleet.report import AgentReport
from voice_host.settings import Settings, built_in_services
from voice_host.settings.model import ModelKeys
from voice_host.settings.transfer import keys_to_send
from voice_host.settings.variables import PREFIX

BASE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "HOSTNAME", "VIRTUAL_ENV"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS"),
)
"""Variables that every worker gets, with those that begin with one of `BASE_PREFIXES`."""

BASE_PREFIXES = ("LC_", "LD_", "MALLOC_", "PYTHON", "XDG_")

ALWAYS = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy would start threads on import, which do not survive a fork."""

_MODEL_VARIABLES: Mapping[str, tuple[str, ...]] = {
    **{
        name: (f"{name.upper()}_",)
        for name in (
            *("anthropic", "cerebras", "crusoe", "deepseek", "elevenlabs", "fireworks", "groq", "meta", "mistral"),
            *(
                "moonshotai",
                "nebius",
                "ollama",
                "openai",
                "openrouter",
                "ovhcloud",
                "sambanova",
                "together",
                "typesafe",
            ),
            *("vllm", "xai", "zai"),
        )
    },
    "alibaba": ("ALIBABA_", "DASHSCOPE_"),
    "azure": ("AZURE_OPENAI_", "AZURE_VOICELIVE_", "OPENAI_API_VERSION"),
    "cohere": ("CO_",),
    "gateway": ("PYDANTIC_AI_GATEWAY_", "PAIG_"),
    "github": ("GITHUB_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "heroku": ("HEROKU_INFERENCE_",),
    "huggingface": ("HF_TOKEN",),
    "system": ("SYSTEM_ONE_",),
    "vercel": ("VERCEL_AI_GATEWAY_", "VERCEL_OIDC_TOKEN"),
    "voyageai": ("VOYAGE_",),
}
"""The beginnings of the variables of model providers, by the first part of the provider's name: `openai-responses` is
`openai`. They open nothing but models."""

_ACCOUNT_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "azure": ("AZURE_",),
    "bedrock": ("AWS_",),
    "github": ("GITHUB_COPILOT_", "COPILOT_"),
    "google": ("GOOGLE_",),
    "openai": ("CODEX_HOME",),
    "snowflake": ("SNOWFLAKE_",),
}
"""Variables of providers that open more than models. Passed on only where the platform's settings name the provider."""

_LITERAL = re.compile(r"[^*?[]*")
_MISSING = re.compile(r"\bKeyError: '([A-Za-z_][A-Za-z0-9_]*)'")


def base_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables with which worker processes and their zygote are started: they hold no keys.

    A worker gets the others when it runs, since `/proc/<pid>/environ` shows for ever what a process was started with.
    """
    base = {name: value for name, value in environ.items() if name in BASE or name.startswith(BASE_PREFIXES)}
    return {**base, **ALWAYS}


def environment_elsewhere(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return `base_environment` for the Python of another environment, which must not import from this one."""
    ours = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "VIRTUAL_ENV")
    return {name: value for name, value in base_environment(environ).items() if name not in ours}


def variables_for(settings: Settings, agent_id: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that the worker of an agent gets beside those of `base_environment`.

    Those of the model providers that it may use, and those that `pass_env` names. Never `VOICE_HOST_...`.
    """
    beginnings = tuple(_beginnings(settings, agent_id))
    patterns = (*settings.agents.pass_env, *settings.for_agent(agent_id).pass_env)
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(PREFIX)
        and (name.startswith(beginnings) or any(fnmatchcase(name, pattern) for pattern in patterns))
    }


def keys_for(settings: Settings, agent_id: str) -> dict[str, str]:
    """Return the keys and addresses of the built-in services that an agent may use, by the names of their variables.

    They are not variables of its worker: the host's own code there gets them as settings.
    """
    used = _services(settings, agent_id)
    options = [each.options for each in built_in_services() if each.name in used]
    wanted = {field.alias for model in options for field in model.model_fields.values()}
    if _may_use_gateway(settings, agent_id):
        wanted.update(field.alias for field in ModelKeys.model_fields.values())
    elif settings.keys.model is not None:
        wanted.add(ModelKeys.model_fields["model"].alias)
    return {name: value for name, value in keys_to_send(settings).items() if name in wanted}


def with_hint(report: AgentReport, given: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> AgentReport:
    """Say what to do about an agent that failed because the host did not pass a variable on.

    Args:
        report: of the agent.
        given: the variables that its worker got.
    """
    match = _MISSING.search(report.error or "")
    if report.hint is not None or match is None or match[1] not in environ.keys() - given.keys():
        return report
    hint = (
        f"the host has the variable {match[1]}, but a worker gets only what it needs: put it into "
        f'[agent.{report.id}.settings] as {{ env = "{match[1]}" }}, or name it in [agent.{report.id}] pass_env'
    )
    return report.model_copy(update={"hint": hint})


def _services(settings: Settings, agent_id: str) -> set[str]:
    """Return the speech services that an agent may use: by the platform's choice, by default, or by its own."""
    allowed = allowed_for(settings, agent_id)
    used = {settings.speech_to_text, settings.text_to_speech}
    for kind in ("speech_to_text", "text_to_speech", "text_to_speech_fallback"):
        if (named := settings.named_service(kind, agent_id)) is not None:
            used.add(named[0])
            continue
        patterns: tuple[str, ...] | None = getattr(allowed, kind)
        names = (service.name for service in built_in_services())
        used.update(name for name in names if patterns is None or any(fnmatchcase(name, each) for each in patterns))
    return used


def _models(settings: Settings, agent_id: str) -> list[str]:
    """Return the names of the models that an agent may use, or patterns of them; `*`: any."""
    own, allowed = settings.for_agent(agent_id), allowed_for(settings, agent_id)
    named = own.model or settings.keys.model
    models: Iterable[str] = [named] if named else allowed.models if allowed.models is not None else ["*"]
    fallbacks: Iterable[str]
    if own.fallback_models is not None:
        fallbacks = own.fallback_models
    else:
        fallbacks = allowed.fallback_models if allowed.fallback_models is not None else ["*"]
    return [*models, *fallbacks]


def _beginnings(settings: Settings, agent_id: str) -> Iterator[str]:
    """Yield the beginnings of the variables of the model providers that an agent may use."""
    for pattern in _models(settings, agent_id):
        literal = _LITERAL.match(pattern)[0]  # type: ignore[index]
        provider, colon, _ = literal.partition(":")
        if colon:
            first = re.split(r"[-/]", provider)[0]
            yield from _MODEL_VARIABLES.get(first, (f"{first.upper()}_",))
            yield from _ACCOUNT_VARIABLES.get(first, ())
        elif literal != pattern:  # it may stand for names of several providers
            for name, beginnings in _MODEL_VARIABLES.items():
                if name.startswith(provider) or provider.startswith(name):
                    yield from beginnings


def _may_use_gateway(settings: Settings, agent_id: str) -> bool:
    """Whether an agent may use models of the gateway, or of the server in its place: names without a provider."""
    if not (settings.for_agent(agent_id).model or settings.keys.model):
        return True  # the default model is one of the gateway's
    replaced = ("openai:", "openai-chat:") if settings.keys.llm_base_url else ()
    return any(":" not in pattern or pattern.startswith(replaced) for pattern in _models(settings, agent_id))
