"""Errors of models: at start-up (`ModelConfigError`) and in a call (`describe_model_error`)."""

from __future__ import annotations

from pydantic_ai import exceptions as ai

from voice_host.observability.logs import get_logger
from voice_host_sdk import SessionError

log = get_logger(__name__)


class ModelConfigError(Exception):
    """A configured model is not available. The message says what to set or to install, and contains no key."""


class ModelKeyRefusedError(ai.ModelAuthenticationError):
    """The service refused the platform's key.

    Attributes:
        setting: the variable that holds the key, e.g. `ASSEMBLYAI_API_KEY`.
    """

    def __init__(self, model_name: str, setting: str) -> None:
        super().__init__(model_name, f"The service refused the key: check {setting}.")
        self.setting = setting


_MESSAGES = {
    "model_auth": "The language model refused the platform's key.",
    "model_rate_limited": "The language model is busy: its limit has been reached.",
    "model_timeout": "The language model took too long to answer.",
    "model_unavailable": "The language model cannot be reached at the moment.",
    "model_bad_request": "The language model did not accept the request.",
    "model_failed": "The language model failed.",
}


def describe_model_error(error: BaseException) -> SessionError:
    """Map a failed model request to a stable code and a message for the caller.

    Codes: `model_auth`, `model_rate_limited`, `model_timeout`, `model_unavailable`, `model_bad_request`,
    `model_failed` (everything else). The message never quotes the service's response, which may repeat a key or the
    caller's words. For a refused key of the gateway it names the variable to check.
    """
    if isinstance(error, BaseExceptionGroup):  # all models of a FallbackModel failed: the last one counts
        return describe_model_error(error.exceptions[-1])
    code = _code(error)
    message = _MESSAGES[code]
    if isinstance(error, ModelKeyRefusedError):
        message = f"{message} Check {error.setting}."
    return SessionError(code=code, message=message)


def log_model_error(agent_id: str, error: BaseException) -> SessionError:
    """Log that a model failed, and describe it like `describe_model_error`."""
    problem = describe_model_error(error)
    # A traceback only for unexpected errors: the service's response may repeat what the caller said.
    log.warning(
        "model_failed",
        agent_id=agent_id,
        code=problem.code,
        exc_info=error if problem.code == "model_failed" else None,
    )
    return problem


def _code(error: BaseException) -> str:
    match error:
        case ai.ModelAuthenticationError():
            return "model_auth"
        case ai.ModelRateLimitError() | ai.ModelQuotaExceededError():
            return "model_rate_limited"
        case ai.ModelTimeoutError() | ai.ModelRequestTimeout() | TimeoutError():
            return "model_timeout"
        case ai.ModelUnavailableError() | ai.ModelServerError() | ai.ModelConnectionError() | ConnectionError():
            return "model_unavailable"
        case ai.ModelRequestRejectedError():
            return "model_bad_request"
        case ai.ModelHTTPError():
            return _code_of_status(error.status_code)
        case _:
            return "model_failed"


def _code_of_status(status: int) -> str:
    if status in (401, 403):
        return "model_auth"
    if status in (402, 429):
        return "model_rate_limited"
    if status == 408:
        return "model_timeout"
    return "model_unavailable" if status >= 500 else "model_bad_request"
