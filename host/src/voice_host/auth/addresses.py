"""The address of an agent, `night-desk`, or of one of its releases, `night-desk@staging`."""

from __future__ import annotations

from voice_host.settings.agent import PRODUCTION


def split_address(address: str) -> tuple[str, str | None]:
    """Return the agent's id, and the alias or the name of the release; None: production."""
    agent_id, at, target = address.partition("@")
    return agent_id, target if at and target != PRODUCTION else None


def agent_address(agent_id: str, target: str | None) -> str:
    """Return the address of a release, which `split_address` splits again."""
    return agent_id if target is None else f"{agent_id}@{target}"
