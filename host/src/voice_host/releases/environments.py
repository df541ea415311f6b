"""`Environments`: builds, checks and removes the virtual environments of deployed releases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from voice_host.fleet.report import AgentReport
from voice_host.releases.package import AgentPackage
from voice_host.releases.release import PRODUCTION, Release
from voice_host.releases.steps import Progress, ignore
from voice_host.workers.messages import Order

MakeOrder = Callable[[Release, str], Order]
"""Returns the order of a worker, given a release and an alias: its settings and keys, and nobody else's."""


class Environments:
    """The virtual environments of deployed releases, in the data directory.

    A release is `<data dir>/releases/<agent id>/<release name>/`, and its environment `env/` within. That folder appears
    under its name when it is complete and checked, by one rename; before, it is built in `releases/.building-*`.
    """

    def __init__(self, data_dir: Path, make_order: MakeOrder) -> None:
        """Do nothing yet.

        Args:
            data_dir: the data directory. `releases/` and `cache/` are created in it when needed.
            make_order: what a worker of a release gets. The check of a release uses the same.
        """

    async def build(
        self,
        what: AgentPackage,
        agent_id: str | None = None,
        *,
        known: Iterable[Release] = (),
        alias: str = PRODUCTION,
        progress: Progress = ignore,
    ) -> Release:
        """Build an environment with an agent, check the agent in it, and return it as a release that can be launched.

        Cancelling it ends what it started and removes what it built. Running releases are not touched.

        Args:
            what: the agent's package.
            agent_id: which of the package's agents; may be left out if it has one.
            known: all releases that there are, deployed or installed beside the host: an id belongs to one
                distribution, and names are not used twice.
            alias: with whose settings the agent is checked.
            progress: told of each step.

        Raises:
            DeployRefused: why it cannot be deployed. Nothing is left behind.
        """
        raise NotImplementedError

    async def check(self, release: Release, alias: str = PRODUCTION, *, limit_s: float = 60.0) -> AgentReport:
        """Take the agent of a release through every phase in a process of its environment, as `voice-host check` does.

        Args:
            limit_s: seconds that the import and the hooks of the agent may take.
        """
        raise NotImplementedError

    async def remove(self, release: Release) -> None:
        """Remove a deployed release's folder, `release.json` included. It must not run. Missing is not an error.

        Releases that are installed beside the host have none, and stay as they are.
        """
        raise NotImplementedError

    async def clean(self, known: Iterable[Release]) -> list[Path]:
        """Remove what interrupted deployments have left, and caches of other versions of the host. For the start.

        Args:
            known: the deployed releases. Folders of others are removed.

        Returns:
            the folders that were removed. None while another process is deploying.
        """
        raise NotImplementedError
