"""How the host logs: events with fields, through the standard library, for people or as JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import Literal, cast

import structlog


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


def configure_logging(log_format: Literal["text", "json"], level: str) -> None:
    """Send every log line of the process to stderr in one format."""
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if log_format == "text":
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Their INFO lines name URLs with query strings.
    for chatty in ("httpx", "httpcore", "websockets", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
