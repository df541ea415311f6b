"""One call from the command line: the body of `voice-host call`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console
from rich.text import Text

from voice_host.caller.client import place_call
from voice_host.caller.hints import hint_for_close
from voice_host.caller.line import CallFailed, Line
from voice_host.caller.plan import CallPlan
from voice_host.caller.report import CallReport
from voice_host.caller.wav import CannotSave, write_wav
from voice_host.fleet.local import LocalAgents, build
from voice_host.fleet.service import CannotServe
from voice_host.front.app import create_host_app
from voice_host.front.extensions import running_extensions
from voice_host.front.listener import listen
from voice_host.front.process import HostServer
from voice_host.observability.logs import configure_logging
from voice_host.plugins import discover_agents, not_installed
from voice_host.sessions.observers import Observers
from voice_host.settings import Settings
from voice_host.speech.select import installed_extensions


class _OwnServer(HostServer):
    """A server that leaves signals alone: Ctrl-C hangs up, which ends the host as well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def call(settings: Settings, plan: CallPlan) -> None:
    """Make one call and print it.

    Raises:
        CallFailed: the call failed.
        CannotServe, PortTaken, ExtensionsBroken, ProviderConfigError: the host in this process cannot start.
    """
    configure_logging("text", "critical")  # the report prints what matters
    try:
        asyncio.run(_call(settings, plan))
    except CallFailed as error:
        hint = error.hint or hint_for_close(error.close_code, plan.agent_id, own_host=plan.url is None)
        raise CallFailed(str(error), hint, close_code=error.close_code) from error


async def _call(settings: Settings, plan: CallPlan) -> None:
    report = CallReport(Console(highlight=False))
    pending = [*map(repr, plan.texts), *(str(recording.path) for recording in plan.recordings)]

    async def script(line: Line) -> None:
        await line.wait_until_ready()
        for text in plan.texts:
            del pending[0]
            await line.type(text)
        for recording in plan.recordings:
            del pending[0]
            # In a thread, because the host may run in this process, and resampling a long recording would block it.
            await line.say(await asyncio.to_thread(recording.at, line.sample_rate), str(recording.path))

    if plan.url is not None:
        line = await place_call(plan.address(), script, report.take, report.lost, token=plan.token)
    else:
        async with _own_host(settings, plan.agent_id) as address:
            line = await place_call(plan.address(address), script, report.take, report.lost)
    report.latencies()
    if plan.save is not None:
        try:
            write_wav(plan.save, line.speech, line.speech_rate)
        except CannotSave as error:  # a full disk: all else was seen to before the call
            raise CallFailed(str(error)) from error
        seconds = len(line.speech) / 2 / line.speech_rate
        Console().print(f"\n{seconds:.1f} s of the agent's speech saved to {plan.save}", highlight=False)
    if pending:
        raise CallFailed(f"the agent hung up before this was said: {', '.join(pending)}")


@asynccontextmanager
async def _own_host(settings: Settings, agent_id: str) -> AsyncIterator[str]:
    """Run a host with one agent in this process, on a free port. Yields its address."""
    alone = settings.agents.model_copy(update={"allow": (agent_id,), "required": ()})
    only = settings.model_copy(update={"agents": alone})
    extensions = installed_extensions(only)
    observers = Observers(extensions.observers, timeout_s=only.agents.callback_timeout_s)
    # In this thread, as in `serve`: what a plugin opens may be bound to it.
    agents = build(only, extensions, observers=observers)
    listener = listen("127.0.0.1", 0)
    try:
        async with running_extensions(extensions, observers, only):
            try:
                await _start(agents, agent_id)
                server = _OwnServer(create_host_app(agents, only, extensions=extensions), agents, only)
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                try:
                    yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
                finally:
                    server.should_exit = True
                    await serving
            finally:
                await agents.stop()
    finally:
        listener.close()
        await agents.stop()


async def _start(agents: LocalAgents, agent_id: str) -> None:
    await agents.start()
    agent = agents.report.agents.get(agent_id)
    if agent is None:
        installed = {agent.id for agent in discover_agents()}
        raise CannotServe(not_installed(agent_id, installed), "see `voice-host agents`")
    if agent.status != "ready":
        raise CallFailed(str(agent), f"`voice-host check {agent_id}` shows more")
    await agents.prepare_speech()  # or the latencies would include loading the models
    if agent.speech_problem is not None:
        Console(stderr=True).print(Text(agent.speech_problem, "yellow"))
