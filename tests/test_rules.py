"""What the process in front of agents must not import: agents may run in other processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

from tests.docs.test_rooms import HOST

FRONT = ("front", "auth", "admission", "fleet/service.py", "fleet/report.py")

RUNTIME = ("pydantic_ai", "voice_host.conversation", "voice_host.models", "voice_host.speech", "voice_host.call")

PLAIN = re.compile(r"voice_host\.call(\.events)?|voice_host\.speech(\.\w+(\.spec)?)?")
"""The events of a call, which client protocols translate, and the specs of speech services, which are settings."""

PROBE = """
import importlib, json, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(*parts: str) -> Iterator[str]:
    for part in parts:
        path = HOST / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(HOST).with_suffix("")
            yield ".".join(["voice_host", *name.parts]).removesuffix(".__init__")


def imported_by(*modules: str) -> list[str]:
    """Return all modules of a fresh process that imports these."""
    done = subprocess.run([sys.executable, "-c", PROBE, *modules], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_the_front_does_not_import_the_agent_runtime() -> None:
    loaded = imported_by(*modules_of(*FRONT))
    assert "voice_host.front.run" in loaded
    runtime = [name for name in loaded if f"{name}.".startswith(tuple(f"{part}." for part in RUNTIME))]
    assert [name for name in runtime if not PLAIN.fullmatch(name)] == []
