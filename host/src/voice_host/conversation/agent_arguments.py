"""The arguments that describe an agent to `VoiceAgent` and `VoiceAgentManager`: single fields, or an `AgentConfig`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SecretStr

from voice_host_sdk import AgentConfig, TTSConfig


def given_key(assemblyai_api_key: object) -> SecretStr | None:
    """Return the key; None if none was given, and the environment's is to be used.

    Raises:
        TypeError: it is not a string. The message does not contain it.
    """
    if isinstance(assemblyai_api_key, AgentConfig):
        raise TypeError("the first argument is the AssemblyAI API key: pass an AgentConfig as config=...")
    if isinstance(assemblyai_api_key, SecretStr):
        assemblyai_api_key = assemblyai_api_key.get_secret_value()
    if assemblyai_api_key is None:
        return None
    if not isinstance(assemblyai_api_key, str):
        raise TypeError(f"assemblyai_api_key must be a str, not {type(assemblyai_api_key).__name__}")
    key = assemblyai_api_key.strip()
    return SecretStr(key) if key else None


def given_config(
    config: AgentConfig | None,
    default: AgentConfig,
    *,
    tools: Sequence[Any],
    tts_config: TTSConfig | None,
    **fields: object,
) -> AgentConfig:
    """Return the agent's configuration.

    Args:
        config: the whole configuration.
        default: used if `config` is None.
        tools: added to the tools of the configuration.
        tts_config: replaces the voice of the configuration.
        fields: other fields of `AgentConfig`, which cannot be combined with `config`. None: not given.

    Raises:
        TypeError: single fields are combined with `config`, or `tools` is not iterable.
        pydantic.ValidationError: a field is invalid.
    """
    single = {name: value for name, value in fields.items() if value is not None}
    if config is not None and single:
        written = ", ".join(f"{name}=..." for name in single)
        raise TypeError(
            f"{' and '.join(single)} cannot be combined with config=: write config=AgentConfig({written}). "
            "Only tools and tts_config can be combined with it"
        )
    base = config or default
    if not isinstance(tools, Iterable):
        raise TypeError(f"tools must be a list, even for a single tool: tools=[...], not a {type(tools).__name__}")
    if tools:
        single["tools"] = (*base.tools, *tools)
    if tts_config is not None:
        single["tts_config"] = tts_config
    return type(base).model_validate({**dict(base), **single}) if single else base
