"""The HTTP and WebSocket application of a running host."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from voice_host.admission import Admission
from voice_host.auth.authentication import Authentication
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization
from voice_host.front.browser_client import add_browser_client
from voice_host.front.call_route import add_call_route
from voice_host.front.calls import Calls
from voice_host.front.client_secrets import add_client_secret_route
from voice_host.front.dial_routes import add_dial_routes
from voice_host.front.extensions import add_extension_routes
from voice_host.front.log_route import add_log_route
from voice_host.front.middleware import (
    AllowedHosts,
    ContainedRoutes,
    CrossOrigin,
    OneCredential,
    SameSiteSockets,
    SecurityHeaders,
)
from voice_host.front.phone_routes import add_phone_routes
from voice_host.front.realtime_route import add_realtime_route
from voice_host.front.release_routes import add_release_routes
from voice_host.front.reload import LiveSettings, add_reload_route
from voice_host.front.restart_route import add_restart_route
from voice_host.front.routes import add_routes
from voice_host.front.talk_page import add_talk_page
from voice_host.front.tokens import add_token_route
from voice_host.observability.agent_logs import AgentLogs
from voice_host.phone.service import PhoneService
from voice_host.plugins import Extensions
from voice_host.releases.deployments import Deployments
from voice_host.settings import Settings


def host_admission(live: LiveSettings) -> Admission:
    """Return the limits of the calls of a host."""
    return Admission(live.current.limits, lambda agent_id: live.current.for_agent(agent_id).max_calls)


def create_host_app(
    agents: AgentService,
    settings: Settings,
    *,
    authentication: Authentication | None = None,
    admission: Admission | None = None,
    extensions: Extensions | None = None,
    allowed_hosts: Sequence[str] = ("*",),
    logs: AgentLogs | None = None,
    tracebacks: bool = False,
    live: LiveSettings | None = None,
    deployments: Deployments | str | None = None,
    phone: PhoneService | None = None,
) -> FastAPI:
    """Return the application in front of `agents`. The caller starts and stops them.

    Args:
        agents: take the calls.
        settings: the platform's settings.
        authentication: authenticates requests; default: everybody may do everything.
        admission: limits the calls; default: by `[limits]`.
        extensions: add their routes.
        allowed_hosts: names allowed in the `Host` header, besides IP addresses. This protects against pages that rebind
            their own name to this machine, which would pass a comparison of `Origin` and `Host`.
        logs: has the latest log lines about each agent; None: there is no route for them.
        tracebacks: whether `GET /agents` includes tracebacks of broken agents; only for `voice-host dev`.
        live: the settings, if they can be read again.
        deployments: the releases of the agents; a text: why this host has none; None: there are no routes for them.
        phone: takes telephone calls, with the same `admission`; None: there are none. The caller closes it.

    Raises:
        ExtensionsBroken: the routes of an extension cannot be added.
    """
    authentication = authentication or Authentication()
    live = live or LiveSettings(settings)
    admission = admission or host_admission(live)
    authorization = Authorization(authentication)
    allowed_origins = settings.server.allowed_origins
    app = FastAPI(title="voice-host", docs_url=None, redoc_url=None, openapi_url=None)
    # The middleware added last is outermost.
    app.add_middleware(ContainedRoutes)
    app.add_middleware(OneCredential)
    if allowed_origins:
        app.add_middleware(CrossOrigin, allowed=allowed_origins)
    app.add_middleware(SameSiteSockets, allowed=allowed_origins)
    by_phone = settings.server.allowed_hosts is None and settings.phone.public_url is not None
    names_from = "server.allowed_hosts" + (" and phone.public_url" if by_phone else "")
    app.add_middleware(AllowedHosts, allowed_hosts=list(allowed_hosts), from_settings=names_from)
    app.add_middleware(SecurityHeaders)
    add_browser_client(app)
    if settings.auth.page == "open":
        add_talk_page(app)
    add_routes(app, agents, settings, authorization, tracebacks=tracebacks)
    if logs is not None:
        add_log_route(app, agents, logs, authorization)
    add_restart_route(app, agents, authorization)
    add_token_route(app, agents, authorization)
    if phone is not None:
        add_phone_routes(app, phone, agents, live)
        add_dial_routes(app, agents, phone.outbound, authorization)
    add_client_secret_route(app, agents, authorization)
    calls = Calls(agents, live, authentication, admission)
    add_call_route(app, calls)
    add_realtime_route(app, calls, live)
    if deployments is not None:
        add_release_routes(app, agents, deployments, authorization)
        add_reload_route(app, live, authorization)
    add_extension_routes(app, extensions or Extensions([]))
    return app
