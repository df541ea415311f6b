"""A host with keys and tokens, and an agent that greets its callers with what it knows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.calls.client import calling
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer
from voice_host_sdk import Authenticator

NOSY = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        caller = session.caller
        who = f"{caller.identity} {sorted(caller.claims)}" if caller else "nobody"
        return config.model_copy(update={"greeting": f"{who} {dict(session.metadata)}"})

@hookimpl
def agent_config(settings):
    return AgentConfig()

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


@asynccontextmanager
async def guarded(
    folder: Path, toml: str = TOML, authenticators: Mapping[str, Authenticator] | None = None
) -> AsyncIterator[Running]:
    with installed(folder) as plugins:
        plugins.install("nosy", NOSY)
        plugins.install("deaf", NOSY)
        async with running(folder, toml, allow="nosy,deaf", authenticators=authenticators) as r:
            yield r


async def token_of(r: Running, key: str, agent_id: str = "nosy", **body: Any) -> str:
    async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        answer = await http.post(f"/agents/{agent_id}/tokens", headers=bearer(key), json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def refused(url: str, **options: Any) -> str:
    """Call, be refused with 4401, and return the words."""
    async with calling(url, **options) as caller:
        code, reason = await caller.ended()
        assert code == 4401
        return reason
