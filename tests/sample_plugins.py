"""Throw-away agents: small distributions, with metadata and all, on a path of their own."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_numbers = itertools.count(1)

HELLO = """
from voice_host_sdk import AgentConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Hello", greeting=settings.get("greeting", "Hello!"))
"""


@dataclass
class PluginFolder:
    """A folder that Python imports from, and what has been installed into it."""

    path: Path
    modules: list[str] = field(default_factory=list)

    def install(
        self,
        agent_id: str,
        code: str = HELLO,
        *,
        distribution: str | None = None,
        version: str = "1.2.3",
        requires: tuple[str, ...] = ("voice-host-sdk>=1,<2",),
        attribute: str = "",
        module: str | None = None,
        group: str = "voice_host.agents",
        extras: str = "",
    ) -> str:
        """Install an agent under a module name that no other test uses, and return that name.

        `extras` are written behind what the entry point names.
        """
        if module is None:
            module = f"throw_away_agent_{next(_numbers)}"
            package = self.path / module
            package.mkdir()
            (package / "__init__.py").write_text(textwrap.dedent(code), encoding="utf-8")
            self.modules.append(module)
        distribution = distribution or module.replace("_", "-")
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(metadata) + "\n", encoding="utf-8")
        value = f"{module}:{attribute}" if attribute else module
        (info / "entry_points.txt").write_text(f"[{group}]\n{agent_id} = {value}{extras}\n", encoding="utf-8")
        return module

    def install_extension(self, name: str, code: str, **options: Any) -> str:
        """Install an extension of the platform, like an agent."""
        return self.install(name, code, group="voice_host.extensions", **options)


@contextmanager
def plugin_folder(path: Path) -> Iterator[PluginFolder]:
    """Put a folder on Python's path, and afterwards forget everything that was imported from it."""
    folder = PluginFolder(path)
    sys.path.insert(0, str(path))
    try:
        yield folder
    finally:
        sys.path.remove(str(path))
        for name in [name for name in sys.modules if name.partition(".")[0] in folder.modules]:
            del sys.modules[name]
