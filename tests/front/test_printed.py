"""What is printed while the host runs goes through its log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.sample_plugins import plugin_folder
from tests.test_logs import WORDS, written_log
from voice_host.observability.logs import configure_logging
from voice_host.tenancy.printed import printing_into_the_log

SERVE = [sys.executable, "-m", "voice_host", "serve", "--port", "0", "--log-format", "json"]
PRINTS = """
import sys
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        print("x" * 60_000)
        print("y" * 60_000, file=sys.stderr)
        return config

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Prints", greeting="Hello.")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


def test_printed_lines_are_log_lines_without_secrets_and_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info", secrets=["s3cret"])
    with printing_into_the_log():
        print("a", "\x1b[31ms3cret")
        print("unfin", end="")
        print("\nb", file=sys.stderr)
        print("ished")
    captured = [json.loads(line) for line in written_log(capsys).splitlines()]
    assert [(line["level"], line["stream"], line["text"]) for line in captured] == [
        ("info", "stdout", r"a \x1b[31m********"),
        ("warning", "stderr", "b"),
        ("info", "stdout", "unfinished"),
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_is_logged_without_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(WORDS)

    configure_logging("json", "info")
    with printing_into_the_log():
        thread = threading.Thread(target=fail, name="mine")
        thread.start()
        thread.join()
    [line] = map(json.loads, written_log(capsys).splitlines())
    assert (line["event"], line["task"], line["of"]) == ("background_task_failed", "thread", "mine")
    assert "ValueError" in line["exception"]
    assert WORDS not in line["exception"]


def test_an_agent_that_prints_does_not_wait_for_a_reader_that_pauses(tmp_path: Path) -> None:
    with plugin_folder(tmp_path) as plugins:
        plugins.install("prints", PRINTS)
    environ = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "VOICE_HOST_AGENTS__ALLOW": "prints",
        "VOICE_HOST_MODEL": "demo",
    }
    with subprocess.Popen(
        SERVE, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = next(told["url"] for line in process.stdout if "url" in (told := json.loads(line)))
            for _ in range(4):
                with connect(f"{url.replace('http', 'ws')}/agents/prints/session", open_timeout=30) as call:
                    assert json.loads(call.recv(timeout=30))["type"] == "ready"
        finally:
            process.terminate()
            lines = [json.loads(line)["event"] for line in process.stdout]
    assert lines.count("printed") == 8
