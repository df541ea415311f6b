"""`AgentConfig.model_settings`, validated when the agent is prepared, so that a typo does not fail the first call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, cast, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model
from pydantic_ai.settings import ModelSettings

from voice_host.models.errors import ModelConfigError
from voice_host.models.select import is_known_provider
from voice_host.settings import explain

PLATFORM_SETTINGS = {
    "timeout": "resilience.model_silent_after_s",
    "request_timeout": "resilience.model_silent_after_s",
    "first_event_timeout": "resilience.model_silent_after_s",
    "max_retries": "resilience.model_retries",
}
"""Settings of pydantic-ai that are reserved for the platform, and the platform's setting for each."""

HOST_FIELDS = ("messages", "model", "stream", "tools")
"""Fields of a request that the host sets."""


def _adds_only(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if replaced := [name for name in HOST_FIELDS if name in body]:
        raise ValueError(f"may add to the request, not replace its {' and '.join(replaced)}")
    return body


_NARROWER: dict[str, Any] = {
    "max_tokens": Annotated[int, Field(ge=1)],
    "temperature": Annotated[float, Field(ge=0, allow_inf_nan=False)],
    "top_p": Annotated[float, Field(ge=0, le=1)],
    "top_k": Annotated[int, Field(ge=1)],
    # pydantic-ai also has `required` and lists of tools, with which the model would call tools forever.
    "tool_choice": Literal["auto", "none"],
    "extra_body": Annotated[dict[str, JsonValue], AfterValidator(_adds_only)],
}


def _fields() -> dict[str, Any]:
    known = {name: hint for name, hint in get_type_hints(ModelSettings).items() if name not in PLATFORM_SETTINGS}
    return {name: (hint, None) for name, hint in (known | _NARROWER).items()}


_Settings: type[BaseModel] = create_model(
    "ModelSettings", __config__=ConfigDict(extra="forbid", strict=True, protected_namespaces=()), **_fields()
)


def model_request_settings(given: Mapping[str, Any]) -> ModelSettings:
    """Return the settings that are sent with each request.

    Names with a provider's prefix (`openai_reasoning_effort`) are passed on unchecked: other providers ignore them.

    Raises:
        ModelConfigError: a setting is unknown, has an invalid value, or is decided by the platform.
    """
    problems = [
        f"model_settings: {name}: is decided by the platform, in its setting {PLATFORM_SETTINGS[name]}"
        for name in given
        if name in PLATFORM_SETTINGS
    ]
    try:
        _Settings.model_validate(
            {name: value for name, value in given.items() if name not in PLATFORM_SETTINGS and not _of_a_provider(name)}
        )
    except ValidationError as error:
        problems += [f"model_settings: {problem}" for problem in explain(error, _Settings)]
    if problems:
        raise ModelConfigError("; ".join(problems))
    return cast(ModelSettings, dict(given))


def _of_a_provider(name: str) -> bool:
    with suppress(ImportError):
        return is_known_provider(name.partition("_")[0])
    return True  # known, and not installed
