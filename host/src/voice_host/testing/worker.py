"""`TestWorker`: an agent as one process has it. A second one has nothing of the first but what survives its loss."""

from __future__ import annotations

from dataclasses import replace

from voice_host.clock import now_s
from voice_host.fleet.local import LocalAgents, build
from voice_host.models import ResolvedModel
from voice_host.plugins import LoadedAgent
from voice_host.sessions.checkpoint import Checkpoint, SavedState
from voice_host.sessions.resume_token import session_of
from voice_host.sessions.saved_session import SavedSession
from voice_host.settings import Settings
from voice_host.speech.select import SpeechProviders
from voice_host.testing.recorder import CallbackRecorder
from voice_host.testing.sources import AgentBroken


class SavedSessions:
    """Keeps the last checkpoint of each session, as the front of a host does. The `ResumeListener` of one worker.

    Args:
        before: those of the worker before, which was lost.
    """

    def __init__(self, before: SavedSessions | None = None) -> None:
        self._states: dict[str, tuple[SavedState, float]] = dict(before._states) if before is not None else {}
        self._closed = False

    def close(self) -> None:
        """Take no more checkpoints: the process that sends them is lost."""
        self._closed = True

    def of_token(self, token: str | None) -> SavedSession | None:
        """Return the session of a resume token; None: there is none."""
        if token is None or (saved := self._states.get(session_of(token))) is None:
            return None
        state, made_at_s = saved
        return SavedSession(state.to_bytes(), now_s() - made_at_s)

    def token_issued(self, session_id: str, token_digest: str | None) -> None:
        """A checkpoint with the token follows."""

    def checkpoint(self, session_id: str, checkpoint: Checkpoint | None) -> bool:
        if self._closed:
            return True
        if checkpoint is None:
            self._states.pop(session_id, None)
            return True
        state, _ = self._states.get(session_id, (SavedState(), 0.0))
        state.apply(checkpoint)
        self._states[session_id] = (state, now_s())
        return True

    def ended(self, session_id: str) -> None:
        if not self._closed:
            self._states.pop(session_id, None)


class TestWorker:
    """An agent that takes calls.

    Args:
        loaded: the agent.
        saved: its sessions as they can be restored.
        speech, model: closed by the caller.

    Attributes:
        loaded: the agent, with its own callbacks.
        saved: see above.
        recorder: records its callbacks.
        agents: takes the calls.
    """

    __test__ = False

    def __init__(
        self, loaded: LoadedAgent, saved: SavedSessions, speech: SpeechProviders, model: ResolvedModel
    ) -> None:
        self.loaded = loaded
        self.saved = saved
        self.recorder = CallbackRecorder(loaded.callbacks)
        self.agents: LocalAgents = build(
            Settings(),
            agents=[replace(loaded, callbacks=self.recorder)],
            speech=speech,
            model=model,
            listener=self.saved,
        )

    async def start(self) -> None:
        """Start the agent.

        Raises:
            AgentBroken: it failed a phase.
        """
        await self.agents.start()
        self._require_working()

    async def stop(self) -> None:
        """Stop the agent.

        Raises:
            AgentBroken: it failed a phase.
        """
        await self.agents.stop()
        self._require_working()

    def _require_working(self) -> None:
        report = self.agents.report.agents[self.loaded.id]
        if report.status != "ready":
            raise AgentBroken(str(report))

    def lose(self) -> None:
        """Take no more checkpoints, and run no more callbacks of sessions."""
        self.saved.close()
        self.recorder.close()

    async def cancel_tools(self) -> None:
        """Cancel the tools that run."""
        for session in self.agents.manager(self.loaded.id).sessions():
            await session.agent.aclose()
