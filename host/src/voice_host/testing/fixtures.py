"""The test kit as pytest fixtures: `pytest_plugins = ["voice_host.testing.fixtures"]` in conftest.py.

An async test that takes one of them runs in virtual time, with or without pytest-asyncio.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, Unpack

import pytest

from voice_host.testing import agent as kit
from voice_host.testing.agent import DEMO, CallOptions, ModelSource, TestAgent
from voice_host.testing.call import TestCall
from voice_host.testing.sources import AgentSource, installed_ids
from voice_host.testing.virtual_time import in_virtual_time
from voice_host_sdk import LifecycleCallbacks

FIXTURES = {"call_agent", "serve_agent"}

CALLS = pytest.StashKey[list[list[TestCall]]]()
"""The calls of a test, for failures after they have ended."""


class ServeAgent(Protocol):
    """The fixture `serve_agent`: starts the agent under test, or another one, for any number of calls."""

    def __call__(
        self,
        model: ModelSource = DEMO,
        *,
        agent: AgentSource | None = None,
        settings: Mapping[str, Any] | None = None,
        callbacks: LifecycleCallbacks | None = None,
    ) -> AbstractAsyncContextManager[TestAgent]: ...


class CallAgent(Protocol):
    """The fixture `call_agent`: starts the agent under test, or another one, and calls it once."""

    def __call__(
        self,
        model: ModelSource = DEMO,
        *,
        agent: AgentSource | None = None,
        settings: Mapping[str, Any] | None = None,
        callbacks: LifecycleCallbacks | None = None,
        **options: Unpack[CallOptions],
    ) -> AbstractAsyncContextManager[TestCall]: ...


@pytest.fixture
def voice_agent() -> AgentSource:
    """The agent under test: the only installed one. Override this fixture for another one.

    Return an id, a module with hooks, or an `AgentConfig`.
    """
    ids = installed_ids()
    if len(ids) != 1:
        found = f"installed are: {', '.join(ids)}" if ids else "none is installed"
        pytest.fail(
            f"which agent is to be tested? {found}. Name it in conftest.py: a fixture `voice_agent` that returns its id"
        )
    return ids[0]


@pytest.fixture
def serve_agent(request: pytest.FixtureRequest) -> ServeAgent:
    """Start the agent under test: `async with serve_agent(model) as agent, agent.call() as call: ...`."""

    @asynccontextmanager
    async def serve(
        model: ModelSource = DEMO, *, agent: AgentSource | None = None, **options: Any
    ) -> AsyncIterator[TestAgent]:
        async with kit.serve_agent(_chosen(agent, request), model, **options) as served:
            request.node.stash.setdefault(CALLS, []).append(served.calls)
            yield served

    return serve


@pytest.fixture
def call_agent(serve_agent: ServeAgent) -> CallAgent:
    """Call the agent under test: `async with call_agent(model) as call: ...`."""

    @asynccontextmanager
    async def call(
        model: ModelSource = DEMO,
        *,
        agent: AgentSource | None = None,
        settings: Mapping[str, Any] | None = None,
        callbacks: LifecycleCallbacks | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[TestCall]:
        serving = serve_agent(model, agent=agent, settings=settings, callbacks=callbacks)
        async with serving as served, served.call(**options) as called:
            yield called

    return call


def _chosen(agent: AgentSource | None, request: pytest.FixtureRequest) -> AgentSource:
    if agent is not None:
        return agent
    chosen: AgentSource = request.getfixturevalue("voice_agent")
    return chosen


def _is_call(test: Any) -> bool:
    return inspect.iscoroutinefunction(test) and bool(FIXTURES & set(inspect.signature(test).parameters))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Convert async tests that use these fixtures to plain functions, before pytest-asyncio sees them."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and _is_call(item.obj):
            item.obj = in_virtual_time(item.obj)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the calls of a test that fails after their end. Failures within a call have its transcript already."""
    report = yield
    shown = getattr(call.excinfo.value, "__notes__", []) if call.excinfo else []
    if report.failed and not shown:
        calls = [made for served in item.stash.get(CALLS, []) for made in served]
        report.sections += [(f"call {number}", made.transcript) for number, made in enumerate(calls, 1)]
    return report
