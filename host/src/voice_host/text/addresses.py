"""Web and mail addresses as a person says them: `info@example.com` -> `info at example dot com`."""

from __future__ import annotations

import re

from babel import Locale

from voice_host.text.lexicon import word_set
from voice_host.text.numbers import digits
from voice_host.text.spans import Kind, Reading

_ENDINGS = word_set("""
    com org net edu gov mil int info biz name pro app dev io ai co me tv online shop store site tech cloud page blog xyz
    club live news agency media design studio solutions services company group health care travel hotel restaurant cafe
    bar pizza menu bank finance insurance law legal london berlin nyc wiki local internal test example
""")
_FILES = word_set("""
    pdf doc docx xls xlsx csv txt html htm css js ts json xml yaml yml toml md png jpg jpeg gif svg mp mov avi zip exe
    wav py java php sql log
""")
_COUNTRIES = frozenset(
    {code.lower() for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha()} | {"uk", "eu"}
)
_ALSO_WORDS = frozenset(
    {"am", "as", "at", "be", "by", "do", "in", "is", "it", "me", "my", "no", "so", "to", "us", "pm"}
)
"""Country codes that are no address without `www.` or a path: a space may be missing after a full stop."""

_LABEL = r"[A-Za-z0-9](?:[\w-]{0,62})"
_PATH = r"(?:[/?#][^\s<>\"”»]{0,2000})?"
_URL = re.compile(
    rf"(?:(?:[a-z][a-z0-9+.-]{{1,15}})://|(?=www\.))(?P<host>[^\s/?#<>\"”»]{{1,255}})(?P<path>{_PATH})", re.IGNORECASE
)
_MAIL = re.compile(
    rf"(?:mailto:)?(?P<user>[\w.+-]{{1,64}})@(?P<host>(?:{_LABEL}\.){{1,5}}[A-Za-z]{{2,24}})\b(?!@)", re.IGNORECASE
)
_DOMAIN = re.compile(rf"(?P<host>(?:{_LABEL}\.){{1,5}}(?P<ending>[A-Za-z]{{2,24}}))\b(?![@\w])(?P<path>{_PATH})")
_LOCALHOST = re.compile(rf"(?P<host>localhost:\d{{2,5}})(?!\w)(?P<path>{_PATH})")
_PORT = re.compile(r"(.+):(\d{2,5})")
_HANDLE = re.compile(r"@(\w{1,64})")
_CLOSING = ".,;:!?)]}*_~'\"’”…"
_PART = re.compile(r"[^\W\d_]+|\d|[\W_]")
_MARKS = {
    **{".": "dot", "@": "at", "_": "underscore", "-": "dash", "+": "plus", "/": "slash", "~": "tilde", ":": "colon"},
    **{"%": "percent", "&": "and", "=": "equals", "?": "question mark", "#": "hash"},
}
_READABLE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]{1,24}){1,3}/?")
"""A path short enough to be said. Nobody notes down a longer one: then the name of the site is enough."""


def address(text: str, start: int) -> Reading | None:
    """An address of a page or a mailbox, or the name of a site or a file."""
    before = text[max(0, start - 1) : start]
    if before and (before.isalnum() or before in "@._"):
        return None
    if match := _URL.match(text, start) or _LOCALHOST.match(text, start):
        return _page(match)
    if match := _MAIL.match(text, start):
        return Reading(match.end(), f"{_say(match['user'])} at {_say(match['host'])}", Kind.ADDRESS)
    match = _DOMAIN.match(text, start)
    if match is None or not match["host"][0].isalnum():
        return None
    ending = match["ending"]
    known = ending.lower() in _ENDINGS | _FILES or (
        ending.lower() in _COUNTRIES and (ending not in _ALSO_WORDS or match["path"] or match["host"].count(".") > 1)
    )
    if (
        not known
        or not (ending.islower() or match["host"].isupper())
        or match["host"].lower() in ("e.g", "i.e", "a.m", "p.m")
    ):
        return None
    return _page(match)


def _page(match: re.Match[str]) -> Reading:
    host, path = match["host"], match["path"]
    written = host + path
    kept = written.rstrip(_CLOSING)
    if written[len(kept) :].startswith(")") and "(" in kept:
        kept = written[: len(kept) + 1]
    end = match.end() - (len(written) - len(kept))
    host, path = kept[: len(host)], kept[len(host) :]
    host = host.rpartition("@")[2]
    host, port = (found[1], found[2]) if (found := _PORT.fullmatch(host)) else (host, "")
    host = host[4:] if host.lower().startswith("www.") and "." in host[4:] else host
    said = f"{_say(host)} port {digits(port)}" if port else _say(host)
    if _READABLE_PATH.fullmatch(path):
        said += " " + _say(path.rstrip("/")) if path != "/" else ""
    return Reading(end, said, Kind.ADDRESS)


def handle(text: str, start: int) -> Reading | None:
    """`@voice_host` -> `at voice underscore host`."""
    match = _HANDLE.match(text, start)
    return Reading(match.end(), f"at {_say(match[1])}", Kind.ADDRESS) if match else None


def _say(written: str) -> str:
    return " ".join(
        digits(part) if part.isdecimal() else _MARKS.get(part, part if part.isalnum() else "")
        for part in _PART.findall(written)
        if part.isalnum() or part in _MARKS
    )
