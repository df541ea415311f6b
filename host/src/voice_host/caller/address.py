"""Where a call goes: the address of an agent's sessions, and the parameters that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class WrongAddress(Exception):
    """No call can go there. The message says why."""


def session_url(url: str, agent_id: str, parameters: Sequence[tuple[str, str]] = ()) -> str:
    """Return the address of an agent's sessions on the host at `url`.

    Args:
        url: http, https, ws or wss; without any of them ws is meant. A path that ends in `/session` is taken as it is.
        agent_id: the agent to call.
        parameters: are added to the query that `url` may have.

    Raises:
        WrongAddress: `url` is not an address of that kind.
    """
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable:
        raise WrongAddress(f"{url.partition('?')[0]} is not the address of a host")
    path = parts.path.rstrip("/")
    if not path.endswith("/session"):
        path = f"{path}/agents/{quote(agent_id, safe='')}/session"
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, query, ""))


def parameter(text: str) -> tuple[str, str]:
    """Split `name=value`; the value may be empty and may hold further equals signs.

    Raises:
        WrongAddress: there is no name, or no equals sign.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise WrongAddress(f"the parameter {text!r} is not of the form name=value")
    return name, value
