"""Taking agents through every phase of their start and stop, without calls. Importing it loads the agent runtime."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

from voice_host.admission.allowed import NotAllowed
from voice_host.conversation.runtime import AgentRuntime
from voice_host.fleet.local import build
from voice_host.fleet.report import AgentReport, report_of
from voice_host.fleet.service import RequiredAgentBroken
from voice_host.models import ModelConfigError
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    Extensions,
    InvalidReturn,
    LoadedAgent,
    Phase,
    load_agent,
    unread_settings,
    valid_config,
    violations,
)
from voice_host.plugins.guard import describe, function_place, place
from voice_host.sessions.live_session import LiveSession
from voice_host.settings import Settings, redact
from voice_host.speech.builtin import ProviderConfigError
from voice_host.tenancy import attributed_to, isolated, raised_by
from voice_host.tenancy.time_limit import time_limit


async def check_agents(
    settings: Settings,
    outcomes: Sequence[DiscoveredAgent | BrokenAgent],
    ids: Collection[str] | None,
    extensions: Extensions,
    *,
    limit_s: float,
) -> list[AgentReport]:
    """Check all agents, or those in `ids`, one after the other.

    Loading blocks the event loop, which nothing else uses. An agent that is not allowed counts as broken only if it was
    asked for or is required.

    Args:
        limit_s: seconds that the import and the hooks of one agent may take together.
    """
    reports = []
    for outcome in outcomes:
        if ids is not None and outcome.id not in ids:
            continue
        required = ids is not None or outcome.id in settings.agents.required
        report = await _check(outcome, settings, extensions, required=required, limit_s=limit_s)
        reports.append(_with_warnings(report, *_violations(outcome)))
    return reports


def unchecked(outcome: DiscoveredAgent | BrokenAgent, settings: Settings, *, required: bool) -> AgentReport | None:
    """Return the report on an agent whose code need not run, as metadata and settings tell; None: it is to be checked.

    Args:
        required: whether it was asked for or is required: then it counts as broken if it is not allowed.
    """
    if not settings.agents.allows(outcome.id):
        discovered = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
        if not required:
            return report_of(discovered, settings, status="not allowed")
        hint = "add it to [agents] allow"
        return report_of(BrokenAgent(discovered, Phase.ALLOWED, "the allow-list leaves it out", hint), settings)
    if isinstance(outcome, BrokenAgent):
        return report_of(outcome, settings)
    if not settings.for_agent(outcome.id).enabled and not required:
        return report_of(outcome, settings, status="disabled")
    return None


async def _check(
    outcome: DiscoveredAgent | BrokenAgent,
    settings: Settings,
    extensions: Extensions,
    *,
    required: bool,
    limit_s: float,
) -> AgentReport:
    if (report := unchecked(outcome, settings, required=required)) is not None:
        return report
    assert isinstance(outcome, DiscoveredAgent)
    with time_limit(limit_s):
        loaded = load_agent(outcome, settings.for_agent(outcome.id).settings, table=settings.table_of(outcome.id))
    if isinstance(loaded, BrokenAgent):
        return report_of(loaded, settings)
    return await _lifecycle(loaded, settings, extensions)


async def _lifecycle(loaded: LoadedAgent, settings: Settings, extensions: Extensions) -> AgentReport:
    """Start an agent as `voice-host serve` does, configure a session, and stop the agent."""
    agents = build(settings, extensions, agents=[loaded])
    try:
        with suppress(RequiredAgentBroken):
            await agents.start()
        if agents.report.agents[loaded.id].status != "ready":
            return agents.report.agents[loaded.id]
        unread = unread_settings(loaded, settings)
        await agents.prepare_speech()
        problem = await _session_problem(loaded, agents.runtime(loaded.id), settings.agents.callback_timeout_s)
        read_since = set(unread).difference(unread_settings(loaded, settings))
    finally:
        await agents.stop()
    if isinstance(problem, BrokenAgent):
        return report_of(problem, settings)
    report = agents.report.agents[loaded.id]
    if report.status != "ready":
        return report
    warnings = [warning for warning in report.warnings if warning not in read_since]
    return _with_warnings(report.model_copy(update={"warnings": ()}), *warnings, problem, report.speech_problem)


async def _session_problem(loaded: LoadedAgent, runtime: AgentRuntime, timeout_s: float) -> BrokenAgent | str | None:
    """Configure a session without a caller and metadata, as a call would.

    Args:
        timeout_s: for `on_session_starting`.

    Returns:
        a broken agent if the configuration is invalid; a warning if the agent refuses such a call, which may be
        intended; None if nothing is wrong.
    """
    session = LiveSession("check", loaded.id)
    try:
        starting = partial(loaded.callbacks.on_session_starting, session, loaded.config)
        work = partial(attributed_to, loaded.id, starting)
        returned = await isolated(work, name="on_session_starting", timeout_s=timeout_s)
        config = returned if returned is loaded.config else valid_config(returned, "on_session_starting")
        await runtime.prepare(config)
        runtime.variant(config)
    except InvalidReturn as error:
        where = error.where or function_place(loaded.callbacks.on_session_starting)
        return _broken(loaded, str(error), error.hint, where)
    except (ModelConfigError, NotAllowed, ProviderConfigError) as error:
        where = function_place(loaded.callbacks.on_session_starting)
        return _broken(loaded, f"on_session_starting returned an unavailable configuration: {error}", None, where)
    except Exception as caught:  # noqa: BLE001 - whatever the agent raises is reported
        raised = raised_by(caught)
        at = place(raised)
        warning = f"on_session_starting refused a call without caller and metadata: {describe(raised)}"
        return redact(warning + (f" ({at})" if at else ""), loaded.secrets)
    return None


def _broken(loaded: LoadedAgent, error: str, hint: str | None, where: str | None) -> BrokenAgent:
    return BrokenAgent(
        loaded.discovered, Phase.CONFIGURED, redact(error, loaded.secrets), hint, where, loaded.import_ms
    )


def _with_warnings(report: AgentReport, *warnings: str | None) -> AgentReport:
    return report.model_copy(update={"warnings": (*report.warnings, *filter(None, warnings))})


def _violations(outcome: DiscoveredAgent | BrokenAgent) -> list[str]:
    found = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
    return [str(violation) for violation in violations(found.distribution)]
