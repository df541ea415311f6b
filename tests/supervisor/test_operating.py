"""What the operator sees of worker processes: metrics, logs and `voice-host top`. With real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.front.test_process import DEADLINE_S, get
from tests.supervisor.hosts import TELLING, Host, ask, greeting, message, serving
from tests.terminal import terminal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

ACTIVE = "voice_host_calls_active{'agent': 'shop'}"

LOUD = """
import ctypes, logging, os, subprocess, threading
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

def flood():
    for _ in range(500):
        os.write(2, b"raw flood\\n" * 400)

class Callbacks(LifecycleCallbacks):
    async def on_user_turn(self, session, turn):
        if "everything" in turn.text:
            print("printed by Python")
            os.write(1, b"printed past Python\\n")
            subprocess.run(["sh", "-c", "echo printed by a program >&2"], check=True)
            logging.getLogger("loud").warning("logged with the key s3cret-4711")
        elif "exit" in turn.text:
            print("about to exit")
            os._exit(3)
        elif "crash" in turn.text:
            ctypes.string_at(0)
        elif "flood" in turn.text:
            threading.Thread(target=flood, daemon=True).start()
            for number in range(20_000):
                print("flood", number)

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Loud", greeting="Hello.")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


def eventually(found: Callable[[], Any]) -> Any:
    """Ask until there is an answer."""
    end = time.monotonic() + DEADLINE_S
    while not (answer := found()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return answer


def scraped(host: Host) -> dict[str, float]:
    """The samples of `/metrics` that are about agents."""
    families = text_string_to_metric_families(get(host.port, "/metrics"))
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in families
        for sample in family.samples
        if "agent" in sample.labels and not sample.name.endswith("_created")
    }


def counters(samples: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in samples.items() if re.search(r"_(total|bucket|count|sum)\{", name)}


def verb(folder: Path, *arguments: str) -> str:
    """Run a verb, which finds the host over the socket in the data directory, and return what it prints."""
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voice_host", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S)


def lines_about(folder: Path, agent_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in verb(folder, "logs", agent_id, "--json", "--lines", "1000").splitlines()]


def test_counters_do_not_go_backwards_when_a_worker_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, '[agent.telling]\nlabel = "shop"\n') as host:
        with host.call() as call:
            pid = greeting(call)["pid"]
            ask(call)
            before = eventually(
                lambda: (
                    (found := scraped(host)).get("voice_host_turns_total{'agent': 'shop', 'kind': 'typed'}") and found
                )
            )
            assert before["voice_host_calls_active{'agent': 'shop'}"] == 1
            os.kill(pid, signal.SIGKILL)
            after = eventually(lambda: (found := scraped(host)) and not found.get(ACTIVE) and found)
        grown = counters(after)
        assert {name: value for name, value in counters(before).items() if grown.get(name, 0) < value} == {}
        [release] = {match[1] for name in grown if (match := re.search("'release': '([^']+)'", name))}
        assert grown[f"voice_host_release_calls_total{{'agent': 'shop', 'release': '{release}'}}"] == 1
        assert grown[f"voice_host_worker_cpu_seconds_total{{'agent': 'shop', 'release': '{release}'}}"] > 0
        assert not any("telling" in name for name in after)


def test_the_list_of_agents_shows_releases_and_workers(tmp_path: Path) -> None:
    with serving(tmp_path, "[agent.telling]\nworkers = 2\n") as host, host.call() as call:
        greeting(call)
        ask(call)
        [agent] = eventually(lambda: (found := host.get("/agents"))[0]["recent"]["calls"] and found)
        [release] = agent["releases"]
        assert (agent["calls"], release["traffic"], release["status"], release["restarts"]) == (1, 100, "ready", 0)
        assert sorted(worker["number"] for worker in release["workers"]) == [1, 2]
        assert all(worker["memory_bytes"] > 0 and worker["cpu_s"] > 0 for worker in release["workers"])
        assert release["recent"]["first_audio_p50_ms"] is not None
        assert json.loads(verb(tmp_path, "top", "--json"))[0]["releases"][0]["name"] == release["name"]
        table = verb(tmp_path, "top")
        assert all(f"pid {worker['pid']}" in table for worker in release["workers"])
        with terminal("top", cwd=tmp_path) as top:
            top.until(f"pid {release['workers'][0]['pid']}")
            top.until("1 call ")
            top.press_ctrl_c()
            assert top.ended() == 0


def test_what_happened_before_a_crash_is_in_the_agents_log(tmp_path: Path) -> None:
    settings = '[agent.loud.settings]\napi_key = "s3cret-4711"\n'
    with serving(tmp_path, settings, {"loud": LOUD}) as host:
        with host.call("loud") as call:
            message(call, "tts_done")
            call.send(json.dumps({"type": "text", "text": "Print everything."}))
            message(call, "tts_done")
            call.send(json.dumps({"type": "text", "text": "Now crash."}))
            host.process.until("worker_ended")
        lines = lines_about(tmp_path, "loud")
        printed = [line["text"] for line in lines if line["event"] == "printed"]
        for text in ("printed by Python", "printed past Python", "printed by a program"):
            assert printed.count(text) == 1
        assert "Fatal Python error: Segmentation fault" in printed
        assert "logged with the key ********" in {line["event"] for line in lines}
        assert {"call_started", "worker_ended"} <= {line["event"] for line in lines}
        assert {(line["agent_id"], line["worker"]) for line in lines if "worker" in line} == {("loud", 1)}
        assert all("release" in line for line in lines if line["event"] in ("printed", "call_started"))
        assert "s3cret" not in host.process.output
        shown = verb(tmp_path, "logs", "loud")
        assert "Fatal Python error: Segmentation fault" in shown
        assert "call_started" in shown


def test_what_was_printed_before_an_exit_is_in_the_agents_log(tmp_path: Path) -> None:
    with serving(tmp_path, agents={"loud": LOUD}) as host:
        with host.call("loud") as call:
            message(call, "tts_done")
            call.send(json.dumps({"type": "text", "text": "Now exit."}))
            host.process.until("worker_ended")
        assert "about to exit" in {line.get("text") for line in lines_about(tmp_path, "loud")}
        for agent_id in ("nobody", "../loud"):
            done = run(tmp_path, "logs", agent_id)
            assert done.returncode == 2
            assert f"there is no agent '{agent_id}'" in done.stderr
            assert "next: " in done.stderr


def test_a_flood_of_one_agent_hides_nothing_of_another(tmp_path: Path) -> None:
    with serving(tmp_path, agents={"loud": LOUD, "telling": TELLING}) as host:
        with host.call("loud") as loud, host.call() as call:
            message(loud, "tts_done")
            loud.send(json.dumps({"type": "text", "text": "Now flood."}))
            host.process.until("raw flood")
            pid = greeting(call)["pid"]
            assert ask(call) == pid
            message(loud, "tts_done")  # it was not held up by its own lines
            with host.call() as other:
                message(other, "ready")
                session = next(
                    line for line in reversed(lines_about(tmp_path, "telling")) if line["event"] == "call_started"
                )
            host.process.until("log_lines_dropped")
            host.process.until(session["session_id"])
        dropped = eventually(lambda: scraped(host).get("voice_host_log_lines_dropped_total{'agent': 'loud'}"))
        assert dropped > 1000


def test_logs_are_followed_in_a_terminal_until_the_host_stops(tmp_path: Path) -> None:
    with serving(tmp_path, agents={"loud": LOUD}) as host, terminal("logs", "loud", "--follow", cwd=tmp_path) as logs:
        with host.call("loud") as call:
            message(call, "tts_done")
            call.send(json.dumps({"type": "text", "text": "Print everything."}))
            logs.until("printed past Python")
            assert "call_started" in logs.output
        host.process.signal(signal.SIGTERM)
        assert logs.ended() == 0
        assert "call_ended" in logs.output
        assert "the host is stopping" in logs.output
