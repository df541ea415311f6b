"""What `VoiceAgent` and `VoiceAgentManager` are given about the agent: single fields, or a whole `AgentConfig`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SecretStr

from voice_host_sdk import AgentConfig, TTSConfig


def given_key(assemblyai_api_key: object) -> SecretStr | None:
    """Return the key, or None where none was given: then the environment is asked.

    Raises:
        TypeError: it is not text. The message does not repeat it.
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
        config: the whole configuration. `tools` are added to its own, `tts_config` takes the place of its own.
        default: stands in for `config` where there is none.
        tools: the agent's tools.
        tts_config: the voice.
        fields: the other fields of `AgentConfig` that may be given singly. None: not given.

    Raises:
        TypeError: single fields are given beside `config`, or `tools` is no list.
        pydantic.ValidationError: a field is wrong.
    """
    single = {name: value for name, value in fields.items() if value is not None}
    if config is not None and single:
        written = ", ".join(f"{name}=..." for name in single)
        raise TypeError(
            f"{' and '.join(single)} cannot be given beside config=: write config=AgentConfig({written}). "
            "Only tools and tts_config are laid over a configuration"
        )
    base = config or default
    if not isinstance(tools, Iterable):
        raise TypeError(f"tools must be a list, also for a single tool: tools=[...], not a {type(tools).__name__}")
    if tools:
        single["tools"] = (*base.tools, *tools)
    if tts_config is not None:
        single["tts_config"] = tts_config
    return type(base).model_validate({**dict(base), **single}) if single else base
