"""Wheels of throw-away agents and libraries, written without a build system."""

from __future__ import annotations

import base64
import hashlib
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

HELLO = """
from voice_host_sdk import AgentConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Hello", greeting=settings.get("greeting", "Hello!"))
"""


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    code: str = HELLO,
    *,
    agents: tuple[str, ...] | None = None,
    requires: tuple[str, ...] = ("voice-host-sdk>=1,<2",),
    python: str | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a wheel with one package, and return its path.

    Args:
        agents: the ids of its agents; default: one with the name of the wheel. Empty: it is a library.
        requires: its dependencies.
        python: what it says about Python.
        files: more files, by name.
    """
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Python: {python}"] if python else []
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    ids = (name,) if agents is None else agents
    contents = {
        f"{module}/__init__.py": textwrap.dedent(code),
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    if ids:
        lines = ["[voice_host.agents]", *(f"{agent_id} = {module}" for agent_id in ids)]
        contents[f"{info}/entry_points.txt"] = "\n".join(lines) + "\n"
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(exist_ok=True, parents=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
