"""One call from the command line: the body of `voice-host call`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from voice_host.caller.carrier import Carrier, place_phone_call, serving
from voice_host.caller.carriers import carrier_of, http_address
from voice_host.caller.client import place_call
from voice_host.caller.hints import hint_for_close
from voice_host.caller.kinds import As
from voice_host.caller.line import CallFailed, Line, Script
from voice_host.caller.plan import CallPlan
from voice_host.caller.realtime import place_realtime_call, realtime_url
from voice_host.caller.report import CallReport
from voice_host.caller.transcript import Transcript
from voice_host.caller.wav import CannotSave, write_wav
from voice_host.fleet.local import LocalAgents, build
from voice_host.front.app import create_host_app, host_admission
from voice_host.front.extensions import running_extensions
from voice_host.front.listener import listen
from voice_host.front.process import HostServer
from voice_host.front.reload import LiveSettings
from voice_host.observability.logs import configure_logging
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.service import PhoneService
from voice_host.sessions.observers import Observers
from voice_host.settings import PhoneSettings, Settings
from voice_host.speech.select import installed_extensions
from voice_host_sdk import SessionObserver


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
    report = CallReport(Console(highlight=False), has_stages=plan.as_ is As.VOICE_HOST)
    pending = [*map(repr, plan.texts), *(str(recording.path) for recording in plan.recordings), *plan.digits]

    async def script(line: Line) -> None:
        await line.wait_until_ready()
        for text in plan.texts:
            del pending[0]
            await line.type(text)
        for recording in plan.recordings:
            del pending[0]
            # In a thread, because the host may run in this process, and resampling a long recording would block it.
            await line.say(await asyncio.to_thread(recording.at, line.sample_rate), str(recording.path))
        for digits in plan.digits:
            del pending[0]
            await line.press(digits)

    if plan.as_.is_telephone:
        line = await _telephone(settings, plan, report, script)
    elif plan.url is not None:
        line = await _dial(plan, plan.url, report, script)
    else:
        # A Realtime client is not told of the tools that the host runs.
        observer = Transcript(report.take, tools_only=True) if plan.as_ is As.REALTIME else None
        async with _own_host(settings, plan.agent_id, observer=observer) as address:
            line = await _dial(plan, address, report, script)
    report.latencies()
    if plan.save is not None:
        _save(plan.save, line)
    if pending:
        raise CallFailed(f"the agent hung up before this was said: {', '.join(pending)}")


async def _dial(plan: CallPlan, host: str, report: CallReport, script: Script) -> Line:
    """Call a host by a WebSocket of the caller's own."""
    token = plan.token if plan.url is not None else None
    if plan.as_ is As.REALTIME:
        url = realtime_url(host, plan.agent_id, plan.parameters)
        return await place_realtime_call(url, plan.agent_id, script, report.take, token=token)
    return await place_call(plan.address(host), script, report.take, report.lost, token=token)


async def _telephone(settings: Settings, plan: CallPlan, report: CallReport, script: Script) -> Line:
    """Let a carrier of our own call the host."""
    carrier = carrier_of(plan, settings.phone, report.take)
    if plan.url is not None:
        return await place_phone_call(carrier, http_address(plan.url), script)
    observer = Transcript(report.take)
    async with (
        serving(carrier) as api,
        _own_host(settings, plan.agent_id, observer=observer, carrier=carrier, carrier_api=api) as address,
    ):
        return await place_phone_call(carrier, http_address(address), script)


def _save(path: Path, line: Line) -> None:
    speech = line.speech
    try:
        write_wav(path, speech, line.speech_rate)
    except CannotSave as error:  # a full disk: all else was seen to before the call
        raise CallFailed(str(error)) from error
    seconds = len(speech) / 2 / line.speech_rate
    Console().print(f"\n{seconds:.1f} s of the agent's speech saved to {path}", highlight=False)


@asynccontextmanager
async def _own_host(
    settings: Settings,
    agent_id: str,
    *,
    observer: SessionObserver | None = None,
    carrier: Carrier | None = None,
    carrier_api: str = "",
) -> AsyncIterator[str]:
    """Run a host with one agent in this process, on a free port. Yields its address.

    Args:
        settings: of the host.
        agent_id: the agent.
        observer: is told what happens in the call.
        carrier: calls the host by telephone.
        carrier_api: the address of the carrier's REST API.
    """
    with listen("127.0.0.1", 0) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        alone = settings.agents.model_copy(update={"allow": (agent_id,), "required": ()})
        phone = carrier.settings(f"http://{address}", carrier_api, agent_id) if carrier else PhoneSettings()
        phone = phone.model_copy(update={"transfer": settings.phone.transfer})  # an agent may transfer as it will be
        only = settings.model_copy(update={"agents": alone, "phone": phone})
        extensions = installed_extensions(only)
        observing = {**extensions.observers, **({"call": observer} if observer else {})}
        observers = Observers(observing, timeout_s=only.agents.callback_timeout_s)
        # In this thread, as in `serve`: what a plugin opens may be bound to it.
        agents = build(only, extensions, observers=observers)
        live = LiveSettings(only)
        admission = host_admission(live)
        telephony = PhoneService(only.phone, PhoneCalls(agents, admission, lambda: live.current.phone))
        try:
            async with running_extensions(extensions, observers, only):
                try:
                    await _start(agents, agent_id)
                    app = create_host_app(
                        agents, only, extensions=extensions, admission=admission, live=live, phone=telephony
                    )
                    server = _OwnServer(app, agents, only)
                    serving = asyncio.create_task(server.serve(sockets=[listener]))
                    try:
                        yield f"ws://{address}"
                    finally:
                        server.should_exit = True
                        await serving
                finally:
                    await agents.stop()
                    await telephony.aclose()
        finally:
            await agents.stop()


async def _start(agents: LocalAgents, agent_id: str) -> None:
    await agents.start()
    agent = agents.report.agents[agent_id]
    if agent.status != "ready":
        raise CallFailed(str(agent), f"`voice-host check {agent_id}` shows more")
    await agents.prepare_speech()  # or the latencies would include loading the models
    if agent.speech_problem is not None:
        Console(stderr=True).print(Text(agent.speech_problem, "yellow"))
