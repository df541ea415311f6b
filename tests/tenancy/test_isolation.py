"""Two agents in one host: nothing of one's calls reaches the other's code, log lines or metrics."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.calls.client import calling
from tests.front.hosting import installed, running

RECORDING = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

SEEN = []

class Callbacks(LifecycleCallbacks):
    async def on_startup(self): SEEN.append("on_startup")
    async def on_shutdown(self): SEEN.append("on_shutdown")
    async def on_session_starting(self, session, config):
        SEEN.append("on_session_starting")
        return config
    async def on_session_created(self, session): SEEN.append("on_session_created")
    async def on_user_turn(self, session, turn): raise RuntimeError("a fault of " + session.agent_id)
    async def on_agent_reply(self, session, reply): SEEN.append("on_agent_reply")
    async def on_tool_call(self, session, call): SEEN.append("on_tool_call")
    async def on_error(self, session, error): SEEN.append("on_error")
    async def on_session_destroyed(self, session, end): SEEN.append("on_session_destroyed")

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    SEEN.append("opening_hours")
    return "At nine."

@hookimpl
def agent_config(settings):
    SEEN.append("agent_config " + ",".join(sorted(settings)))
    return AgentConfig(tools=[opening_hours])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""

SETTINGS = """
[agent.called.settings]
mine = 1
[agent.idle.settings]
theirs = 2
"""


def metrics_of(agent_id: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.labels.get("agent") == agent_id
    }


async def test_a_call_of_one_agent_is_nothing_to_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with installed(tmp_path) as plugins:
        modules = [plugins.install(agent_id, RECORDING) for agent_id in ("called", "idle")]
        async with running(tmp_path, SETTINGS, allow="called,idle") as host:
            called, idle = (sys.modules[module].SEEN for module in modules)
            before = metrics_of("idle")
            caplog.clear()
            async with calling(host.session("called")) as caller:
                await caller.expect("ready")
                await caller.type("What are your opening hours on Monday?")
                await caller.expect("metrics")  # after the reply was reported to the callbacks
        assert idle == ["agent_config theirs", "on_startup", "on_shutdown"]
        assert called[0] == "agent_config mine"
        assert {"on_session_created", "opening_hours", "on_agent_reply", "on_session_destroyed"} <= set(called)
        assert metrics_of("idle") == before
        assert any(agent_of(record) == "called" for record in caplog.records)
        assert not any(agent_of(record) == "idle" for record in caplog.records)


def agent_of(record: logging.LogRecord) -> Any:
    return getattr(record, "agent_id", None)
