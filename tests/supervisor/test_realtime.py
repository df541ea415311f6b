"""Clients of the OpenAI Realtime API, whose agents are in worker processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from websockets.exceptions import ConnectionClosed

from tests.supervisor.fleet import fleet

pytestmark = pytest.mark.real_time


async def test_a_worker_greets_answers_and_runs_the_tool(tmp_path: Path) -> None:
    async with fleet(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="telling", extra_query={"customer": "17"}) as connection:
            await connection.session.update(session={"type": "realtime"})
            said = []
            async for event in connection:
                if event.type == "response.done":
                    assert event.response.output is not None
                    said.append(event.response.output[0].content[0].transcript)  # type: ignore[union-attr]
                    if len(said) == 2:
                        break
                    content = [{"type": "input_text", "text": "What are your opening hours on Friday?"}]
                    item = {"type": "message", "role": "user", "content": content}
                    await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
                    await connection.response.create()
            told = json.loads(said[0] or "")
            pids = host.pids()
    assert told["pid"] in pids
    assert told["pid"] != os.getpid()
    assert told["metadata"] == {"customer": "17"}
    assert (said[1] or "").startswith(str(told["pid"]))


async def test_a_client_whose_worker_is_lost_gets_an_error_first(tmp_path: Path) -> None:
    async with fleet(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="telling") as connection:
            assert (await connection.recv()).type == "session.created"
            told = []
            async for event in connection:  # it ends with close code 1000, and raises at any other
                told.append(event)
                if event.type == "response.done":
                    (pid,) = host.pids()
                    os.kill(pid, signal.SIGKILL)
                if event.type == "error":
                    break
            error = told[-1].error  # type: ignore[union-attr]
            assert (error.type, error.code) == ("server_error", "internal_error")
            assert error.message == "the agent has failed, and the call is lost"
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, error.message)
