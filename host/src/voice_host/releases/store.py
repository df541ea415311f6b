"""`ReleaseStore`: which releases are deployed, and how calls are routed to them, in the data directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice_host.auth.private_file import write_private
from voice_host.releases.release import Release, ReleaseName, Routing
from voice_host.settings import explain

_Record = TypeVar("_Record", bound=BaseModel)

RELEASES, UPLOADS = "releases", "uploads"
RELEASE_FILE, ROUTING_FILE, ENVIRONMENT = "release.json", "routing.json", "env"

MAX_HISTORY = 20
"""How many changes of the traffic can be rolled back."""


class StoreDamaged(Exception):
    """A file of the store cannot be used. It is left as it is. The message says which, why, and what to do."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file} cannot be used: {why}; restore it from a backup, or move it away")


class StoredRouting(BaseModel):
    """`routing.json`: the routing of one agent, and what it was before.

    Attributes:
        version_of_format: of this format.
        installed: the name of the release that was installed beside the host when this was written.
        routing: the present one.
        before: the traffic before each change, the latest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version_of_format: Literal[1] = 1
    installed: ReleaseName | None = None
    routing: Routing = Routing()
    before: tuple[Mapping[ReleaseName, int], ...] = Field(default=(), max_length=MAX_HISTORY)

    def changed(self, routing: Routing) -> StoredRouting:
        """Return what to store when the routing changes. Other aliases alone cannot be rolled back."""
        before = self.before
        if routing.traffic != self.routing.traffic and self.routing.traffic:
            before = (dict(self.routing.traffic), *before)[:MAX_HISTORY]
        return self.model_copy(update={"routing": routing, "before": before})

    def rolled_back(self) -> StoredRouting | None:
        """Return what to store when the last change of the traffic is undone; None: there is none to undo."""
        if not self.before:
            return None
        routing = self.routing.model_copy(update={"traffic": self.before[0]})
        return self.model_copy(update={"routing": routing, "before": self.before[1:]})

    def without(self, names: set[str]) -> StoredRouting:
        """Return the record without the parts of its history that name one of these releases."""
        return self.model_copy(
            update={"before": tuple(traffic for traffic in self.before if not names & traffic.keys())}
        )

    def renamed(self, old: str, new: str) -> StoredRouting:
        """Return the record with another name for a release."""

        def traffic(shares: Mapping[str, int]) -> dict[str, int]:
            return {new if name == old else name: share for name, share in shares.items()}

        aliases = {alias: new if name == old else name for alias, name in self.routing.aliases.items()}
        return self.model_copy(
            update={
                "installed": new if self.installed == old else self.installed,
                "routing": Routing(traffic=traffic(self.routing.traffic), aliases=aliases),
                "before": tuple(map(traffic, self.before)),
            }
        )


@dataclass(frozen=True, slots=True)
class StoredAgent:
    """What is stored of one agent.

    Attributes:
        releases: the deployed releases by name.
        routing: None: it was never written, since nothing was deployed.
        damaged: why `routing.json` cannot be used. Then the agent must not be changed, which would overwrite it.
        unusable: what is wrong with releases whose `release.json` cannot be used, by the name of the folder.
    """

    releases: Mapping[str, Release] = field(default_factory=dict)
    routing: StoredRouting | None = None
    damaged: str | None = None
    unusable: Mapping[str, str] = field(default_factory=dict)


class ReleaseStore:
    """The store of one host. All methods block; `OSError` passes.

    The files are `releases/<agent id>/routing.json` and `releases/<agent id>/<release name>/release.json`, beside which
    the environment is `env/`. Whoever builds an environment adds and removes the folder of the release as a whole.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / RELEASES
        self.uploads = data_dir / UPLOADS

    def read(self) -> dict[str, StoredAgent]:
        """Return what is stored of each agent. Nothing is changed."""
        if not self.folder.is_dir():
            return {}
        return {
            folder.name: _agent(folder)
            for folder in sorted(self.folder.iterdir())
            if folder.is_dir() and not folder.name.startswith(".")
        }

    def clear_uploads(self) -> None:
        """Remove what was uploaded to a host that was stopped meanwhile."""
        shutil.rmtree(self.uploads, ignore_errors=True)

    def write(self, agent_id: str, routing: StoredRouting) -> None:
        """Replace the routing of an agent, atomically."""
        folder = self.folder / agent_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(folder / ROUTING_FILE, routing.model_dump_json(indent=2) + "\n")


def _agent(folder: Path) -> StoredAgent:
    routing, damaged = None, None
    try:
        routing = _read(folder / ROUTING_FILE, StoredRouting)
    except FileNotFoundError:
        pass
    except StoreDamaged as error:
        damaged = str(error)
    releases, unusable = {}, {}
    for inner in sorted(folder.iterdir()):
        if not inner.is_dir() or inner.name.startswith("."):
            continue
        try:
            release = _read(inner / RELEASE_FILE, Release)
        except FileNotFoundError:
            unusable[inner.name] = str(StoreDamaged(inner / RELEASE_FILE, "it is missing"))
        except StoreDamaged as error:
            unusable[inner.name] = str(error)
        else:
            if (release.agent_id, release.name) != (folder.name, inner.name):
                named = f"it is of {release.agent_id} {release.name}"
                unusable[inner.name] = str(StoreDamaged(inner / RELEASE_FILE, named))
                continue
            # The data directory may have been moved.
            releases[release.name] = release.model_copy(update={"environment": inner / ENVIRONMENT})
    return StoredAgent(releases, routing, damaged, unusable)


def _read(file: Path, model: type[_Record]) -> _Record:
    """Raises `StoreDamaged`, or `FileNotFoundError`."""
    try:
        values: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreDamaged(file, error.strerror or type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(file, "it is not JSON") from error
    written = values.get("version_of_format") if isinstance(values, dict) else None
    if isinstance(written, int) and written > 1:
        raise StoreDamaged(file, f"it was written by a newer voice-host (format {written}, this one knows 1)")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise StoreDamaged(file, "; ".join(str(problem) for problem in explain(error, model))) from error
