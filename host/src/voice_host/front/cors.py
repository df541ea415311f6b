"""What pages of other sites may read: the list of agents, and call tokens, where the platform has named the sites."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_host.auth.origins import without_default_port

_PATHS = re.compile(r"/agents(/[^/]+/tokens)?/?")


class CrossOrigin:
    """Answers browsers' questions about `/agents` and the tokens; all else is for the host's own pages."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        rules = tuple(map(without_default_port, allowed))
        wildcards = [re.escape(rule).replace(re.escape("://*."), r"://[^/]+\.") for rule in rules if "://*." in rule]
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=[rule for rule in rules if "://*." not in rule],
            allow_origin_regex="|".join(wildcards) or None,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        concerned = scope["type"] == "http" and _PATHS.fullmatch(scope["path"])
        await (self._cors if concerned else self._app)(scope, receive, send)
