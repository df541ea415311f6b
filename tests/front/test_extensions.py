"""Extensions in a running host: what observers are told, and the routes that are added."""

import asyncio
import importlib
import json
import re
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY

from tests.calls.client import calling
from tests.docs.markdown import rows, section
from tests.front.hosting import COUNTING, installed, running
from voice_host.observability.agent_logs import AgentLogs
from voice_host.plugins import ExtensionsBroken
from voice_host.testing import in_virtual_time

NOTING = """
import json
from dataclasses import asdict
from voice_host_sdk import SessionObserver, extensionimpl

def who(session):
    return f" for {session.caller.identity}" if session.caller else ""

class Noting(SessionObserver):
    def __init__(self): self.seen = []
    async def on_startup(self): self.seen.append("startup")
    async def on_shutdown(self): self.seen.append("shutdown")
    def note(self, what, session): self.seen.append((session.agent_id, session.session_id, what))
    async def on_session_created(self, session): self.note("created" + who(session), session)
    async def on_user_turn(self, session, turn): self.note("turn " + turn.text, session)
    async def on_tool_call(self, session, call): self.note("tool " + call.name, session)
    async def on_agent_reply(self, session, reply): self.note("reply " + reply.text, session)
    async def on_error(self, session, error): self.note("error " + error.code, session)
    async def on_session_destroyed(self, session, end): self.note("destroyed " + end.reason, session)

noting = Noting()

@extensionimpl
def session_observer():
    return noting
"""

SICK = """
import asyncio
from voice_host_sdk import SessionObserver, extensionimpl

class Sick(SessionObserver):
    async def on_session_created(self, session): raise ValueError("no")
    async def on_user_turn(self, session, turn): await asyncio.Event().wait()
    async def on_tool_call(self, session, call): raise KeyboardInterrupt
    async def on_agent_reply(self, session, reply): raise SystemExit

@extensionimpl
def session_observer():
    return Sick()
"""

DOOR = """
from voice_host_sdk import Caller, Denied, extensionimpl

class Door:
    def __init__(self, password): self.password = password
    async def authenticate(self, connection):
        given = connection.query.get("password")
        return None if given is None else Caller("a friend") if given == self.password else Denied("wrong password")

@extensionimpl
def authenticator(settings):
    return Door(settings["password"])
"""

ROUTES = """
from voice_host_sdk import extensionimpl

@extensionimpl
def register_routes(app, settings):
    @app.get("/status/{kind}")
    async def status(kind: str):
        return {"kind": kind, "region": settings["region"]}
"""

INCLUDED = """
from fastapi import APIRouter
from voice_host_sdk import extensionimpl

inner = APIRouter()

@inner.get("/{kind}")
async def status(kind: str): ...

@extensionimpl
def register_routes(app, settings):
    router = APIRouter(prefix="/status")
    router.include_router(inner)
    app.include_router(router)
"""


async def test_an_observer_is_told_of_the_sessions_of_all_agents_in_order(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("one", COUNTING)
        plugins.install("two", COUNTING)
        module = plugins.install_extension("noting", NOTING)
        toml = "".join(f"[agent.{name}.settings]\nfolder = {json.dumps(str(tmp_path))}\n" for name in ("one", "two"))
        async with running(tmp_path, toml, allow="one,two") as host:
            for name in ("one", "two"):
                async with calling(host.session(name)) as caller:
                    await caller.expect("tts_done")
                    await caller.type("What are your opening hours on Friday?")
                    await caller.expect("metrics", count=2)
                    await caller.ws.send("{")
                    await caller.expect("error")
        first, *seen, last = importlib.import_module(module).noting.seen
    assert (first, last) == ("startup", "shutdown")
    for name in ("one", "two"):
        own = [event for event in seen if event[0] == name]
        assert len({session for _, session, _ in own}) == 1
        told = [what for _, _, what in own]
        assert told[:4] == [
            "created",
            "reply Hello.",
            "turn What are your opening hours on Friday?",
            "tool opening_hours",
        ]
        assert told[4].startswith("reply ")
        assert told[5:] == ["error bad_message", "destroyed goodbye"]


async def test_an_observer_that_fails_or_hangs_costs_no_call_anything(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("one", COUNTING)
        plugins.install_extension("sick", SICK)
        toml = f"agents.callback_timeout_s = 0.05\n[agent.one.settings]\nfolder = {json.dumps(str(tmp_path))}"
        async with running(tmp_path, toml, allow="one") as host, calling(host.session("one")) as caller:
            await caller.type("What are your opening hours on Friday?")
            await caller.expect("chat")
    for event in ("on_session_created", "on_tool_call", "on_agent_reply"):
        labels = {"extension": "sick", "callback": event}
        assert (REGISTRY.get_sample_value("voice_host_observer_errors_total", labels) or 0) >= 1


async def test_an_observer_that_does_not_start_keeps_the_host_from_starting(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install_extension("noting", NOTING.replace('self.seen.append("startup")', 'raise OSError("no route")'))
        with pytest.raises(ExtensionsBroken, match="was not started: on_startup failed: OSError: no route"):
            async with running(tmp_path):
                pass


async def test_an_authenticator_decides_who_may_call_and_the_agent_sees_whom_it_let_in(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("one", COUNTING)
        module = plugins.install_extension("noting", NOTING)
        plugins.install_extension("door", DOOR)
        toml = f"[agent.one.settings]\nfolder = {json.dumps(str(tmp_path))}\n[extension.door]\npassword = 'sesame'"
        async with running(tmp_path, toml, allow="one") as host:
            async with calling(f"{host.session('one')}?password=sesame") as caller:
                await caller.expect("ready")
            async with calling(host.session("one")) as caller:
                assert (await caller.ended())[0] == 4401
        assert importlib.import_module(module).noting.seen[1][2] == "created for a friend"


async def test_routes_are_added_with_the_extensions_own_settings(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install_extension("status", ROUTES)
        async with running(tmp_path, "[extension.status]\nregion = 'north'") as host, httpx2.AsyncClient() as client:
            answer = await client.get(f"http://{host.address}/status/all")
            assert answer.json() == {"kind": "all", "region": "north"}
            assert (await client.get(f"http://{host.address}/health")).json() == {"status": "ok"}


@pytest.mark.fault("plugin: route raises a BaseException")
@pytest.mark.parametrize(
    "raised", ["KeyboardInterrupt", "SystemExit", "type('Panic', (BaseException,), {})", "ValueError"]
)
@pytest.mark.parametrize("how", ["async def", "def"])
async def test_whatever_a_route_raises_is_answered_with_500(tmp_path: Path, raised: str, how: str) -> None:
    routes = ROUTES.replace("async def status", f"{how} status").replace(
        "return {", f"raise {raised}\n        return {{"
    )
    with installed(tmp_path) as plugins:
        plugins.install_extension("status", routes)
        async with running(tmp_path, "[extension.status]\nregion = 'north'") as host, httpx2.AsyncClient() as client:
            assert (await client.get(f"http://{host.address}/status/all")).status_code == 500
            assert (await client.get(f"http://{host.address}/health")).json() == {"status": "ok"}


def documented_routes() -> list[tuple[str, str]]:
    named = (re.fullmatch(r"`([A-Z]+) (/\S*)`", row[0]) for row in rows(section("docs/operating.md", "Routes")))
    return sorted({(route[1], re.sub(r"\.\.\.$", "x", route[2])) for route in named if route})


@pytest.mark.parametrize(("method", "path"), documented_routes())
async def test_no_route_of_the_host_can_be_replaced(tmp_path: Path, method: str, path: str) -> None:
    adding = f"app.websocket({path!r})" if method == "WS" else f"app.{method.lower()}({path!r})"
    with installed(tmp_path) as plugins:
        plugins.install_extension("status", ROUTES.replace('app.get("/status/{kind}")', adding))
        with pytest.raises(ExtensionsBroken, match="which is the host's own"):
            async with running(tmp_path, logs=AgentLogs(), deployments="none in this test"):
                pass


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("app.router.routes.clear()", "moved or removed routes that are not its own"),
        ("app.router.routes.insert(0, app.router.routes[-1])", "moved or removed"),
        ("raise ValueError(settings['token'])", r"register_routes failed: ValueError: \*{8}"),
        ("return app", "register_routes returned a FastAPI"),
        (
            "from fastapi import APIRouter\n"
            "    router = APIRouter()\n"
            "    router.add_api_route('/agents', print)\n"
            "    app.include_router(router)",
            "a route for GET /agents, which is the host's own",
        ),
    ],
)
async def test_mistakes_with_routes(tmp_path: Path, body: str, problem: str) -> None:
    code = (
        f"from voice_host_sdk import extensionimpl\n@extensionimpl\ndef register_routes(app, settings):\n    {body}\n"
    )
    with installed(tmp_path) as plugins:
        plugins.install_extension("status", code)
        with pytest.raises(ExtensionsBroken, match=problem):
            async with running(tmp_path, "[extension.status]\ntoken = 'the-secret'"):
                pass


async def test_two_extensions_cannot_have_the_same_route_and_a_last_resort_is_allowed(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install_extension("b-status", ROUTES)
        plugins.install_extension("c-fallback", ROUTES.replace("/status/{kind}", "/{kind:path}"))
        toml = "[extension.c-fallback]\nregion = 'south'"
        async with running(tmp_path, toml) as host, httpx2.AsyncClient() as client:
            assert (await client.get(f"http://{host.address}/any/thing")).json()["region"] == "south"
            assert (await client.get(f"http://{host.address}/agents")).json() == []
        for name, code in [("b-status-too", ROUTES), ("b-status-2", INCLUDED)]:
            plugins.install_extension(name, code)
        with pytest.raises(ExtensionsBroken) as caught:
            async with running(tmp_path):
                pass
        taken = r"a route for GET /status/{\.\.\.}, which is one of the extension 'b-status'"
        assert {broken.id for broken in caught.value.broken if re.search(taken, broken.error)} == {
            "b-status-too",
            "b-status-2",
        }


async def test_two_extensions_cannot_include_the_same_routes(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        for name in ("a-status", "b-status"):
            plugins.install_extension(name, INCLUDED)
            plugins.install_extension(f"{name}-live", INCLUDED.replace("get", "websocket").replace("/status", "/live"))
        with pytest.raises(ExtensionsBroken) as caught:
            async with running(tmp_path):
                pass
        errors = {broken.id: broken.error for broken in caught.value.broken}
        assert errors.keys() == {"b-status", "b-status-live"}
        assert "GET /status/{...}, which is one of the extension 'a-status'" in errors["b-status"]
        assert "WS /live/{...}, which is one of the extension 'a-status-live'" in errors["b-status-live"]


@in_virtual_time
async def test_waiting_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from voice_host.sessions import observers
    from voice_host_sdk import ObservedSession, SessionObserver, UserTurn

    monkeypatch.setattr(observers, "QUEUE_LENGTH", 2)
    begun = asyncio.Event()

    class Hanging(SessionObserver):
        async def on_user_turn(self, session: ObservedSession, turn: UserTurn) -> None:
            begun.set()
            await asyncio.Event().wait()

    told = observers.Observers({"hanging": Hanging()}, timeout_s=1)

    def dropped() -> float | None:
        labels = {"extension": "hanging", "callback": "on_user_turn"}
        return REGISTRY.get_sample_value("voice_host_observer_events_dropped_total", labels)

    told.start()
    told.notify("on_user_turn", ObservedSession("a", "1"), UserTurn("x"))
    await begun.wait()
    for _ in range(5):
        told.notify("on_user_turn", ObservedSession("a", "1"), UserTurn("x"))
    assert dropped() == 3
    await asyncio.sleep(0.5)
    await told.aclose()  # the second is begun when the first has had its time, and the third waits in vain
    assert dropped() == 4
