"""Bodies of requests: read after the request was authorized, and limited. FastAPI's own parameters are neither."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from voice_host.observability import metrics

MAX_BODY_BYTES = 16384

_Parsed = TypeVar("_Parsed")


def refused_body(status: int, reason: str) -> HTTPException:
    """Return the answer to a body that is not accepted, and count it."""
    metrics.REQUESTS_REFUSED.labels(str(status), "body").inc()
    return HTTPException(status, reason)


async def receive_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is longer than `MAX_BODY_BYTES`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise refused_body(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def receive_json(request: Request, parser: TypeAdapter[_Parsed]) -> _Parsed:
    """Return what the body holds as JSON.

    Raises:
        HTTPException: it is longer than `MAX_BODY_BYTES`.
        RequestValidationError: it is not valid.
    """
    try:
        return parser.validate_json(await receive_body(request))
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**mistake, "loc": ("body", *mistake["loc"])} for mistake in mistakes]) from None


def json_body(parser: TypeAdapter[Any]) -> dict[str, Any]:
    """Return the description of such a body for the OpenAPI document."""
    schema = parser.json_schema()
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, "required": True}}
