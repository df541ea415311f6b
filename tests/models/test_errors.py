"""Whatever a model raises becomes a stable code and harmless words."""

import pytest
from pydantic_ai import exceptions as ai

from voice_host.models import ModelKeyRefusedError, describe_model_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelKeyRefusedError("m", "VOICE_HOST_LLM_API_KEY"), "model_auth"),
        (ai.ModelHTTPError(401, "m"), "model_auth"),
        (ai.ModelHTTPError(403, "m"), "model_auth"),
        (ai.ModelHTTPError(402, "m"), "model_rate_limited"),
        (ai.ModelHTTPError(429, "m"), "model_rate_limited"),
        (ai.ModelRateLimitError("m", "slow down"), "model_rate_limited"),
        (ai.ModelHTTPError(408, "m"), "model_timeout"),
        (ai.ModelTimeoutError("m", "slow"), "model_timeout"),
        (TimeoutError(), "model_timeout"),
        (ai.ModelHTTPError(502, "m"), "model_unavailable"),
        (ai.ModelConnectionError("m", "gone"), "model_unavailable"),
        (ConnectionResetError(), "model_unavailable"),
        (ai.ModelHTTPError(422, "m"), "model_bad_request"),
        (ai.UnexpectedModelBehavior("odd"), "model_failed"),
        (ValueError("sk-secret"), "model_failed"),
    ],
)
def test_codes(error: Exception, code: str) -> None:
    described = describe_model_error(error)
    assert described.code == code
    assert described.message
    assert not described.fatal
    assert "secret" not in described.message


def test_the_last_of_several_fallbacks_counts() -> None:
    group = ai.FallbackExceptionGroup("all failed", [ai.ModelHTTPError(401, "a"), ai.ModelHTTPError(503, "b")])
    assert describe_model_error(group).code == "model_unavailable"
