"""Logging: events with fields, through the standard library, as text or as JSON lines."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any, Literal, Protocol, TextIO, cast

import structlog

from voice_host.observability.log_handler import AGENT_OF, QueuedLogHandler
from voice_host.observability.printable import printable
from voice_host.observability.tracebacks import without_messages
from voice_host.settings.secrets import Redactor

MAX_TRACE_CHARS = 30_000
"""A stack trace of some 300 lines."""

MAX_ITEMS = 100
"""Most items shown of a list or mapping in a field."""

_OWN = ("voice_host", "voice_host_sdk")
_TRACES_ALONE = structlog.processors.ExceptionRenderer(without_messages)

Fields = MutableMapping[str, Any]


class LinesKept(Protocol):
    """Keeps the latest lines about each agent, such as `AgentLogs`: a structlog processor."""

    def open(self, agent_ids: Iterable[str]) -> None: ...

    def __call__(self, logger: object, method: str, fields: Fields, /) -> Fields: ...


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger of events with fields: `log.info("call_ended", agent_id="front-desk")`.

    It passes everything to the standard library's logger of that name, so that an application that embeds parts of the
    host keeps its own logging. Tracebacks show no local variables, which hold keys and what callers said.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return cast(structlog.stdlib.BoundLogger, logger)


def configure_logging(
    log_format: Literal["text", "json"],
    level: str,
    *,
    messages: bool = False,
    secrets: Iterable[str] = (),
    kept: LinesKept | None = None,
    stream: TextIO | None = None,
    at_once: bool = False,
) -> None:
    """Send every log line of the process to one stream in one format.

    Below WARNING, only the host's loggers and those given to `allow_loggers` write: INFO lines of libraries contain
    addresses with their queries, and DEBUG lines contain requests, with keys and what callers said.

    Args:
        log_format: text for people, or one JSON object per line.
        level: the lowest level that is logged.
        messages: whether stack traces include the messages of exceptions, which may quote what callers said.
        secrets: redacted in every line, also of libraries and plugins.
        kept: is given the fields of every line.
        stream: where the lines go; default: stderr.
        at_once: as for `QueuedLogHandler`.
    """
    stream = stream or sys.stderr
    last: Any = structlog.processors.JSONRenderer()
    if log_format == "text":
        last = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    redact_in_logs(secrets)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer() if messages else _TRACES_ALONE,
            _Safe(),
            *([] if kept is None else [kept]),
            last,
        ],
    )
    handler = QueuedLogHandler(stream, at_once=at_once)
    handler.setFormatter(formatter)
    handler.addFilter(_is_allowed)
    root = logging.getLogger()
    for former in root.handlers:
        if isinstance(former, QueuedLogHandler):
            former.close()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    _kept.clear()
    if kept is not None:
        _kept.append(kept)
    _allowed.clear()
    _allow(_OWN, level)


_redactor = Redactor(())


def redact_in_logs(secrets: Iterable[str]) -> None:
    """Redact these secrets in every line from now on, instead of those before."""
    global _redactor
    _redactor = Redactor(secrets)


def relay(fields: Mapping[str, Any]) -> None:
    """Log a line of a worker process. It has all of its fields: `event`, `level`, `timestamp`, `agent_id` and others.

    Secrets and control characters are taken out, as of every line. Repetitions are not looked for.
    """
    for kept in _kept:
        kept.open((fields["agent_id"],))
    level = logging.getLevelNamesMapping().get(str(fields["level"]).upper(), logging.INFO)
    if _relayed.isEnabledFor(level):
        extra = {"_logger": _relayed, "_name": "relay", AGENT_OF: fields["agent_id"]}
        # As `ProcessorFormatter` gets lines that structlog has prepared: a dict for the message.
        record = _relayed.makeRecord(_relayed.name, level, __file__, 0, dict(fields), (), None, extra=extra)
        _relayed.handle(record)


_kept: list[LinesKept] = []
_relayed = logging.getLogger("voice_host.worker")


def allow_loggers(names: Iterable[str]) -> None:
    """Let the loggers of these packages, those of agents and extensions, log at the host's level.

    Args:
        names: entry points or modules.
    """
    _allow(
        (re.split(r"[.:]", name)[0].strip() for name in names), logging.getLevelName(logging.getLogger(_OWN[0]).level)
    )


_allowed: set[str] = set()


def _allow(packages: Iterable[str], level: str) -> None:
    for package in packages:
        _allowed.add(package)
        logging.getLogger(package).setLevel(level.upper())


def _is_allowed(record: logging.LogRecord) -> bool:
    """Filter by logger, since a library may set a level of its own and so bypass the root's."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _allowed


class _Safe:
    """Redacts all fields before rendering, while secrets are not yet quoted; also escapes and truncates them."""

    def __call__(self, _: object, __: str, fields: Fields) -> Fields:
        safe = {printable(str(name)): self._field(name, value) for name, value in fields.items()}
        return cast(Fields, safe)

    def _field(self, name: str, value: object) -> object:
        if name == "exception":
            return printable(_redactor.text(str(value)), max_chars=MAX_TRACE_CHARS, keep="\n")
        return _printable(_redactor.value(value))


def _printable(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_printable(name): _printable(inner) for name, inner in islice(value.items(), MAX_ITEMS)}
    if isinstance(value, (list, tuple)):
        if len(value) == MAX_ITEMS + 1:  # perhaps cut by a worker process, with a note
            return [_printable(inner) for inner in value]
        more = [f"... ({len(value) - MAX_ITEMS} more)"] if len(value) > MAX_ITEMS else []
        return [_printable(inner) for inner in value[:MAX_ITEMS]] + more
    return printable(repr(value))
