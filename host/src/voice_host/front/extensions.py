"""The platform's extensions in a running host: adds their routes, and starts and stops their observers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Mount, WebSocketRoute

from voice_host.observability.logs import get_logger
from voice_host.plugins import (
    BrokenExtension,
    Extensions,
    ExtensionsBroken,
    LoadedExtension,
    Phase,
    start_extension,
    stop_extension,
)
from voice_host.plugins.guard import PhaseFailed, guarded
from voice_host.sessions.observers import Observers
from voice_host.settings import Settings

log = get_logger(__name__)

_MADE_UP = "voice-host-made-up"
"""A path segment that no route is likely to have."""


@dataclass(frozen=True, slots=True)
class _Request:
    """An example of a request that a route matches."""

    kind: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path.replace(_MADE_UP, '{...}')}"

    def is_answered_by(self, route: BaseRoute, app: FastAPI) -> bool:
        """Whether a route matches it."""
        return self._matches(route, self.path, app)

    def is_meant_by(self, route: BaseRoute, app: FastAPI) -> bool:
        """Whether a route is meant for it. A route that matches any path is not."""
        elsewhere = re.sub(r"^/[^/]*", f"/{_MADE_UP}", self.path)
        return self._matches(route, self.path, app) and not self._matches(route, elsewhere, app)

    def _matches(self, route: BaseRoute, path: str, app: FastAPI) -> bool:
        scope = {"type": self.kind, "method": self.method, "path": path, "root_path": "", "path_params": {}}
        match, _ = route.matches({**scope, "headers": [], "query_string": b"", "app": app, "router": app.router})
        return match is Match.FULL


@asynccontextmanager
async def running_extensions(extensions: Extensions, observers: Observers, settings: Settings) -> AsyncIterator[None]:
    """Start the extensions and notify their observers of sessions while the context is active.

    Raises:
        ExtensionsBroken: an extension did not start.
    """
    for extension in extensions.loaded:
        for warning in extension.warnings:
            log.warning("extension_warning", extension=extension.id, warning=warning)
    timeout_s = settings.server.start_timeout_s
    outcomes = [await start_extension(extension, timeout_s) for extension in extensions.loaded]
    try:
        Extensions(outcomes)
        observers.start()
        yield
    finally:
        await observers.aclose()
        for outcome in outcomes:
            if isinstance(outcome, LoadedExtension):
                await _stop(outcome, settings.server.stop_timeout_s)


async def _stop(extension: LoadedExtension, timeout_s: float) -> None:
    stopped = await stop_extension(extension, timeout_s)
    if isinstance(stopped, BrokenExtension):
        log.warning("extension_not_stopped", extension=extension.id, error=stopped.error)


def add_extension_routes(app: FastAPI, extensions: Extensions) -> None:
    """Let each extension register its routes.

    Raises:
        ExtensionsBroken: an extension failed, or its route conflicts with one of the host or of another extension.
    """
    owners = {id(route): "the host's own" for route in app.router.routes}
    broken = []
    for extension in extensions.loaded:
        before = list(app.router.routes)
        try:
            _register(app, extension, before)
            _refuse_taken(app, before, owners)
        except PhaseFailed as failed:
            broken.append(failed.outcome(BrokenExtension, extension.discovered, extension.secrets, extension.import_ms))
            app.router.routes[:] = before
        for route in app.router.routes[len(before) :]:
            owners[id(route)] = f"one of the extension {extension.id!r}"
    if broken:
        raise ExtensionsBroken(broken)


def _register(app: FastAPI, extension: LoadedExtension, before: list[BaseRoute]) -> None:
    if extension.register_routes is None:
        return
    with guarded(Phase.CONFIGURED, "register_routes failed"):
        returned: Any = extension.register_routes(app)
    if returned is not None:
        error = f"register_routes returned a {type(returned).__name__}"
        raise PhaseFailed(Phase.CONFIGURED, error, "add the routes to `app` and return nothing")
    if app.router.routes[: len(before)] != before:
        error = "register_routes moved or removed routes that are not its own"
        raise PhaseFailed(Phase.CONFIGURED, error, "only add routes, with @app.get(...) or app.include_router(...)")


def _refuse_taken(app: FastAPI, before: list[BaseRoute], owners: Mapping[int, str]) -> None:
    """Raise `PhaseFailed` if a new route can never be reached because an earlier one answers its requests."""
    for route in app.router.routes[len(before) :]:
        for earlier in before:
            never = [request for request in _requests(route) if request.is_answered_by(earlier, app)]
            never += [request for request in _requests(earlier) if request.is_meant_by(route, app)]
            if never:
                error = f"register_routes adds a route for {never[0]}, which is {owners[id(earlier)]}"
                raise PhaseFailed(Phase.CONFIGURED, error, "choose another path")


def _requests(route: BaseRoute) -> Iterator[_Request]:
    """Yield example requests for a route, with arbitrary values for parameters."""
    if (included := getattr(route, "effective_route_contexts", None)) is not None:  # added by `include_router`
        for inner in included():
            yield from _requests(inner.starlette_route or inner)
        return
    path = re.sub(r"{[^}]*}", _MADE_UP, getattr(route, "path", ""))
    if methods := getattr(route, "methods", None):
        yield from (_Request("http", method, path) for method in sorted(methods))
    elif isinstance(route, WebSocketRoute):
        yield _Request("websocket", "WS", path)
    elif isinstance(route, Mount) and path:
        yield _Request("http", "GET", f"{path}/{_MADE_UP}")
