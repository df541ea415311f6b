"""The process of one worker, whether it was forked from the zygote or started afresh.

Started as `python -m voice_host.workers.main DESCRIPTOR`, with one end of the channel.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from voice_host.fleet.local import LocalAgents, build
from voice_host.fleet.report import AgentReport, report_of
from voice_host.observability.logs import allow_loggers, configure_logging, get_logger
from voice_host.observability.transcript_log import log_transcripts
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    Extensions,
    ExtensionsBroken,
    Phase,
    load_if_enabled,
)
from voice_host.releases.release import Release
from voice_host.settings import Settings, known_secrets
from voice_host.settings.transfer import received_settings
from voice_host.speech.host_process import SpeechAddress, use_speech_process
from voice_host.speech.select import ProviderConfigError, installed_extensions
from voice_host.tenancy.event_loop import run_in_event_loop
from voice_host.tenancy.printed import printing_into_the_log
from voice_host.workers.calls import WorkerCalls
from voice_host.workers.channel import ChannelError, receive_first
from voice_host.workers.confinement import CannotConfine, close_others, confine, make_undumpable
from voice_host.workers.ending import end_process
from voice_host.workers.limits import adopt_orphans, limit_memory, prepare_to_crash
from voice_host.workers.link import Link
from voice_host.workers.messages import DEPLOY_AGAIN, OTHER_VERSION, PROTOCOL, TO_WORKER, Order
from voice_host.workers.observed import RemoteObservers

log = get_logger(__name__)


def main(channel: socket.socket, *, forked: bool = True) -> None:
    """Run a worker until its end.

    Args:
        channel: one end of the channel to the front, a blocking socket.
        forked: whether the process was forked from the zygote, and is not confined yet.
    """
    close_others({channel.fileno()})
    _leave_the_group()
    prepare_to_crash()
    adopt_orphans()
    make_undumpable()
    try:
        order = receive_first(channel, TO_WORKER)
    except (EOFError, ChannelError, OSError):
        return  # the front is gone, or is another version of the host
    if not isinstance(order, Order):
        return
    try:
        if forked:
            confine(order.confinement)
    except CannotConfine as error:
        Link(channel).fail(_broken(order.release, f"its worker cannot be confined: {error}"))
        return
    os.environ.update(order.variables)
    link = Link(channel)
    try:
        if order.protocol != PROTOCOL:
            raise ValueError(f"its messages are version {PROTOCOL}, those of this host {order.protocol}")
        settings = received_settings(order.settings, order.keys)
    except ValueError as error:
        link.fail(_broken(order.release, f"{OTHER_VERSION}: {error}", DEPLOY_AGAIN))
        return
    if (memory_mb := settings.for_agent(order.release.agent_id).memory_mb) is not None:
        limit_memory(memory_mb)
    _configure_logging(settings, order.release)
    if order.speech_socket is not None:
        use_speech_process(SpeechAddress(order.speech_socket, order.release.agent_id, order.speech_key))
    with printing_into_the_log():
        agents = _agents(order, settings, link)
        if isinstance(agents, AgentReport):
            link.fail(agents)
            return
        run_in_event_loop(WorkerCalls(order, settings, agents, link).run())


def _leave_the_group() -> None:
    """Ignore the signals that end the front: Ctrl-C and service managers send them to all processes.

    The front says when the worker is to end. A handler rather than `SIG_IGN`, which programs that an agent starts would
    inherit.
    """
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)


def _configure_logging(settings: Settings, release: Release) -> None:
    """Log as JSON lines to stderr, which the front reads."""
    server = settings.server
    configure_logging(
        "json",
        server.log_level,
        messages=server.log_transcripts,
        secrets=known_secrets(settings),
        at_once=True,
    )
    log_transcripts(server.log_transcripts)
    allow_loggers([release.entry_point, *(settings.extensions.allow or ())])


def _agents(order: Order, settings: Settings, link: Link) -> LocalAgents | AgentReport:
    """Load the agent. Returns a report if it is broken."""
    release = order.release
    found = _found(release)
    try:
        extensions = installed_extensions(settings) if settings.extensions.allow else Extensions([])
        loaded = load_if_enabled(found, settings)
        if isinstance(loaded, BrokenAgent):
            return report_of(loaded, settings)
        return build(
            settings,
            extensions if extensions.loaded else None,
            agents=[loaded],
            observers=RemoteObservers(link.send) if order.observed else None,
            listener=link,
        )
    except (ExtensionsBroken, ProviderConfigError) as error:
        return _broken(release, str(error))


def _found(release: Release) -> DiscoveredAgent:
    return DiscoveredAgent(
        release.agent_id, release.distribution, release.version, release.entry_point, release.sdk_requirement
    )


def _broken(release: Release, error: str, hint: str | None = None) -> AgentReport:
    return report_of(BrokenAgent(_found(release), Phase.CONFIGURED, error, hint), Settings())


def run_and_exit(channel: socket.socket, *, forked: bool = True) -> None:
    """Run a worker, and end the process."""
    code = 1
    try:
        main(channel, forked=forked)
        code = 0
    except BaseException:
        log.error("worker_failed", exc_info=True)
    finally:
        end_process(code)


if __name__ == "__main__":
    run_and_exit(socket.socket(fileno=int(sys.argv[1])), forked=False)
