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


async def receive_body(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is longer than `max_bytes`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise refused_body(413, f"the body is longer than {max_bytes} bytes")
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
    inlined = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"content": {"application/json": {"schema": inlined}}, "required": True}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Replace references to definitions by these: FastAPI adds only those of its own parameters to the document."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) is not None:
        return _inlined(definitions[reference.removeprefix("#/$defs/")], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
