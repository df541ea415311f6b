"""The environment variables of the process, and those of a `.env` file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.main import DotEnv
from dotenv.parser import Binding, parse_stream

from voice_host.settings.errors import Problem
from voice_host.settings.provenance import Provenance
from voice_host.settings.secrets import NOT_UTF8

DOTENV_FILE = ".env"
DISABLED_VARIABLE = "PYTHON_DOTENV_DISABLED"
"""python-dotenv's own switch, which keeps `.env` files from being read."""

_exported: dict[str, str] = {}
"""Variables that `export` added to `os.environ`, which do not count as variables of the process."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables, and which of them come from the `.env` file."""

    variables: Mapping[str, str]
    from_file: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def came_from(self, name: str) -> Provenance:
        """Return the source of a variable."""
        return Provenance(".env" if name in self.from_file else "variable", name)

    def where(self, name: str) -> str:
        """Return the place to edit, for messages about a variable."""
        return self.came_from(name).where(())


def process_environment() -> Environment:
    """Return the variables of this process and those of `.env` in the working directory.

    A variable of the process takes precedence, even an empty one, with which a value of the file can be turned off. An
    unreadable file, or a line that is not `NAME=value`, is reported as a problem, which never contains values.
    """
    own = environment_for_children()
    if own.get(DISABLED_VARIABLE, "").casefold() in ("1", "true", "t", "yes", "y"):
        return Environment(own)
    values, problems = _read(Path(DOTENV_FILE))
    return Environment({**values, **own}, frozenset(values.keys() - own.keys()), problems)


def export(environment: Environment, names: Iterable[str]) -> None:
    """Add variables of the `.env` file to `os.environ`, where model providers and agents read theirs.

    Those that were added before and are not among `names` any more are removed.
    """
    names = set(names)
    for name in _exported.keys() - names:
        if os.environ.get(name) == _exported.pop(name):
            del os.environ[name]
    for name in environment.from_file.intersection(names):
        os.environ[name] = _exported[name] = environment.variables[name]


def environment_for_children() -> dict[str, str]:
    """Return `os.environ` as it was before `export`, for a child process that reads `.env` itself."""
    return {name: value for name, value in os.environ.items() if _exported.get(name) != value}


def _read(file: Path) -> tuple[dict[str, str], list[Problem]]:
    try:
        if not file.is_file():  # a folder of this name is probably a virtual environment
            return {}, []
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return {}, [Problem(DOTENV_FILE, NOT_UTF8)]
    except OSError as error:
        return {}, [Problem(DOTENV_FILE, f"cannot be read: {error.strerror or type(error).__name__}")]
    problems = [
        Problem(f"{DOTENV_FILE}, line {_line(binding)}", why)
        for binding in parse_stream(io.StringIO(text))
        if (why := _fault(binding)) is not None
    ]
    if problems:
        return {}, problems
    values = DotEnv(None, stream=io.StringIO(text), override=False).dict()
    return {name: value for name, value in values.items() if value is not None}, []


def _fault(binding: Binding) -> str | None:
    if binding.error:
        return "write NAME=value; a value that begins with a quote must end with the same quote"
    if binding.key is None:
        return None  # a comment, or blank lines
    if binding.value is None or "=" in binding.key:
        return "write NAME=value"
    return "contains a NUL character" if "\0" in binding.original.string else None


def _line(binding: Binding) -> int:
    """Return the line of a statement: what was read may begin with blank lines."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
