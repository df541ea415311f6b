"""What the process in front of agents must not import: agents may run in other processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.docs.test_rooms import HOST, imports, inside

FRONT = (
    "front",
    "auth",
    "admission",
    "supervisor",
    "releases",
    "phone",
    "workers/messages.py",
    "fleet/availability.py",
    "fleet/service.py",
    "fleet/report.py",
)

RUNTIME = (
    "pydantic_ai",
    "openai",
    "numpy",
    "voice_host.conversation",
    "voice_host.models",
    "voice_host.speech",
    "voice_host.call",
)

SPECS = {f"voice_host.speech.{spec.parent.name}.spec" for spec in HOST.glob("speech/*/spec.py")}
PLAIN = {"voice_host.call.events", *SPECS}
"""The events of a call, which client protocols translate, and the specs of speech services, which are settings."""

PACKAGES = {part.rpartition(".")[0] for part in PLAIN} | {"voice_host.speech"}
"""Those are inside of these, which import nothing themselves."""

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
    assert [name for name in loaded if is_runtime(name)] == []


def test_the_front_does_not_import_the_agent_runtime_later_either() -> None:
    """Within a function, when a call comes."""
    files = [file for part in FRONT for file in inside(part)]
    assert [f"{file.name}: {name}" for file in files for name in imports(file) if is_runtime(name)] == []


def is_runtime(module: str) -> bool:
    """Whether a module, or what `from module import name` may load, is part of what runs calls."""
    if not f"{module}.".startswith(tuple(f"{part}." for part in RUNTIME)):
        return False
    return module not in PACKAGES and not PLAIN & {module, module.rpartition(".")[0]}
