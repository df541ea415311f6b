"""When a call that was lost is resumed: after which close codes, how often, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit, urlunsplit

from voice_host.backoff import backoff_s
from voice_host.clients.close_codes import CloseCode

COME_BACK_WITHIN_S = 30.0
"""By default a host keeps a lost call for so long."""

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 4.0

_LOST = frozenset({None, 1005, 1006, 1014, CloseCode.COME_BACK})
"""The connection broke, or the host's process was lost or replaced: nobody ended the call."""

_BUSY = frozenset({CloseCode.OVER_A_LIMIT, CloseCode.COULD_NOT_START})
"""The host may not have noticed yet that the last connection is gone, or the agent is starting."""


def is_lost(close_code: int | None) -> bool:
    """Whether a call whose connection was closed like this may be resumed."""
    return close_code in _LOST


def worth_another_try(close_code: int | None) -> bool:
    """Whether resuming may succeed later, after it was refused with this code."""
    return close_code in _LOST or close_code in _BUSY


def waits_s() -> Iterator[float]:
    """Yield the pauses before each attempt, in seconds."""
    waited_s, attempt = 0.0, 1
    while attempt == 1 or waited_s < COME_BACK_WITHIN_S:
        wait_s = backoff_s(attempt, first_s=_FIRST_WAIT_S, max_s=_LONGEST_WAIT_S)
        yield wait_s
        waited_s, attempt = waited_s + wait_s, attempt + 1


def with_token(url: str, resume_token: str) -> str:
    """Return the address of a call with the resume token."""
    parts = urlsplit(url)
    kept = [part for part in parts.query.split("&") if part and not part.startswith("resume=")]
    query = "&".join([*kept, urlencode({"resume": resume_token})])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
