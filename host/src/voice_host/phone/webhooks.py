"""Requests of carriers: their bodies, and how they are refused."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger

log = get_logger(__name__)

MAX_BODY_BYTES = 65536
"""Webhooks have a few KB."""

_E164 = re.compile(r"\+[1-9]\d{1,14}")


def number(text: str) -> str | None:
    """Return a telephone number in E.164 form; None: it is withheld, or no number, such as a SIP address."""
    return text if _E164.fullmatch(text) is not None else None


async def receive_body(request: Request) -> bytes | None:
    """Return the body; None: it is longer than `MAX_BODY_BYTES`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def refuse_webhook(request: Request, carrier: str, status: int, kind: str, reason: str) -> Response:
    """Answer a webhook that has no effect with `status`, count it by `kind`, and log it with the reason."""
    metrics.PHONE_REFUSED.labels(carrier, kind).inc()
    path = request.scope["path"]
    log.warning("phone_webhook_refused", carrier=carrier, path=path, status=status, kind=kind, reason=reason)
    return Response(status_code=status)
