"""Taking agents through every phase for `voice-host check`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from voice_host.cli.time_limit import time_limit
from voice_host.plugins import (
    AbsentAgent,
    BrokenAgent,
    DiscoveredAgent,
    LoadedAgent,
    Phase,
    load_agent,
    start_agent,
    stop_agent,
    unread_settings,
    violations,
)
from voice_host.settings import Settings

if TYPE_CHECKING:
    from voice_host.plugins import Extensions

Kind = Literal["agent", "extension"]
Status = Literal["ok", "broken", "not allowed", "disabled"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one agent, or extension.

    Attributes:
        phase: the one it reached, or, when it is broken, the one it did not pass.
        import_ms: None when it was not imported.
        error: why it is broken; `hint` says what to do, `where` is file and line.
        warnings: what should be put right although it runs.
    """

    id: str
    distribution: str | None
    version: str | None
    phase: Phase
    status: Status
    import_ms: float | None = None
    error: str | None = None
    hint: str | None = None
    where: str | None = None
    warnings: tuple[str, ...] = ()
    kind: Kind = "agent"

    def details(self) -> str:
        """Return error, place and hint as one text."""
        place = f" ({self.where})" if self.where else ""
        hint = f" - {self.hint}" if self.hint else ""
        return f"{self.error or ''}{place}{hint}"

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


async def check_agents(
    settings: Settings,
    outcomes: Sequence[DiscoveredAgent | BrokenAgent],
    ids: Collection[str] | None,
    extensions: Extensions,
    *,
    limit_s: float,
) -> list[Verdict]:
    """Return a verdict for each agent, or for those that `ids` names, one agent after the other.

    Loading blocks the event loop, which nothing else uses. An agent that is asked for by name and not allowed to run
    is broken, because it will not run; otherwise leaving it out is what the platform wants.

    Args:
        limit_s: seconds that the import and the hooks of one agent may take together.
    """
    verdicts = []
    for outcome in outcomes:
        if ids is not None and outcome.id not in ids:
            continue
        required = ids is not None or outcome.id in settings.agents.required
        verdict = await _check(outcome, settings, extensions, required=required, limit_s=limit_s)
        verdicts.append(replace(verdict, warnings=(*verdict.warnings, *_violations(outcome))))
    return verdicts


def required_but_absent(absent: Sequence[AbsentAgent]) -> list[Verdict]:
    """Return a verdict for each agent that has to run and is not installed."""
    return [
        Verdict(agent.id, None, None, Phase.DISCOVERED, "broken", error="required, but not installed")
        for agent in absent
        if agent.required
    ]


async def _check(
    outcome: DiscoveredAgent | BrokenAgent,
    settings: Settings,
    extensions: Extensions,
    *,
    required: bool,
    limit_s: float,
) -> Verdict:
    if not settings.agents.allows(outcome.id):
        discovered = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
        if not required:
            named = (discovered.id, discovered.distribution, discovered.version)
            return Verdict(*named, Phase.DISCOVERED, "not allowed")
        hint = "add it to [agents] allow"
        return _broken(BrokenAgent(discovered, Phase.ALLOWED, "the allow-list leaves it out", hint))
    if isinstance(outcome, BrokenAgent):
        return _broken(outcome)
    if not settings.for_agent(outcome.id).enabled and not required:
        return Verdict(outcome.id, outcome.distribution, outcome.version, Phase.DISCOVERED, "disabled")
    with time_limit(limit_s):
        loaded = load_agent(outcome, settings.for_agent(outcome.id).settings)
    result = await _lived(loaded, settings, extensions) if isinstance(loaded, LoadedAgent) else loaded
    return _broken(result) if isinstance(result, BrokenAgent) else _ok(result)


async def _lived(loaded: LoadedAgent, settings: Settings, extensions: Extensions) -> LoadedAgent | BrokenAgent:
    """Prepare an agent as `voice-host serve` does, start it, begin a session, stop it, and give everything back."""
    # Imported here: a check of metadata alone should not wait for the model library.
    from voice_host.cli.sample_session import session_problem
    from voice_host.fleet.agent_setup import prepare
    from voice_host.models import ModelRegistry
    from voice_host.speech.select import SpeechServices

    models, speech = ModelRegistry(settings), SpeechServices(settings, extensions)
    try:
        prepared = prepare(loaded, settings, models, speech)
        if isinstance(prepared, BrokenAgent):
            return prepared
        try:
            started = await start_agent(loaded, settings.server.start_timeout_s)
            if isinstance(started, BrokenAgent):
                return started
            await speech.prepare()
            problem = await session_problem(loaded, prepared.runtime, settings.agents.callback_timeout_s)
            warnings = (*prepared.warnings, *unread_settings(loaded, settings))
            stopped = await stop_agent(loaded, settings.server.stop_timeout_s)
        finally:
            await prepared.runtime.aclose()
    finally:
        await speech.aclose()
        await models.aclose()
    if isinstance(problem, BrokenAgent):
        return problem
    return _warned(stopped, problem, prepared.speech.problem, *warnings)


def _warned(result: LoadedAgent | BrokenAgent, *warnings: str | None) -> LoadedAgent | BrokenAgent:
    if isinstance(result, BrokenAgent):
        return result
    return replace(result, warnings=(*result.warnings, *filter(None, warnings)))


def _ok(agent: LoadedAgent) -> Verdict:
    found = agent.discovered
    return Verdict(
        found.id, found.distribution, found.version, Phase.STARTED, "ok", agent.import_ms, warnings=agent.warnings
    )


def _broken(agent: BrokenAgent) -> Verdict:
    found = agent.discovered
    return Verdict(
        found.id,
        found.distribution,
        found.version,
        agent.phase,
        "broken",
        agent.import_ms,
        agent.error,
        agent.hint,
        agent.where,
    )


def _violations(outcome: DiscoveredAgent | BrokenAgent) -> list[str]:
    found = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
    return [str(violation) for violation in violations(found.distribution)]
