"""What people see in a real terminal: the host's own words, and no advertisement of a library."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.ports import free_port
from tests.terminal import terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")

START_UP = "No language model is configured for front-desk"
TALK = re.compile(r" *(call|agent|heard|tool)  \S.*")
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ \[\w+ *\] (\S+) .*")


@pytest.mark.usefixtures("embedded_speech")
def test_calls_leave_one_line_at_their_beginning_and_one_at_their_end(tmp_path: Path) -> None:
    port = free_port()
    with terminal("serve", "--port", str(port), "--agents", "front-desk", cwd=tmp_path) as host:
        host.until(START_UP)
        with connect(f"ws://127.0.0.1:{port}/agents/front-desk/session") as call:
            call.send(json.dumps({"type": "text", "text": "When are you open on Friday?"}))
            while not ((frame := call.recv(60)) and isinstance(frame, str) and json.loads(frame)["type"] == "chat"):
                pass
        host.until("call_ended")
        host.press_ctrl_c()
        assert host.ended() == 0
    log = host.output.partition(START_UP)[2].splitlines()[1:]
    lines = [LOG_LINE.fullmatch(line.replace("^C", "")) for line in log]
    events = [line[1] if line else None for line in lines]
    assert None not in events, log
    assert [event for event in events if event and event.startswith("call_")] == ["call_started", "call_ended"], log


@pytest.mark.usefixtures("embedded_speech")
def test_a_call_shows_the_conversation_and_nothing_else(tmp_path: Path) -> None:
    with terminal("call", "front-desk", "--text", "When are you open on Friday?", cwd=tmp_path) as call:
        assert call.ended() == 0
    conversation = call.output.partition("\nLatency")[0]
    assert [line for line in conversation.splitlines() if not TALK.fullmatch(line)] == []


def test_a_host_whose_terminal_is_closed_says_goodbye_to_its_callers(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "voice-host.toml").write_text("[server]\ndrain_timeout_s = 0.1\n", encoding="utf-8")
    with terminal("serve", "--port", str(port), "--agents", "front-desk", cwd=tmp_path) as host:
        host.until(START_UP)
        with connect(f"ws://127.0.0.1:{port}/agents/front-desk/session") as call:
            assert json.loads(call.recv(60))["type"] == "ready"
            host.hang_up()
            with suppress(ConnectionClosed):
                while True:
                    call.recv(60)
            assert call.close_code == 4504
        assert host.ended() == 0
