"""Planning a call: whom to call, what to say, where to save the answers. Everything is checked before dialling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from voice_host.caller.kinds import As
from voice_host.caller.wav import CannotSave, Recording, WrongAudio, check_writable, read_wav
from voice_host.plugins import discover_agents, not_installed

_NUMBER = re.compile(r"\+[1-9]\d{1,14}")  # E.164
_KEYS = re.compile(r"[0-9*#]+")
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class InvalidCall(Exception):
    """The call cannot be made as asked. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A call to be made.

    Attributes:
        agent_id: the agent to call.
        texts: typed turns, which come first.
        recordings: spoken turns.
        save: the WAV file for the agent's speech, if it is to be saved.
        url: a running host, or the full address of a session; None for a host in this process.
        parameters: names and values for the query of the address.
        token: an API key or a call token, for a host that requires authentication.
        as_: the client protocol.
        digits: telephone keys, which are pressed last.
    """

    agent_id: str
    texts: tuple[str, ...]
    recordings: tuple[Recording, ...]
    save: Path | None
    url: str | None
    parameters: tuple[tuple[str, str], ...]
    token: str | None = field(default=None, repr=False)
    as_: As = As.VOICE_HOST
    digits: tuple[str, ...] = ()

    def number(self, name: str) -> str | None:
        """Return a telephone number that was given as a parameter, `from` or `to`."""
        return dict(self.parameters).get(name)

    def address(self, own_host: str = "") -> str:
        """Return the address to dial. `own_host`: the address of the host in this process."""
        return session_url(self.url or own_host, self.agent_id, self.parameters)


def plan_call(
    agent_id: str,
    *,
    audio: Sequence[Path],
    texts: Sequence[str],
    save: Path | None,
    url: str | None,
    parameters: Sequence[str],
    token: str | None = None,
    as_: As = As.VOICE_HOST,
    digits: Sequence[str] = (),
) -> CallPlan:
    """Check what was asked for, read the recordings, and return the plan.

    Raises:
        InvalidCall: the call cannot be made.
    """
    if url is None:
        _check_installed(agent_id)
    _check_line(as_, texts, digits, url)
    if not audio and not texts and not digits:
        ways = (
            "--audio, or telephone keys with --digits" if as_.is_telephone else "--audio, or a typed turn with --text"
        )
        raise InvalidCall("there is nothing to say", f"give a recording with {ways}")
    if any(not text.strip() for text in texts):
        raise InvalidCall("a typed turn is empty", "put words behind --text")
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        hint = "`voice-host keys create NAME` makes a key"
        raise InvalidCall("what was given with --token is no API key or call token", hint)
    try:
        if save is not None:
            check_writable(save)
        recordings = tuple(read_wav(path) for path in audio)
    except CannotSave as error:
        raise InvalidCall(str(error), "choose another file with --save") from error
    except WrongAudio as error:
        raise InvalidCall(str(error)) from error
    given = tuple(map(parameter, parameters))
    if as_.is_telephone:
        _check_numbers(given)
    plan = CallPlan(agent_id, tuple(texts), recordings, save, url, given, token or None, as_, tuple(digits))
    if url is not None:
        plan.address()
    return plan


def _check_installed(agent_id: str) -> None:
    """Check that a host in this process can have the agent.

    Raises:
        InvalidCall: it cannot.
    """
    installed = {agent.id for agent in discover_agents()}
    if agent_id not in installed:
        raise InvalidCall(not_installed(agent_id, installed), "see `voice-host agents`")


def _check_line(as_: As, texts: Sequence[str], digits: Sequence[str], url: str | None) -> None:
    """Check that a caller on such a line can do what was asked for.

    Raises:
        InvalidCall: it cannot.
    """
    if as_.is_telephone and texts:
        raise InvalidCall("nobody types on a telephone", "give recordings with --audio, or keys with --digits")
    if digits and not as_.is_telephone:
        raise InvalidCall("only a telephone has keys", "--digits goes with --as twilio or --as telnyx")
    if any(_KEYS.fullmatch(keys) is None for keys in digits):
        raise InvalidCall("telephone keys are 0 to 9, * and #", "write --digits 1234#")
    if as_ is As.TELNYX and url is not None:
        raise InvalidCall(
            "a running host takes telephone calls from Telnyx alone, which signs them with a key that only it has",
            "leave --url out: a host in this process takes the call as a running one does",
        )


def _check_numbers(parameters: Sequence[tuple[str, str]]) -> None:
    """Check the parameters of a telephone call: the numbers.

    Raises:
        InvalidCall: one is neither.
    """
    for name, value in parameters:
        if name not in ("from", "to"):
            hint = "leave it out, or call without --as; --param from=+15550123 sets the caller's number"
            raise InvalidCall(f"a telephone call has no parameter {name!r}, only the numbers `from` and `to`", hint)
        if _NUMBER.fullmatch(value) is None:
            raise InvalidCall(f"{value!r} is not a telephone number in E.164 form", "write it as +15550123")


def session_url(url: str, agent_id: str, parameters: Sequence[tuple[str, str]] = ()) -> str:
    """Return the address of an agent's sessions on the host at `url`.

    Args:
        url: http, https, ws or wss; the default is ws. A path that ends in `/session` is kept as it is.
        agent_id: the agent to call.
        parameters: appended to the query that `url` may have.

    Raises:
        InvalidCall: `url` is not such an address.
    """
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, or a port that is not a number
        usable = False
    if not usable:
        raise InvalidCall(
            f"{url.partition('?')[0]} is not the address of a host",
            "--url takes an address such as ws://localhost:8000",
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/session"):
        path = f"{path}/agents/{quote(agent_id, safe='')}/session"
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, query, ""))


def parameter(text: str) -> tuple[str, str]:
    """Split `name=value`. The value may be empty and may contain more equals signs.

    Raises:
        InvalidCall: there is no name, or no equals sign.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidCall(f"the parameter {text!r} is not of the form name=value", "write --param name=value")
    return name, value
