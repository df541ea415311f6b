"""Secrets: references to where they are stored, and keeping them out of output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

REDACTED = "********"
NOT_UTF8 = "is not UTF-8 text"

MIN_REDACTED_CHARS = 4
MIN_REDACTED_LINE_CHARS = 16
"""Shortest line that is redacted by itself, of a secret with several lines such as a private key; `}` is no secret."""

MAX_BACKSLASHES = 8
"""Most backslashes before an escaped character, which may have been escaped three times. Keeps the search fast."""

_BACKSLASH = re.escape("\\")

_SECRET_NAME = re.compile(
    r"(^|[-_.])(api_?-?key|key|token|secret|password|passwd|passphrase|credentials?)$", re.IGNORECASE
)


class SecretText(str):
    """A `str` whose `repr` is redacted, so that printing a container does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)


class MissingSource(Exception):
    """The target of a reference is missing. The message names it."""


def is_utf8(text: str) -> bool:
    """Whether a text from the environment is UTF-8. Other bytes become lone surrogates, which cannot be printed."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def is_reference(value: object) -> bool:
    """Whether a value of the file has the form `{ env = "NAME" }` or `{ file = "/path" }`."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [(kind, name)] = value.items()
    return kind in ("env", "file") and isinstance(name, str)


def references(value: object) -> Iterator[tuple[str, str]]:
    """Yield `(kind, name)` of every reference in a value, recursively."""
    if isinstance(value, dict):
        if is_reference(value):
            yield next(iter(value.items()))
        else:
            for inner in value.values():
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(value: Any, environ: Mapping[str, str], folder: Path) -> Any:
    """Return `value` with every reference replaced by its value, a `SecretText`.

    Args:
        value: from the file.
        environ: for `{ env = ... }`; an empty variable counts as unset.
        folder: the base of a relative `{ file = ... }`.

    Raises:
        MissingSource: a variable is unset, or a file is empty or cannot be read.
    """
    if isinstance(value, list):
        return [resolve(inner, environ, folder) for inner in value]
    if not isinstance(value, dict):
        return value
    if not is_reference(value):
        return {key: resolve(inner, environ, folder) for key, inner in value.items()}
    [(kind, name)] = value.items()
    return _from_variable(name, environ) if kind == "env" else _from_file(folder / name)


def _from_variable(name: str, environ: Mapping[str, str]) -> SecretText:
    text = environ.get(name)
    if text is None or not text.strip():
        raise MissingSource(f"it is read from the variable {name}, which is not set")
    if not is_utf8(text):
        raise MissingSource(f"it is read from the variable {name}, which {NOT_UTF8}")
    return SecretText(text)


def _from_file(path: Path) -> SecretText:
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MissingSource(f"it is read from the file {path}, which cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise MissingSource(f"it is read from the file {path}, which {NOT_UTF8}") from error
    except ValueError as error:
        raise MissingSource("it is read from a file whose name contains a NUL character") from error
    if not text.strip():
        raise MissingSource(f"it is read from the file {path}, which is empty")
    return SecretText(text)


def looks_secret(key: str) -> bool:
    """Whether a key has the name of a secret, such as `api_key`, `crm-token` or `password`."""
    return _SECRET_NAME.search(key) is not None


def protect(path: Sequence[str], value: Any) -> Any:
    """Return `value` with each text converted to `SecretText` if any key on its path has the name of a secret."""
    if isinstance(value, dict):
        return {name: protect((*path, name), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [protect(path, inner) for inner in value]
    return SecretText(value) if isinstance(value, str) and any(map(looks_secret, path)) else value


def secret_texts(value: object) -> Iterator[str]:
    """Yield every `SecretText` within a value."""
    if isinstance(value, SecretText):
        yield str.__str__(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from secret_texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from secret_texts(inner)


class Redactor:
    """Removes secrets from text, also if they were quoted or escaped: in a repr, in JSON, in an address.

    Args:
        secrets: those shorter than 4 characters are ignored, since they may be parts of words.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {part for secret in secrets if len(secret) >= MIN_REDACTED_CHARS for part in _parts(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, longest_first))) if known else None

    def text(self, text: str) -> str:
        """Return `text` without the secrets."""
        return text if self._pattern is None else self._pattern.sub(REDACTED, text)

    def value(self, value: object) -> Any:
        """Return a value with all texts in it redacted. Anything but texts, numbers and containers becomes its repr."""
        if self._pattern is None or value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, Mapping):
            return {self.value(key): self.value(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(inner) for inner in value]
        return self.text(repr(value))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets. Those shorter than 4 characters are ignored."""
    return Redactor(secrets).text(text)


def _parts(secret: str) -> Iterator[str]:
    yield secret
    yield from (line for line in secret.splitlines() if len(line) >= MIN_REDACTED_LINE_CHARS)


def _pattern(secret: str) -> str:
    """Return a pattern that matches a secret even if its characters are escaped in different ways."""
    return "".join(map(_character, re.findall(r"\\+|.", secret, re.DOTALL)))


def _character(text: str) -> str:
    """Return a pattern for one character, or for a run of backslashes."""
    if text.isascii() and (text.isalnum() or text in "-_."):
        return re.escape(text)
    quoted = quote(text, safe="", errors="replace")
    forms = [text, quoted, quoted.lower(), escape(text), *([] if text != " " else ["+"])]
    if "\\" in text:
        most = MAX_BACKSLASHES * len(text)
        return f"(?:{'|'.join(map(re.escape, forms[1:3]))}|{_BACKSLASH}{{{len(text)},{most}}})"
    forms += [ascii(text)[1:-1], json.dumps(text)[1:-1], repr(text.encode(errors="replace"))[2:-1], repr(text)[1:-1]]
    patterns = [re.escape(form).replace(_BACKSLASH, f"{_BACKSLASH}{{1,{MAX_BACKSLASHES}}}") for form in forms]
    if text in "'\"/":
        patterns.append(f"{_BACKSLASH}{{1,{MAX_BACKSLASHES}}}{text}")
    return f"(?:{'|'.join(dict.fromkeys(patterns))})"
