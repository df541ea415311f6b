"""What importing the plugin engine loads. The front imports it, and must stay light."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "fastapi",
    "openai",
    "pydantic_ai",
    "starlette",
    "voice_host.call",
    "voice_host.conversation",
    "voice_host.front",
    "voice_host.models",
    "voice_host.sessions",
    "voice_host.speech",
)


def test_importing_the_engine_loads_neither_the_agent_runtime_nor_a_service() -> None:
    code = f"import sys, voice_host.plugins; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
