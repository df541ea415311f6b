"""How long the caller has been silent, and how long the call has lasted. No I/O; times in seconds."""

from __future__ import annotations

from voice_host.turns.snapshot import SilenceSnapshot
from voice_host_sdk import SilenceConfig


class CallerSilence:
    """Tracks the time limits of a call for the turn engine.

    Args:
        config: the agent's; None: there are no limits.
        start_s: when the call began.
    """

    def __init__(self, config: SilenceConfig | None, start_s: float) -> None:
        self._config = config or SilenceConfig(nudge_after_s=None, idle_timeout_s=None, max_call_s=None)
        self._start_s = start_s
        self._last_heard_s = start_s
        self._quiet_since_s = start_s
        self._nudges = 0
        self._nudging = False

    def snapshot(self, origin_s: float) -> SilenceSnapshot:
        """Return the state, with times relative to `origin_s`."""
        return SilenceSnapshot(
            start_s=self._start_s - origin_s,
            last_heard_s=self._last_heard_s - origin_s,
            quiet_since_s=self._quiet_since_s - origin_s,
            nudges=self._nudges,
            nudging=self._nudging,
        )

    def restore(self, snapshot: SilenceSnapshot, origin_s: float) -> None:
        """Continue from a snapshot, whose times are relative to `origin_s`."""
        self._start_s = origin_s + snapshot.start_s
        self._last_heard_s = origin_s + snapshot.last_heard_s
        self._quiet_since_s = origin_s + snapshot.quiet_since_s
        self._nudges = snapshot.nudges
        self._nudging = snapshot.nudging

    def caller_active(self, now_s: float) -> None:
        """The caller spoke, typed or pressed a button."""
        self._last_heard_s = self._quiet_since_s = now_s
        self._nudges = 0

    def agent_finished(self, now_s: float) -> None:
        """The agent stopped speaking: it is the caller's turn."""
        self._quiet_since_s = now_s
        if not self._nudging:  # nudges do not keep an abandoned call alive
            self._last_heard_s = now_s
        self._nudging = False

    def deadline_s(self, *, listening: bool) -> float | None:
        """When to ask `end_reason` and `nudge` again; None: never."""
        return min((at for at in (self._end_s(listening), self._nudge_s(listening)) if at is not None), default=None)

    def end_reason(self, now_s: float, *, listening: bool) -> str | None:
        """Return why the call must end now, or None."""
        if self._config.max_call_s is not None and now_s >= self._start_s + self._config.max_call_s:
            return "the call reached its maximum length"
        idle_s = self._idle_s(listening)
        return "nothing was said for too long" if idle_s is not None and now_s >= idle_s else None

    def nudge(self, now_s: float) -> str | None:
        """Return what to ask a silent caller now, or None."""
        at_s = self._nudge_s(listening=True)
        if at_s is None or now_s < at_s:
            return None
        self._nudges += 1
        self._nudging = True
        return self._config.nudges[self._nudges - 1]

    def _nudge_s(self, listening: bool) -> float | None:
        if not listening or self._config.nudge_after_s is None or self._nudges >= len(self._config.nudges):
            return None
        return self._quiet_since_s + self._config.nudge_after_s

    def _idle_s(self, listening: bool) -> float | None:
        if not listening or self._config.idle_timeout_s is None:
            return None
        return self._last_heard_s + self._config.idle_timeout_s

    def _end_s(self, listening: bool) -> float | None:
        longest = self._start_s + self._config.max_call_s if self._config.max_call_s is not None else None
        return min((at for at in (longest, self._idle_s(listening)) if at is not None), default=None)
