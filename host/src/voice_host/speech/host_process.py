"""The host's process for speech that runs on this machine, as a worker knows it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SpeechAddress:
    """Where the process listens, and who asks.

    Attributes:
        path: of its Unix socket.
        agent_id: the agent that this process runs.
        key: shows that it does; see `auth.agent_key`.
    """

    path: str
    agent_id: str
    key: str = field(repr=False)


_address: SpeechAddress | None = None


def use_speech_process(address: SpeechAddress | None) -> None:
    """Let the speech services that this process creates from now on use the host's speech process. None: no longer."""
    global _address  # one process runs one agent
    _address = address


def speech_process() -> SpeechAddress | None:
    """Return the address of the host's speech process. None: models are loaded in this process."""
    return _address
