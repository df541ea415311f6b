"""Embedded speech of agents in worker processes: one process has the models."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from tests.processes import descendants, is_running, read
from tests.speech.embedded.speech import SILENCE_1_S, clip
from tests.supervisor.hosts import TELLING, Host, greeting, message, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

WEATHER = clip("whats_the_weather_like.wav") + SILENCE_1_S
ASKED = "What's the weather like?"


def chosen(*agents: str) -> str:
    tables = (f'[agent.{agent}]\nspeech_to_text = "embedded"\ntext_to_speech = "embedded"\n' for agent in agents)
    return "\n".join(tables)


def say(call: ClientConnection, pcm: bytes) -> None:
    for start in range(0, len(pcm), 1920):
        call.send(pcm[start : start + 1920])


def with_models(host: Host) -> list[int]:
    """Return the processes of a host that have loaded the library of the models."""
    return [pid for pid in descendants(host.process.pid) if "onnxruntime" in read(pid, "maps")]


def test_agents_share_one_process_and_calls_outlive_it(tmp_path: Path) -> None:
    """It is started once for two agents, killed, and back; the agents hear and speak before and after."""
    agents = {"telling": TELLING, "asking": TELLING}
    with serving(tmp_path, chosen(*agents), agents) as host, host.call("telling") as one, host.call("asking") as two:
        assert greeting(one)["pid"] != greeting(two)["pid"]
        for call in (one, two):
            say(call, WEATHER)
            assert message(call, "turn")["text"] == ASKED
            message(call, "tts_done")
        [pid] = with_models(host)
        assert "voice_host.speech.embedded.process" in read(pid, "cmdline")
        assert pid not in (host.process.pid, greeting_pid(host))
        os.kill(pid, signal.SIGKILL)
        for call in (one, two):
            say(call, WEATHER)
            assert message(call, "turn")["text"] == ASKED
            message(call, "tts_done")
        [back] = with_models(host)
        assert back != pid
        host.process.signal(signal.SIGTERM)
        assert host.process.ended() == 0
        assert not is_running(back)
        assert "Traceback" not in host.process.output


def greeting_pid(host: Host) -> int:
    with host.call("telling") as call:
        return int(greeting(call)["pid"])


def test_without_embedded_speech_nothing_is_started(tmp_path: Path) -> None:
    with serving(tmp_path) as host, host.call() as call:
        greeting(call)
        assert with_models(host) == []
        assert not any("speech.embedded.process" in read(pid, "cmdline") for pid in descendants(host.process.pid))
