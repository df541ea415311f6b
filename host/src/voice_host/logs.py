"""How the host logs: events with fields, through the standard library, for people or as JSON lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, Literal, cast

import structlog

from voice_host.settings.secrets import redact
from voice_host.tracebacks import without_messages, write_without_messages

_CHATTY = (
    "httpx",
    "httpcore",
    "websockets",
    "uvicorn",
    "openai",
    "anthropic",
    "groq",
    "google_genai",
    "botocore",
    "urllib3",
)
"""Libraries whose INFO lines name addresses with their queries, or whose DEBUG lines hold requests: keys and talk."""

_TRACES_ALONE = structlog.processors.ExceptionRenderer(without_messages)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger of events with fields: `log.info("call_ended", agent_id="front-desk")`.

    It hands everything to the logger of that name of the standard library, so an application that embeds parts of the
    host keeps its own logging; tracebacks are plain, since local variables hold what callers said, and keys.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return cast(structlog.stdlib.BoundLogger, logger)


def configure_logging(
    log_format: Literal["text", "json"], level: str, *, messages: bool = False, secrets: Iterable[str] = ()
) -> None:
    """Send every log line of the process to stderr in one format.

    Args:
        log_format: for people, or one JSON object a line.
        level: the lowest that is logged.
        messages: whether stack traces hold the messages of exceptions, which may quote what callers said.
        secrets: taken out of every line, whoever wrote it.
    """
    known = frozenset(secrets)

    def redacted(_: object, __: str, line: Any) -> str:
        return redact(line, known)

    render = structlog.processors.ExceptionRenderer() if messages else _TRACES_ALONE
    last: list[Any] = [render, structlog.processors.JSONRenderer()]
    if log_format == "text":
        plain = structlog.dev.plain_traceback if messages else write_without_messages
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, redacted],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for library in _CHATTY:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
