"""The names in the `Host` header that are answered: what keeps out pages that rebind their own name to this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from fastapi.middleware.trustedhost import TrustedHostMiddleware
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_host.front.door import report_refused_request

_LET_IN = "voice_host.host_name"
"""In the scope of a request whose name is known: the library refuses others without a word to us."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")


class KnownHosts(TrustedHostMiddleware):
    """Answers the names it was given, and addresses.

    A page can rebind only a name: whoever writes an address into `Host` has addressed it. Health checks and Prometheus
    reach a host by its address, and can hardly say another.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_LET_IN] = True
            await app(scope, receive, send)

        super().__init__(let_in, allowed_hosts, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_address(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)
        if _LET_IN not in scope:
            report_refused_request(HTTPConnection(scope), 400, "host", "this host does not go by that name")


def is_address(host: str) -> bool:
    """Tell whether a `Host` header is an IP address, with or without a port."""
    match = _ADDRESS.fullmatch(host)
    if match is None:
        return False
    try:
        # Not `ipaddress`, which takes as long as all else that is asked of a caller.
        socket.inet_pton(*((socket.AF_INET6, match["v6"]) if match["v6"] else (socket.AF_INET, match["v4"])))
    except OSError:
        return False
    return True
