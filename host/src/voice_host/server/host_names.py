"""The names in the `Host` header that are answered: what keeps out pages that rebind their own name to this machine."""

from __future__ import annotations

import ipaddress
import re

from fastapi.middleware.trustedhost import TrustedHostMiddleware
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")


class KnownHosts(TrustedHostMiddleware):
    """Answers the names it was given, and addresses.

    A page can rebind only a name: whoever writes an address into `Host` has addressed it. Health checks and Prometheus
    reach a host by its address, and can hardly say another.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and is_address(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def is_address(host: str) -> bool:
    """Tell whether a `Host` header is an IP address, with or without a port."""
    match = _ADDRESS.fullmatch(host)
    if match is None:
        return False
    try:
        ipaddress.ip_address(match["v6"] or match["v4"])
    except ValueError:
        return False
    return True
