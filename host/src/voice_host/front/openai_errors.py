"""Errors of HTTP routes in the shape of OpenAI's API, for clients that were written for it."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from voice_host.front.bodies import refused_body
from voice_host.front.routes import refusals

_CODES = {401: "invalid_api_key", 403: "insufficient_permissions", 404: "model_not_found", 429: "rate_limit_exceeded"}


class OpenAIProblem(BaseModel):
    """What is wrong with a request.

    Attributes:
        param: the field that it is about, such as `session.model`.
    """

    message: str
    type: str
    code: str | None = None
    param: str | None = None


class OpenAIError(BaseModel):
    """The reason for which a request is refused, in the shape of OpenAI's API."""

    error: OpenAIProblem


class OpenAIRefusal(HTTPException):
    """A refusal with the code and the parameter that OpenAI's API would name."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(status, message)
        self.code = code
        self.param = param


def invalid_parameter(param: str | None, message: str, code: str = "invalid_value") -> OpenAIRefusal:
    """Return the answer to a body with a missing or invalid field, and count it."""
    counted = refused_body(400, message)
    return OpenAIRefusal(counted.status_code, code, message, param)


def openai_refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of error responses for a route's `responses`."""
    return {status: {**described, "model": OpenAIError} for status, described in refusals(*statuses).items()}


def openai_error(refused: HTTPException) -> JSONResponse:
    """Return the response to a request that is refused."""
    code, param = _CODES.get(refused.status_code), None
    if isinstance(refused, OpenAIRefusal):
        code, param = refused.code, refused.param
    problem = OpenAIProblem(message=refused.detail, type="invalid_request_error", code=code, param=param)
    return JSONResponse(OpenAIError(error=problem).model_dump(), refused.status_code, refused.headers)
