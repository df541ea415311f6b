"""Environment variables for settings: `VOICE_HOST_AGENT__FRONT_DESK__MODEL` is `[agent.front-desk] model`.

Tables are separated by two underscores, and hyphens become underscores. Agent ids contain no underscore, so each
spelling belongs to one id, except for ids such as `a--b` and `a-`, which would contain the separator. See
`colliding_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from pydantic import BaseModel

from voice_host.settings.agent import AgentSettings
from voice_host.settings.environment import Environment
from voice_host.settings.errors import Problem, did_you_mean, suggestion
from voice_host.settings.model import ModelKeys, Tables
from voice_host.settings.provenance import KeyPath
from voice_host.settings.retired import RETIRED
from voice_host.settings.secrets import NOT_UTF8, is_utf8
from voice_host.settings.services import built_in_services

PREFIX = "VOICE_HOST_"
AGENT_PREFIX = f"{PREFIX}AGENT__"
EXTENSION_PREFIX = f"{PREFIX}EXTENSION__"
NAMED = ("agent", "extension")
"""Tables with one table per agent or extension."""

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"
"""The key or call token that commands send to a running host. Not a setting."""
URL_VARIABLE = f"{PREFIX}URL"
"""The running host that commands are for. Not a setting."""
SEPARATOR = "__"


def spelling(name: str) -> str:
    """Return a key or an agent id in the spelling of variables."""
    return name.replace("-", "_").upper()


def variable_name(path: KeyPath) -> str:
    """Return the name of a setting's variable."""
    return PREFIX + SEPARATOR.join(spelling(part) for part in path)


def colliding_ids(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of ids that variables cannot distinguish.

    For example, `VOICE_HOST_AGENT__A__MODEL...` may belong to `a` or to `a--model`.
    """
    return [
        (first, second)
        for first, second in combinations(sorted(set(ids), key=lambda name: (len(name), name)), 2)
        if (spelling(second) + SEPARATOR).startswith(spelling(first) + SEPARATOR)
    ]


def service_variables() -> list[str]:
    """Return the variables with keys and addresses of speech services and language models."""
    models: list[type[BaseModel]] = [*(service.options for service in built_in_services()), ModelKeys]
    return list(dict.fromkeys(field.alias for each in models for field in each.model_fields.values() if field.alias))


class VariableReader:
    """Converts `VOICE_HOST_...` variables to paths and values.

    Args:
        agent_ids: the ids known from elsewhere; an unknown one is read up to the next separator.
        extensions: the names of extensions known from elsewhere.
        ignore: variables that are not settings, such as targets of `{ env = ... }`.
    """

    def __init__(self, agent_ids: Iterable[str], extensions: Iterable[str], ignore: Iterable[str]) -> None:
        self._agent_ids = sorted(agent_ids, key=len, reverse=True)
        self._extensions = sorted(extensions, key=len, reverse=True)
        self._fixed = {variable_name(path): path for path in leaf_paths(Tables) if path[0] not in NAMED}
        self._retired = {variable_name(path): path for path in RETIRED}
        tables = (("settings",), ("alias",))
        keys = (path for path in leaf_paths(AgentSettings) if path not in tables)
        self._agent_keys = {SEPARATOR.join(map(spelling, path)): path for path in keys}
        self._ignore = {CONFIG_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE, *service_variables(), *ignore}
        self.problems: list[Problem] = []

    def read(self, environment: Environment) -> Iterator[tuple[str, KeyPath, str]]:
        """Yield `(variable, path, text)`. Unknown variables are noted as problems; empty ones count as unset.

        A path into a free table (`free_keys`) ends with spellings (`"MAX_GUESTS"`), for which the caller has to find
        the keys.
        """
        variables = environment.variables
        for name in sorted(variables):
            if not name.startswith(PREFIX) or name in self._ignore or not variables[name]:
                continue
            path = self._path(name)
            if not is_utf8(name + variables[name]):
                self.problems.append(Problem(name.encode(errors="backslashreplace").decode(), NOT_UTF8))
            elif path is None:
                self.problems.append(
                    Problem(environment.where(name), f"there is no such variable; {self._meant(name)}")
                )
            else:
                yield name, path, variables[name]

    def _path(self, name: str) -> KeyPath | None:
        if name.startswith(AGENT_PREFIX):
            return self._agent_path(name)
        if name.startswith(EXTENSION_PREFIX):
            return self._extension_path(name)
        return self._fixed.get(name) or self._retired.get(name)

    def _extension_path(self, name: str) -> KeyPath | None:
        extension, keys = _split(name.removeprefix(EXTENSION_PREFIX), self._extensions)
        return ("extension", extension, *keys.split(SEPARATOR)) if extension and keys else None

    def _agent_path(self, name: str) -> KeyPath | None:
        agent_id, rest = _split(name.removeprefix(AGENT_PREFIX), self._agent_ids)
        if rest in self._agent_keys:
            return ("agent", agent_id, *self._agent_keys[rest])
        match rest.split(SEPARATOR):
            case ["SETTINGS", *keys] if keys:
                return ("agent", agent_id, "settings", *keys)
            case ["ALIAS", alias, "SETTINGS", *keys] if alias and keys:
                return ("agent", agent_id, "alias", alias.lower().replace("_", "-"), "settings", *keys)
            case ["ALIAS", alias, "PASS_ENV"] if alias:
                return ("agent", agent_id, "alias", alias.lower().replace("_", "-"), "pass_env")
        return None

    def _meant(self, name: str) -> str:
        if name.startswith(EXTENSION_PREFIX):
            return f"write {EXTENSION_PREFIX}<NAME>{SEPARATOR}<KEY>"
        if not name.startswith(AGENT_PREFIX):
            of_one = name.replace("S__", SEPARATOR, 1)
            if self._path(of_one):  # VOICE_HOST_AGENTS__FRONT_DESK__MODEL
                return f"did you mean {of_one}?"
            close = suggestion(name, [*self._fixed, *service_variables(), CONFIG_VARIABLE])
            return f"did you mean {close}?" if close else "`voice-host config` lists the settings"
        agent_id, key = _split(name.removeprefix(AGENT_PREFIX), self._agent_ids)
        begin = f"{AGENT_PREFIX}{spelling(agent_id)}{SEPARATOR}"
        known = [begin + end for end in self._agent_keys]
        return did_you_mean(begin + key, [*known, f"{begin}SETTINGS__...", f"{begin}ALIAS__<NAME>__SETTINGS__..."])


def _split(rest: str, known: Iterable[str]) -> tuple[str, str]:
    """Split `rest` into a name, if possible one of `known`, and the spelling of a key."""
    for name in known:
        begin = spelling(name) + SEPARATOR
        if rest.startswith(begin):
            return name, rest.removeprefix(begin)
    spelled, _, key = rest.partition(SEPARATOR)
    return spelled.lower().replace("_", "-"), key


def leaf_paths(model: type[BaseModel]) -> Iterator[KeyPath]:
    """Yield the path of every key of a table and the tables within it."""
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from ((name, *path) for path in leaf_paths(inner))
        else:
            yield (name,)
