"""One call from the command line: the body of `voice-host call`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from voice_host.caller.client import CallerClient, CallFailed, place_call
from voice_host.caller.report import CallReport
from voice_host.caller.wav import read_wav, write_wav
from voice_host.discovery import BrokenAgent
from voice_host.logs import configure_logging
from voice_host.providers.select import SpeechServices
from voice_host.server.app import create_host_app
from voice_host.server.host import Host
from voice_host.server.process import HostServer, listen
from voice_host.server.run import CannotServe, loaded_agents
from voice_host.settings import Settings


def call(
    settings: Settings, agent_id: str, *, audio: Path | None, texts: tuple[str, ...], save: Path | None, url: str | None
) -> None:
    """Make one call and print it.

    Raises:
        CallFailed, WrongAudio, CannotServe, PortTaken, ProviderConfigError: with words for people.
    """
    configure_logging("text", "critical")  # what matters is printed
    asyncio.run(_call(settings, agent_id, audio, texts, save, url))


async def _call(
    settings: Settings, agent_id: str, audio: Path | None, texts: tuple[str, ...], save: Path | None, url: str | None
) -> None:
    report = CallReport(Console(highlight=False))
    recording = read_wav(audio) if audio is not None else None

    async def script(client: CallerClient) -> None:
        await client.wait_until_ready()
        for text in texts:
            await client.type(text)
        if recording is not None:
            await client.say(recording.at(client.ready["sample_rate"]))
            silence = asyncio.create_task(client.be_silent())
            try:
                await client.hear_out()
            finally:
                silence.cancel()
                await asyncio.wait([silence])

    if url is not None:
        client = await place_call(session_url(url, agent_id), script, report.take)
    else:
        async with _own_host(settings, agent_id) as address:
            client = await place_call(session_url(address, agent_id), script, report.take)
    report.latencies()
    if save is not None:
        write_wav(save, bytes(client.speech), client.ready["tts_sample_rate"])
        seconds = len(client.speech) / 2 / client.ready["tts_sample_rate"]
        Console().print(f"\n{seconds:.1f} s of the agent's speech are in {save}", highlight=False)


def session_url(url: str, agent_id: str) -> str:
    """Return the address of an agent's sessions on the host at `url` (http, https, ws or wss)."""
    base = url.rstrip("/")
    if base.endswith("/session"):
        return base
    scheme, separator, rest = base.partition("://")
    if not separator:
        scheme, rest = "ws", base
    return f"{ {'http': 'ws', 'https': 'wss'}.get(scheme, scheme) }://{rest}/agents/{agent_id}/session"


@asynccontextmanager
async def _own_host(settings: Settings, agent_id: str) -> AsyncIterator[str]:
    """A host of this process with one agent, on a free port of this machine. Yields its address."""
    alone = settings.agents.model_copy(update={"allow": (agent_id,), "required": ()})
    only = settings.model_copy(update={"agents": alone})
    outcomes = loaded_agents(only)  # in this thread, as in `serve`: a plugin may bind what it opens to it
    if not outcomes:
        raise CannotServe(f"there is no agent {agent_id!r}", "`voice-host agents` lists what is installed")
    host = Host(only, SpeechServices(only))
    listener = listen("127.0.0.1", 0)
    try:
        await host.start(outcomes)
        agent = host.agents[agent_id]
        if isinstance(agent, BrokenAgent):
            raise CallFailed(str(agent))
        server = HostServer(create_host_app(host), host)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
    finally:
        listener.close()
        await host.stop()
