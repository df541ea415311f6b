"""What a call is going to be, checked before anybody is dialled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voice_host.caller.address import parameter, session_url
from voice_host.caller.wav import Recording, check_writable, read_wav


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Whom to call, what to say, and where to write what is heard."""

    agent_id: str
    texts: tuple[str, ...]
    recordings: tuple[Recording, ...]
    save: Path | None
    url: str | None
    """A running host, or the whole address of a session; None for a host of this process."""
    parameters: tuple[tuple[str, str], ...]
    token: str | None = field(default=None, repr=False)
    """An API key or a call token, for a host that asks who is calling."""

    def address(self, own_host: str = "") -> str:
        """Return the address to dial; `own_host` is where the host of this process is."""
        return session_url(self.url or own_host, self.agent_id, self.parameters)


def plan_call(
    agent_id: str,
    *,
    audio: Sequence[Path],
    texts: Sequence[str],
    save: Path | None,
    url: str | None,
    parameters: Sequence[str],
    token: str | None = None,
) -> CallPlan:
    """Return the plan of a call, its recordings read.

    Raises:
        WrongAudio, CannotSave, WrongAddress: with words for people.
    """
    if save is not None:
        check_writable(save)
    recordings = tuple(read_wav(path) for path in audio)
    split = tuple(parameter(text) for text in parameters)
    plan = CallPlan(agent_id, tuple(texts), recordings, save, url, split, (token or "").strip() or None)
    if url is not None:
        plan.address()
    return plan
